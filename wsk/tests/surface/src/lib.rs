//! A driver with everything that wsk has. It is built and looked into by `cargo xtask test audit` and
//! `cargo xtask stack`, and never run.
//!
//! Every public function of wsk has its line here, which makes a function of it that the image exports under
//! the name in the line. So the linker keeps everything that it needs, and nothing else: what is in the image
//! is what wsk brings into a driver. A function without a line fails the test.
//!
//! There is no allocator, so that nothing can use the `alloc` crate: rustc asks for one.

#![cfg(windows)]
#![no_std]
#![allow(clippy::explicit_deref_methods, reason = "the functions are what this is about")]

#[macro_use]
mod entries;

mod buffers;
mod datagrams;
#[cfg(any(feature = "deliberate", feature = "deliberate-allocation"))]
mod deliberate;
mod embedded;
mod events;
mod names;
mod net;
mod options;
mod registration;
mod rt;
mod runtime_support;
mod sockets;
mod status;
mod streams;
mod time;

use wsk::sys::{NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING, STATUS_NOT_SUPPORTED};

/// Every driver has one. This one does not load.
///
/// # Safety
///
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn DriverEntry(
    _driver: PDRIVER_OBJECT,
    _registry_path: PUNICODE_STRING,
) -> NTSTATUS {
    STATUS_NOT_SUPPORTED
}
