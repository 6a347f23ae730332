//! TCP and UDP sockets with the names and conventions of `std::net`, and host names.
//!
//! # IRQL
//!
//! Futures are polled at `PASSIVE_LEVEL`. All types here, including futures, may be dropped at up to `DISPATCH_LEVEL`:
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
//!   dropped, with the effect documented under its "Cancellation" or "Cancel safety". [`TcpListener::accept`] and receives
//!   lose nothing: the next one returns what the dropped one has received all the same. A dropped
//!   [`recv`](TcpStream::recv) loses its buffer. After a dropped send, the number of bytes sent is unknown.
//!
//! Either kind also ends a [shutdown](TcpStream::shutdown) that WSK never completes; the stream can then be aborted. A
//! close cannot be cancelled: it continues after its future is dropped.

mod buffered;
mod lookup_host;
mod option_methods;
mod tcp_listener;
mod tcp_options;
mod tcp_stream;
mod timeouts;
mod udp_connected;
mod udp_options;
mod udp_socket;

pub use buffered::{BufferedReader, BufferedStream, BufferedWriter};
pub use lookup_host::{LookupHost, ToHost, connect_host, listen_host, lookup_host};
pub use tcp_listener::TcpListener;
pub use tcp_stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpStream, WriteHalf};
pub use udp_connected::Connected;
pub use udp_socket::UdpSocket;
