//! The metadata of a received datagram.

use core::fmt;
use core::net::SocketAddr;

use wsk_sys::{MSG_BCAST, MSG_CTRUNC, MSG_MCAST, MSG_TRUNC, ULONG};

use crate::cmsg::ControlMessages;
use crate::operation::{ControlBuffer, Payload};
use crate::status::{Result, known};

/// The maximum size of received control data, in bytes: the size of a request's control buffer.
#[expect(clippy::cast_possible_truncation, reason = "an area is far shorter than 4 GiB")]
pub(super) const CONTROL_ROOM: ULONG = ControlBuffer::SIZE as ULONG;

/// Fails if a datagram did not fit.
pub(super) fn check_whole(payload: &Payload) -> Result<()> {
    if payload.control.flags & MSG_TRUNC == 0 { Ok(()) } else { Err(known::STATUS_BUFFER_OVERFLOW) }
}

/// Fails if a datagram is the error report of a sent one.
#[inline]
pub(super) fn check_error(payload: &Payload) -> Result<()> {
    let length = payload.control.length as usize;
    if length == 0 { Ok(()) } else { check_messages(&payload.control.bytes()[..], length) }
}

#[inline(never)]
fn check_messages(bytes: &[u8], length: usize) -> Result<()> {
    let messages = ControlMessages::new(bytes.get(..length).unwrap_or_default());
    messages.received_error().map_or(Ok(()), |error| Err(error.error()))
}

/// The source of a datagram, which every provider reports.
pub(super) fn peer(payload: &Payload) -> Result<SocketAddr> {
    payload.remote.address().ok_or(known::STATUS_INTERNAL_ERROR)
}

/// The metadata of a received datagram. From [`receive_message`](super::Socket::receive_message).
#[derive(Clone)]
pub struct Received {
    count: usize,
    peer: SocketAddr,
    flags: ULONG,
    /// The control data, of `control_length` bytes.
    control: [u8; ControlBuffer::SIZE],
    control_length: usize,
}

impl Received {
    pub(super) fn new(payload: &Payload, count: usize) -> Result<Self> {
        // A correct system never reports more bytes than the control buffer has room for.
        let control_length = (payload.control.length as usize).min(ControlBuffer::SIZE);
        Ok(Self {
            count,
            peer: peer(payload)?,
            flags: payload.control.flags,
            control: *payload.control.bytes(),
            control_length,
        })
    }

    /// Returns the number of bytes received.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Returns whether the datagram is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns its source.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns whether the datagram was larger than the buffer; the excess is lost.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.flags & MSG_TRUNC != 0
    }

    /// Returns whether its control messages had more than 256 bytes; the excess is lost.
    #[must_use]
    pub const fn is_control_truncated(&self) -> bool {
        self.flags & MSG_CTRUNC != 0
    }

    /// Returns whether it was broadcast.
    #[must_use]
    pub const fn is_broadcast(&self) -> bool {
        self.flags & MSG_BCAST != 0
    }

    /// Returns whether it was sent to a multicast group.
    #[must_use]
    pub const fn is_multicast(&self) -> bool {
        self.flags & MSG_MCAST != 0
    }

    /// Fails if it reports an error.
    pub(crate) fn check_error(&self) -> Result<()> {
        check_messages(&self.control, self.control_length)
    }

    /// Returns its control messages, which the socket's options enable.
    #[must_use]
    pub fn control_messages(&self) -> ControlMessages<'_> {
        ControlMessages::new(self.control.get(..self.control_length).unwrap_or_default())
    }

    /// Returns the datagrams in the buffer of the receive: several, if the socket
    /// [coalesces them](crate::options::udp::RECEIVE_MAXIMUM_COALESCED_SIZE).
    ///
    /// ```
    /// use wsk::Buffer;
    /// use wsk::options::udp;
    /// use wsk::socket::{DatagramSocket, Family};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let socket = DatagramSocket::builder(&wsk, Family::INET).bind(([127, 0, 0, 1], 0)).await?;
    /// socket.set(udp::RECEIVE_MAXIMUM_COALESCED_SIZE, 60_000).await?;
    /// let address = socket.local_addr().await?;
    /// socket.send_to(Buffer::try_from(&b"one"[..])?, address).await.into_result()?;
    ///
    /// let (received, buffer) = socket.receive_message(Buffer::new(60_000)?).await.into_result()?;
    /// for datagram in received.segments(&buffer) {
    ///     println!("{} bytes from {}", datagram.len(), received.peer());
    /// }
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    #[must_use]
    pub fn segments<'a>(&self, buffer: &'a [u8]) -> Segments<'a> {
        let bytes = buffer.get(..self.count).unwrap_or(buffer);
        Segments { left: Some(bytes), size: self.control_messages().segment_size() }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("len", &self.count)
            .field("is_truncated", &self.is_truncated())
            .field("control_messages", &self.control_messages())
            .finish_non_exhaustive()
    }
}

/// An iterator over the datagrams in one buffer, from [`Received::segments`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    /// None at the end of the iteration.
    left: Option<&'a [u8]>,
    /// The size, in bytes, of each datagram except the last, if there are several.
    size: Option<usize>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let bytes = self.left.take()?;
        let split = self.size.and_then(|size| bytes.split_at_checked(size));
        match split {
            // An empty rest is not a datagram, but an empty datagram is one.
            Some((first, rest)) if !rest.is_empty() => {
                self.left = Some(rest);
                Some(first)
            }
            _ => Some(bytes),
        }
    }
}

impl core::iter::FusedIterator for Segments<'_> {}
