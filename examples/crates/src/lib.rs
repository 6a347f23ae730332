//! Crates for embedded Rust in a driver, over WSK: one small module for each. `README.md` has a table of them.

#![no_std]

extern crate alloc;

mod error;

pub mod dns;
pub mod http;
pub mod mqtt;
pub mod ntp;

pub use self::error::{Error, Result};
