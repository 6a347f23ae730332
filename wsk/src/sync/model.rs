//! Helpers that the loom models of futures share.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

pub(crate) use loom::thread;
use loom::thread::Thread;

struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Explores the interleavings of a model in which threads are preempted at most three times: all of them would take hours.
pub(crate) fn with_few_preemptions(model: impl Fn() + Sync + Send + 'static) {
    with_preemptions(3, model);
}

/// Explores the interleavings of a model in which threads are preempted at most `count` times.
pub(crate) fn with_preemptions(count: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(count);
    builder.check(model);
}

/// Runs a future in a thread of a model, which waits while the future is pending.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}
