//! TCP and UDP with the names and habits of `std::net`, and hosts by their names.
//!
//! # IRQL
//!
//! Futures are polled, and addresses looked up, at `PASSIVE_LEVEL`. Whatever is here may be dropped at
//! `DISPATCH_LEVEL` and below, futures included: dropping never waits.
//!
//! # Time-outs
//!
//! No call of WSK's has a time-out (INV-50). Here there are two ways to give it one:
//!
//! - a stream's own, as in `std`: [`TcpStream::set_read_timeout`] and [`TcpStream::set_write_timeout`] hold for
//!   every call from then on, and so do those of a [`UdpSocket`]. When the time is up, the request is cancelled
//!   **and still waited for**, so that its buffer comes back, and with it what was received until then: such a
//!   receive loses nothing. Of a send that has timed out it is unknown how much was sent, so that the stream can only
//!   be [aborted](TcpStream::abort), or dropped. A [`BufferedStream`] cancels nothing: what is in flight goes on,
//!   and the next call takes up what it brings.
//! - for any future of this crate, [`time::timeout`](crate::time::timeout): when the time is up, the future is
//!   dropped, with what its documentation says of that. [`TcpListener::accept`] loses nothing by it, nor does a
//!   [`BufferedStream`], nor the [receiver](UdpSocket::receiver) of a UDP socket; a [`recv`](TcpStream::recv) loses
//!   its buffer, and what comes meanwhile.
//!
//! A [shutdown](TcpStream::shutdown) that WSK never completes is ended by either, and the stream can be aborted
//! then. A close is not: dropping its future leaves it to itself, and it goes on.

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
