//! The boundary between this process's C convention and Microsoft's, for drivers that are loaded as images.
//!
//! - An image calls the host through [`entry_points`], small functions that receive arguments as Microsoft's x64
//!   convention passes them. [`EXPORTS`] lists the functions; their types determine the code.
//! - The host calls every function of a client through [`Routine::invoke`], which knows the convention by the address:
//!   all images lie in one [range of addresses](images).
//!
//! Only Linux on x64 loads images. Elsewhere, [`Routine::invoke`] is a plain call.

mod argument;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) mod entry_points;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod export;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) mod images;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
pub(crate) mod images {
    /// Ends the calls of the current thread, none of which is into an image.
    pub(crate) fn leave_all() {}
}
mod routine;

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) use argument::Argument;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) use export::{EXPORTS, Export, ExportTarget, HostFunction};
pub(crate) use routine::Routine;
