//! Reading into slices.

use core::fmt;
use core::future::{Future as _, poll_fn};
use core::mem;
use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::buffer::copy;
use crate::net::OwnedReadHalf;
use crate::socket::ReusableRequest;
use crate::status::{Result, known};
use crate::time::{Never, Timeout, in_time};

/// The reading half of a [`BufferedStream`](super::BufferedStream).
///
/// Dropping it discards received data that was not read. [`into_inner`](Self::into_inner) leaves the data to the next
/// receive of the half that it returns.
pub struct BufferedReader {
    // Declared first, so that its requests are cancelled before the socket is closed.
    slot: ReusableRequest,
    /// The range of the slot's buffer that was received but not yet read.
    unread: Range<usize>,
    capacity: usize,
    half: OwnedReadHalf,
}

impl BufferedReader {
    /// Creates a reader with a buffer of `capacity` bytes, at least one. Does not allocate.
    #[must_use]
    pub fn new(half: OwnedReadHalf, capacity: usize) -> Self {
        Self { slot: ReusableRequest::EMPTY, unread: 0..0, capacity: capacity.max(1), half }
    }

    /// Reads into the slice, waiting for at least one byte. Returns the number of bytes.
    ///
    /// Zero means that the peer finished sending, or that the slice is empty.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses nothing. The receive stays in flight, and the next call
    /// continues with it.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_read_timeout) expired. Nothing is lost.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if the buffer cannot be allocated.
    /// - Any other status of `WskReceive`.
    pub async fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        let received = self.fill_buf().await?;
        let count = copy(received, to);
        self.consume(count);
        Ok(count)
    }

    /// Reads into the slice without waiting, and returns the number of bytes. May start a receive.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if no data has arrived. To wait, use
    ///   [`fill_buf`](Self::fill_buf).
    /// - Those of [`read`](Self::read), except for the timeout.
    pub fn try_read(&mut self, to: &mut [u8]) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        if !self.read_ready()? {
            return Err(known::STATUS_DEVICE_NOT_READY);
        }
        if self.unread.is_empty() {
            // Without a result, the peer has finished sending.
            let result = self.slot.result(self.half.0.as_socket().handle());
            self.unread = 0..result.unwrap_or(Ok(0))?;
        }
        let count = copy(self.buffered(), to);
        self.consume(count);
        Ok(count)
    }

    /// Fills the slice, like `std::io::Read::read_exact`.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Data already copied into the slice is consumed; nothing else is lost.
    ///
    /// # Errors
    ///
    /// The number of bytes read before the error is unknown.
    ///
    /// - `STATUS_GRACEFUL_DISCONNECT` (kind [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof)) if the peer
    ///   finished sending before.
    /// - Those of [`read`](Self::read).
    pub async fn read_exact(&mut self, mut to: &mut [u8]) -> Result<()> {
        while !to.is_empty() {
            match self.read(to).await? {
                0 => return Err(known::STATUS_GRACEFUL_DISCONNECT),
                count => to = mem::take(&mut to).get_mut(count..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Reads up to and including the first byte `end`, and returns the number of bytes. If the peer finished sending before
    /// that byte, the data ends without it; at the end of the stream, the number is zero.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe: data already copied into the slice is consumed. In a `select`, use
    /// [`fill_buf`](Self::fill_buf) and [`consume`](Self::consume).
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the slice is full before that byte. The data after the slice can still be read.
    /// - Those of [`read`](Self::read).
    pub async fn read_until(&mut self, end: u8, to: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        loop {
            let room = to.get_mut(filled..).unwrap_or_default();
            let received = self.fill_buf().await?;
            if received.is_empty() {
                return Ok(filled);
            }
            let found = received.iter().position(|byte| *byte == end);
            let part = found.map_or(received, |last| received.get(..=last).unwrap_or(received));
            let (count, is_whole) = (copy(part, room), part.len() <= room.len());
            self.consume(count);
            filled += count;
            if !is_whole {
                return Err(known::STATUS_BUFFER_OVERFLOW);
            }
            if found.is_some() {
                return Ok(filled);
            }
        }
    }

    /// Reads a line, and returns it with its line feed. If the peer finished sending in the middle of a line, the line has
    /// none; at the end of the stream, the result is empty.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe, as [`read_until`](Self::read_until) is not.
    ///
    /// # Errors
    ///
    /// - `STATUS_DATA_NOT_ACCEPTED` if the line is not UTF-8. It is consumed, and the slice contains it.
    /// - Those of [`read_until`](Self::read_until).
    pub async fn read_line<'a>(&mut self, to: &'a mut [u8]) -> Result<&'a str> {
        let count = self.read_until(b'\n', to).await?;
        let line = to.get(..count).unwrap_or_default();
        core::str::from_utf8(line).map_err(|_| known::STATUS_DATA_NOT_ACCEPTED)
    }

    /// Returns the received data that was not read. If none is left, waits for more. An empty slice means that the peer
    /// finished sending.
    ///
    /// # Cancel safety
    ///
    /// See [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub async fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.unread.is_empty() {
            self.unread = 0..self.fill().await?;
        }
        Ok(self.buffered())
    }

    /// Receives into the buffer once everything in it was read. Returns the number of bytes.
    async fn fill(&mut self) -> Result<usize> {
        let (slot, handle) = (&mut self.slot, self.half.0.as_socket().handle());
        let deadline = self.half.0.timeouts.reading()?;
        if let Some(count) = slot.begin(handle, self.capacity, &deadline).await? {
            return Ok(count);
        }
        poll_fn(|context| {
            in_time(context, |context| slot.poll(handle, context), |context| deadline.poll(context))
        })
        .await?
    }

    /// Returns the received data that was not read, without waiting.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn buffered(&mut self) -> &[u8] {
        match self.slot.buffer() {
            Some(buffer) => buffer.get(self.unread.clone()).unwrap_or_default(),
            None => &[],
        }
    }

    /// Marks `count` bytes of the [buffered data](Self::fill_buf) as read, or all of them if there are fewer.
    ///
    /// IRQL: any.
    pub fn consume(&mut self, count: usize) {
        self.unread.start += count.min(self.unread.len());
    }

    /// Returns whether a read would complete without waiting. May start a receive.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if the buffer cannot be allocated.
    pub fn read_ready(&mut self) -> Result<bool> {
        if self.unread.is_empty() {
            let handle = self.half.0.as_socket().handle();
            let begin = pin!(self.slot.begin(handle, self.capacity, &Never));
            match begin.poll(&mut Context::from_waker(Waker::noop())) {
                // The peer has finished sending; every later read returns zero as well.
                Poll::Ready(Ok(Some(count))) => {
                    self.unread = 0..count;
                    return Ok(true);
                }
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Err(error)) => return Err(error),
                // Earlier receives of the stream have not completed.
                Poll::Pending => return Ok(false),
            }
        }
        Ok(!self.unread.is_empty() || self.slot.is_completed())
    }

    /// Sets the timeout of later reads. `None`, the default, waits indefinitely.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if `timeout` is zero, as in `std`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.half.set_read_timeout(timeout)
    }

    /// Returns the underlying half. Its receives bypass the buffer.
    #[must_use]
    pub const fn half(&self) -> &OwnedReadHalf {
        &self.half
    }

    /// Returns the underlying half, whose next receive returns the data that was not read.
    #[must_use]
    pub fn into_inner(self) -> OwnedReadHalf {
        let Self { slot, unread, half, .. } = self;
        slot.keep_unused(half.0.as_socket().handle(), unread);
        half
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
