//! Shared by the tests of this workspace.
//!
//! - [`process`]: scenarios that end their process, each run in a separate one;
//! - [`seeds`]: the number of seeds that a test runs with;
//! - [`foreign`]: memory of another driver, with its MDLs;
//! - `mistakes` (feature of that name): sources that must not compile, with the compiler's messages;
//! - `raw`, `hosts` and `kernel` (feature `raw`): a WSK client that makes the raw calls as a driver in C does, the
//!   hosts it runs on, and kernel objects in pool;
//! - `scenario`, `connection`, `futures` and `events` (feature `wsk`): the same for tests of the crate `wsk`.
//!
//! The raw client checks no argument: tests make mistakes with it on purpose. So its functions are safe to call
//! only as tests call them, and this crate is never published.

#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "tests are the only callers"
)]

pub mod device;
pub mod foreign;
pub mod process;
pub mod seeds;

#[cfg(feature = "mistakes")]
pub mod mistakes;

#[cfg(feature = "raw")]
pub mod hosts;
#[cfg(feature = "raw")]
pub mod kernel;
#[cfg(feature = "raw")]
pub mod raw;

#[cfg(feature = "wsk")]
pub mod connection;
#[cfg(feature = "wsk")]
pub mod events;
#[cfg(feature = "wsk")]
pub mod futures;
#[cfg(feature = "wsk")]
pub mod scenario;
