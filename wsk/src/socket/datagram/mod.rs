//! Exchanging datagrams.
//!
//! # Safety
//!
//! The calls are made on a bound socket; the request owns the buffer, the address and the control data until it
//! completes.

#![expect(unsafe_code, reason = "see Safety")]

mod batch;
mod options;
mod peer;
mod readiness;
mod received;
mod receiver;

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{MSG_TRUNC, NTSTATUS, PCMSGHDR, PIRP, PSOCKADDR, PWSK_BUF, ULONG};

use super::kept::copy_kept_to;
use super::state::{Bound, DefaultDestination, Destined, Exchanges, FixedPeer};
use super::transfer::{BufferRange, Completion};
use super::{Handle, Socket};
use crate::address::Storage;
use crate::buffer::{BufResult, Chain, IoBuf, MdlChain};
use crate::category::Datagram;
use crate::cmsg::SendControl;
use crate::dispatch::DatagramDispatch;
use crate::operation::{
    ControlBuffer, FREQUENT, Idle, InFlight, Payload, RequestKind, RequestOutcome,
};
use crate::status::{Error, Result, known};
use crate::time::{Deadline, Timeout};

pub use self::received::{Received, Segments};
pub use self::receiver::DatagramReceiver;

/// The destination of a datagram.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    /// An address.
    Address(SocketAddr),
    /// The socket's peer or default destination, which it has ([INV-37](crate::rules#inv-37)), at this address.
    Destination(SocketAddr),
}

impl Destination {
    const fn address(self) -> SocketAddr {
        match self {
            Self::Address(address) | Self::Destination(address) => address,
        }
    }

    /// Stores it in a payload, with the control data of the datagram.
    fn prepare(self, control: &SendControl, payload: &mut Payload) {
        payload.remote = match self {
            Self::Address(address) => Storage::new(address),
            Self::Destination(_) => Storage::EMPTY,
        };
        payload.control.flags = ControlBuffer::SENT;
        control.write(self.address(), &mut payload.control);
    }

    /// The address, and the control data with its length, as WSK's functions take them.
    ///
    /// # Safety
    ///
    /// The pointer is the one that [`Idle::start`](crate::operation::Idle::start) passes to its closure. The payload
    /// was prepared.
    unsafe fn arguments(self, payload: *mut Payload) -> (PSOCKADDR, ULONG, PCMSGHDR) {
        let address = match self {
            // SAFETY: `payload` is what `start` gives to its call, by this function's contract.
            Self::Address(_) => unsafe { Payload::remote(payload) },
            Self::Destination(_) => ptr::null_mut(),
        };
        // SAFETY: `payload` is what `start` gives to its call, by this function's contract.
        let control = unsafe { Payload::control(payload) };
        // SAFETY: `payload` is what `start` gives to its call, by this function's contract.
        let length = unsafe { ControlBuffer::length(control) };
        // SAFETY: `payload` is what `start` gives to its call, by this function's contract; the request has not begun.
        let length = unsafe { length.read() };
        // If the length is zero, there is no data.
        let data = if length == 0 {
            ptr::null_mut()
        } else {
            // SAFETY: `payload` is what `start` gives to its call, by this function's contract; the request has not
            // begun.
            unsafe { ControlBuffer::header(control) }
        };
        (address, length, data)
    }
}

impl Handle<Datagram> {
    /// Fails for an address or control data that WSK would misread ([INV-32](crate::rules#inv-32)).
    fn check_destination(&self, to: Destination, control: &SendControl) -> Result<()> {
        self.check_family(to.address())?;
        control.check_family(to.address())
    }

    pub(crate) async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        to: Destination,
        control: &SendControl,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, B> {
        if let Err(error) = self.check_destination(to, control) {
            return BufResult(Err(error), buffer);
        }
        let prepare = |payload: &mut Payload| to.prepare(control, payload);
        let call = call_send(to);
        // SAFETY: the call is given the payload's descriptor, address and control data.
        unsafe {
            self.transfer(RequestKind::Transmits, deadline, buffer, prepare, call, |_, count| count)
        }
        .await
    }

    /// Starts to receive a datagram, with room for `room` bytes of control data.
    fn start_receive(
        &self,
        parts: BufferRange,
        room: ULONG,
    ) -> core::result::Result<InFlight, (Error, MdlChain)> {
        // SAFETY: the call is given the payload's descriptor, address and control area.
        let issued = unsafe {
            self.start_transfer::<FREQUENT, Chain>(
                RequestKind::Receives,
                parts,
                prepare_receive(room),
                call_receive(room),
            )
        };
        issued.map(|issued| issued.in_flight().kept())
    }

    /// Receives a datagram, with room for `room` bytes of control data. `finish` takes it out of the payload.
    async fn receive<T, B: IoBuf>(
        &self,
        buffer: B,
        room: ULONG,
        deadline: &mut Deadline<'_>,
        finish: impl FnMut(&mut Payload, usize) -> Result<T>,
    ) -> BufResult<T, B> {
        if !buffer.is_writable() {
            return BufResult(Err(known::STATUS_ACCESS_DENIED), buffer);
        }
        if self.has_kept() {
            let (buffer, start, end) = buffer.into_parts();
            let range = (buffer, start, end);
            let (result, buffer) = self.receive_in_turn(range, room, deadline).await;
            let result = result.and_then(|received| self.finish_in_turn(received, finish));
            // SAFETY: the memory and its range are from this `B`, or the memory is empty.
            return BufResult(result, unsafe { B::from_parts(buffer, start, end) });
        }
        let (prepare, call) = (prepare_receive(room), call_receive(room));
        // SAFETY: the call is given the payload's descriptor, address and control area.
        let received = unsafe {
            self.transfer(RequestKind::Receives, deadline, buffer, prepare, call, finish)
        };
        let BufResult(result, buffer) = received.await;
        BufResult(result.and_then(|result| result), buffer)
    }

    /// Receives like [`receive`](Self::receive), after the kept receives. The datagram stays in the operation, for
    /// [`finish_in_turn`](Self::finish_in_turn): its hundreds of bytes are not moved through each future.
    #[inline(never)]
    async fn receive_in_turn(
        &self,
        (mut buffer, start, end): BufferRange,
        room: ULONG,
        deadline: &mut impl Timeout,
    ) -> Completion<(Idle, usize)> {
        let mut turn = match self.turn(&*deadline).await {
            Ok(turn) => turn,
            Err(error) => return (Err(error), buffer),
        };
        loop {
            let (idle, result) = match self.first_kept(&mut turn, &*deadline).await {
                Ok(Some(kept)) => kept,
                Ok(None) => break,
                Err(error) => return (Err(error), buffer),
            };
            if result == Err(known::STATUS_CANCELLED) {
                self.put_kept(idle);
                continue;
            }
            let copy = |payload: &mut Payload, count| {
                copy_kept_to(payload, count, (&mut buffer, start, end))
            };
            let result = self.take_datagram(idle, result, copy);
            return (result, buffer);
        }
        self.outside_routines().await;
        let receiving = match self.start_receive((buffer, start, end), room) {
            Ok(receiving) => receiving,
            Err((error, buffer)) => return (Err(error), buffer),
        };
        drop(turn);
        match receiving.with_deadline(deadline).await {
            RequestOutcome::Completed(mut idle, result) => {
                let buffer = idle.payload().buffer.take().unwrap_or(MdlChain::empty());
                match truncated(&mut idle, result) {
                    // A correct system never reports more bytes than the buffer has room for.
                    Ok(count) => (Ok((idle, count.min(end - start))), buffer),
                    Err(error) => (Err(self.state().failed(idle, error)), buffer),
                }
            }
            // The system may still use the buffer.
            RequestOutcome::Refused(error) => (Err(error), MdlChain::empty()),
        }
    }

    /// Copies the bytes of a kept receive by `copy`, which returns their number and that of all. The rest of the datagram
    /// stays in the operation. If `copy` fails, the datagram is kept still, as the first one.
    fn take_datagram(
        &self,
        mut idle: Idle,
        result: Result<usize>,
        copy: impl FnOnce(&mut Payload, usize) -> Result<(usize, usize)>,
    ) -> Result<(Idle, usize)> {
        match truncated(&mut idle, result) {
            Ok(count) => match copy(idle.payload(), count) {
                Ok((copied, size)) => {
                    if copied < size {
                        idle.payload().control.flags |= MSG_TRUNC;
                    }
                    Ok((idle, copied))
                }
                Err(error) => {
                    self.state().kept().keep_first(idle, Ok(count));
                    Err(error)
                }
            },
            Err(error) => {
                self.put_kept(idle);
                Err(self.state().note_error(error))
            }
        }
    }

    /// Takes a datagram out of the operation that has received it.
    fn finish_in_turn<T>(
        &self,
        (mut idle, count): (Idle, usize),
        mut finish: impl FnMut(&mut Payload, usize) -> Result<T>,
    ) -> Result<T> {
        let result = finish(idle.payload(), count);
        self.put_kept(idle);
        result
    }

    /// Receives a datagram, and returns its size and source.
    pub(crate) async fn receive_from<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<(usize, SocketAddr), B> {
        // With control data: if the future is dropped, the next receive returns the datagram, and may need it.
        self.receive(buffer, received::CONTROL_ROOM, deadline, whole).await
    }
}

/// The size and source of a received datagram, which must be whole and no error report.
fn whole(payload: &mut Payload, count: usize) -> Result<(usize, SocketAddr)> {
    received::check_whole(payload)?;
    received::check_error(payload)?;
    Ok((count, received::peer(payload)?))
}

/// The closure that calls `WskSendTo`, for a payload that was prepared for this destination.
fn call_send(
    to: Destination,
) -> impl FnOnce(DatagramDispatch, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS {
    move |dispatch, descriptor, irp, payload| {
        // SAFETY: the payload is the request's, and was prepared.
        let (remote, length, data) = unsafe { to.arguments(payload) };
        // SAFETY: the socket is bound; the buffer and the control data stay until the request completes
        // (INV-21, INV-26); the address is of the socket's family, or the socket has a destination.
        unsafe { dispatch.send_to(descriptor, remote, length, data, irp) }
    }
}

/// The result of a receive. A truncated datagram counts as received, with its flag set, also if the request completed with
/// `STATUS_BUFFER_OVERFLOW` and the number of bytes.
pub(super) fn truncated(idle: &mut Idle, result: Result<usize>) -> Result<usize> {
    match result {
        Err(known::STATUS_BUFFER_OVERFLOW)
            if idle.payload().control.flags != ControlBuffer::SENT =>
        {
            let count = idle.information();
            idle.payload().control.flags |= MSG_TRUNC;
            Ok(count)
        }
        result => result,
    }
}

/// Readies a payload to receive a datagram, with room for `room` bytes of control data.
fn prepare_receive(room: ULONG) -> impl FnOnce(&mut Payload) {
    move |payload| {
        payload.remote = Storage::EMPTY;
        payload.control.length = room;
        payload.control.flags = 0;
    }
}

/// The closure that calls `WskReceiveFrom`.
fn call_receive(
    room: ULONG,
) -> impl FnOnce(DatagramDispatch, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS {
    move |dispatch, descriptor, irp, payload| {
        // SAFETY: the payload is the request's, and stays until it completes (INV-25).
        let from = unsafe { Payload::remote(payload) };
        // SAFETY: the payload is the request's, and stays until it completes (INV-26).
        let control = unsafe { Payload::control(payload) };
        // SAFETY: the payload is the request's, and stays until it completes (INV-26).
        let length = unsafe { ControlBuffer::length(control) };
        // SAFETY: the payload is the request's, and stays until it completes (INV-26).
        let flags = unsafe { ControlBuffer::flags(control) };
        let data = if room == 0 {
            ptr::null_mut()
        } else {
            // SAFETY: the payload is the request's, and stays until it completes (INV-26). Without a length,
            // Without flags, WSK does not report truncation.
            unsafe { ControlBuffer::header(control) }
        };
        // SAFETY: the socket is bound; everything stays until the request completes.
        unsafe { dispatch.receive_from(descriptor, from, length, data, flags, irp) }
    }
}

impl<S: Exchanges, H> Socket<Datagram, S, H> {
    /// Sends a datagram, and returns its size in bytes.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_send_to).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request and drops the buffer. The datagram may
    /// or may not be sent.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_INVALID_BUFFER_SIZE` or a similar status if the buffer is larger than a datagram can be.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSendTo`.
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        remote: impl Into<SocketAddr>,
    ) -> BufResult<usize, B> {
        self.send_to_with(buffer, remote, &SendControl::new()).await
    }

    /// Sends a datagram with control messages, such as its source address, its ECN bits or the size of its segments.
    ///
    /// IRQL: as for [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    ///
    /// As for [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// - As for [`send_to`](Self::send_to).
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the source and the destination have different families.
    /// - `STATUS_INVALID_PARAMETER` or a similar status if the running Windows does not support a control message.
    pub async fn send_to_with<B: IoBuf>(
        &self,
        buffer: B,
        remote: impl Into<SocketAddr>,
        control: &SendControl,
    ) -> BufResult<usize, B> {
        let to = Destination::Address(remote.into());
        self.handle.send_to(buffer, to, control, &mut Deadline::never()).await
    }

    /// Receives a datagram, and returns its size in bytes and its source.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive_from).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. If the request receives a datagram
    /// nevertheless, the next receive returns it, truncated if its buffer is smaller.
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the datagram is larger than the buffer. The buffer is filled, and the excess is
    ///   lost.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskReceiveFrom`.
    pub async fn receive_from<B: IoBuf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        self.handle.receive_from(buffer, &mut Deadline::never()).await
    }

    /// Receives a datagram with its metadata: source, control messages, and whether it was truncated, which is not an error
    /// here.
    ///
    /// IRQL: as for [`receive_from`](Self::receive_from).
    ///
    /// # Cancel safety
    ///
    /// As for [`receive_from`](Self::receive_from).
    ///
    /// # Errors
    ///
    /// As for [`receive_from`](Self::receive_from), except `STATUS_BUFFER_OVERFLOW`.
    pub async fn receive_message<B: IoBuf>(&self, buffer: B) -> BufResult<Received, B> {
        let never = &mut Deadline::never();
        // Here, since each function that returned it would have a copy of its control data on the stack.
        let mut received = None;
        let finish = |payload: &mut Payload, count| {
            received = Some(Received::new(payload, count)?);
            Ok(())
        };
        let result = self.handle.receive(buffer, received::CONTROL_ROOM, never, finish).await;
        let BufResult(result, buffer) = result;
        let result = result.and_then(|()| received.ok_or(known::STATUS_INTERNAL_ERROR));
        BufResult(result, buffer)
    }

    /// Creates a receiver with a `size`-byte buffer. Dropping its future loses no datagram.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// As for [`Buffer::new`](crate::Buffer::new).
    pub fn receiver(&self, size: usize) -> Result<DatagramReceiver> {
        DatagramReceiver::new(self.handle.clone(), size)
    }
}

impl<S: Destined, H> Socket<Datagram, S, H> {
    /// Sends a datagram to the socket's peer or default destination, and returns its size in bytes.
    ///
    /// IRQL: as for [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    ///
    /// As for [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to).
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, &SendControl::new()).await
    }

    /// Sends a datagram with control messages to the socket's peer or default destination.
    ///
    /// IRQL: as for [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    ///
    /// As for [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As for [`send_to_with`](Self::send_to_with).
    pub async fn send_with<B: IoBuf>(
        &self,
        buffer: B,
        control: &SendControl,
    ) -> BufResult<usize, B> {
        let to = Destination::Destination(self.state.destination());
        self.handle.send_to(buffer, to, control, &mut Deadline::never()).await
    }
}
