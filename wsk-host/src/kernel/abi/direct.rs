//! The functions of the host, as an image on arm64 calls them: Windows passes arguments as Linux does, so an image calls each
//! function itself. Only functions with a variable number of arguments differ.

use super::export::HostFunction;

/// A function pointer of the host.
pub(crate) trait HostRoutine: Copy {}

impl<F: Copy> HostRoutine for F {}

/// The address where an image calls a function of the host.
pub(crate) fn of(function: HostFunction) -> usize {
    function.address.expose_provenance()
}

/// The pointer with which an image calls a function of the host.
pub(crate) const fn pointer<F: HostRoutine>(function: F) -> F {
    function
}
