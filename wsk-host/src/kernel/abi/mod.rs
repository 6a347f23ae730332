//! The boundary between this process's C convention and Microsoft's, for drivers that are loaded as images.
//!
//! - An image calls the host through [`entry_points`], small functions that receive arguments as Microsoft's x64
//!   convention passes them. [`EXPORTS`] lists the functions; their types determine the code.
//! - The host calls every function of a client through [`Routine::invoke`], which knows the convention by the address:
//!   all images lie in one [range of addresses](images).
//!
//! On arm64 both conventions are the same, except for functions with a variable number of arguments.
//!
//! Only Linux loads images, on x64 and arm64 (the configuration `images` of `build.rs`). Elsewhere, [`Routine::invoke`] is a
//! plain call.

mod argument;
#[cfg(all(images, target_arch = "aarch64"))]
pub(crate) mod direct;
#[cfg(all(images, target_arch = "x86_64"))]
pub(crate) mod entry_points;
#[cfg(images)]
mod export;
#[cfg(images)]
pub(crate) mod images;
#[cfg(not(images))]
pub(crate) mod images {
    /// Ends the calls of the current thread, none of which is into an image.
    pub(crate) fn leave_all() {}
}
mod routine;

#[cfg(all(images, target_arch = "aarch64"))]
pub(crate) use direct as entry_points;

#[cfg(images)]
pub(crate) use argument::Argument;
#[cfg(all(images, target_arch = "x86_64"))]
pub(crate) use export::HostFunction;
#[cfg(images)]
pub(crate) use export::{EXPORTS, Export, ExportTarget};
pub(crate) use routine::Routine;
