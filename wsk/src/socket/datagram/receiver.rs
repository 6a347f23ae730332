//! A receiver of datagrams that loses none when a future is dropped.
//!
//! # Safety
//!
//! The memory of its requests always belongs to its buffer.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::net::SocketAddr;

use super::{Datagram, Handle, Received, received};
use crate::buffer::sealed::Sealed;
use crate::buffer::{Buffer, copy};
use crate::operation::{Idle, InFlight, RequestOutcome};
use crate::status::{Result, known};
use crate::time::Never;

/// Receives a socket's datagrams, one after the other, into its own buffer.
///
/// From [`UdpSocket::receiver`](crate::UdpSocket::receiver), or from a socket's
/// [`receiver`](super::Socket::receiver). Dropping one of its futures, as [`timeout`](crate::time::timeout) does, loses
/// nothing: the request stays in flight, and the next call returns its datagram. After the first datagram, it allocates
/// nothing.
///
/// It keeps the socket open until it is dropped. If its request then still receives a datagram, the socket's next receive
/// returns it.
///
/// ```
/// use std::time::Duration;
/// use wsk::{Buffer, ErrorKind, UdpSocket, time};
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let socket = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// let mut receiver = socket.receiver(1500)?;
///
/// let nothing_yet = time::timeout(Duration::from_secs(1), receiver.recv_from()).await;
/// assert_eq!(nothing_yet.unwrap_err().kind(), ErrorKind::TimedOut);
///
/// socket.send_copy_to(b"hello", socket.local_addr().await?).await?;
/// let (bytes, _peer) = time::timeout(Duration::from_secs(1), receiver.recv_from()).await??;
/// assert_eq!(bytes, b"hello");
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct DatagramReceiver {
    /// The request in flight. Declared first, so that it is cancelled before the use of the socket ends.
    receiving: Option<InFlight>,
    /// Empty while the request owns the buffer, and if the system has kept it.
    buffer: Buffer,
    size: usize,
    handle: Handle<Datagram>,
}

impl DatagramReceiver {
    pub(super) fn new(handle: Handle<Datagram>, size: usize) -> Result<Self> {
        Ok(Self { receiving: None, buffer: Buffer::new(size)?, size, handle })
    }

    /// Receives a datagram, and returns its bytes and its source.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive_from).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the datagram is larger than the receiver's buffer. The datagram is lost.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskReceiveFrom`.
    pub async fn recv_from(&mut self) -> Result<(&[u8], SocketAddr)> {
        let whole = |received: Received| {
            if received.is_truncated() {
                return Err(known::STATUS_BUFFER_OVERFLOW);
            }
            received.check_error()?;
            Ok((received.len(), received.peer()))
        };
        let (count, peer) = self.receive_with(whole).await?;
        Ok((self.first(count), peer))
    }

    /// Receives a datagram, and copies its bytes. Returns their number and the datagram's source.
    ///
    /// IRQL: as for [`recv_from`](Self::recv_from).
    ///
    /// # Cancel safety
    ///
    /// As for [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the datagram is larger than the slice or the receiver's buffer. The slice is filled, and
    ///   the excess is lost.
    /// - Those of [`recv_from`](Self::recv_from).
    pub async fn recv_from_into(&mut self, room: &mut [u8]) -> Result<(usize, SocketAddr)> {
        let summary = |received: Received| {
            received.check_error()?;
            Ok((received.len(), received.is_truncated(), received.peer()))
        };
        let (size, is_truncated, peer) = self.receive_with(summary).await?;
        let count = copy(self.first(size), room);
        if is_truncated || count < size {
            return Err(known::STATUS_BUFFER_OVERFLOW);
        }
        Ok((count, peer))
    }

    /// Receives a datagram, and returns its bytes and its metadata. A truncated datagram is not an error.
    ///
    /// IRQL: as for [`recv_from`](Self::recv_from).
    ///
    /// # Cancel safety
    ///
    /// As for [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](Self::recv_from), except `STATUS_BUFFER_OVERFLOW`.
    pub async fn receive_message(&mut self) -> Result<(&[u8], Received)> {
        let received = self.receive_with(Ok).await?;
        Ok((self.first(received.len()), received))
    }

    /// Receives a datagram, and returns what `finish` returns for its metadata. These have hundreds of bytes, which no
    /// future has to hold.
    pub(crate) async fn receive_with<T>(
        &mut self,
        finish: impl FnOnce(Received) -> Result<T>,
    ) -> Result<T> {
        let arrival = self.arrival().await?;
        self.end(arrival, finish)
    }

    /// Returns the first `count` bytes of the buffer.
    pub(crate) fn first(&self, count: usize) -> &[u8] {
        self.buffer.get(..count).unwrap_or_default()
    }

    /// Waits for a datagram.
    async fn arrival(&mut self) -> Result<Arrival> {
        if self.receiving.is_none() {
            if self.handle.has_kept() {
                return self.arrival_in_turn().await;
            }
            self.handle.outside_routines().await;
            self.start()?;
        }
        let Some(receiving) = &mut self.receiving else {
            return Err(known::STATUS_INTERNAL_ERROR);
        };
        let outcome = receiving.await;
        self.receiving = None;
        Ok(Arrival::OfRequest(outcome))
    }

    /// Waits for a datagram like [`arrival`](Self::arrival), after the socket's receives whose futures were dropped.
    async fn arrival_in_turn(&mut self) -> Result<Arrival> {
        let buffer = self.take_buffer()?;
        let range = buffer.into_parts();
        let (room, mut never) = (received::CONTROL_ROOM, Never);
        let received = self.handle.receive_in_turn(range, room, &mut never);
        let (result, buffer) = received.await;
        // SAFETY: the memory is that of this receiver's buffer, or empty.
        self.buffer = unsafe { Buffer::from_parts(buffer, 0, self.size) };
        result.map(|(idle, count)| Arrival::InTurn(idle, count))
    }

    /// Takes the metadata of a datagram. Out of line: their memory is not on the stack of a call that waits.
    #[inline(never)]
    fn end<T>(
        &mut self,
        arrival: Arrival,
        finish: impl FnOnce(Received) -> Result<T>,
    ) -> Result<T> {
        let mut finish = Some(finish);
        let finish = |payload: &mut _, count| {
            let finish = finish.take().ok_or(known::STATUS_INTERNAL_ERROR)?;
            finish(Received::new(payload, count)?)
        };
        match arrival {
            Arrival::OfRequest(outcome) => {
                let (result, buffer) = self.handle.end_transfer(outcome, self.size, finish);
                // SAFETY: the memory is that of this receiver's buffer, or empty.
                self.buffer = unsafe { Buffer::from_parts(buffer, 0, self.size) };
                result.and_then(|result| result)
            }
            Arrival::InTurn(idle, count) => self.handle.finish_in_turn((idle, count), finish),
        }
    }

    /// The buffer, or a new one if it was not returned.
    fn take_buffer(&mut self) -> Result<Buffer> {
        let buffer = core::mem::replace(&mut self.buffer, Buffer::empty());
        if buffer.len() == self.size { Ok(buffer) } else { Buffer::new(self.size) }
    }

    fn start(&mut self) -> Result<()> {
        let buffer = self.take_buffer()?;
        match self.handle.start_receive(buffer.into_parts(), received::CONTROL_ROOM) {
            Ok(receiving) => {
                self.receiving = Some(receiving);
                Ok(())
            }
            Err((error, buffer)) => {
                // SAFETY: the memory is that of this receiver's buffer.
                self.buffer = unsafe { Buffer::from_parts(buffer, 0, self.size) };
                Err(error)
            }
        }
    }
}

/// A datagram that has arrived, with its metadata still in the operation.
enum Arrival {
    /// In the receiver's request, which has its buffer.
    OfRequest(RequestOutcome),
    /// In the buffer already: its number of bytes.
    InTurn(Idle, usize),
}

impl fmt::Debug for DatagramReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramReceiver").field("size", &self.size).finish_non_exhaustive()
    }
}
