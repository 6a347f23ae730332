//! The steps of a request, one after the other.

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
fn the_completion_disposes_of_an_abandoned_request() {
    let (counter, waker) = counter();
    let state = OperationState::new();
    state.start(RequestKind::Other);
    assert!(state.poll(&waker).is_pending());
    assert_eq!(state.abandon(), LeaveOutcome::Left);
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
        assert_eq!(state.abandon(), LeaveOutcome::Completed);
        assert_eq!(state.orphan(), None);
        assert!(state.is_completed());
    }
}

#[test]
fn an_orphaned_request_belongs_to_its_socket() {
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
            assert_eq!(state.abandon(), LeaveOutcome::Left);
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
        state.complete_seen(FoundState { word: ORPHANED | SENDS, references: 0 }, retain),
        (Handover::Orphaned, 0)
    ));
    assert!(!state.is_sending());
}
