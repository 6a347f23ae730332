//! The two halves of a stream, borrowed or owned.

use core::fmt;
use core::time::Duration;

use super::TcpStream;
use crate::buffer::{BufResult, IoBuf};
use crate::flags::SendFlags;
use crate::net::timeouts::Timeouts;
use crate::status::Result;

/// The half of a [`TcpStream`] that receives. From [`TcpStream::split`].
#[derive(Clone, Copy)]
pub struct ReadHalf<'a>(pub(super) &'a TcpStream);

/// The half of a [`TcpStream`] that sends. From [`TcpStream::split`].
#[derive(Clone, Copy)]
pub struct WriteHalf<'a>(pub(super) &'a TcpStream);

/// The half of a [`TcpStream`] that receives, as a value of its own. From [`TcpStream::into_split`].
///
/// Dropping it does nothing, as long as there is the other half; dropping both closes the socket, as dropping
/// the stream does.
pub struct OwnedReadHalf(pub(crate) TcpStream);

/// The half of a [`TcpStream`] that sends, as a value of its own. From [`TcpStream::into_split`].
///
/// Dropping it does nothing, as long as there is the other half, and **does not finish sending**: that is a
/// request, which takes its time and can fail, and a message that was broken off would look complete. So
/// [`shutdown`](Self::shutdown) first, if the peer waits for the end. Dropping both halves closes the socket, as
/// dropping the stream does.
///
/// ```
/// use wsk::{Buffer, TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// # let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
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
            /// As [`TcpStream::recv`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn recv<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
                self.0.recv(buffer).await
            }

            /// As [`TcpStream::recv_full`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn recv_full<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
                self.0.recv_full(buffer).await
            }

            /// As [`TcpStream::recv_exact`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn recv_exact<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
                self.0.recv_exact(buffer).await
            }

            /// As [`TcpStream::drain`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn drain(&self) -> Result<()> {
                self.0.drain().await
            }

            /// As [`TcpStream::set_read_timeout`].
            ///
            /// # Errors
            ///
            /// As there.
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
            /// As [`TcpStream::send`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
                self.0.send(buffer).await
            }

            /// As [`TcpStream::send_with`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn send_with<B: IoBuf>(
                &self,
                buffer: B,
                flags: SendFlags,
            ) -> BufResult<usize, B> {
                self.0.send_with(buffer, flags).await
            }

            /// As [`TcpStream::send_all`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
                self.0.send_all(buffer).await
            }

            /// As [`TcpStream::shutdown`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn shutdown(&self) -> Result<()> {
                self.0.shutdown().await
            }

            /// As [`TcpStream::shutdown_with`].
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn shutdown_with<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
                self.0.shutdown_with(buffer).await
            }

            /// As [`TcpStream::abort`], for both halves.
            ///
            /// # Errors
            ///
            /// As there.
            pub async fn abort(&self) -> Result<()> {
                self.0.abort().await
            }

            /// As [`TcpStream::set_write_timeout`].
            ///
            /// # Errors
            ///
            /// As there.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
                self.0.set_write_timeout(timeout)
            }
        }
    )*};
}

write_half!(WriteHalf<'_> OwnedWriteHalf);

/// For what both halves have, such as their addresses.
impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

/// For what both halves have, such as their addresses.
impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

/// For what both halves have, such as their addresses. Each half has time-outs of its own, of which it uses those
/// for what it does.
impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

/// For what both halves have, such as their addresses. Each half has time-outs of its own, of which it uses those
/// for what it does.
impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

impl OwnedReadHalf {
    /// Makes the two halves of a stream a stream again, with the time-out of each.
    ///
    /// # Errors
    ///
    /// Both, if they are halves of different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> core::result::Result<TcpStream, ReuniteError> {
        if !self.is_pair_of(&other) {
            return Err(ReuniteError(self, other));
        }
        let timeouts = Timeouts::of(&self.0.timeouts, &other.0.timeouts);
        Ok(TcpStream { timeouts, ..self.0 })
    }

    /// Whether the other half is of the same stream.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn is_pair_of(&self, other: &OwnedWriteHalf) -> bool {
        self.0.socket.as_raw() == other.0.socket.as_raw()
    }
}

impl OwnedWriteHalf {
    /// As [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reunite(self, other: OwnedReadHalf) -> core::result::Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// As [`OwnedReadHalf::is_pair_of`].
    ///
    /// IRQL: any.
    #[must_use]
    pub fn is_pair_of(&self, other: &OwnedReadHalf) -> bool {
        other.is_pair_of(self)
    }
}

/// Two halves that are not of one stream, and come back.
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
