//! What the example drivers share: what a driver needs around its logic, and does not differ from one to the next.
//!
//! | file | what |
//! |---|---|
//! | `debug_log.rs` | messages to the kernel debugger |
//! | `parameters.rs` | settings from the registry |
//! | `slot.rs` | what the entry point leaves to the unload routine |
//! | `runtime_support.rs` | panics, memory, and what the compiler asks of a C library |
//!
//! To depend on this crate is enough for `runtime_support.rs`. For other systems than Windows it is empty.

#![cfg(windows)]
#![no_std]

mod debug_log;
mod parameters;
mod runtime_support;
mod slot;

pub use debug_log::{log, log_unloaded};
pub use parameters::{Parameters, Text};
pub use slot::Slot;
