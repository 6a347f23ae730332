//! Writing from slices.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::buffer::copy;
use crate::flags::SendFlags;
use crate::net::OwnedWriteHalf;
use crate::socket::{Connection, Handle, ReusableRequest};
use crate::status::{Error, Result, known};
use crate::time::{Timeout, in_time};

/// The maximum number of sends in flight.
const SENDS: usize = 4;

/// The writing half of a [`BufferedStream`](super::BufferedStream).
///
/// Dropping it loses data that was not flushed, and does not finish sending: see
/// [`shutdown`](BufferedWriter::shutdown).
pub struct BufferedWriter {
    // Declared first, so that its requests are cancelled before the socket is closed.
    ring: SendRing,
    /// The number of bytes in the open slot.
    filled: usize,
    capacity: usize,
    half: OwnedWriteHalf,
}

impl BufferedWriter {
    /// The maximum number of buffers in flight.
    ///
    /// A WSK send completes when the peer's system has received the data, so a write of a small message waits once this
    /// number of messages is in flight. For large transfers, choose a buffer size such that all buffers together hold the
    /// [`ideal_send_backlog`](crate::socket::Socket::ideal_send_backlog).
    pub const SENDS: usize = SENDS;

    /// Creates a writer with buffers of `capacity` bytes, at least one. Does not allocate.
    #[must_use]
    pub fn new(half: OwnedWriteHalf, capacity: usize) -> Self {
        let slots = [const { ReusableRequest::EMPTY }; SENDS];
        let ring = SendRing { slots, first: 0, in_flight: 0, failed: None };
        Self { ring, filled: 0, capacity: capacity.max(1), half }
    }

    /// Copies at least one byte of the slice into a buffer, and returns the number of bytes. They are sent when the buffer
    /// is full, or by [`flush`](Self::flush).
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped before it is ready, no byte was copied. Sends in flight
    /// continue.
    ///
    /// # Errors
    ///
    /// No byte was copied, or the copied bytes will not be sent. Except for timeouts and failed allocations, every later
    /// call returns the same error.
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_write_timeout) expired before a buffer was free.
    /// - `STATUS_CONNECTION_ABORTED` if WSK sent fewer bytes than requested.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if a buffer cannot be allocated.
    /// - Any other status of `WskSend`.
    pub async fn write(&mut self, from: &[u8]) -> Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        self.ready().await?;
        self.fill(from)
    }

    /// Copies at least one byte of the slice into a buffer like [`write`](Self::write), without waiting. Returns the number of
    /// bytes.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if all buffers are in flight.
    /// - Those of [`write`](Self::write), except for the timeout.
    pub fn try_write(&mut self, from: &[u8]) -> Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        if self.write_ready()? { self.fill(from) } else { Err(known::STATUS_DEVICE_NOT_READY) }
    }

    /// Waits until a write completes at once.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        self.wait_for(SENDS - 1).await?;
        self.half.0.as_socket().handle().outside_routines().await;
        Ok(())
    }

    /// Copies bytes into the open buffer, and sends it when it is full.
    fn fill(&mut self, from: &[u8]) -> Result<usize> {
        // Before the bytes are taken.
        self.half.0.as_socket().handle().state().client().check_outside_routines()?;
        let buffer = self.ring.open().prepare(self.capacity)?;
        let count = copy(from, buffer.get_mut(self.filled..).unwrap_or_default());
        self.filled += count;
        if self.filled == self.capacity {
            self.send_open(SendFlags::empty())?;
        }
        Ok(count)
    }

    /// Copies all bytes of the slice into buffers.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. An unknown number of bytes was copied, and will be sent.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write). The number of bytes copied before the error is unknown.
    pub async fn write_all(&mut self, mut from: &[u8]) -> Result<()> {
        while !from.is_empty() {
            let count = self.write(from).await?;
            from = from.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Returns whether a write would complete without waiting.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write), for sends in flight.
    pub fn write_ready(&mut self) -> Result<bool> {
        self.ring.take_results(self.half.0.as_socket().handle())?;
        Ok(self.ring.in_flight < SENDS)
    }

    /// Starts sending buffered data, without waiting.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write), for sends in flight.
    pub fn push(&mut self) -> Result<()> {
        if self.filled > 0 {
            return self.send_open(SendFlags::NO_DELAY);
        }
        self.ring.take_results(self.half.0.as_socket().handle())
    }

    /// Sends buffered data, and waits until the peer's system has received it.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Sends in flight continue.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_write_timeout) expired. The data is still in flight;
    ///   another flush waits for it.
    /// - Those of [`write`](Self::write).
    pub async fn flush(&mut self) -> Result<()> {
        self.half.0.as_socket().handle().outside_routines().await;
        self.push()?;
        self.wait_for(0).await
    }

    /// Sends buffered data, and then finishes sending, as [`TcpStream::shutdown`](crate::TcpStream::shutdown) does.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Sends in flight continue. The shutdown request is cancelled, and may already have
    /// taken effect.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush) and [`TcpStream::shutdown`](crate::TcpStream::shutdown).
    pub async fn shutdown(&mut self) -> Result<()> {
        self.flush().await?;
        self.half.shutdown().await
    }

    /// Sets the timeout of later writes and flushes. `None`, the default, waits indefinitely.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if `timeout` is zero, as in `std`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.half.set_write_timeout(timeout)
    }

    /// Returns the underlying half. Its sends may overtake buffered data.
    #[must_use]
    pub const fn half(&self) -> &OwnedWriteHalf {
        &self.half
    }

    /// Returns the underlying half. Data that was not flushed is lost.
    #[must_use]
    pub fn into_inner(self) -> OwnedWriteHalf {
        self.half
    }

    /// For a caller that is about to write: ready where it may send.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(crate) fn poll_outside_routines(&self, context: &Context<'_>) -> Poll<()> {
        self.half.0.as_socket().handle().state().client().poll_outside_routines(context)
    }

    /// Sends the written data, unless an earlier send is known to have failed.
    fn send_open(&mut self, flags: SendFlags) -> Result<()> {
        let handle = self.half.0.as_socket().handle();
        // Before the send, whose errors are final.
        handle.state().client().check_outside_routines()?;
        self.ring.send(handle, self.filled, flags)?;
        self.filled = 0;
        Ok(())
    }

    /// Waits until at most `most` sends are in flight.
    async fn wait_for(&mut self, most: usize) -> Result<()> {
        let handle = self.half.0.as_socket().handle();
        self.ring.take_results(handle)?;
        if self.ring.in_flight <= most {
            return Ok(());
        }
        let deadline = self.half.0.timeouts.writing()?;
        let ring = &mut self.ring;
        poll_fn(|context| {
            in_time(
                context,
                |context| ring.poll(handle, most, context),
                |context| deadline.poll(context),
            )
        })
        .await?
    }
}

/// The sends of a writer.
struct SendRing {
    /// The slots in flight, from `first` on; then the open slot, which is being filled, if one is free.
    slots: [ReusableRequest; SENDS],
    first: usize,
    in_flight: usize,
    /// The error after which the peer may lack data: nothing is sent after such a gap.
    failed: Option<Error>,
}

impl SendRing {
    /// The slot to send next.
    const fn open(&mut self) -> &mut ReusableRequest {
        self.slot(self.in_flight)
    }

    /// The slot at a distance from the first. Written this way, the code contains no bounds check.
    const fn slot(&mut self, number: usize) -> &mut ReusableRequest {
        &mut self.slots[(self.first + number) % SENDS]
    }

    fn send(&mut self, handle: &Handle<Connection>, count: usize, flags: SendFlags) -> Result<()> {
        self.take_results(handle)?;
        if let Err(error) = self.open().send(handle, count, flags) {
            return Err(*self.failed.get_or_insert(error));
        }
        self.in_flight += 1;
        Ok(())
    }

    /// Takes the available results.
    fn take_results(&mut self, handle: &Handle<Connection>) -> Result<()> {
        for number in 0..self.in_flight {
            let slot = self.slot(number);
            let size = slot.size();
            if let Some(result) = slot.result(handle) {
                note(&mut self.failed, result, size);
            }
        }
        while self.in_flight > 0 && !self.slot(0).is_in_flight() {
            self.first = (self.first + 1) % SENDS;
            self.in_flight -= 1;
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Waits until at most `most` are in flight.
    fn poll(
        &mut self,
        handle: &Handle<Connection>,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        loop {
            self.take_results(handle)?;
            if self.in_flight <= most {
                return Poll::Ready(Ok(()));
            }
            let first = self.slot(0);
            let size = first.size();
            match first.poll(handle, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => note(&mut self.failed, result, size),
            }
        }
    }
}

/// Stores the unsent bytes.
fn note(failed: &mut Option<Error>, result: Result<usize>, size: usize) {
    let error = match result {
        Ok(sent) if sent >= size => return,
        Ok(_) => known::STATUS_CONNECTION_ABORTED,
        Err(error) => error,
    };
    failed.get_or_insert(error);
}

impl fmt::Debug for BufferedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedWriter").field("half", &self.half).finish_non_exhaustive()
    }
}
