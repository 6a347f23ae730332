//! Permits, which futures wait for in turn.

use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::executor::wait_queue::{Wait, WaitList, WaitQueue, Waiter};

/// A number of permits.
pub(super) struct Semaphore(WaitQueue<Acquire>);

struct SemaphoreState {
    permits: usize,
    is_closed: bool,
}

/// A future that waits for permits.
struct Acquire {
    permits: usize,
    has_acquired: bool,
}

impl Wait for Acquire {
    type State = SemaphoreState;

    fn serve(state: &mut SemaphoreState, waiting: &mut WaitList<Self>) -> Option<Waker> {
        let first = waiting.first()?;
        if !state.is_closed {
            state.permits = state.permits.checked_sub(first.permits)?;
            first.has_acquired = true;
        }
        waiting.pop()
    }

    fn give_up(&mut self, state: &mut SemaphoreState) {
        if self.has_acquired {
            state.permits += self.permits;
        }
    }
}

/// No permits are given out any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// Why permits were not acquired at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TryAcquireError {
    NoPermits,
    Closed,
}

impl Semaphore {
    pub(super) const fn new(permits: usize) -> Self {
        Self(WaitQueue::new(SemaphoreState { permits, is_closed: false }))
    }

    /// Acquires permits, in turn. Dropping the future returns those that it got.
    pub(super) async fn acquire(&self, permits: usize) -> Result<(), Closed> {
        let mut waiter = pin!(Waiter::new(&self.0, Acquire { permits, has_acquired: false }));
        poll_fn(|context| {
            waiter.as_mut().poll(context, |state, acquire, is_first| {
                if acquire.has_acquired {
                    return Poll::Ready(Ok(()));
                }
                match state.try_acquire(acquire.permits, is_first) {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(TryAcquireError::NoPermits) => Poll::Pending,
                    Err(TryAcquireError::Closed) => Poll::Ready(Err(Closed)),
                }
            })
        })
        .await
    }

    /// Acquires permits if they are available and no future waits.
    pub(super) fn try_acquire(&self, permits: usize) -> Result<(), TryAcquireError> {
        self.0.access(|state, is_waited_for| state.try_acquire(permits, !is_waited_for))
    }

    /// Returns permits, or adds new ones.
    pub(super) fn release(&self, permits: usize) {
        self.0.change(|state| state.permits += permits);
    }

    /// Gives out no more permits. Futures that wait fail.
    pub(super) fn close(&self) {
        self.0.change(|state| state.is_closed = true);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.access(|state, _| state.is_closed)
    }

    pub(super) fn available_permits(&self) -> usize {
        self.0.access(|state, _| state.permits)
    }
}

impl SemaphoreState {
    fn try_acquire(&mut self, permits: usize, is_first: bool) -> Result<(), TryAcquireError> {
        if self.is_closed {
            return Err(TryAcquireError::Closed);
        }
        let left = self.permits.checked_sub(permits).filter(|_| is_first);
        self.permits = left.ok_or(TryAcquireError::NoPermits)?;
        Ok(())
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of futures that acquire and return permits. Run by `cargo xtask test loom`.

    use core::future::Future;
    use core::task::Context;

    use super::super::model::{block_on, thread};
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn permits_are_neither_lost_nor_invented() {
        loom::model(|| {
            let semaphore = Arc::new(Semaphore::new(1));
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || {
                    block_on(semaphore.acquire(1)).unwrap();
                    semaphore.release(1);
                })
            };
            // One that is polled once and dropped, served or not.
            let mut dropped = std::boxed::Box::pin(semaphore.acquire(1));
            if dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                semaphore.release(1);
            }
            drop(dropped);
            other.join().unwrap();
            assert_eq!(semaphore.available_permits(), 1);
        });
    }

    #[test]
    fn a_request_for_many_permits_is_not_overtaken_and_blocks_nothing_once_dropped() {
        loom::model(|| {
            let semaphore = Arc::new(Semaphore::new(1));
            let mut many = std::boxed::Box::pin(semaphore.acquire(2));
            let mut context = Context::from_waker(Waker::noop());
            assert!(many.as_mut().poll(&mut context).is_pending());
            assert_eq!(semaphore.try_acquire(1), Err(TryAcquireError::NoPermits));
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || block_on(semaphore.acquire(1)).unwrap())
            };
            drop(many);
            other.join().unwrap();
            assert_eq!(semaphore.available_permits(), 0);
        });
    }

    #[test]
    fn futures_that_wait_are_woken_when_it_closes() {
        loom::model(|| {
            let semaphore = Arc::new(Semaphore::new(0));
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || block_on(semaphore.acquire(1)))
            };
            semaphore.close();
            assert_eq!(other.join().unwrap(), Err(Closed));
        });
    }
}
