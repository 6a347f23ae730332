//! Crates for embedded Rust in a driver, over WSK: one small module for each. `README.md` has a table of them.

#![no_std]

extern crate alloc;

mod error;

#[cfg(feature = "embassy-time")]
pub mod clock;
pub mod dns;
#[cfg(feature = "embassy-executor")]
pub mod executor;
pub mod http;
pub mod https;
pub mod mqtt;
pub mod ntp;
pub mod readings;

pub use self::error::{Error, Result};
