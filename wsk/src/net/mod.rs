//! TCP and UDP sockets with the names and conventions of `std::net`, and host names.
//!
//! # IRQL
//!
//! Futures are polled at `PASSIVE_LEVEL`, or at `DISPATCH_LEVEL` by a [`DpcExecutor`](crate::rt::DpcExecutor). All types here, including futures, may be dropped at up to `DISPATCH_LEVEL`:
//! dropping never waits.
//!
//! # Timeouts
//!
//! WSK's functions have no timeouts ([INV-50](crate::rules#inv-50)). This crate adds two kinds:
//!
//! - **Timeouts of a stream or socket**, as in `std`: [`TcpStream::set_read_timeout`], [`TcpStream::set_write_timeout`]
//!   and those of [`UdpSocket`] apply to every later call. When the time is up, the request is cancelled **and still
//!   awaited**, so a receive returns its buffer with the data received so far: nothing is lost. After a send has
//!   timed out, the number of bytes sent is unknown; [abort](TcpStream::abort) or drop the stream. A
//!   [`BufferedStream`] does not cancel its requests: they stay in flight, and the next call continues with them.
//! - **[`time::timeout`](crate::time::timeout)**, for any future of this crate: when the time is up, the future is
//!   dropped, with the effect documented under its "Cancel safety". [`TcpListener::accept`] and receives
//!   lose nothing: the next call returns a connection or data that the dropped one still received. A dropped
//!   [`recv`](TcpStream::recv) loses its buffer. After a dropped send, the number of bytes sent is unknown.
//!
//! Either kind also ends a [shutdown](TcpStream::shutdown) that WSK never completes; the stream can then be aborted. A
//! close cannot be cancelled: it continues after its future is dropped.
//!
//! # Closing
#![doc = include_str!("closing.md")]
//!
//! ```
//! use std::time::Duration;
//! use wsk::{TcpListener, TcpStream};
//!
//! # let host = wsk_host::Host::new(wsk_host::Config::default());
//! # let _entered = host.enter();
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
//! let mut client = TcpStream::connect(&wsk, listener.local_addr().await?).await?.buffered();
//! let mut server = listener.accept().await?.0.buffered();
//!
//! client.write_all(b"goodbye\r\n").await?;
//! client.shutdown().await?; // Also flushes.
//!
//! let mut line = [0; 80];
//! assert_eq!(server.read_line(&mut line).await?.trim_end(), "goodbye");
//! // The client has finished sending, so this does not wait for long.
//! server.finish(Duration::from_secs(30)).await?;
//! client.finish(Duration::from_secs(30)).await?;
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```

mod buffered;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
mod compat;
mod copy;
mod lookup_host;
mod parse_socket_addr;
mod relay;
mod tcp_listener;
mod tcp_stream;
mod timeouts;
mod to_socket_addr;
mod udp_connected;
mod udp_socket;

// After the types: the page of a type has its implementations in this order, constructors before options.
mod option_methods;
mod tcp_options;
mod udp_options;

pub use buffered::{BufferedReader, BufferedStream, BufferedWriter};
#[cfg(any(feature = "futures-io", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "futures-io", feature = "tokio"))))]
pub use compat::Compat;
pub use copy::{copy, copy_bidirectional, copy_bidirectional_with_sizes};
pub use lookup_host::{LookupHost, ToHost, connect_host, listen_host, lookup_host};
pub use parse_socket_addr::parse_socket_addr;
pub use relay::{Relayed, relay, relay_with_limit};
pub use tcp_listener::TcpListener;
pub use tcp_stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpStream, WriteHalf};
pub use to_socket_addr::ToSocketAddr;
pub use udp_connected::ConnectedUdp;
pub use udp_socket::UdpSocket;
