//! The list of the host's exports. `#[wsk_host_macros::export]` adds to it.
//!
//! # Safety
//!
//! The pointers are to functions and statics of this process, which anything may refer to at any time.

#![expect(unsafe_code, reason = "a pointer to a function may be shared")]

use super::argument::ArgumentKind;

/// Every function and static that an image can import, in no order.
#[linkme::distributed_slice]
pub(crate) static EXPORTS: [Export];

/// A function or a static of the host.
pub(crate) struct Export {
    pub(crate) name: &'static str,
    pub(crate) target: ExportTarget,
}

/// A target, by its convention.
#[derive(Clone, Copy)]
pub(crate) enum ExportTarget {
    /// A function in this process's convention.
    Function(HostFunction),
    /// A function in Microsoft's convention.
    Microsoft(*const ()),
    Data(*const ()),
}

/// A function in this process's convention, with the kinds of its arguments.
///
/// # Invariants
///
/// The address is that of a function with these arguments that returns a register or nothing.
#[derive(Clone, Copy)]
pub(crate) struct HostFunction {
    pub(crate) address: *const (),
    #[cfg_attr(
        target_arch = "aarch64",
        expect(dead_code, reason = "both conventions are the same")
    )]
    pub(crate) arguments: &'static [ArgumentKind],
}

// SAFETY: the targets are functions, and statics that may be shared.
unsafe impl Sync for Export {}

impl Export {
    pub(crate) const fn new(name: &'static str, target: ExportTarget) -> Self {
        Self { name, target }
    }
}

impl ExportTarget {
    pub(crate) const fn function(address: *const (), arguments: &'static [ArgumentKind]) -> Self {
        Self::Function(HostFunction { address, arguments })
    }

    pub(crate) const fn microsoft(address: *const ()) -> Self {
        Self::Microsoft(address)
    }

    pub(crate) const fn data(address: *const ()) -> Self {
        Self::Data(address)
    }
}
