//! Streams with the traits of futures-io and tokio, with the errors of `std`. Only on the host.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::boxed::Box;
use std::io;

use super::{BufferedReader, BufferedStream, BufferedWriter, TcpStream};
#[cfg(feature = "futures-io")]
use crate::buffer::copy;
use crate::status::{Result, known};

/// A [`BufferedStream`] with the traits of futures-io and tokio, each by the feature of that name. For tests that run a
/// driver's protocol code on the host: an allocation that fails ends the process.
///
/// Each receive, each flush, and each write that waits makes one allocation.
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use wsk::net::Compat;
/// use wsk::{TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
/// let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// let (server, _peer) = listener.accept().await?;
/// let (mut client, mut server) = (Compat::from(client), Compat::from(server));
///
/// let mut bytes = Vec::new();
/// client.write_all(b"hello").await?;
/// client.close().await?;
/// server.read_to_end(&mut bytes).await?;
/// assert_eq!(bytes, b"hello");
/// # Ok::<(), std::io::Error>(())
/// # })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropping a future that reads or writes by these traits loses nothing: the operation continues with the next call of its
/// half.
pub struct Compat {
    reader: HalfState<BufferedReader>,
    writer: HalfState<BufferedWriter>,
    /// The last operation of the writer.
    operation: WriterOperation,
}

/// A half of the stream, or the operation that is using it.
enum HalfState<T> {
    Idle(T),
    Busy(Pin<Box<dyn Future<Output = (T, Result<()>)> + Send>>),
    /// Only while the state changes.
    Moved,
}

impl<T> HalfState<T> {
    /// Waits for the operation in progress, and returns the half.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Result<&mut T>> {
        if let Self::Busy(operation) = self {
            let (half, result) = ready!(operation.as_mut().poll(context));
            *self = Self::Idle(half);
            result?;
        }
        match self {
            Self::Idle(half) => Poll::Ready(Ok(half)),
            _ => Poll::Ready(Err(known::STATUS_INTERNAL_ERROR)),
        }
    }

    /// Starts an operation on an idle half.
    fn start<F>(&mut self, operation: impl FnOnce(T) -> F)
    where
        F: Future<Output = (T, Result<()>)> + Send + 'static,
    {
        *self = match core::mem::replace(self, Self::Moved) {
            Self::Idle(half) => Self::Busy(Box::pin(operation(half))),
            other => other,
        };
    }
}

/// The operations of a writer. Each includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WriterOperation {
    AwaitRoom,
    Flush,
    ShutDown,
}

impl Compat {
    /// Adds the traits to a stream.
    #[must_use]
    pub fn new(stream: BufferedStream) -> Self {
        let (reader, writer) = stream.into_split();
        let operation = WriterOperation::AwaitRoom;
        Self { reader: HalfState::Idle(reader), writer: HalfState::Idle(writer), operation }
    }

    /// Returns the received data that was not read; none at the end of the stream.
    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let was_busy = matches!(self.reader, HalfState::Busy(_));
        let reader = ready!(self.reader.poll_idle(context))?;
        // A receive that has completed without data was at the end of the stream.
        if !was_busy && reader.buffered().is_empty() {
            self.reader.start(|mut reader: BufferedReader| async move {
                let result = reader.fill_buf().await.map(drop);
                (reader, result)
            });
        }
        Poll::Ready(Ok(ready!(self.reader.poll_idle(context))?.buffered()))
    }

    fn consume_received(&mut self, count: usize) {
        if let HalfState::Idle(reader) = &mut self.reader {
            reader.consume(count);
        }
    }

    fn poll_write_slice(
        &mut self,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let writer = ready!(self.writer.poll_idle(context))?;
        ready!(writer.poll_outside_routines(context));
        if !writer.write_ready()? {
            ready!(self.poll_operation(context, WriterOperation::AwaitRoom))?;
        }
        let writer = ready!(self.writer.poll_idle(context))?;
        Poll::Ready(writer.try_write(from).map_err(io::Error::from))
    }

    /// Runs an operation of the writer once the one in progress has ended.
    fn poll_operation(
        &mut self,
        context: &mut Context<'_>,
        wanted: WriterOperation,
    ) -> Poll<io::Result<()>> {
        loop {
            if matches!(self.writer, HalfState::Busy(_)) {
                ready!(self.writer.poll_idle(context))?;
                if self.operation >= wanted {
                    return Poll::Ready(Ok(()));
                }
            }
            self.operation = wanted;
            self.writer.start(move |mut writer: BufferedWriter| async move {
                let result = match wanted {
                    WriterOperation::AwaitRoom => writer.ready().await,
                    WriterOperation::Flush => writer.flush().await,
                    WriterOperation::ShutDown => writer.shutdown().await,
                };
                (writer, result)
            });
            if !matches!(self.writer, HalfState::Busy(_)) {
                return Poll::Ready(Err(known::STATUS_INTERNAL_ERROR.into()));
            }
        }
    }
}

impl From<BufferedStream> for Compat {
    fn from(stream: BufferedStream) -> Self {
        Self::new(stream)
    }
}

impl From<TcpStream> for Compat {
    fn from(stream: TcpStream) -> Self {
        Self::new(stream.buffered())
    }
}

impl fmt::Debug for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compat").finish_non_exhaustive()
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncRead for Compat {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if to.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let this = self.get_mut();
        let count = copy(ready!(this.poll_received(context))?, to);
        this.consume_received(count);
        Poll::Ready(Ok(count))
    }
}

/// The traits differ between the libraries in one name only: that of the method that flushes and finishes sending.
macro_rules! buffered_read_and_write {
    ($($library:ident)::+, $shut_down:ident) => {
        const _: () = {
            use $($library)::+ as library;

            impl library::AsyncBufRead for Compat {
                fn poll_fill_buf(
                    self: Pin<&mut Self>,
                    context: &mut Context<'_>,
                ) -> Poll<io::Result<&[u8]>> {
                    self.get_mut().poll_received(context)
                }

                fn consume(self: Pin<&mut Self>, count: usize) {
                    self.get_mut().consume_received(count);
                }
            }

            /// Shutting down or closing flushes, and finishes sending: [`TcpStream::shutdown`].
            impl library::AsyncWrite for Compat {
                fn poll_write(
                    self: Pin<&mut Self>,
                    context: &mut Context<'_>,
                    from: &[u8],
                ) -> Poll<io::Result<usize>> {
                    self.get_mut().poll_write_slice(context, from)
                }

                fn poll_flush(
                    self: Pin<&mut Self>,
                    context: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    self.get_mut().poll_operation(context, WriterOperation::Flush)
                }

                fn $shut_down(
                    self: Pin<&mut Self>,
                    context: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    self.get_mut().poll_operation(context, WriterOperation::ShutDown)
                }
            }
        };
    };
}

#[cfg(feature = "futures-io")]
buffered_read_and_write!(futures_io, poll_close);
#[cfg(feature = "tokio")]
buffered_read_and_write!(tokio::io, poll_shutdown);

#[cfg(feature = "tokio")]
impl tokio::io::AsyncRead for Compat {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if to.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let this = self.get_mut();
        let received = ready!(this.poll_received(context))?;
        let count = received.len().min(to.remaining());
        to.put_slice(received.get(..count).unwrap_or_default());
        this.consume_received(count);
        Poll::Ready(Ok(()))
    }
}
