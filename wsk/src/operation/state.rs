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
//! | orphaned | the call returned `STATUS_NOT_IMPLEMENTED` without completing | no step: its target frees it |
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
//!    reference, or a reference of its own.
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

/// The bits of the word that hold the phase. Two others follow, and the rest counts the wakers that were stored.
const PHASE: usize = 0b111;
/// The request borrows a reference to its target. Only in the phases *in flight*, *waiting* and *abandoned*.
const BORROWS: usize = 0b1000;
/// The request sends. Not in the phases *idle* and *completed*.
const SENDS: usize = 1 << 8;
const ONE_MORE_WAKER: usize = SENDS << 1;

/// The phase of a word, with [`BORROWS`]: a byte of it, which one instruction compares.
const fn phase_and_borrows(word: usize) -> usize {
    word & 0xff
}

/// What a request does, as far as other requests depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// It sends, or disconnects ([INV-43](crate::rules#inv-43)).
    Sends,
    /// It receives data, which are [kept](super::KeptReceives) if its future is dropped.
    Receives,
    /// Any other.
    Other,
}

impl RequestKind {
    const fn bit(self) -> usize {
        match self {
            Self::Sends => SENDS,
            Self::Receives | Self::Other => 0,
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

/// What a completion has found, for its [second step](OperationState::complete_seen).
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    word: usize,
    /// The number of references to the target that the completion has taken.
    references: u32,
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
pub(crate) enum Leave {
    /// The request had completed: it stays the owner's.
    Completed,
    /// The request is no longer the owner's.
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
    pub(crate) fn abandon(&self) -> Leave {
        match self.leave(ABANDONED, 0) {
            Some(_) => Leave::Left,
            None => Leave::Completed,
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
                // The waker first: after the last step the memory is no longer this thread's.
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
    /// Unless the result says otherwise, the request may be gone when this returns.
    pub(crate) fn complete(&self) -> Handover {
        let seen = Seen { word: self.word.load(Ordering::Acquire), references: 0 };
        self.complete_seen(seen, || ()).0
    }

    /// Completion routine, first step: hands back a request that borrows its reference, if the owner has not looked at it
    /// yet. Then the completion is over, and the request and its target may be gone. Otherwise the
    /// [second step](Self::complete_seen) is to be taken, with what was found.
    #[inline]
    pub(crate) fn complete_unseen(&self) -> core::result::Result<(), Seen> {
        // A look first: an exchange that fails costs as much as one that does not.
        let word = self.word.load(Ordering::Acquire);
        if phase_and_borrows(word) != IN_FLIGHT | BORROWS {
            return Err(Seen { word, references: 0 });
        }
        let step = self.word.compare_exchange(word, COMPLETED, Ordering::AcqRel, Ordering::Acquire);
        step.map(drop).map_err(|word| Seen { word, references: 0 })
    }

    /// Completion routine, second step, as [`complete_seen`](Self::complete_seen), for the most frequent of what it finds:
    /// a borrowing request that its owner waits for. Then the routine has one reference to release. Otherwise that step is
    /// to be taken.
    #[inline]
    pub(crate) fn complete_waiting(
        &self,
        seen: Seen,
        retain: impl FnOnce(),
    ) -> core::result::Result<Waker, Seen> {
        let Seen { word, references } = seen;
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
            Err(word) => Err(Seen { word, references: references + 1 }),
        }
    }

    /// Completion routine, second step. If the request borrows its reference, `retain` takes one for what the routine does
    /// after this. Also returns the number of references that the routine must release as its last step.
    ///
    /// Unless the result says otherwise, the request may be gone when this returns.
    pub(crate) fn complete_seen(&self, seen: Seen, retain: impl FnOnce()) -> (Handover, u32) {
        let Seen { mut word, mut references } = seen;
        if references == 0 && word & BORROWS != 0 {
            // Before the step, until which the request keeps its target.
            retain();
            references += 1;
        }
        loop {
            let (next, waker) = match word & PHASE {
                WAITING => (COMPLETED, Some(self.waker_parts())),
                ABANDONED => (IDLE, None),
                ORPHANED => (ORPHANED, None),
                _ => (COMPLETED, None),
            };
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let handover = match next {
                        IDLE => Handover::Abandoned,
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
/// The parts are those of a waker that was forgotten, and are used once.
unsafe fn from_parts((data, vtable): (*mut (), *mut RawWakerVTable)) -> Waker {
    // SAFETY: a waker's table is valid for ever.
    let vtable: &'static RawWakerVTable = unsafe { &*vtable };
    // SAFETY: the parts are those of a waker (this function's contract).
    unsafe { Waker::new(data, vtable) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize as Count;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(Count);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counter() -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    fn complete(state: &OperationState) {
        match state.complete() {
            Handover::Owner(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Handover::Abandoned | Handover::Orphaned => panic!("the owner is still there"),
        }
    }

    #[test]
    fn a_completion_before_the_first_poll_needs_no_waker() {
        let (counter, waker) = counter();
        let state = OperationState::new();
        state.start(RequestKind::Other);
        complete(&state);
        assert!(state.poll(&waker).is_ready());
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn only_the_last_waker_is_woken_and_none_is_kept() {
        let (first, first_waker) = counter();
        let (second, second_waker) = counter();
        let state = OperationState::new();
        state.start(RequestKind::Other);
        assert!(state.poll(&first_waker).is_pending());
        assert!(state.poll(&first_waker).is_pending());
        assert!(state.poll(&second_waker).is_pending());
        complete(&state);
        assert!(state.poll(&second_waker).is_ready());
        drop((first_waker, second_waker));
        assert_eq!((first.0.load(Ordering::Relaxed), Arc::strong_count(&first)), (0, 1));
        assert_eq!((second.0.load(Ordering::Relaxed), Arc::strong_count(&second)), (1, 1));
    }

    #[test]
    fn an_abandoned_request_is_the_completions() {
        let (counter, waker) = counter();
        let state = OperationState::new();
        state.start(RequestKind::Other);
        assert!(state.poll(&waker).is_pending());
        assert_eq!(state.abandon(), Leave::Left);
        assert!(matches!(state.complete(), Handover::Abandoned));
        drop(waker);
        assert_eq!((counter.0.load(Ordering::Relaxed), Arc::strong_count(&counter)), (0, 1));
    }

    #[test]
    fn a_completed_request_cannot_be_left_and_can_start_again() {
        let (_counter, waker) = counter();
        let state = OperationState::new();
        for _ in 0..3 {
            state.start(RequestKind::Other);
            assert!(state.poll(&waker).is_pending());
            complete(&state);
            assert_eq!(state.abandon(), Leave::Completed);
            assert_eq!(state.orphan(), None);
            assert!(state.is_completed());
        }
    }

    #[test]
    fn an_orphan_is_its_sockets() {
        let state = OperationState::new();
        state.start(RequestKind::Other);
        assert_eq!(state.orphan(), Some(true), "it had a reference");
        assert!(matches!(state.complete(), Handover::Orphaned));
    }

    #[test]
    fn a_request_that_sends_is_seen_until_it_completes() {
        let state = OperationState::new();
        state.start(RequestKind::Other);
        assert!(!state.is_sending());
        complete(&state);
        for leaves in [false, true] {
            state.start_borrowing(RequestKind::Sends);
            assert!(state.is_sending());
            if leaves {
                assert_eq!(state.abandon(), Leave::Left);
                assert!(state.is_sending());
            }
            let (handover, references) = match state.complete_unseen() {
                Ok(()) => (Handover::Owner(None), 0),
                Err(seen) => state.complete_seen(seen, || ()),
            };
            assert_eq!(matches!(handover, Handover::Abandoned), leaves);
            assert_eq!(references, u32::from(leaves), "a clean-up has a reference");
            assert!(!state.is_sending());
        }
    }

    #[test]
    fn a_borrowing_ends_once() {
        let taken = core::cell::Cell::new(0);
        let retain = || taken.set(taken.get() + 1);
        let state = OperationState::new();
        assert!(!state.end_borrowing(retain), "it is idle");
        state.start(RequestKind::Other);
        assert!(!state.end_borrowing(retain), "it has a reference");
        state.start_borrowing(RequestKind::Other);
        assert!(!state.end_borrowing(retain) && !state.end_borrowing(retain));
        assert_eq!(taken.get(), 1, "it was in flight, and has the reference now");
        let seen = state.complete_unseen().expect_err("it has a reference to release");
        let (handover, references) = state.complete_seen(seen, retain);
        assert!(matches!(handover, Handover::Owner(None)));
        assert_eq!((references, taken.get()), (1, 1));
        assert!(!state.end_borrowing(retain), "it has completed");
        state.start_borrowing(RequestKind::Sends);
        assert_eq!(state.orphan(), Some(false), "it borrowed");
        assert!(state.is_sending() && !state.end_borrowing(retain));
        assert!(matches!(
            state.complete_seen(Seen { word: ORPHANED | SENDS, references: 0 }, retain),
            (Handover::Orphaned, 0)
        ));
        assert!(!state.is_sending());
    }
}

#[cfg(all(test, loom))]
pub(super) mod loom_tests {
    //! Every order of the steps of an owner and a completion routine, and of the memory accesses that
    //! the language allows to be seen in another order. Run by `cargo xtask test loom`.

    use std::sync::Arc as StdArc;
    use std::task::Wake;

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize as LoomUsize;
    use loom::thread;

    use super::*;

    #[derive(Default)]
    struct Counter(LoomUsize);

    impl Wake for Counter {
        fn wake(self: StdArc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counter() -> (StdArc<Counter>, Waker) {
        let counter = StdArc::new(Counter::default());
        (StdArc::clone(&counter), Waker::from(counter))
    }

    /// The steps of a completion routine on one request, with the references to its target.
    #[derive(Default)]
    pub(crate) struct Request(pub(crate) OperationState);

    impl Default for OperationState {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Request {
        /// Completes the request, as `completion::completed` does. `after` runs after the hand-over, for a waker or a
        /// clean-up, while the routine has a reference; `release` is called for each reference that it has.
        /// Returns whether the request is its owner's.
        pub(crate) fn complete(
            &self,
            retain: impl Fn(),
            after: impl FnOnce(),
            release: impl Fn(),
        ) -> bool {
            let Err(seen) = self.0.complete_unseen() else {
                return true;
            };
            let seen = match self.0.complete_waiting(seen, &retain) {
                Ok(waker) => {
                    after();
                    waker.wake();
                    release();
                    return true;
                }
                Err(seen) => seen,
            };
            let (handover, references) = self.0.complete_seen(seen, retain);
            if references > 0 {
                after();
            }
            let is_owners = matches!(&handover, Handover::Owner(_));
            if let Handover::Owner(Some(waker)) = handover {
                waker.wake();
            }
            for _ in 0..references {
                release();
            }
            is_owners
        }
    }

    /// The completion routine; returns whether the request is its owner's afterwards.
    fn completion(state: &Arc<OperationState>) -> thread::JoinHandle<bool> {
        let state = Arc::clone(state);
        thread::spawn(move || match state.complete() {
            Handover::Owner(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
            Handover::Abandoned | Handover::Orphaned => false,
        })
    }

    #[test]
    fn no_wake_is_lost_however_wakers_change() {
        loom::model(|| {
            let (first, first_waker) = counter();
            let (second, second_waker) = counter();
            let state = Arc::new(OperationState::new());
            state.start(RequestKind::Other);
            let completion = completion(&state);
            let one = state.poll(&first_waker).is_ready();
            let two = state.poll(&second_waker).is_ready();
            assert!(completion.join().unwrap());
            assert!(!one || two, "a completed request stays completed");
            assert!(state.poll(&second_waker).is_ready());
            let woken = (first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst));
            // Pending after the second poll means that the second waker is told, and once.
            assert_eq!(woken.1, usize::from(!two));
            assert!(woken.0 + woken.1 <= 1);
            drop((first_waker, second_waker));
            assert_eq!((StdArc::strong_count(&first), StdArc::strong_count(&second)), (1, 1));
        });
    }

    #[test]
    fn a_request_has_exactly_one_owner_after_it_was_left() {
        loom::model(|| {
            let (counter, waker) = counter();
            let state = Arc::new(OperationState::new());
            state.start(RequestKind::Other);
            let completion = completion(&state);
            let ready = state.poll(&waker).is_ready();
            let left = state.abandon();
            let owned = completion.join().unwrap();
            assert_eq!(owned, left == Leave::Completed);
            assert!(!ready || left == Leave::Completed);
            drop(waker);
            assert_eq!(StdArc::strong_count(&counter), 1, "a waker was lost or freed twice");
        });
    }

    /// An owner takes its waker back, before another task waits for the request.
    #[test]
    fn a_waker_that_is_taken_back_is_not_kept() {
        loom::model(|| {
            let (first, first_waker) = counter();
            let (second, second_waker) = counter();
            let state = Arc::new(OperationState::new());
            state.start(RequestKind::Other);
            let completion = completion(&state);
            let one = state.poll(&first_waker).is_ready();
            state.forget_waker();
            drop(first_waker);
            let two = state.poll(&second_waker).is_ready();
            assert!(completion.join().unwrap());
            assert!(!one || two, "a completed request stays completed");
            assert!(state.poll(&second_waker).is_ready());
            assert!(first.0.load(Ordering::SeqCst) <= usize::from(!one));
            assert_eq!(second.0.load(Ordering::SeqCst), usize::from(!two));
            drop(second_waker);
            assert_eq!((StdArc::strong_count(&first), StdArc::strong_count(&second)), (1, 1));
        });
    }

    /// An owner takes its waker back, and then leaves the request.
    #[test]
    fn a_request_can_be_left_after_its_waker_was_taken_back() {
        loom::model(|| {
            let (counter, waker) = counter();
            let state = Arc::new(OperationState::new());
            state.start(RequestKind::Other);
            let completion = completion(&state);
            let _ = state.poll(&waker);
            state.forget_waker();
            let left = state.abandon();
            assert_eq!(completion.join().unwrap(), left == Leave::Completed);
            drop(waker);
            assert_eq!(StdArc::strong_count(&counter), 1, "a waker was lost or freed twice");
        });
    }

    /// An owner that finds its request completed, by a look or by a poll, uses it again at once, while the
    /// completion routine of before may not have returned.
    #[test]
    fn a_request_can_be_used_again() {
        loom::model(|| {
            let (counter, waker) = counter();
            let state = Arc::new(OperationState::new());
            state.start(RequestKind::Other);
            let first = completion(&state);
            let second = if state.is_completed() || state.poll(&waker).is_ready() {
                state.start(RequestKind::Other);
                let second = completion(&state);
                let ready = state.poll(&waker).is_ready();
                assert!(second.join().unwrap());
                Some(ready)
            } else {
                None
            };
            assert!(first.join().unwrap());
            assert!(state.poll(&waker).is_ready() && state.is_completed());
            // The waker of the poll that was pending is woken, and no other.
            let pending = second.is_none_or(|ready| !ready);
            assert_eq!(counter.0.load(Ordering::SeqCst), usize::from(pending));
            drop(waker);
            assert_eq!(StdArc::strong_count(&counter), 1, "a waker was lost or freed twice");
        });
    }

    /// What the completion has written is visible to an owner that finds the request completed, by either way.
    fn a_result_is_visible(is_completed: impl Fn(&OperationState) -> bool + Send + Sync + 'static) {
        loom::model(move || {
            let state = Arc::new((OperationState::new(), loom::cell::UnsafeCell::new(0)));
            state.0.start(RequestKind::Other);
            let completion = {
                let state = Arc::clone(&state);
                thread::spawn(move || {
                    // SAFETY: loom checks that no other thread reads it meanwhile.
                    state.1.with_mut(|result| unsafe { *result = 7 });
                    drop(state.0.complete());
                })
            };
            if is_completed(&state.0) {
                // The owner may write as well: the request is its own again.
                // SAFETY: loom checks that no other thread reads it meanwhile.
                state.1.with_mut(|result| assert_eq!(unsafe { *result }, 7));
            }
            completion.join().unwrap();
        });
    }

    #[test]
    fn the_result_is_visible_to_an_owner_that_looks() {
        a_result_is_visible(OperationState::is_completed);
    }

    #[test]
    fn the_result_is_visible_to_an_owner_that_polls() {
        a_result_is_visible(|state| state.poll(Waker::noop()).is_ready());
    }
}
