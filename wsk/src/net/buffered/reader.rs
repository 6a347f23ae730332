//! Reading into slices.

use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::ops::Range;
use core::time::Duration;

use crate::buffer::copy;
use crate::net::OwnedReadHalf;
use crate::socket::ReusableRequest;
use crate::status::{Result, known};
use crate::time::{Timeout, in_time};

/// The half of a [`BufferedStream`](super::BufferedStream) that reads.
pub struct BufferedReader {
    // First, so that what it has in flight is cancelled before the socket is closed.
    slot: ReusableRequest,
    /// What of the slot's buffer was received and not read.
    unread: Range<usize>,
    capacity: usize,
    half: OwnedReadHalf,
}

impl BufferedReader {
    /// A reader with a buffer of so many bytes; of at least one. Nothing is allocated yet.
    #[must_use]
    pub fn new(half: OwnedReadHalf, capacity: usize) -> Self {
        Self { slot: ReusableRequest::EMPTY, unread: 0..0, capacity: capacity.max(1), half }
    }

    /// Reads into the slice: at least one byte, or none if the peer has finished sending or the slice is empty.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future loses nothing. The
    /// receive stays in flight, and the next call takes up what it brings.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if nothing has come [in time](Self::set_read_timeout). Nothing is lost.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory for the buffer.
    /// - What else `WskReceive` reports.
    pub async fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        let received = self.fill_buf().await?;
        let count = copy(received, to);
        self.consume(count);
        Ok(count)
    }

    /// Fills the slice, as `std::io::Read::read_exact` does.
    ///
    /// Cancellation: what was read into the slice is read; nothing else is lost.
    ///
    /// # Errors
    ///
    /// How many bytes were read before is unknown.
    ///
    /// - `STATUS_GRACEFUL_DISCONNECT` (kind [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof)) if the peer has
    ///   finished sending before.
    /// - As for [`read`](Self::read).
    pub async fn read_exact(&mut self, mut to: &mut [u8]) -> Result<()> {
        while !to.is_empty() {
            match self.read(to).await? {
                0 => return Err(known::STATUS_GRACEFUL_DISCONNECT),
                count => to = mem::take(&mut to).get_mut(count..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// What was received and not read: waits for something, if there is nothing. Nothing at all is the end.
    ///
    /// Cancellation: as for [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub async fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.unread.is_empty() {
            self.begin()?;
            let timeouts = &self.half.0.timeouts;
            let deadline = timeouts.reading()?;
            let (slot, handle) = (&mut self.slot, self.half.0.as_socket().handle());
            let count = poll_fn(|context| {
                in_time(
                    context,
                    |context| slot.poll(handle, context),
                    |context| deadline.poll(context),
                )
            })
            .await??;
            self.unread = 0..count;
        }
        Ok(self.buffered())
    }

    /// What was received and not read, without waiting.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn buffered(&mut self) -> &[u8] {
        match self.slot.buffer() {
            Some(buffer) => buffer.get(self.unread.clone()).unwrap_or_default(),
            None => &[],
        }
    }

    /// So many bytes of what is [buffered](Self::fill_buf) were read. More than there are count as all.
    ///
    /// IRQL: any.
    pub fn consume(&mut self, count: usize) {
        self.unread.start += count.min(self.unread.len());
    }

    /// Whether a read would not have to wait. To find out may begin to receive.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory for the buffer.
    pub fn read_ready(&mut self) -> Result<bool> {
        if self.unread.is_empty() {
            self.begin()?;
        }
        Ok(!self.unread.is_empty() || self.slot.is_completed())
    }

    /// Begins to receive, if that was not begun before. Nothing must be unread.
    fn begin(&mut self) -> Result<()> {
        if !self.slot.is_in_flight() {
            self.slot.prepare(self.capacity)?;
            self.slot.receive(self.half.0.as_socket().handle())?;
        }
        Ok(())
    }

    /// How long each read may wait from now on, or none for as long as it takes.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if it is zero, as in `std`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.half.set_read_timeout(timeout)
    }

    /// The half, for what this does not have. What is received with it goes past the buffer.
    #[must_use]
    pub const fn half(&self) -> &OwnedReadHalf {
        &self.half
    }

    /// The half. What was received and not read is lost.
    #[must_use]
    pub fn into_inner(self) -> OwnedReadHalf {
        self.half
    }
}

impl fmt::Debug for BufferedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedReader")
            .field("half", &self.half)
            .field("unread", &self.unread.len())
            .finish_non_exhaustive()
    }
}
