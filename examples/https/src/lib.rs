//! HTTPS from a driver: a GET over TLS 1.3, with the server's chain of certificates and its name verified.
//!
//! The protocol is [rustls](https://docs.rs/rustls), which needs no operating system; the cryptography is that of
//! [RustCrypto](https://github.com/RustCrypto), put together in [`provider`]; HTTP is `reqwless`, on the traits of
//! `embedded-io-async`. The random numbers are the system's ([`wsk::random`]), and so is the time by which certificates
//! are valid.
//!
//! # In a driver
//!
//! These crates are not held to `wsk`'s standards. rustls allocates, and a failed allocation brings the system down, as
//! does a panic in one of the crates. `cargo wsk audit` lists the ways to one, and the use of stack.
//!
//! A kernel on x64 saves the SSE registers of a thread, but not the AVX registers. Cryptography often picks AVX code at
//! run time, so the features in `Cargo.toml` leave it out.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod error;
mod get;
pub mod provider;
mod roots;
mod stream;

pub use error::Error;
pub use get::get;
pub use roots::Roots;
pub use stream::TlsStream;
