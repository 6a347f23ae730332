//! Sending.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)); the request owns the buffer until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use wsk_sys::{NTSTATUS, PIRP, PWSK_BUF};

use super::super::state::Connected;
use super::super::transfer::{Completion, Submitted, SubmittedTransfer, await_end};
use super::super::{Handle, Socket};
use crate::buffer::{BufResult, IoBuf, MdlChain};
use crate::category::Connects;
use crate::flags::SendFlags;
use crate::operation::{Budgeted, FREQUENT, InFlight, Payload, RARE, RequestKind};
use crate::status::known;
use crate::time::{Deadline, Never, Timeout};

impl<C: Connects> Handle<C> {
    /// Sends from the buffer. The task's poll budget allows it (`budgeted`).
    #[inline]
    pub(crate) fn send<D: Timeout, B: IoBuf>(
        &self,
        budgeted: Budgeted,
        buffer: B,
        flags: SendFlags,
        deadline: D,
    ) -> SubmittedTransfer<
        '_,
        usize,
        D,
        C,
        B,
        impl FnMut(&mut Payload, usize) -> usize + use<D, C, B>,
    > {
        if !SendFlags::all().contains(flags) {
            // The header's other flags are not documented (INV-31).
            return Submitted::Completed(BufResult(Err(known::STATUS_NOT_SUPPORTED), buffer));
        }
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        unsafe {
            self.begin_transfer(
                RequestKind::Sends,
                budgeted,
                deadline,
                buffer,
                |_| (),
                call::<C>(flags | self.state().send_flags()),
                |_, sent| sent,
            )
        }
    }

    /// Sends the whole buffer. The task's poll budget allows it (`budgeted`).
    #[inline]
    pub(crate) fn send_all<B: IoBuf>(
        &self,
        budgeted: Budgeted,
        buffer: B,
    ) -> Submitted<BufResult<usize, B>, SendAll<'_, C, B>> {
        let (buffer, start, end) = buffer.into_parts();
        if start == end {
            // SAFETY: the memory and its range are from this `B`, or the memory is empty.
            let buffer = unsafe { B::from_parts(buffer, start, end) };
            return Submitted::Completed(BufResult(Ok(0), buffer));
        }
        let progress = SendProgress { start, sent: start, end };
        let (range, call) = ((buffer, start, end), call::<C>(self.state().send_flags()));
        // SAFETY: the range is of a `B`; the call is given the payload's descriptor, and through it the payload's buffer.
        let issued =
            unsafe { self.start_transfer::<FREQUENT, B>(RequestKind::Sends, range, |_| (), call) };
        let ended = match issued {
            Ok(issued) => match issued.try_complete(budgeted) {
                Ok((idle, result)) => self.end_completed(idle, result, end - start, |_, sent| sent),
                Err(in_flight) => return self.all_in_flight(in_flight, progress),
            },
            Err((error, buffer)) => (Err(error), buffer),
        };
        match ended {
            (Ok(sent), buffer) if sent == end - start => {
                // SAFETY: the memory and its range are from this `B`, or the memory is empty.
                let buffer = unsafe { B::from_parts(buffer, start, end) };
                Submitted::Completed(BufResult(Ok(sent), buffer))
            }
            // SAFETY: the memory and its range are from this `B`, or the memory is empty.
            ended => match unsafe { self.send_rest(ended, progress) } {
                Submitted::Completed(ended) => Submitted::Completed(ended),
                Submitted::InFlight((in_flight, progress)) => {
                    self.all_in_flight(in_flight, progress)
                }
            },
        }
    }

    #[inline]
    fn all_in_flight<T, B>(
        &self,
        in_flight: InFlight,
        progress: SendProgress,
    ) -> Submitted<T, SendAll<'_, C, B>> {
        Submitted::InFlight(SendAll { in_flight, handle: self, progress, buffer: PhantomData })
    }

    /// Sends the whole buffer until a deadline. Apart from that, this is [`send_all`](Self::send_all), with less code.
    pub(crate) async fn send_all_until<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, B> {
        // Polling the requests spends the budget.
        self.outside_routines().await;
        let (buffer, start, end) = buffer.into_parts();
        let progress = SendProgress { start, sent: start, end };
        // SAFETY: the range is of a `B`.
        let mut submitted = unsafe { self.send_part::<B>(buffer, progress) };
        loop {
            let (in_flight, progress) = match submitted {
                Submitted::Completed(ended) => return ended,
                Submitted::InFlight(sending) => sending,
            };
            let mut waiting = in_flight.with_deadline(&mut *deadline);
            let outcome = (&mut waiting).await;
            let is_over = waiting.is_over();
            let SendProgress { sent, .. } = progress;
            let (result, buffer) = self.end_transfer(outcome, end - sent, |_, sent| sent);
            let result = match result {
                Ok(count) if is_over && count < end - sent => Err(known::STATUS_IO_TIMEOUT),
                result => result,
            };
            // It may have to send the rest.
            self.outside_routines().await;
            // SAFETY: the memory and its range are from this `B`, or the memory is empty.
            submitted = unsafe { self.send_rest((result, buffer), progress) };
        }
    }

    /// Sends the rest of the buffer after a part was sent, if any bytes are left.
    ///
    /// # Safety
    ///
    /// The memory and the range belong to a `B`, or the memory is empty.
    #[inline(never)]
    unsafe fn send_rest<B: IoBuf>(
        &self,
        (part, buffer): Completion<usize>,
        SendProgress { start, sent, end }: SendProgress,
    ) -> Submitted<BufResult<usize, B>, (InFlight, SendProgress)> {
        let result = match part {
            Ok(0) => Err(known::STATUS_CONNECTION_ABORTED),
            Ok(count) => {
                let progress = SendProgress { start, sent: sent + count, end };
                // SAFETY: the memory and the range belong to a `B`, by this function's contract.
                return unsafe { self.send_part(buffer, progress) };
            }
            Err(error) => Err(error),
        };
        // SAFETY: the memory and its range are from this `B`, or the memory is empty.
        let buffer = unsafe { B::from_parts(buffer, start, end) };
        Submitted::Completed(BufResult(result, buffer))
    }

    /// Sends the part of the buffer that is left, if any is.
    ///
    /// # Safety
    ///
    /// The memory and the range belong to a `B`, or the memory is empty.
    #[inline(never)]
    unsafe fn send_part<B: IoBuf>(
        &self,
        buffer: MdlChain,
        progress: SendProgress,
    ) -> Submitted<BufResult<usize, B>, (InFlight, SendProgress)> {
        let SendProgress { start, sent, end } = progress;
        let (result, buffer) = if sent == end {
            (Ok(end - start), buffer)
        } else {
            let (range, call) = ((buffer, sent, end), call::<C>(self.state().send_flags()));
            // SAFETY: the range is of a `B`; the call is given the payload's descriptor, and through it the payload's
            // buffer.
            let issued =
                unsafe { self.start_transfer::<RARE, B>(RequestKind::Sends, range, |_| (), call) };
            match issued {
                Ok(issued) => return Submitted::InFlight((issued.in_flight(), progress)),
                Err((error, buffer)) => (Err(error), buffer),
            }
        };
        // SAFETY: the memory and its range are from this `B`, or the memory is empty.
        let buffer = unsafe { B::from_parts(buffer, start, end) };
        Submitted::Completed(BufResult(result, buffer))
    }
}

/// The closure that calls `WskSend`.
#[inline]
pub(super) fn call<C: Connects>(
    flags: SendFlags,
) -> impl FnOnce(C::Dispatch, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS {
    move |dispatch, descriptor, irp, _| {
        // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
        unsafe { C::send(dispatch, descriptor, flags, irp) }
    }
}

/// The progress of sending `start..end` of a buffer: `start..sent` was sent.
#[derive(Clone, Copy)]
struct SendProgress {
    start: usize,
    sent: usize,
    end: usize,
}

/// A future that sends a whole buffer.
#[must_use = "the request is cancelled when this is dropped"]
pub(crate) struct SendAll<'a, C, B> {
    in_flight: InFlight,
    handle: &'a Handle<C>,
    progress: SendProgress,
    /// The buffers of this crate, which are sealed, have no subtypes.
    buffer: PhantomData<fn() -> B>,
}

/// Nothing in it is pinned.
impl<C, B> Unpin for SendAll<'_, C, B> {}

impl<C: Connects, B: IoBuf> Future for SendAll<'_, C, B> {
    type Output = BufResult<usize, B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<BufResult<usize, B>> {
        loop {
            // It may have to send the rest.
            ready!(self.handle.state().client().poll_outside_routines(context));
            let outcome = ready!(self.in_flight.poll_inline(context));
            let SendProgress { start, sent, end } = self.progress;
            let ended = self.handle.end_transfer(outcome, end - sent, |_, sent| sent);
            match ended {
                (Ok(count), buffer) if count == end - sent => {
                    // SAFETY: the memory and its range are from this `B`, or the memory is empty.
                    let buffer = unsafe { B::from_parts(buffer, start, end) };
                    return Poll::Ready(BufResult(Ok(end - start), buffer));
                }
                // SAFETY: the memory and its range are from this `B`, or the memory is empty.
                ended => match unsafe { self.handle.send_rest(ended, self.progress) } {
                    Submitted::Completed(ended) => return Poll::Ready(ended),
                    Submitted::InFlight((in_flight, progress)) => {
                        self.in_flight = in_flight;
                        self.progress = progress;
                    }
                },
            }
        }
    }
}

impl<C: Connects, H> Socket<C, Connected, H> {
    /// Sends from the buffer, and returns the number of bytes sent. According to WSK's documentation, that is all of them.
    ///
    /// WSK has no send buffer: the future completes when the peer's system has acknowledged the bytes. For
    /// throughput, keep several sends in flight. They are sent in the order in which they were started.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_send).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request and drops the buffer; the number of bytes
    /// sent is then unknown.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSend`.
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, SendFlags::empty()).await
    }

    /// Sends from the buffer like [`send`](Self::send), with flags.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `STATUS_NOT_SUPPORTED` if the transport does not support a flag. TCP supports all
    /// of them.
    pub async fn send_with<B: IoBuf>(&self, buffer: B, flags: SendFlags) -> BufResult<usize, B> {
        let budgeted = self.handle.state().permit().await;
        await_end!(self.handle.send(budgeted, buffer, flags, Never))
    }

    /// Sends from the buffer at once, without waiting for more data to fill a segment (`WSK_FLAG_NODELAY`). Earlier data
    /// that still waits is sent with it.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn send_no_delay<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, SendFlags::NO_DELAY).await
    }

    /// Sends the whole buffer, with several requests if necessary, and returns its size.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `STATUS_CONNECTION_ABORTED` if a request sends nothing.
    pub async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let budgeted = self.handle.state().permit().await;
        await_end!(self.handle.send_all(budgeted, buffer))
    }
}
