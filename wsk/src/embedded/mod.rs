//! The traits of embedded Rust: what crates for HTTP, TLS, MQTT and the like are written against, if they need no
//! `std`.
//!
//! | feature | traits | for |
//! |---|---|---|
//! | `embedded-io-async` | `Read`, `BufRead`, `ReadReady`, `Write`, `WriteReady` | [`BufferedStream`](crate::net::BufferedStream) and its halves |
//! | `embedded-nal-async` | `TcpConnect`, `Dns`, `UdpStack` | [`Provider`](crate::Provider) |
//!
//! The traits are of [embedded-io-async](https://docs.rs/embedded-io-async/0.7) 0.7 and of
//! [embedded-nal-async](https://docs.rs/embedded-nal-async/0.9) 0.9. Neither allocates, nor panics.
//!
//! ```
//! use embedded_io_async::{Read, Write};
//! use wsk::{TcpListener, TcpStream};
//!
//! /// Knows nothing of drivers.
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
//! # let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
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
//! These traits read and write slices, which the system cannot use itself (INV-21, INV-24): bytes are copied through
//! buffers that the stream or the socket owns. So a [`TcpStream`](crate::TcpStream) itself, whose buffers are the
//! caller's, does not have them, and [`buffered`](crate::TcpStream::buffered) makes one that does. A future that
//! reads or receives loses nothing when it is dropped: what is in flight goes on, and the next call takes up what it
//! brings.
//!
//! No error is `Interrupted`, which callers may take as a request to try again: what is
//! [cancelled](crate::ErrorKind::Cancelled) will be cancelled again. What those crates have no kind for is `Other`.

mod io;
#[cfg(feature = "embedded-nal-async")]
mod nal;
#[cfg(feature = "embedded-nal-async")]
mod udp;

#[cfg(feature = "embedded-nal-async")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedded-nal-async")))]
pub use self::udp::{ConnectedUdpSocket, UnconnectedUdpSocket};
