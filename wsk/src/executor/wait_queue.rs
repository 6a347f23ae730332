//! A state with a queue of futures that wait for it to change.
//!
//! The futures are queued without an allocation: each contains its place in the queue, and is pinned. They are served
//! in the order in which they started to wait. Wakers are cloned, called and dropped without the lock, since they are
//! foreign code.
//!
//! | attack | why it fails |
//! |---|---|
//! | a waiting future is forgotten | pinned memory is not reused before its value is dropped, so a forgotten place stays valid; the queue may end before, and does not access its places then |
//! | a waiting future moves to another thread, or is dropped there | its place is accessed under the lock only |
//! | the queue is dropped while a future waits | the future borrows the queue |
//! | a waker drops futures of the same queue, or polls them | no lock is held while it runs, and no place is borrowed |
//! | a future is dropped after it was served, before it was polled | [`Wait::give_up`] takes back its grant, and the next one is served |
//! | the code that serves panics | cannot happen: it is part of this crate and has no panics |
//!
//! # Safety
//!
//! The places are accessed only while the queue's lock is held. A place in the queue is in a pinned [`Waiter`], whose drop
//! takes it out.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::marker::PhantomPinned;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use super::foreign::{drop_waker, wake};
use crate::kernel::SpinLock;

/// A kind of wait. The value describes what one future waits for.
pub(crate) trait Wait: Sized {
    /// The state behind the queue's lock.
    type State;

    /// Serves the first waiting future if it need not wait any more: notes that in the state and in the future's value,
    /// and removes it from the queue. Returns its waker. Called with the lock until it returns none.
    fn serve(state: &mut Self::State, waiting: &mut WaitList<Self>) -> Option<Waker>;

    /// Takes back the grant of a future that was served, and is dropped before it could be polled again. Called
    /// with the lock for each future that has waited and is dropped.
    fn give_up(&mut self, state: &mut Self::State);
}

/// A state with a queue of futures.
pub(crate) struct WaitQueue<W: Wait>(SpinLock<QueueState<W>>);

struct QueueState<W: Wait> {
    state: W::State,
    waiting: WaitList<W>,
}

impl<W: Wait> WaitQueue<W> {
    pub(crate) const fn new(state: W::State) -> Self {
        Self(SpinLock::new(QueueState { state, waiting: WaitList { first: None, last: None } }))
    }

    /// Accesses the state, and whether a future waits, with the lock.
    pub(crate) fn access<T>(&self, access: impl FnOnce(&mut W::State, bool) -> T) -> T {
        let mut inner = self.0.lock();
        let is_waited_for = inner.waiting.first.is_some();
        access(&mut inner.state, is_waited_for)
    }

    /// Changes the state with the lock, and then serves the futures that need not wait any more.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut W::State) -> T) -> T {
        let mut inner = self.0.lock();
        let result = change(&mut inner.state);
        let mut next = inner.serve();
        drop(inner);
        while next.is_some() {
            wake(next);
            next = self.0.lock().serve();
        }
        result
    }
}

impl<W: Wait> QueueState<W> {
    fn serve(&mut self) -> Option<Waker> {
        W::serve(&mut self.state, &mut self.waiting)
    }
}

/// The waiting futures, in order.
///
/// # Invariants
///
/// - The places in the list are linked in both directions, in nonpaged memory that stays in place, and each has a waker.
/// - They are accessed only while the queue's lock is held.
pub(crate) struct WaitList<W> {
    first: Option<NonNull<QueueEntry<W>>>,
    last: Option<NonNull<QueueEntry<W>>>,
}

// SAFETY: the places are accessed under the lock (Invariants), in any thread, for which the value is `Send`, as a waker
// always is.
unsafe impl<W: Send> Send for WaitList<W> {}

/// The place of a future in the queue.
struct QueueEntry<W> {
    previous: Option<NonNull<Self>>,
    next: Option<NonNull<Self>>,
    is_listed: bool,
    waker: Option<Waker>,
    wait: W,
}

impl<W> WaitList<W> {
    /// The first waiting future's value.
    pub(crate) fn first(&mut self) -> Option<&mut W> {
        // SAFETY: a listed place is valid, and the lock is held (Invariants), with which `self` is borrowed.
        self.first.map(|mut place| unsafe { &mut place.as_mut().wait })
    }

    /// Removes the first waiting future. Returns its waker.
    pub(crate) fn pop(&mut self) -> Option<Waker> {
        let mut place = self.first?;
        // SAFETY: the place is listed, and so is valid (Invariants).
        unsafe { self.remove(place) };
        // SAFETY: the place is valid until its `Waiter` has the lock.
        unsafe { place.as_mut() }.waker.take()
    }

    /// Appends a place.
    ///
    /// # Safety
    ///
    /// The lock is held. The place is not listed, has a waker, and stays valid and in place until it is removed.
    unsafe fn push(&mut self, mut place: NonNull<QueueEntry<W>>) {
        // SAFETY: the place is valid (this function's contract).
        let new = unsafe { place.as_mut() };
        new.is_listed = true;
        new.next = None;
        new.previous = self.last.replace(place);
        match new.previous {
            // SAFETY: a listed place is valid (Invariants), and is another one.
            Some(mut last) => unsafe { last.as_mut() }.next = Some(place),
            None => self.first = Some(place),
        }
    }

    /// Removes a place.
    ///
    /// # Safety
    ///
    /// The lock is held, and the place is in this list.
    unsafe fn remove(&mut self, mut place: NonNull<QueueEntry<W>>) {
        // SAFETY: a listed place is valid (Invariants).
        let removed = unsafe { place.as_mut() };
        removed.is_listed = false;
        let (previous, next) = (removed.previous.take(), removed.next.take());
        match previous {
            // SAFETY: a listed place is valid (Invariants), and is another one.
            Some(mut previous) => unsafe { previous.as_mut() }.next = next,
            None => self.first = next,
        }
        match next {
            // SAFETY: a listed place is valid (Invariants), and is another one.
            Some(mut next) => unsafe { next.as_mut() }.previous = previous,
            None => self.last = previous,
        }
    }
}

/// A future's part in a queue. Dropping it leaves the queue.
///
/// # Invariants
///
/// The place is accessed only while the queue's lock is held, or before it was first listed. It is listed only while this
/// is pinned.
pub(crate) struct Waiter<'a, W: Wait> {
    queue: &'a WaitQueue<W>,
    place: UnsafeCell<QueueEntry<W>>,
    /// Whether the place was listed, since the last poll that was ready.
    has_waited: bool,
    /// The queue has pointers to the place. So other code's references to this are not exclusive ones.
    _pinned: PhantomPinned,
}

// SAFETY: the place is accessed under the lock (Invariants), in any thread, for which the value and the state are `Send`.
unsafe impl<W: Wait<State: Send> + Send> Send for Waiter<'_, W> {}

impl<'a, W: Wait> Waiter<'a, W> {
    pub(crate) const fn new(queue: &'a WaitQueue<W>, wait: W) -> Self {
        let place = QueueEntry { previous: None, next: None, is_listed: false, waker: None, wait };
        Self { queue, place: UnsafeCell::new(place), has_waited: false, _pinned: PhantomPinned }
    }

    /// Makes an attempt, with the lock: with the state, with this future's value, and with whether no other future waits.
    /// If it is pending, this waits in the queue.
    pub(crate) fn poll<T>(
        self: Pin<&mut Self>,
        context: &Context<'_>,
        mut attempt: impl FnMut(&mut W::State, &mut W, bool) -> Poll<T>,
    ) -> Poll<T> {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: the address of a field is not null.
        let mut pointer = unsafe { NonNull::new_unchecked(this.place.get()) };
        let mut waker = None;
        loop {
            let mut inner = this.queue.0.lock();
            let is_first = inner.waiting.first.is_none();
            // SAFETY: the lock is held (Invariants).
            let place = unsafe { pointer.as_mut() };
            let result = attempt(&mut inner.state, &mut place.wait, is_first);
            if result.is_ready() {
                let stored = place.waker.take();
                if place.is_listed {
                    // SAFETY: the lock is held, and the place is in this queue's list.
                    unsafe { inner.waiting.remove(pointer) };
                }
                this.has_waited = false;
                drop(inner);
                drop_waker(stored);
                drop_waker(waker);
                return result;
            }
            let is_stored = place.is_listed
                && place.waker.as_ref().is_some_and(|stored| stored.will_wake(context.waker()));
            if is_stored {
                return Poll::Pending;
            }
            // Cloned without the lock. Meanwhile the state may change.
            let Some(new) = waker.take() else {
                drop(inner);
                waker = Some(context.waker().clone());
                continue;
            };
            let former = place.waker.replace(new);
            if !place.is_listed {
                this.has_waited = true;
                // SAFETY: the lock is held, the place has a waker, and it stays in place, since it is pinned, until the
                // drop of this removes it.
                unsafe { inner.waiting.push(pointer) };
            }
            drop(inner);
            drop_waker(former);
            return Poll::Pending;
        }
    }
}

impl<W: Wait> Drop for Waiter<'_, W> {
    fn drop(&mut self) {
        if !self.has_waited {
            return;
        }
        // SAFETY: the address of a field is not null.
        let mut pointer = unsafe { NonNull::new_unchecked(self.place.get()) };
        let unused = {
            let mut inner = self.queue.0.lock();
            // SAFETY: the lock is held (Invariants).
            let place = unsafe { pointer.as_mut() };
            place.wait.give_up(&mut inner.state);
            let unused = place.waker.take();
            if place.is_listed {
                // SAFETY: the lock is held, and the place is in this queue's list.
                unsafe { inner.waiting.remove(pointer) };
            }
            unused
        };
        drop_waker(unused);
        // Others may have waited behind this one, or may get its grant.
        self.queue.change(|_| ());
    }
}
