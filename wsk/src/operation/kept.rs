//! Receives whose futures were dropped, kept for later receives.
//!
//! A cancelled receive may still complete with data. So a receive whose future is dropped is cancelled and kept, with
//! its buffer, by the object on which it was issued. The next receive waits for it and takes its data; it is issued
//! only when no earlier one is left. A receive that was cancelled without data is freed at once.
//!
//! While requests are kept, receives take turns in the order in which they were begun, so that data stays in order: one
//! has the turn until it has its data, or was issued.
//!
//! The memory is bounded: a receive that waits for its turn, or for a kept one, is not issued itself and is not kept.
//! So no more requests are kept than were in flight at once.
//!
//! # Safety
//!
//! A kept request is owned by the list: by its owner's half, as an [`InFlight`](super::InFlight) owns it. The list's lock
//! protects the links. The object's end drops the list, when each of its requests has completed.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};

use super::completion::dispose;
use super::in_flight::take_back;
use super::{Idle, Operation};
use crate::executor;
use crate::kernel::SpinLock;
use crate::pool::PoolBox;
use crate::status::Result;

/// The data of a kept receive, in its payload. Unused while it is not kept.
pub(crate) struct KeptReceive {
    /// Its position among the receives of its object.
    number: u32,
    /// The number of bytes in the same buffer that earlier requests have received for the same future.
    pub(crate) before: usize,
    /// The number of these bytes, and of the request's own, that were taken.
    pub(crate) taken: usize,
    /// The result, if it is not to be read from the IRP.
    pub(crate) result: Option<Result<usize>>,
}

impl KeptReceive {
    pub(crate) const NONE: Self = Self { number: 0, before: 0, taken: 0, result: None };
}

/// The kept receives of an object, and the order of the receives that follow.
pub(crate) struct KeptReceives {
    /// Whether a request is kept or a turn is taken: if not, receives are issued at once.
    is_active: AtomicBool,
    next_number: AtomicU32,
    order: SpinLock<ReceiveOrder>,
}

/// # Invariants
///
/// The requests in the list are its own. They are linked in the order of their numbers.
struct ReceiveOrder {
    first: Option<NonNull<Operation>>,
    /// The ticket whose turn it is, or zero.
    turn: u64,
    last_ticket: u64,
    waiting: Option<PoolBox<WaitingReceive>>,
}

// SAFETY: the list owns its requests, which are `Send`, and wakers are.
unsafe impl Send for ReceiveOrder {}

/// A receive that waits for its turn.
struct WaitingReceive {
    ticket: u64,
    waker: Waker,
    /// The list drops it, one waiter after another: drop glue would recurse once for each.
    next: ManuallyDrop<Option<PoolBox<WaitingReceive>>>,
}

impl KeptReceives {
    pub(super) const fn new() -> Self {
        Self {
            is_active: AtomicBool::new(false),
            next_number: AtomicU32::new(0),
            order: SpinLock::new(ReceiveOrder {
                first: None,
                turn: 0,
                last_ticket: 0,
                waiting: None,
            }),
        }
    }

    /// Whether a receive has to wait for its [turn](Self::turn).
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        // This sees a receive that this thread has kept, or that another thread has kept before an event that
        // happened before this call. Concurrent receives have no order.
        self.is_active.load(Ordering::Relaxed)
    }

    /// The place of a receive that was just issued.
    ///
    /// Threads that receive from one socket at once may get the same place, and have no order.
    pub(super) fn number(&self) -> u32 {
        let number = self.next_number.load(Ordering::Relaxed).wrapping_add(1);
        self.next_number.store(number, Ordering::Relaxed);
        number
    }

    /// Keeps a request. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The operation is a receive that was issued on the object that this belongs to, or is to be received from later;
    /// the caller owns it and gives it up.
    pub(super) unsafe fn keep(&self, operation: NonNull<Operation>) {
        // SAFETY: the operation stays in place until its owner, now the list, leaves it.
        let number = unsafe { number_of(operation) };
        let mut order = self.order.lock();
        let (mut previous, mut next) = (None, order.first);
        while let Some(other) = next {
            // SAFETY: the list owns the request, which stays in place.
            let distance = unsafe { number_of(other) }.wrapping_sub(number);
            // It was issued after the inserted one; numbers wrap around.
            if (1..u32::MAX / 2).contains(&distance) {
                break;
            }
            previous = Some(other);
            // SAFETY: the list owns the request, which stays in place.
            next = unsafe { next_of(other) };
        }
        // SAFETY: the caller gives the operation up; the link is the list's.
        unsafe { link(operation, next) };
        match previous {
            // SAFETY: the list owns the request; its lock is held.
            Some(previous) => unsafe { link(previous, Some(operation)) },
            None => order.first = Some(operation),
        }
        self.is_active.store(true, Ordering::Relaxed);
    }

    /// Keeps an operation whose buffer has data that precede the data of every kept request.
    pub(crate) fn keep_first(&self, mut idle: Idle, result: Result<usize>) {
        idle.payload().kept.result = Some(result);
        let operation = idle.into_raw();
        let mut order = self.order.lock();
        // SAFETY: `idle` owned the operation, which is the list's now.
        unsafe { link(operation, order.first) };
        order.first = Some(operation);
        self.is_active.store(true, Ordering::Relaxed);
    }

    /// Waits for the turn to receive.
    pub(crate) const fn turn(&self) -> AwaitTurn<'_> {
        AwaitTurn { kept: self, ticket: 0 }
    }

    /// Frees every request. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// No request of the object is in flight, and none of its receives is waited for.
    pub(crate) unsafe fn clear(&self) {
        if !self.is_active() {
            return;
        }
        loop {
            let first = {
                let mut order = self.order.lock();
                let Some(first) = order.first else { break };
                // SAFETY: the list owns the request, which stays in place.
                order.first = unsafe { next_of(first) };
                first
            };
            // SAFETY: no request is in flight, so this one has completed, and it was taken out of the list.
            unsafe { dispose(first) };
        }
    }

    /// Passes the turn on, to the receive that has waited longest.
    fn pass_turn(&self) {
        let next = {
            let mut order = self.order.lock();
            let next = order.waiting.take();
            if let Some(mut waiter) = next {
                order.waiting = waiter.next.take();
                order.turn = waiter.ticket;
                Some(waiter)
            } else {
                order.turn = 0;
                self.is_active.store(order.first.is_some(), Ordering::Relaxed);
                None
            }
        };
        if let Some(mut waiter) = next {
            // A completion routine's waker may have dropped the future that passes the turn on.
            let waker = core::mem::replace(&mut waiter.waker, Waker::noop().clone());
            executor::wake_in_completion_routine(waker);
        }
    }

    /// Leaves the order.
    fn leave(&self, ticket: u64) {
        let left = {
            let mut order = self.order.lock();
            if order.turn == ticket { None } else { order.remove(ticket) }
        };
        match left {
            // Outside of the lock, since a waker is another's code.
            Some(waiter) => drop(waiter),
            None => self.pass_turn(),
        }
    }
}

impl Drop for KeptReceives {
    /// The list is empty: the object has [cleared](Self::clear) it when its last memory reference was released. A receive is
    /// kept by its future, which borrows a handle, and so such a reference. Here it could not be cleared: a request is put
    /// back to the object's cache, which is being dropped with this.
    fn drop(&mut self) {
        debug_assert!(self.order.lock().first.is_none(), "a receive is kept after the end");
    }
}

impl Drop for ReceiveOrder {
    fn drop(&mut self) {
        while let Some(mut waiter) = self.waiting.take() {
            self.waiting = waiter.next.take();
        }
    }
}

impl ReceiveOrder {
    /// Takes a waiter out.
    fn remove(&mut self, ticket: u64) -> Option<PoolBox<WaitingReceive>> {
        let mut place = &mut self.waiting;
        while place.as_ref().is_some_and(|waiter| waiter.ticket != ticket) {
            place = &mut *place.as_mut()?.next;
        }
        let mut removed = place.take()?;
        *place = removed.next.take();
        Some(removed)
    }

    /// Puts a waiter in the last place.
    fn push(&mut self, waiter: PoolBox<WaitingReceive>) {
        let mut place = &mut self.waiting;
        while let Some(waiter) = place {
            place = &mut *waiter.next;
        }
        *place = Some(waiter);
    }

    /// Gives a waiter another waker, and returns the former one.
    fn replace_waker(&mut self, ticket: u64, waker: Waker) -> Waker {
        let mut next = self.waiting.as_mut();
        while let Some(waiter) = next {
            if waiter.ticket == ticket {
                return core::mem::replace(&mut waiter.waker, waker);
            }
            next = waiter.next.as_mut();
        }
        waker
    }
}

/// # Safety
///
/// The operation is in place, and has been put in the list or is about to be.
unsafe fn number_of(operation: NonNull<Operation>) -> u32 {
    // SAFETY: the operation is in place, by this function's contract.
    let payload: *mut super::Payload = unsafe { operation.as_ref() }.payload.get();
    // SAFETY: neither the system nor the completion routine uses this field.
    unsafe { (*payload).kept.number }
}

/// # Safety
///
/// The operation is in the list, whose lock is held.
unsafe fn next_of(operation: NonNull<Operation>) -> Option<NonNull<Operation>> {
    // SAFETY: the list owns the operation, which is in place.
    NonNull::new(unsafe { operation.as_ref() }.next_kept.load(Ordering::Relaxed))
}

/// # Safety
///
/// The operation is in the list or about to be, and the list's lock is held.
unsafe fn link(operation: NonNull<Operation>, next: Option<NonNull<Operation>>) {
    let next = next.map_or(core::ptr::null_mut(), NonNull::as_ptr);
    // SAFETY: the operation is in place.
    unsafe { operation.as_ref() }.next_kept.store(next, Ordering::Relaxed);
}

/// Remembers the place of a receive that was just issued.
///
/// # Safety
///
/// The operation is the caller's half of a request.
pub(super) unsafe fn set_number(operation: NonNull<Operation>, number: u32) {
    // SAFETY: the operation is in place until its owner, the caller, leaves it.
    let payload = unsafe { operation.as_ref() }.payload.get();
    // SAFETY: neither the system nor the completion routine uses this field.
    unsafe { (*payload).kept.number = number };
}

/// A future of the turn to receive.
#[must_use = "it is to be awaited"]
pub(crate) struct AwaitTurn<'a> {
    kept: &'a KeptReceives,
    /// Zero before the first poll, and after the last.
    ticket: u64,
}

impl<'a> Future for AwaitTurn<'a> {
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocating the place in the order fails.
    type Output = Result<ReceiveTurn<'a>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<ReceiveTurn<'a>>> {
        let kept = self.kept;
        if self.ticket != 0 {
            let waker = context.waker().clone();
            let (has_turn, former) = {
                let mut order = kept.order.lock();
                let has_turn = order.turn == self.ticket;
                (has_turn, if has_turn { waker } else { order.replace_waker(self.ticket, waker) })
            };
            // Outside of the lock, since a waker is another's code.
            drop(former);
            if !has_turn {
                return Poll::Pending;
            }
            self.ticket = 0;
            return Poll::Ready(Ok(ReceiveTurn { kept, polled: None }));
        }
        // Before the lock is taken; mostly the turn is free, and this is not needed.
        let mut waiter: Option<PoolBox<WaitingReceive>> = None;
        loop {
            {
                let mut order = kept.order.lock();
                if order.turn == 0 {
                    order.last_ticket += 1;
                    order.turn = order.last_ticket;
                    kept.is_active.store(true, Ordering::Relaxed);
                    break;
                }
                if let Some(mut waiter) = waiter.take() {
                    order.last_ticket += 1;
                    let ticket = order.last_ticket;
                    waiter.ticket = ticket;
                    order.push(waiter);
                    self.ticket = ticket;
                    return Poll::Pending;
                }
            }
            let waker = context.waker().clone();
            waiter = match PoolBox::new(WaitingReceive {
                ticket: 0,
                waker,
                next: ManuallyDrop::new(None),
            }) {
                Ok(waiter) => Some(waiter),
                Err(error) => return Poll::Ready(Err(error)),
            };
        }
        drop(waiter);
        Poll::Ready(Ok(ReceiveTurn { kept, polled: None }))
    }
}

impl Drop for AwaitTurn<'_> {
    fn drop(&mut self) {
        if self.ticket != 0 {
            self.kept.leave(self.ticket);
        }
    }
}

/// The turn to receive. Dropping it passes it on.
///
/// # Invariants
///
/// This value has the turn. Only this value removes requests from the list, so `polled` is in it.
pub(crate) struct ReceiveTurn<'a> {
    kept: &'a KeptReceives,
    /// The request that has this value's waker.
    polled: Option<NonNull<Operation>>,
}

// SAFETY: the request is the list's, which any thread may use.
unsafe impl Send for ReceiveTurn<'_> {}
// SAFETY: it has no methods on a shared reference.
unsafe impl Sync for ReceiveTurn<'_> {}

impl ReceiveTurn<'_> {
    /// Waits for the first kept request, and takes it with its result; none if no request is left.
    pub(crate) fn poll_first(
        &mut self,
        context: &Context<'_>,
    ) -> Poll<Option<(Idle, Result<usize>)>> {
        loop {
            let first = self.kept.order.lock().first;
            if self.polled.is_some() && self.polled != first {
                self.forget_waker();
            }
            let Some(first) = first else {
                return Poll::Ready(None);
            };
            // INVARIANT: it is the list's first.
            self.polled = Some(first);
            // SAFETY: the list owns the request, and only this value takes it out.
            let request = unsafe { first.as_ref() };
            if request.state.poll(context.waker()).is_pending() {
                return Poll::Pending;
            }
            let is_first = {
                let mut order = self.kept.order.lock();
                let is_first = order.first == Some(first);
                if is_first {
                    // SAFETY: the list owns the request, and its lock is held.
                    order.first = unsafe { next_of(first) };
                }
                is_first
            };
            self.polled = None;
            // An earlier one has been kept in the meantime.
            if !is_first {
                continue;
            }
            // SAFETY: the request has completed, and was taken out of the list.
            let (mut idle, result) = unsafe { take_back(first) };
            let result = idle.payload().kept.result.take().unwrap_or(result);
            return Poll::Ready(Some((idle, result)));
        }
    }

    /// Puts back a request that was only partly consumed, as the first one.
    pub(crate) fn put_back(&mut self, idle: Idle, result: Result<usize>) {
        self.kept.keep_first(idle, result);
    }

    /// Takes the waker of this value's task back.
    fn forget_waker(&mut self) {
        if let Some(polled) = self.polled.take() {
            // SAFETY: the request is in the list, and only this value takes it out.
            unsafe { polled.as_ref() }.state.forget_waker();
        }
    }
}

impl Drop for ReceiveTurn<'_> {
    fn drop(&mut self) {
        self.forget_waker();
        self.kept.pass_turn();
    }
}
