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
    /// Returns whether the owner has the request back.
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

impl Request {
    /// Completes a request that may be [counted](FoundState::is_counted), as `completion::complete_rest` does.
    pub(crate) fn complete_counted(&self, uncount: impl FnOnce(), release: impl Fn()) -> bool {
        let Err(seen) = self.0.complete_unseen() else {
            return true;
        };
        if seen.is_counted() {
            uncount();
        }
        let (handover, references) = self.0.complete_seen(seen, || panic!("it has a reference"));
        let is_owners = matches!(&handover, Handover::Owner(_));
        for _ in 0..references {
            release();
        }
        is_owners
    }

    /// Ends the callback's half of an operation, as `pended::finish_callback` does. Returns whether the operation is the
    /// callback's.
    pub(crate) fn finish_callback(&self) -> bool {
        matches!(self.0.complete(), Handover::Abandoned)
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

/// A request in flight, and the thread that completes it.
fn in_flight() -> (Arc<OperationState>, thread::JoinHandle<bool>) {
    let state = Arc::new(OperationState::new());
    state.start(RequestKind::Other);
    let completion = completion(&state);
    (state, completion)
}

#[test]
fn no_wake_is_lost_however_wakers_change() {
    loom::model(|| {
        let (first, first_waker) = counter();
        let (second, second_waker) = counter();
        let (state, completion) = in_flight();
        let one = state.poll(&first_waker).is_ready();
        let two = state.poll(&second_waker).is_ready();
        assert!(completion.join().unwrap());
        assert!(!one || two, "a completed request stays completed");
        assert!(state.poll(&second_waker).is_ready());
        let woken = (first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst));
        // Pending after the second poll means that the second waker is woken, and once.
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
        let (state, completion) = in_flight();
        let ready = state.poll(&waker).is_ready();
        let left = state.abandon();
        let owned = completion.join().unwrap();
        assert_eq!(owned, left == LeaveOutcome::Completed);
        assert!(!ready || left == LeaveOutcome::Completed);
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
        let (state, completion) = in_flight();
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
        let (state, completion) = in_flight();
        let _ = state.poll(&waker);
        state.forget_waker();
        let left = state.abandon();
        assert_eq!(completion.join().unwrap(), left == LeaveOutcome::Completed);
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
        let (state, first) = in_flight();
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

/// An owner that finds the request completed sees everything the completion has written, however it finds out.
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
