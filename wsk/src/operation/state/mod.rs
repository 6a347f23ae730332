//! The ownership of a request, and the wake-up when it completes.
//!
//! A request has an owner (a future) and, while it is in flight, WSK, which runs the completion
//! routine once, at any time, on any processor. The two meet in one word:
//!
//! | phase | meaning | leaves it |
//! |---|---|---|
//! | idle | the owner's alone | the owner starts it |
//! | in flight | no waker is stored | the owner stores a waker; the completion |
//! | waiting | a waker is stored | the owner takes it back; the completion takes it |
//! | completed | the owner's alone, with a result | the owner starts it again |
//! | abandoned | the completion routine's alone | no step: the completion disposes of it |
//! | orphaned | the call returned `STATUS_NOT_IMPLEMENTED` without completing | a late completion, after which it is idle; its target frees it |
//!
//! The completion's **last access to the request** is the step to *completed*: the owner may free or
//! reuse the memory from that instant, so the waker is taken out before the step and called after it.
//! `AtomicWaker` cannot be used for this, since it accesses its memory after it has taken the waker.
//!
//! # The reference to the target
//!
//! A request in flight keeps its target. It either has a reference to it, which the completion routine releases as its last
//! step, or, on an open socket, it *borrows* the memory reference that the open references have together. Taking and
//! releasing one for each request would cost two exchanges. These facts make a borrowed reference sound:
//!
//! 1. A request borrows only in an operation that its target's cache owns, and is issued through an open reference. So
//!    the thread that releases the last open reference finds in the cache each request that borrows.
//! 2. Before it starts the close, and so before the borrowed reference can be released, that thread ends the borrowing of
//!    each request in flight: it takes a reference for the request, and then clears the bit in the word. If the request
//!    has completed meanwhile, it releases the reference again. So a request in flight has either the bit and the borrowed
//!    reference, or its own reference.
//! 3. A completion that hands a borrowing request back without a waker touches neither the request nor the target after
//!    that step. Every other completion runs code after it, a waker or a clean-up, and takes a reference before the step,
//!    while the request keeps the target. If the close has cleared the bit by the time of the step, the routine has two
//!    references, and releases both.
//! 4. Nothing of this depends on the owner: a future may be forgotten. Its operation stays until the cache ends, which the
//!    request's reference prevents after 2.
//!
//! An orphaned request has neither: its reference is released when it is left, since its completion may never come; the
//! close of its target waits for it if it does.
//!
//! # How the waker is shared without a lock
//!
//! The owner writes the waker only in the phase *in flight*, and the completion reads it only in the
//! phase *waiting*. The completion reads first and then steps to *completed*; the step fails if the
//! owner took the waker back meanwhile. Since the owner could also have stored another one, every
//! change to *waiting* counts up the rest of the word, and so a stale read never passes.
//!
//! # Safety
//!
//! The phase in the word decides which side may use the waker's parts: see "How the waker is shared without a lock".

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;
use core::task::{Poll, RawWakerVTable, Waker};

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

const IN_FLIGHT: usize = 0;
const IDLE: usize = 1;
const WAITING: usize = 2;
const COMPLETED: usize = 3;
const ABANDONED: usize = 4;
const ORPHANED: usize = 5;

/// The bits of the word that hold the phase. Three others follow, and the rest counts the wakers that were stored.
const PHASE: usize = 0b111;
/// The request borrows a reference to its target. Only in the phases *in flight*, *waiting* and *abandoned*.
const BORROWS: usize = 0b1000;
/// The request sends. Not in the phases *idle* and *completed*.
const SENDS: usize = 1 << 8;
/// The target counts the request among its sends, until the completion routine uncounts it. It never borrows.
const COUNTED: usize = 1 << 9;
const ONE_MORE_WAKER: usize = COUNTED << 1;

/// The phase of a word, with [`BORROWS`]: a byte of it, which one instruction compares.
const fn phase_and_borrows(word: usize) -> usize {
    word & 0xff
}

/// The kind of a request, as far as other requests depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// It sends, or disconnects ([INV-43](crate::rules#inv-43)).
    Sends,
    /// It sends data, and a close does not depend on it: a datagram, or the first data of a connection.
    Transmits,
    /// It receives data, which are [kept](super::KeptReceives) if its future is dropped.
    Receives,
    /// Any other.
    Other,
}

impl RequestKind {
    const fn bit(self) -> usize {
        match self {
            Self::Sends => SENDS,
            Self::Transmits | Self::Receives | Self::Other => 0,
        }
    }
}

/// The state of one request.
///
/// # Invariants
///
/// - In the phase *waiting*, the waker's parts are those of a [`Waker`], which this value owns. Only the completion
///   reads them then, or the owner after it has changed the phase.
/// - In every other phase, this value owns no waker, and the parts belong to the owner of the request.
pub(crate) struct OperationState {
    word: AtomicUsize,
    waker_data: AtomicPtr<()>,
    waker_vtable: AtomicPtr<RawWakerVTable>,
}

/// The state that a completion has found, for its [second step](OperationState::complete_seen).
#[derive(Clone, Copy)]
pub(crate) struct FoundState {
    word: usize,
    /// The number of references to the target that the completion has taken.
    references: u32,
}

impl FoundState {
    /// Whether the target counts the request among its sends.
    pub(crate) const fn is_counted(self) -> bool {
        self.word & COUNTED != 0
    }
}

/// The owner of a request at its completion.
pub(crate) enum Handover {
    /// The request's owner, which has the request back. Wake it, if it waits.
    Owner(Option<Waker>),
    /// None: the completion routine disposes of the request.
    Abandoned,
    /// None: the request's socket owns the memory.
    Orphaned,
}

/// The result of an owner's attempt to leave its request.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LeaveOutcome {
    /// The request had completed: the owner keeps it.
    Completed,
    /// The owner no longer has the request.
    Left,
}

impl OperationState {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicUsize::new(IDLE),
            waker_data: AtomicPtr::new(ptr::null_mut()),
            waker_vtable: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Owner: puts an idle or completed request in flight, with a reference of its own. Before the call that it is given
    /// to.
    #[inline]
    pub(crate) fn start(&self, kind: RequestKind) {
        // The call that follows publishes the request. The count of wakers begins again: no completion has
        // read a word of this flight.
        self.word.store(IN_FLIGHT | kind.bit(), Ordering::Relaxed);
    }

    /// As [`start`](Self::start), for a send that its target has counted.
    pub(crate) fn start_counted(&self) {
        self.word.store(IN_FLIGHT | COUNTED, Ordering::Relaxed);
    }

    /// As [`start`](Self::start), for a request that borrows a reference.
    #[inline]
    pub(crate) fn start_borrowing(&self, kind: RequestKind) {
        self.word.store(IN_FLIGHT | BORROWS | kind.bit(), Ordering::Relaxed);
    }

    /// Close: ends the borrowing of a request in flight, with a reference that `retain` takes. If the request has
    /// completed meanwhile, returns true: the reference is the caller's.
    #[must_use]
    pub(crate) fn end_borrowing(&self, retain: impl FnOnce()) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        if word & BORROWS == 0 {
            return false;
        }
        // Before the step, after which the completion may release it.
        retain();
        while word & BORROWS != 0 {
            let next = word & !BORROWS;
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return false,
                Err(found) => word = found,
            }
        }
        true
    }

    /// Whether a request is in flight that sends.
    pub(crate) fn is_sending(&self) -> bool {
        self.word.load(Ordering::Acquire) & SENDS != 0
    }

    /// Owner: the request has failed without having been in flight.
    pub(crate) fn fail(&self) {
        self.word.store(COMPLETED, Ordering::Relaxed);
    }

    /// Before the call: if the request was not put in flight, puts it there as abandoned.
    pub(crate) fn start_abandoned_unless_started(&self) {
        if self.word.load(Ordering::Relaxed) == IDLE {
            self.word.store(ABANDONED, Ordering::Relaxed);
        }
    }

    /// Last owner: if the request was orphaned and has not completed, it never will. Then its completion routine may be
    /// called by the owner; it does not access the target.
    pub(crate) fn end_orphan(&self) -> bool {
        let is_orphan = self.word.load(Ordering::Acquire) & PHASE == ORPHANED;
        if is_orphan {
            self.word.store(ORPHANED, Ordering::Relaxed);
        }
        is_orphan
    }

    /// Owner: whether the request has completed.
    #[inline]
    pub(crate) fn is_completed(&self) -> bool {
        self.word.load(Ordering::Acquire) == COMPLETED
    }

    /// Owner: whether the request has completed; if not, `waker` will be woken when it does.
    #[inline]
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<()> {
        match self.word.load(Ordering::Acquire) {
            COMPLETED => Poll::Ready(()),
            word => self.poll_in_flight(word, waker),
        }
    }

    #[inline(never)]
    fn poll_in_flight(&self, word: usize, waker: &Waker) -> Poll<()> {
        if word & PHASE != IN_FLIGHT {
            return self.poll_again(word, waker);
        }
        // Mostly this is the first waker of the flight, and only the completion can make a step meanwhile.
        self.store_waker(waker.clone());
        let next = word.wrapping_add(ONE_MORE_WAKER + WAITING - IN_FLIGHT);
        match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Poll::Pending,
            Err(found) => {
                // SAFETY: it was stored above, and no completion has seen that.
                let waker = unsafe { self.take_waker() };
                self.poll_again(found, &waker)
            }
        }
    }

    /// Polls like [`poll`](Self::poll), from any phase.
    #[cold]
    fn poll_again(&self, mut word: usize, waker: &Waker) -> Poll<()> {
        loop {
            let next = match word & PHASE {
                IN_FLIGHT => {
                    self.store_waker(waker.clone());
                    (word & !PHASE).wrapping_add(ONE_MORE_WAKER) | WAITING
                }
                WAITING if self.holds(waker) => return Poll::Pending,
                WAITING => word & !PHASE | IN_FLIGHT,
                _ => return Poll::Ready(()),
            };
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if next & PHASE == WAITING => return Poll::Pending,
                Ok(_) => {
                    // SAFETY: the word said that a waker is stored, and the step took it back.
                    drop(unsafe { self.take_waker() });
                    word = next;
                }
                Err(found) => {
                    if next & PHASE == WAITING {
                        // SAFETY: it was stored above, and no completion has seen that.
                        drop(unsafe { self.take_waker() });
                    }
                    word = found;
                }
            }
        }
    }

    /// Owner: leaves the request to its completion routine.
    pub(crate) fn abandon(&self) -> LeaveOutcome {
        match self.leave(ABANDONED, 0) {
            Some(_) => LeaveOutcome::Left,
            None => LeaveOutcome::Completed,
        }
    }

    /// Owner: takes the waker back, if the request has not completed.
    pub(crate) fn forget_waker(&self) {
        let mut word = self.word.load(Ordering::Acquire);
        while word & PHASE == WAITING {
            let next = word & !PHASE | IN_FLIGHT;
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // SAFETY: the word said that a waker is stored, and the step took it back.
                    drop(unsafe { self.take_waker() });
                    return;
                }
                Err(found) => word = found,
            }
        }
    }

    /// Owner: leaves a request that was refused without being completed. Returns whether the request had a reference of
    /// its own, which is the caller's now; none if the request has completed.
    pub(crate) fn orphan(&self) -> Option<bool> {
        self.leave(ORPHANED, BORROWS).map(|word| word & BORROWS == 0)
    }

    /// Leaves a request that has not completed in `phase`, and without some bits; returns the word that it had.
    fn leave(&self, phase: usize, cleared: usize) -> Option<usize> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let next = match word & PHASE {
                IN_FLIGHT => word & !(PHASE | cleared) | phase,
                // Take the waker first: after the last step, this thread no longer owns the memory.
                WAITING => word & !PHASE | IN_FLIGHT,
                _ => return None,
            };
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if next & PHASE == phase => return Some(word),
                Ok(_) => {
                    // SAFETY: the word said that a waker is stored, and the step took it back.
                    drop(unsafe { self.take_waker() });
                    word = next;
                }
                Err(found) => word = found,
            }
        }
    }

    /// Completion routine of a request that borrows no reference: hands the request back, or learns that it is its own
    /// now.
    ///
    /// Unless the result states otherwise, the request may already be freed when this returns.
    pub(crate) fn complete(&self) -> Handover {
        let seen = FoundState { word: self.word.load(Ordering::Acquire), references: 0 };
        self.complete_seen(seen, || ()).0
    }

    /// Completion routine, first step: hands back a request that borrows its reference, if the owner has not looked at it
    /// yet. Then the completion is over, and the request and its target may be gone. Otherwise the
    /// [second step](Self::complete_seen) is to be taken, with what was found.
    #[inline]
    pub(crate) fn complete_unseen(&self) -> core::result::Result<(), FoundState> {
        // A look first: an exchange that fails costs as much as one that does not.
        let word = self.word.load(Ordering::Acquire);
        if phase_and_borrows(word) != IN_FLIGHT | BORROWS {
            return Err(FoundState { word, references: 0 });
        }
        let step = self.word.compare_exchange(word, COMPLETED, Ordering::AcqRel, Ordering::Acquire);
        step.map(drop).map_err(|word| FoundState { word, references: 0 })
    }

    /// Completion routine, second step, as [`complete_seen`](Self::complete_seen), for the most frequent of what it finds:
    /// a borrowing request that its owner waits for. Then the routine has one reference to release. Otherwise that step is
    /// to be taken.
    #[inline]
    pub(crate) fn complete_waiting(
        &self,
        seen: FoundState,
        retain: impl FnOnce(),
    ) -> core::result::Result<Waker, FoundState> {
        let FoundState { word, references } = seen;
        if phase_and_borrows(word) != WAITING | BORROWS {
            return Err(seen);
        }
        // Before the step, until which the request keeps its target.
        retain();
        let parts = self.waker_parts();
        match self.word.compare_exchange(word, COMPLETED, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: the step succeeded, so these are the parts of the waker that was stored under this very word, and
            // the owner will not touch it again.
            Ok(_) => Ok(unsafe { from_parts(parts) }),
            Err(word) => Err(FoundState { word, references: references + 1 }),
        }
    }

    /// Completion routine, second step. If the request borrows its reference, `retain` takes one for what the routine does
    /// after this. Also returns the number of references that the routine must release as its last step.
    ///
    /// Unless the result states otherwise, the request may already be freed when this returns.
    pub(crate) fn complete_seen(&self, seen: FoundState, retain: impl FnOnce()) -> (Handover, u32) {
        let FoundState { mut word, mut references } = seen;
        if references == 0 && word & BORROWS != 0 {
            // Before the step, until which the request keeps its target.
            retain();
            references += 1;
        }
        loop {
            let (next, waker) = match word & PHASE {
                WAITING => (COMPLETED, Some(self.waker_parts())),
                ABANDONED | ORPHANED => (IDLE, None),
                _ => (COMPLETED, None),
            };
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let handover = match word & PHASE {
                        ABANDONED => Handover::Abandoned,
                        ORPHANED => return (Handover::Orphaned, references),
                        // SAFETY: the step succeeded, so these are the parts of the waker that was stored
                        // under this very word, and the owner will not touch it again.
                        _ => Handover::Owner(waker.map(|parts| unsafe { from_parts(parts) })),
                    };
                    if word & BORROWS == 0 {
                        // The request's own, from its start or from the close.
                        references += 1;
                    }
                    return (handover, references);
                }
                Err(found) => word = found,
            }
        }
    }

    fn store_waker(&self, waker: Waker) {
        self.waker_data.store(waker.data().cast_mut(), Ordering::Relaxed);
        self.waker_vtable.store(ptr::from_ref(waker.vtable()).cast_mut(), Ordering::Relaxed);
        core::mem::forget(waker);
    }

    fn holds(&self, waker: &Waker) -> bool {
        self.waker_parts() == (waker.data().cast_mut(), ptr::from_ref(waker.vtable()).cast_mut())
    }

    fn waker_parts(&self) -> (*mut (), *mut RawWakerVTable) {
        (self.waker_data.load(Ordering::Relaxed), self.waker_vtable.load(Ordering::Relaxed))
    }

    /// # Safety
    ///
    /// A waker is stored, and no other code takes it.
    unsafe fn take_waker(&self) -> Waker {
        // SAFETY: a waker is stored (this function's contract), and these are its parts.
        unsafe { from_parts(self.waker_parts()) }
    }
}

/// # Safety
///
/// The parts came from a waker that was forgotten, and are used once.
unsafe fn from_parts((data, vtable): (*mut (), *mut RawWakerVTable)) -> Waker {
    // SAFETY: a waker's table is valid for ever.
    let vtable: &'static RawWakerVTable = unsafe { &*vtable };
    // SAFETY: the parts are those of a waker (this function's contract).
    unsafe { Waker::new(data, vtable) }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
pub(super) mod loom_tests;
