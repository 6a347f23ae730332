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

/// How many sends can be in flight at once.
const SENDS: usize = 4;

/// The half of a [`BufferedStream`](super::BufferedStream) that writes.
///
/// Dropping it loses what was not flushed, and does not finish sending: see
/// [`shutdown`](BufferedWriter::shutdown).
pub struct BufferedWriter {
    // First, so that what it has in flight is cancelled before the socket is closed.
    ring: Ring,
    /// How many bytes the open slot has.
    filled: usize,
    capacity: usize,
    half: OwnedWriteHalf,
}

impl BufferedWriter {
    /// How many buffers can be in flight at once.
    ///
    /// WSK's sends are done when the peer's system has the bytes. So small messages wait for it when there are so
    /// many of them under way; larger ones should be written in buffers that hold what is under way at once, as
    /// [`ideal_send_backlog`](crate::socket::Socket::ideal_send_backlog) tells.
    pub const SENDS: usize = SENDS;

    /// A writer with buffers of so many bytes; of at least one. Nothing is allocated yet.
    #[must_use]
    pub fn new(half: OwnedWriteHalf, capacity: usize) -> Self {
        let slots = [const { ReusableRequest::EMPTY }; SENDS];
        let ring = Ring { slots, first: 0, in_flight: 0, failed: None };
        Self { ring, filled: 0, capacity: capacity.max(1), half }
    }

    /// Takes bytes from the slice, to be sent: at least one, unless the slice is empty. They are sent when the buffer
    /// is full, or by [`flush`](Self::flush).
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: if the future is dropped before it is ready,
    /// nothing was taken. What is in flight goes on.
    ///
    /// # Errors
    ///
    /// Nothing was taken, or it will not be sent: but for a time-out, and for no memory for a buffer, the same
    /// error follows from here on.
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if no buffer was free [in time](Self::set_write_timeout).
    /// - `STATUS_CONNECTION_ABORTED` if WSK has sent less than it was given.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory for a buffer.
    /// - What else `WskSend` reports.
    pub async fn write(&mut self, from: &[u8]) -> Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        self.wait_for(SENDS - 1).await?;
        let buffer = self.ring.open().prepare(self.capacity)?;
        let count = copy(from, buffer.get_mut(self.filled..).unwrap_or_default());
        self.filled += count;
        if self.filled == self.capacity {
            self.send_open(SendFlags::empty())?;
        }
        Ok(count)
    }

    /// Takes all bytes of the slice, to be sent.
    ///
    /// Cancellation: how many were taken is unknown; those are sent.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write). How many were taken before is unknown.
    pub async fn write_all(&mut self, mut from: &[u8]) -> Result<()> {
        while !from.is_empty() {
            let count = self.write(from).await?;
            from = from.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether a write would not have to wait.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), of what is in flight.
    pub fn write_ready(&mut self) -> Result<bool> {
        self.ring.take_results(self.half.0.as_socket().handle())?;
        Ok(self.ring.in_flight < SENDS)
    }

    /// Begins to send what was written, at once, and waits for nothing.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), of what is in flight.
    pub fn push(&mut self) -> Result<()> {
        if self.filled > 0 {
            return self.send_open(SendFlags::NO_DELAY);
        }
        self.ring.take_results(self.half.0.as_socket().handle())
    }

    /// Sends what was written, and waits until the peer's system has it.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: what is in flight goes on.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT` if it was not all sent [in time](Self::set_write_timeout). It is still in flight, and can
    ///   be waited for by another flush.
    /// - As for [`write`](Self::write).
    pub async fn flush(&mut self) -> Result<()> {
        self.push()?;
        self.wait_for(0).await
    }

    /// Sends what was written, and then finishes sending, as [`TcpStream::shutdown`](crate::TcpStream::shutdown)
    /// does.
    ///
    /// Cancellation: what is in flight goes on, but for the end itself, whose request is cancelled and may have
    /// taken effect.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush) and [`TcpStream::shutdown`](crate::TcpStream::shutdown).
    pub async fn shutdown(&mut self) -> Result<()> {
        self.flush().await?;
        self.half.shutdown().await
    }

    /// How long each write and each flush may wait from now on, or none for as long as it takes.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if it is zero, as in `std`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.half.set_write_timeout(timeout)
    }

    /// The half, for what this does not have. What is sent with it may overtake what was written.
    #[must_use]
    pub const fn half(&self) -> &OwnedWriteHalf {
        &self.half
    }

    /// The half. What was not flushed is lost.
    #[must_use]
    pub fn into_inner(self) -> OwnedWriteHalf {
        self.half
    }

    /// Sends what was written, if everything before it was sent, as far as is known.
    fn send_open(&mut self, flags: SendFlags) -> Result<()> {
        let handle = self.half.0.as_socket().handle();
        self.ring.send(handle, self.filled, flags)?;
        self.filled = 0;
        Ok(())
    }

    /// Waits until at most so many sends are in flight.
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
struct Ring {
    /// Those in flight, from the first on; then the open one, which is being filled, if one is left.
    slots: [ReusableRequest; SENDS],
    first: usize,
    in_flight: usize,
    /// Why the peer misses a part, or may: it is not to get what follows a gap.
    failed: Option<Error>,
}

impl Ring {
    /// The slot that is to be sent next.
    const fn open(&mut self) -> &mut ReusableRequest {
        self.slot(self.in_flight)
    }

    /// The slot so many places after the first. Written so that the compiler sees that there is one.
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

    /// Takes the results that are there.
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

    /// Waits until at most so many are in flight.
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

/// Remembers what was not sent.
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
