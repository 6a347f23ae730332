//! Futures that are polled together, or a limited number of times.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use futures_util::future::join;

/// Polls a future up to `times` times, then drops it.
pub async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(Some(future));
    let mut left = times;
    poll_fn(move |context| {
        if left > 0
            && let Some(polled) = future.as_mut().as_pin_mut()
        {
            left -= 1;
            if let Poll::Ready(output) = polled.poll(context) {
                return Poll::Ready(Some(output));
            }
        }
        if left > 0 {
            return Poll::Pending;
        }
        future.set(None);
        Poll::Ready(None)
    })
    .await
}

/// Polls a future that is pending, and forgets it: its memory stays, and it is never dropped.
pub fn poll_and_forget(future: impl Future) {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    std::mem::forget(future);
}

/// Runs `end` to its end, and `meanwhile` concurrently, which may end earlier.
pub async fn until<T>(end: impl Future<Output = T>, meanwhile: impl Future<Output = ()>) -> T {
    let (mut end, mut meanwhile) = (pin!(end), pin!(meanwhile));
    let mut is_running = true;
    poll_fn(|context| {
        if is_running {
            is_running = meanwhile.as_mut().poll(context).is_pending();
        }
        end.as_mut().poll(context)
    })
    .await
}
