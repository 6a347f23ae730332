//! A driver with every public function of wsk. `cargo xtask test audit` and `cargo xtask stack` build it and inspect its
//! image; it never runs.
//!
//! Every public function of wsk has a line here, which exports a call of it under the name in the line. So the linker
//! keeps exactly the code that wsk adds to a driver. A function without a line fails the audit.
//!
//! It has no allocator, so no code can use the `alloc` crate, for which rustc requires one.

#![cfg(windows)]
#![no_std]
#![allow(clippy::explicit_deref_methods, reason = "each line names its function")]

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
mod sync;
mod time;

use wsk::sys::{NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING, STATUS_NOT_SUPPORTED};

/// The entry point, which every driver has. This driver refuses to load.
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
