//! The parts that every WSK driver has around its tasks: entry and unload, parameters from the registry, messages to
//! the debugger, a panic handler, and the functions that compiled code calls.
//!
//! [`driver!`] turns a function into a driver. This is a complete one:
//!
//! ```
//! #![cfg_attr(windows, no_std)]
//!
//! use wsk_driver::{Driver, Result};
//!
//! wsk_driver::driver! {
//!     name: "hello",
//!     pool_tag: b"Helo",
//!     start: start,
//! }
//!
//! async fn start(driver: &Driver) -> Result<()> {
//!     let transports = driver.wsk()?.transports()?.len();
//!     wsk_driver::println!("hello from the kernel: {transports} transports");
//!     Ok(())
//! }
//! # extern crate wsk_host;
//! # fn main() {}
//! ```
//!
//! # Messages
//!
//! [`println!`] sends messages by `DbgPrintEx` as the component `DPFLTR_IHVNETWORK_ID` with the level `DPFLTR_ERROR_LEVEL`,
//! which Windows shows in a kernel debugger without changes to its filter. Nothing allocates. With the feature `log`, so do the macros of the crate
//! `log`.
//!
//! # Features
//!
//! | feature | in the driver | default |
//! |---|---|---|
//! | `entry` | [`driver!`], which defines `DriverEntry` | yes |
//! | `panic-handler` | [`panic_handler!`]: a bug check with the panic's [message, file and line](panic::BUG_CHECK_CODE) | yes |
//! | `runtime-symbols` | [`runtime_symbols!`]: `memcpy`, `__chkstk` and others, from the kernel | yes |
//! | `alloc` | [`allocator!`]: a global allocator, whose failure is a panic | no |
//! | `log` | the module `log_backend`, a backend of the crate `log` | no |
//! | `wdk-sys` | nothing: the kernel's types are those of the crate wdk-sys | no |
//!
//! Each of the first four is a macro, which [`driver!`] calls. A driver with crates that bring their own (`wdk-panic`,
//! `wdk-alloc`, the WDK's libraries) turns the feature off; one with its own entry point calls the other macros. In a
//! KMDF driver, [`DeviceClient`] holds everything a device needs from WSK, and `cargo wsk new --kind kmdf` creates such
//! a driver.
//!
//! # Targets
//!
//! On systems other than Windows, and in tests, the macros define only `DriverEntry`, as a function that a test on
//! [wsk-host](https://docs.rs/wsk-host) loads.
//!
//! Minimum Windows: Windows 8. Minimum Rust: 1.85.

#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod device_client;
mod entry;
mod error;
#[cfg(feature = "log")]
#[cfg_attr(docsrs, doc(cfg(feature = "log")))]
pub mod log_backend;
mod message;
pub mod panic;
mod parameters;
mod runtime_symbols;
mod state;

pub use device_client::DeviceClient;
pub use entry::Driver;
pub use error::{Context, Error, Result};
pub use message::{print, set_name};
pub use parameters::{Parameters, Text};

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use wsk::pool::NonPaged;
    pub use wsk_sys::{NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING};

    pub use crate::entry::{AsyncCall, Call, Settings, run};
}
