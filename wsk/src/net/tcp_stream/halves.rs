//! The two halves of a stream, borrowed or owned.

use core::fmt;
use core::future::Future;
use core::time::Duration;

use super::TcpStream;
use crate::buffer::{BufResult, IoBuf};
use crate::flags::SendFlags;
use crate::net::timeouts::Timeouts;
use crate::status::Result;

/// The borrowed receiving half of a [`TcpStream`]. From [`TcpStream::split`].
#[derive(Clone, Copy)]
pub struct ReadHalf<'a>(pub(super) &'a TcpStream);

/// The borrowed sending half of a [`TcpStream`]. From [`TcpStream::split`].
#[derive(Clone, Copy)]
pub struct WriteHalf<'a>(pub(super) &'a TcpStream);

/// The owned receiving half of a [`TcpStream`]. From [`TcpStream::into_split`].
///
/// Dropping it has no effect while the other half exists. Dropping both halves closes the socket, as dropping the stream
/// does.
pub struct OwnedReadHalf(pub(crate) TcpStream);

/// The owned sending half of a [`TcpStream`]. From [`TcpStream::into_split`].
///
/// Dropping it has no effect while the other half exists. In particular, it **does not finish sending**: that is a request
/// that takes time and can fail, and it would make a truncated message look complete. Call
/// [`shutdown`](Self::shutdown) first if the peer waits for the end. Dropping both halves closes the socket, as dropping
/// the stream does.
///
/// ```
/// use wsk::{Buffer, TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// # let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// # let (server, _peer) = listener.accept().await?;
/// let (reader, writer) = client.into_split();
/// let question = async {
///     writer.send_all(Buffer::try_from(&b"how are you?"[..])?).await.into_result()?;
///     writer.shutdown().await?;
///     Ok::<_, wsk::Error>(writer)
/// };
/// # let writer = question.await?;
/// # server.drain().await?;
/// # server.shutdown().await?;
/// let (answer, _) = reader.recv(Buffer::new(100)?).await.into_result()?;
/// assert_eq!(answer, 0);
/// let client: TcpStream = reader.reunite(writer).expect("the halves of one stream");
/// client.close().await;
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct OwnedWriteHalf(pub(crate) TcpStream);

macro_rules! read_half {
    ($($half:ident $(<$life:lifetime>)?)*) => {$(
        impl $half $(<$life>)? {
            /// See [`TcpStream::recv`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub fn recv<B: IoBuf>(&self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
                self.0.recv(buffer)
            }

            /// See [`TcpStream::recv_into`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn recv_into(&self, to: &mut [u8]) -> Result<usize> {
                self.0.recv_into(to).await
            }

            /// See [`TcpStream::readable`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn readable(&self) -> Result<()> {
                self.0.readable().await
            }

            /// See [`TcpStream::try_recv`].
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub fn try_recv(&self, to: &mut [u8]) -> Result<usize> {
                self.0.try_recv(to)
            }

            /// See [`TcpStream::recv_full`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn recv_full<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
                self.0.recv_full(buffer).await
            }

            /// See [`TcpStream::recv_exact`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn recv_exact<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
                self.0.recv_exact(buffer).await
            }

            /// See [`TcpStream::drain`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn drain(&self) -> Result<()> {
                self.0.drain().await
            }

            /// See [`TcpStream::set_read_timeout`].
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
                self.0.set_read_timeout(timeout)
            }
        }
    )*};
}

read_half!(ReadHalf<'_> OwnedReadHalf);

macro_rules! write_half {
    ($($half:ident $(<$life:lifetime>)?)*) => {$(
        impl $half $(<$life>)? {
            /// See [`TcpStream::send`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
                self.0.send(buffer).await
            }

            /// See [`TcpStream::send_with`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn send_with<B: IoBuf>(
                &self,
                buffer: B,
                flags: SendFlags,
            ) -> BufResult<usize, B> {
                self.0.send_with(buffer, flags).await
            }

            /// See [`TcpStream::try_send`].
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub fn try_send(&self, bytes: &[u8]) -> Result<usize> {
                self.0.try_send(bytes)
            }

            /// See [`TcpStream::send_all`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub fn send_all<B: IoBuf>(
                &self,
                buffer: B,
            ) -> impl Future<Output = BufResult<usize, B>> {
                self.0.send_all(buffer)
            }

            /// See [`TcpStream::shutdown`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn shutdown(&self) -> Result<()> {
                self.0.shutdown().await
            }

            /// See [`TcpStream::shutdown_with`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn shutdown_with<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
                self.0.shutdown_with(buffer).await
            }

            /// Aborts the connection of both halves: see [`TcpStream::abort`].
            ///
            /// # Cancel safety
            ///
            /// That of that method.
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub async fn abort(&self) -> Result<()> {
                self.0.abort().await
            }

            /// See [`TcpStream::set_write_timeout`].
            ///
            /// # Errors
            ///
            /// Those of that method.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
                self.0.set_write_timeout(timeout)
            }
        }
    )*};
}

write_half!(WriteHalf<'_> OwnedWriteHalf);

/// For the methods of the whole stream, such as those for its addresses.
impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

/// For the methods of the whole stream, such as those for its addresses.
impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

/// For the methods of the whole stream, such as those for its addresses. Each half has its own timeouts, and uses only the
/// one for its direction.
impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

/// For the methods of the whole stream, such as those for its addresses. Each half has its own timeouts, and uses only the
/// one for its direction.
impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

impl OwnedReadHalf {
    /// Reunites the two halves of a stream, with the timeout of each.
    ///
    /// # Errors
    ///
    /// Both halves, if they belong to different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> core::result::Result<TcpStream, ReuniteError> {
        if !self.is_pair_of(&other) {
            return Err(ReuniteError(self, other));
        }
        let timeouts = Timeouts::of(&self.0.timeouts, &other.0.timeouts);
        Ok(TcpStream { timeouts, ..self.0 })
    }

    /// Returns whether the other half belongs to the same stream.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn is_pair_of(&self, other: &OwnedWriteHalf) -> bool {
        self.0.socket.as_raw() == other.0.socket.as_raw()
    }
}

impl OwnedWriteHalf {
    /// See [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn reunite(self, other: OwnedReadHalf) -> core::result::Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// See [`OwnedReadHalf::is_pair_of`].
    ///
    /// IRQL: any.
    #[must_use]
    pub fn is_pair_of(&self, other: &OwnedReadHalf) -> bool {
        other.is_pair_of(self)
    }
}

/// The error of reuniting halves of different streams. Contains both.
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams")
    }
}

impl core::error::Error for ReuniteError {}

macro_rules! debug {
    ($($type:ident $(<$life:lifetime>)?)*) => {$(
        impl fmt::Debug for $type $(<$life>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($type)).field(&self.0).finish()
            }
        }
    )*};
}

debug!(ReadHalf<'_> WriteHalf<'_> OwnedReadHalf OwnedWriteHalf ReuniteError);
