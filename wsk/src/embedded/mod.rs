//! Traits of embedded Rust, on which `no_std` crates for HTTP, TLS or MQTT are built.
//!
//! | feature | traits | for |
//! |---|---|---|
//! | `embedded-io-async` | `Read`, `BufRead`, `ReadReady`, `Write`, `WriteReady` | [`BufferedStream`](crate::net::BufferedStream) and its halves |
//! | `embedded-nal-async` | `TcpConnect`, `Dns`, `UdpStack` | [`Provider`](crate::Provider) |
//! | `edge-nal` | `TcpConnect`, `TcpBind`, `UdpConnect`, `UdpBind`, `Dns`; `TcpAccept`, `TcpSplit`, `TcpShutdown`, `Readable`; `UdpReceive`, `UdpSend`, `UdpSplitMulticast` | [`Provider`](crate::Provider); [`TcpListener`](crate::TcpListener), [`BufferedStream`](crate::net::BufferedStream); [`UdpSocket`](crate::UdpSocket), [`ConnectedUdp`](crate::net::ConnectedUdp) |
//!
//! The traits are of [embedded-io-async](https://docs.rs/embedded-io-async/0.7) 0.7 and of
//! [embedded-nal-async](https://docs.rs/embedded-nal-async/0.9) 0.9. Neither allocates, nor panics. Those of `edge-nal` are of
//! [edge-nal](https://docs.rs/edge-nal/0.7) 0.7, whose minimum Rust version is 1.88.
//!
//! ```
//! use embedded_io_async::{Read, Write};
//! use wsk::{TcpListener, TcpStream};
//!
//! /// Does not depend on drivers.
//! async fn ask<S: Read + Write>(mut server: S) -> Result<[u8; 4], S::Error> {
//!     server.write_all(b"ping").await?;
//!     server.flush().await?;
//!     let mut answer = [0; 4];
//!     let mut length = 0;
//!     while length < answer.len() {
//!         length += server.read(&mut answer[length..]).await?;
//!     }
//!     Ok(answer)
//! }
//!
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # let runtime = wsk::Runtime::new(passive, 1)?;
//! # wsk::rt::block_on(passive, async {
//! # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
//! # let server = listener.local_addr().await?;
//! # runtime.spawner().spawn(async move {
//! #     let (mut stream, mut bytes) = (listener.accept().await?.0.buffered(), [0; 4]);
//! #     stream.read_exact(&mut bytes).await?;
//! #     stream.write_all(&bytes).await?;
//! #     stream.shutdown().await
//! # })?;
//! let stream = TcpStream::connect(&wsk, server).await?;
//! assert_eq!(&ask(stream.buffered()).await?, b"ping");
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! These traits read and write slices, which WSK cannot access directly ([INV-21](crate::rules#inv-21), [INV-24](crate::rules#inv-24)): data is copied through buffers
//! owned by the stream or socket. A [`TcpStream`](crate::TcpStream) has no such buffers and does not implement the traits;
//! [`buffered`](crate::TcpStream::buffered) returns a stream that does. Dropping a future that reads or receives loses
//! nothing: the request stays in flight, and the next call continues with it.
//!
//! No error maps to `Interrupted`, which callers may take as a request to retry: a
//! [cancelled](crate::ErrorKind::Cancelled) request would be cancelled again. Errors without a corresponding kind map to
//! `Other`.

#[cfg(feature = "edge-nal")]
mod edge;
mod io;
#[cfg(feature = "embedded-nal-async")]
mod nal;
#[cfg(feature = "embedded-nal-async")]
mod udp;

#[cfg(feature = "embedded-nal-async")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedded-nal-async")))]
pub use self::udp::{ConnectedUdpSocket, UnconnectedUdpSocket};
