//! Safe, async Windows Kernel Sockets (WSK) for drivers.
//!
//! WSK is the way for a Windows driver to use the network: a C interface of function tables, IRPs and
//! MDLs, with rules whose violation stops the system. This crate keeps the rules: a socket cannot be
//! used after its close, a buffer cannot be freed while the system writes to it, and what was started is
//! always accounted for.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use wsk::{Buffer, Provider, TcpListener};
//!
//! /// Serves one connection: sends back what it receives.
//! async fn echo_once(wsk: &Provider, port: u16) -> wsk::Result<()> {
//!     let mut listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, port)).await?;
//!     let (stream, _peer) = listener.accept().await?;
//!     let mut buffer = Buffer::new(64 * 1024)?;
//!     loop {
//!         let (received, filled) = stream.recv(buffer).await.into_result()?;
//!         if received == 0 {
//!             return stream.shutdown().await;
//!         }
//!         let (_, sent) = stream.send_all(filled.slice(..received)?).await.into_result()?;
//!         buffer = sent.into_inner();
//!     }
//! }
//! ```
//!
//! # How a driver uses it
//!
//! `DriverEntry` makes a [`Registration`], captures a [`Provider`] and starts a [`Runtime`]; tasks do the
//! rest; `DriverUnload` drops them in the opposite order. The crate `echo-driver` of this project's
//! examples is such a driver, complete.
//!
//! # What it needs
//!
//! Windows 8 or later, x64 or arm64. No allocator: everything comes from nonpaged pool, and every
//! allocation may fail with an error. Little stack, and no panic: this project looks for both in the driver
//! that comes out. What stays is the compiler's, for a future that is polled after it was ready, which nothing
//! here does, nor `.await`; and `core`'s own, where it parses and formats addresses and the like. Futures are polled at `PASSIVE_LEVEL`; wakers are woken at up to
//! `DISPATCH_LEVEL`, by any thread, and must not poll in place.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
extern crate std;

// What macros write calls this crate by its name, here as everywhere.
extern crate self as wsk;

mod address;
mod batch;
mod buffer;
mod capabilities;
mod category;
mod client;
pub mod cmsg;
mod deferred;
pub mod dispatch;
#[cfg(feature = "embedded-io-async")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedded-io-async")))]
pub mod embedded;
mod event_mask;
pub mod events;
pub mod flags;
mod growing_buffer;
pub mod guide;
pub mod irql;
pub mod net;
mod operation;
pub mod options;
pub mod pool;
mod provider;
mod registration;
pub mod resolve;
pub mod rt;
pub mod security;
pub mod socket;
mod status;
mod sync;
pub mod time;
mod transport;

pub use wsk_macros::{events, provider_table};
pub use wsk_sys as sys;

pub use batch::{Batch, Drain};
pub use buffer::{BufResult, Buffer, IoBuf, Slice};
pub use capabilities::{Capabilities, WindowsVersion, has};
pub use net::{TcpListener, TcpStream, UdpSocket};
pub use provider::{Provider, Transport, Transports, Version};
pub use registration::{Registration, RegistrationBuilder};
pub use rt::{Runtime, Spawner};
pub use status::{Error, ErrorKind, Result};
