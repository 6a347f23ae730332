//! Code shared by the example drivers: everything around a driver's logic that does not depend on the driver.
//!
//! | file | contents |
//! |---|---|
//! | `debug_log.rs` | messages to the kernel debugger |
//! | `parameters.rs` | settings from the registry |
//! | `slot.rs` | storage for the driver's state, from `DriverEntry` to `DriverUnload` |
//! | `runtime_support.rs` | the panic handler, the allocator (feature `alloc`), and the C functions that the compiler calls |
//!
//! Depending on this crate is enough to link `runtime_support.rs`. On other systems than Windows the crate is empty.

#![cfg(windows)]
#![no_std]
#![deny(unsafe_code)]

mod debug_log;
mod parameters;
mod runtime_support;
mod slot;

pub use debug_log::{log, log_unloaded};
pub use parameters::{Parameters, Text};
pub use slot::Slot;
