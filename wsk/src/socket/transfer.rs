//! Requests with a buffer, which they return: sending and receiving.
//!
//! These are a driver's most frequent requests, so the result is checked right after the call: if it is available, no
//! future has to be stored, polled and dropped.
//!
//! # Safety
//!
//! The request owns the buffer until it completes, and its descriptor with it.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use wsk_sys::{NTSTATUS, PIRP, PWSK_BUF};

use super::datagram::truncated;
use super::handle::Handle;
use crate::buffer::{BufResult, IoBuf, MdlChain};
use crate::category::Category;
use crate::flags::SocketFlags;
use crate::operation::{
    Budgeted, FREQUENT, Idle, Issued, Payload, RequestKind, RequestOutcome, WithDeadline,
};
use crate::status::{Error, Result, known};
use crate::time::Timeout;

/// The result of a request, and its memory. The chain has no memory if the system has kept the request's own.
pub(crate) type Completion<T> = (Result<T>, MdlChain);

/// The memory of a buffer, with the start and the end of a range in it. The start is at most the end, and the end at most the
/// length.
pub(crate) type BufferRange = (MdlChain, usize, usize);

/// A request that was submitted: completed already, or in flight. See [`await_end`].
pub(crate) enum Submitted<T, W> {
    /// It has completed, or could not be issued.
    Completed(T),
    /// It is in flight; this future waits for its completion.
    InFlight(W),
}

/// A submitted request with a buffer.
pub(crate) type SubmittedTransfer<'a, T, D, C, B, F> =
    Submitted<BufResult<T, B>, Transfer<'a, D, C, B, F>>;

/// Awaits a [`Submitted`] request, unless it has completed.
///
/// A macro, because a function would add its own future. It does not await inside the `match`, because the
/// surrounding future would then store the whole matched value.
macro_rules! await_end {
    ($begun:expr) => {
        'ended: {
            let waiting = match $begun {
                $crate::socket::Submitted::Completed(ended) => break 'ended ended,
                $crate::socket::Submitted::InFlight(waiting) => waiting,
            };
            waiting.await
        }
    };
}

pub(crate) use await_end;

/// A future that waits for a request with a buffer.
#[must_use = "the request is cancelled when this is dropped"]
pub(crate) struct Transfer<'a, D, C, B, F> {
    deadline: WithDeadline<D>,
    handle: &'a Handle<C>,
    start: usize,
    end: usize,
    finish: F,
    /// The buffers of this crate, which are sealed, have no subtypes.
    buffer: PhantomData<fn() -> B>,
}

/// Nothing in it is pinned.
impl<D, C, B, F> Unpin for Transfer<'_, D, C, B, F> {}

impl<T, D, C, B, F> Future for Transfer<'_, D, C, B, F>
where
    D: Timeout,
    C: Category,
    B: IoBuf,
    F: FnMut(&mut Payload, usize) -> T,
{
    type Output = BufResult<T, B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<BufResult<T, B>> {
        let this = &mut *self;
        this.deadline.poll_outcome(context).map(|outcome| {
            let room = this.end - this.start;
            let (result, buffer) = this.handle.end_transfer(outcome, room, &mut this.finish);
            // SAFETY: the memory is that of the `B` with which the request was made, or empty.
            BufResult(result, unsafe { B::from_parts(buffer, this.start, this.end) })
        })
    }
}

impl<C: Category> Handle<C> {
    /// Starts a request with a buffer. A `FREQUENT` one has more code for fewer instructions.
    ///
    /// # Errors
    ///
    /// The buffer is returned with the error.
    ///
    /// # Safety
    ///
    /// - The range is of a `B`.
    /// - As for [`Idle::start`]. The call receives the payload's descriptor, and through it the buffer. `prepare` leaves
    ///   no value in the payload that must be dropped.
    /// - The request is dropped before the handle.
    #[inline]
    pub(super) unsafe fn start_transfer<const FREQUENT: bool, B: IoBuf>(
        &self,
        kind: RequestKind,
        (buffer, start, end): BufferRange,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS,
    ) -> core::result::Result<Issued, (Error, MdlChain)> {
        let idle = if FREQUENT {
            // SAFETY: the handle keeps the socket's memory; the request is kept with it, or borrows it, and is dropped
            // before.
            unsafe { self.state().idle_inline() }
        } else {
            // SAFETY: as above.
            unsafe { self.state().idle() }
        };
        let mut idle = match idle {
            Ok(idle) => idle,
            Err(error) => return Err((error, buffer)),
        };
        let payload = idle.payload();
        payload.descriptor = B::describe(&buffer, start, end);
        // An idle request has no buffer, so nothing is forgotten here.
        core::mem::forget(payload.buffer.replace(buffer));
        prepare(payload);
        let call = |dispatch, irp, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let descriptor = unsafe { Payload::descriptor(payload) };
            call(dispatch, descriptor, irp, payload)
        };
        // SAFETY: the call receives the payload's descriptor; this function's contract includes that of `start`.
        Ok(unsafe { self.start::<FREQUENT>(idle, kind, call) })
    }

    /// Ends a request with `room` bytes of a buffer. `finish` takes the result out of the payload, and receives the number
    /// of transferred bytes. If the system has kept the buffer, an empty one is returned.
    #[inline]
    pub(super) fn end_transfer<T>(
        &self,
        outcome: RequestOutcome,
        room: usize,
        finish: impl FnMut(&mut Payload, usize) -> T,
    ) -> Completion<T> {
        match outcome {
            RequestOutcome::Completed(idle, result) => {
                self.end_completed(idle, result, room, finish)
            }
            // The system may still use the buffer.
            RequestOutcome::Refused(error) => (Err(error), MdlChain::empty()),
        }
    }

    #[inline]
    pub(super) fn end_completed<T>(
        &self,
        mut idle: Idle,
        result: Result<usize>,
        room: usize,
        mut finish: impl FnMut(&mut Payload, usize) -> T,
    ) -> Completion<T> {
        let state = self.state();
        let payload = idle.payload();
        let buffer = payload.buffer.take();
        match (result, buffer) {
            (Ok(information), Some(buffer)) => {
                // A correct system never reports more bytes than the buffer has room for.
                let value = finish(payload, information.min(room));
                state.requests.put_transfer(idle);
                (Ok(value), buffer)
            }
            (Err(error), Some(buffer)) if C::FLAGS.bits() == SocketFlags::DATAGRAM.bits() => {
                match truncated(&mut idle, Err(error)) {
                    Ok(count) => {
                        let value = finish(idle.payload(), count.min(room));
                        state.requests.put_transfer(idle);
                        (Ok(value), buffer)
                    }
                    Err(error) => (Err(state.failed(idle, error)), buffer),
                }
            }
            (Err(error), Some(buffer)) => (Err(state.failed(idle, error)), buffer),
            // Every such request was made with one.
            (_, None) => (Err(known::STATUS_INTERNAL_ERROR), MdlChain::empty()),
        }
    }

    /// Makes a request with a buffer and a deadline. The task's poll budget allows it (`budgeted`). `finish` takes the result
    /// out of the payload, and receives the number of bytes transferred.
    ///
    /// # Safety
    ///
    /// As for [`start_transfer`](Self::start_transfer).
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "they are what requests differ in")]
    pub(super) unsafe fn begin_transfer<
        T,
        D: Timeout,
        B: IoBuf,
        F: FnMut(&mut Payload, usize) -> T,
    >(
        &self,
        kind: RequestKind,
        budgeted: Budgeted,
        deadline: D,
        buffer: B,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS,
        finish: F,
    ) -> SubmittedTransfer<'_, T, D, C, B, F> {
        let (buffer, start, end) = buffer.into_parts();
        // SAFETY: this function's contract is that of `start_transfer`.
        let (result, buffer) = match unsafe {
            self.start_transfer::<FREQUENT, B>(kind, (buffer, start, end), prepare, call)
        } {
            Ok(issued) => match issued.try_complete(budgeted) {
                Ok((idle, result)) => self.end_completed(idle, result, end - start, finish),
                Err(in_flight) => {
                    let in_flight =
                        if kind == RequestKind::Receives { in_flight.kept() } else { in_flight };
                    let deadline = in_flight.with_deadline(deadline);
                    let handle = self;
                    let buffer = PhantomData;
                    return Submitted::InFlight(Transfer {
                        deadline,
                        handle,
                        start,
                        end,
                        finish,
                        buffer,
                    });
                }
            },
            Err((error, buffer)) => (Err(error), buffer),
        };
        // SAFETY: the memory is that of the `B` with which the request was made, or empty.
        Submitted::Completed(BufResult(result, unsafe { B::from_parts(buffer, start, end) }))
    }

    /// Makes a request like [`begin_transfer`](Self::begin_transfer), and waits for its completion.
    ///
    /// # Safety
    ///
    /// As for [`start_transfer`](Self::start_transfer).
    pub(super) async unsafe fn transfer<T, B: IoBuf>(
        &self,
        kind: RequestKind,
        deadline: impl Timeout,
        buffer: B,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS,
        finish: impl FnMut(&mut Payload, usize) -> T,
    ) -> BufResult<T, B> {
        let budgeted = self.state().permit().await;
        await_end!(
            // SAFETY: this function's contract is that of `start_transfer`.
            unsafe { self.begin_transfer(kind, budgeted, deadline, buffer, prepare, call, finish) }
        )
    }
}
