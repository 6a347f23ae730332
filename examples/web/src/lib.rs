//! HTTP in a driver, by crates that know nothing of drivers: a client by `reqwless`, and a server by `picoserve`, whose
//! pages are its own, or fetched by the client from another server.
//!
//! | path | answer |
//! |---|---|
//! | `/` | a greeting |
//! | `/square/N` | the square of a number |
//! | `/page` | the page of another server, if there is one |
//!
//! The same code runs in a driver, under Wine and on a host. What a driver needs around it is in the crate
//! `web-driver`, in the folder `driver`.
//!
//! The crates are others': that they neither panic nor allocate is not checked as it is for `wsk`. A panic stops the
//! system, as the driver has it.

#![no_std]

mod assert_send;
mod client;
mod connection;
mod server;

use core::fmt;

pub use client::{FetchError, fetch};
pub use server::{Site, Url, serve};

/// Where messages go: the kernel debugger, or a terminal.
pub type Log = fn(fmt::Arguments<'_>);
