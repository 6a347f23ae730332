//! Safe, async Windows Kernel Sockets (WSK) for drivers.
//!
//! Windows Kernel Sockets (`wsk.h`) is how a Windows driver talks to the network: a C API of function tables, IRPs,
//! MDLs and callbacks in which one mistake crashes the machine. This crate wraps it in sockets that safe code cannot
//! misuse: a socket cannot be used after its close, a buffer cannot be freed while the system writes to it, and
//! unloading waits for everything in flight.
//!
//! The [guide]: [First server](guide::first_server) · [First client](guide::first_client) ·
//! [Datagrams with events](guide::datagrams_with_events) · [Without copying](guide::without_copying) ·
//! [IRQL](guide::irql) · [Executors](guide::executors) · [Crates](guide::crates) · [Unloading](guide::unloading) ·
//! [Testing](guide::testing) · [Windows](guide::windows) · [From C](guide::from_c)
//!
//! ```
//! use std::net::Ipv4Addr;
//! use wsk::{Buffer, Provider, TcpListener};
//!
//! /// Serves one connection: sends back everything it receives.
//! async fn echo_once(wsk: &Provider, port: u16) -> wsk::Result<()> {
//!     let listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, port)).await?;
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
//! # Structure of a driver
//!
//! `DriverEntry` creates a [`Registration`], captures a [`Provider`] and starts a [`Runtime`], whose tasks do the work.
//! `DriverUnload` ends them in the opposite order, and calls [`unload()`] last. The crate `echo-driver` in this project's examples is a complete
//! driver; the [first chapter](guide::first_server) explains it.
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `embedded-io-async` | the traits of streams, in the module `embedded` | no |
//! | `embedded-nal-async` | the traits of connections, datagrams and look-up; includes `embedded-io-async` | no |
//! | `edge-nal` | the traits of the crate edge-nal; includes `embedded-io-async` | no |
//! | `std` | on the host, conversions to and from `std::io::Error` | no |
//! | `futures-io` | on the host, streams with the traits of the crate futures-io; includes `std` | no |
//! | `tokio` | on the host, streams with the traits of the crate tokio; includes `std` | no |
//! | `counters` | counts of sockets, bytes and requests, for a monitor, in the module `counters` | no |
//! | `embassy-sync` | `RawMutex` of the crate embassy-sync, in `sync` | no |
//! | `embassy-time-driver` | the clock and the timers of the crate embassy-time, in `time` | no |
//! | `critical-section` | an implementation of the crate critical-section | no |
//! | `wdk-sys` | nothing: the kernel's types are those of the crate wdk-sys, which needs a WDK | no |
//!
//! # TLS
//!
//! This crate has no TLS. The repository's `examples/https` runs [rustls](https://docs.rs/rustls) in a task, on
//! [`net::BufferedStream`]: with random numbers from [`random`], the time from [`time::SystemTime`], and certificates
//! that the driver brings. rustls allocates, and a failed allocation brings the system down; the example lists its
//! other costs. `embedded-tls` 0.19 does not allocate, but lets no other crate verify certificates, and its own
//! verification does not ask whether the owner of a certificate may certify others.
//!
//! # Requirements
//!
//! - Rust 1.85 or later; with the feature `edge-nal`, 1.88, and with `wdk-sys`, 1.91.
//! - Windows 8 or later, x64 or arm64.
//! - No allocator: all memory comes from nonpaged pool, and every allocation can fail with an error.
//! - Futures are polled at `PASSIVE_LEVEL`, or, in tasks of a [`rt::DpcExecutor`], at `DISPATCH_LEVEL`. Wakers are called at up to `DISPATCH_LEVEL`, on any thread.
//! - Little stack. The project's tests check the linked driver for panics and for the stack use of each function. Two kinds
//!   of panic remain: polling a finished future (nothing here does), and `core`'s parsing and formatting of addresses.

#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "std"))]
extern crate std;

// The output of the macros names this crate `wsk`, also inside it.
extern crate self as wsk;

mod address;
mod batch;
mod buffer;
mod capabilities;
mod category;
mod client;
pub mod cmsg;
#[cfg(feature = "counters")]
#[cfg_attr(docsrs, doc(cfg(feature = "counters")))]
pub mod counters;
mod deferred;
pub mod dispatch;
#[cfg(feature = "embedded-io-async")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedded-io-async")))]
pub mod embedded;
mod event_mask;
pub mod events;
mod executor;
pub mod flags;
mod growing_buffer;
pub mod guide;
pub mod irql;
mod kernel;
pub mod net;
mod opaque_debug;
mod operation;
pub mod options;
pub mod pool;
mod provider;
pub mod random;
mod registration;
pub mod resolve;
pub mod rt;
#[doc = include_str!("../RULES.md")]
pub mod rules {}
mod rundown;
pub mod security;
pub mod socket;
mod status;
#[cfg(feature = "std")]
mod std_error;
pub mod sync;
pub mod time;
mod transport;
mod unload;

#[doc(inline)]
pub use wsk_macros::{events, provider_table};
pub use wsk_sys as sys;

pub use batch::{Batch, Drain};
pub use buffer::{
    BufResult, Buffer, Chain, ChainIntoIter, ChainIter, ChainIterMut, ContiguousIoBuf, IoBuf, Lent,
    LentAccess, NonPagedBytes, PendedIrp, Slice,
};
pub use capabilities::{Capabilities, WindowsVersion, has};
#[doc(inline)]
pub use net::{BufferedStream, TcpListener, TcpStream, UdpSocket};
pub use provider::{Provider, Transport, Transports, Version};
pub use registration::{Registration, RegistrationBuilder};
#[doc(inline)]
pub use rt::{Runtime, Spawner};
pub use status::{Error, ErrorKind, Result};
pub use unload::unload;
