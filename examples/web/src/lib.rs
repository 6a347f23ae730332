//! HTTP in a driver, with crates that were not written for drivers: a client (`reqwless`) and a server (`picoserve`).
//!
//! | path | response |
//! |---|---|
//! | `/` | a greeting |
//! | `/square/N` | the square of the number `N` |
//! | `/page` | a page fetched from another server, if one is configured |
//!
//! The same code runs in a driver, in Wine and on a host. The crate `web-driver`, in the folder `driver`, wraps it in a
//! driver.
//!
//! These crates are not held to `wsk`'s standards: they are not checked for panics and allocations. In the driver, a
//! panic crashes the system.

#![no_std]
#![deny(unsafe_code)]

mod assert_send;
mod client;
mod connection;
mod server;

use core::fmt;

pub use client::{FetchError, fetch};
pub use server::{Site, Url, serve};

/// Receives messages: sends them to the kernel debugger, or prints them.
pub type Log = fn(fmt::Arguments<'_>);
