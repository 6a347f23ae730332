//! A network disk: a client of the [NBD protocol](https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md).
//!
//! This crate has the logic, which is the same in a driver and on a host. The bytes of a request are never copied: they are
//! [lent](wsk::Lent) by the request's owner, for example by an IRP with direct I/O, and go to the network behind a header,
//! or come from there.

#![no_std]
#![forbid(unsafe_code)]

mod connection;
mod disk;
mod error;
mod handshake;
mod protocol;
mod request;
mod table;

pub use disk::{Disk, Log, Service, Settings};
pub use error::{Error, Result};
pub use handshake::{Export, ExportName};
pub use request::{Owner, Request};
