//! All interleavings of futures that share a request, and of its completion. Run by `cargo xtask test loom`.

use std::boxed::Box;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};

use super::super::budget::Budget;
use super::super::state::loom_tests::Request;
use super::super::state::{LeaveOutcome, RequestKind};
use super::*;
use crate::sync::model::{block_on, thread, with_few_preemptions, with_preemptions};

/// The owner's half of a request in flight, as an [`InFlight`]. The result is its number.
struct Owned {
    request: Arc<Request>,
    number: usize,
    is_left: bool,
}

impl Future for Owned {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        assert!(!self.is_left, "polled after it was ready");
        let poll = self.request.0.poll(context.waker());
        self.is_left = poll.is_ready();
        poll.map(|()| self.number)
    }
}

impl Shareable for Owned {
    fn is_completed(&self) -> bool {
        self.request.0.is_completed()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.is_left {
            let (LeaveOutcome::Completed | LeaveOutcome::Left) = self.request.0.abandon();
        }
    }
}

/// An object whose requests are completed by a thread each.
struct Object {
    shared: SharedRequest<Owned>,
    budget: Budget,
    started: AtomicUsize,
    in_flight: Arc<AtomicUsize>,
}

// SAFETY: `InFlight` can be sent, of which this is the model.
unsafe impl Send for Owned {}

impl Object {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            shared: SharedRequest::new().unwrap(),
            budget: Budget::new(),
            started: AtomicUsize::new(0),
            in_flight: Arc::new(AtomicUsize::new(0)),
        })
    }

    fn start(&self) -> Result<Owned> {
        let request = Arc::new(Request::default());
        request.0.start(RequestKind::Other);
        assert_eq!(self.in_flight.fetch_add(1, Ordering::SeqCst), 0, "two are in flight");
        let (completed, in_flight) = (Arc::clone(&request), Arc::clone(&self.in_flight));
        thread::spawn(move || {
            in_flight.fetch_sub(1, Ordering::SeqCst);
            completed.complete(|| (), || (), || ());
        });
        let number = self.started.fetch_add(1, Ordering::SeqCst);
        Ok(Owned { request, number, is_left: false })
    }

    async fn outcome(&self) -> usize {
        let budgeted = poll_fn(|context| self.budget.poll_budgeted(context)).await;
        self.shared.outcome(budgeted, || self.start()).await.unwrap()
    }
}

/// The outcome in another thread.
fn outcome_in_thread(object: &Arc<Object>) -> thread::JoinHandle<usize> {
    let object = Arc::clone(object);
    thread::spawn(move || block_on(object.outcome()))
}

/// Whichever future starts the request, and whenever it completes, both futures end, each with its own result.
#[test]
fn two_futures_get_two_results() {
    with_preemptions(2, || {
        let object = Object::new();
        let other = outcome_in_thread(&object);
        let mut results = [block_on(object.outcome()), other.join().unwrap()];
        results.sort_unstable();
        assert_eq!(results, [0, 1]);
    });
}

/// A future is forgotten while another one waits, or before that. The other one still gets the result of the single
/// request.
#[test]
fn a_forgotten_future_blocks_no_other() {
    with_few_preemptions(|| {
        let object = Object::new();
        let other = outcome_in_thread(&object);
        let mut forgotten = Box::pin(object.outcome());
        let mut context = Context::from_waker(Waker::noop());
        let got = forgotten.as_mut().poll(&mut context).is_ready();
        core::mem::forget(forgotten);
        assert!(other.join().unwrap() == 0 || got, "the forgotten future has taken a result");
    });
}

/// A future is dropped at any moment. The next future takes over its request and its result.
#[test]
fn a_dropped_future_takes_no_result_with_it() {
    with_few_preemptions(|| {
        let object = Object::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut dropped = Box::pin(object.outcome());
        let got = dropped.as_mut().poll(&mut context).is_ready();
        drop(dropped);
        assert_eq!(block_on(object.outcome()), usize::from(got));
    });
}

/// The object ends with a request in flight, which is abandoned: nothing keeps the memory that its waker owns.
#[test]
fn the_object_ends_while_its_request_completes() {
    with_few_preemptions(|| {
        let object = Object::new();
        let mut dropped = Box::pin(object.outcome());
        let _ = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(dropped);
        drop(object);
    });
}
