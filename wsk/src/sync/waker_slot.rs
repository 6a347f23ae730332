//! The waker of the only task that waits for a change of state.

use core::task::{Context, Poll, Waker};

use crate::executor::foreign::drop_waker;
use crate::kernel::SpinLock;

/// Polls a state behind a lock. `slot` is the place for the waker of the one task that waits, and `check` returns whether it
/// has to wait. Code that changes the state so that it need not takes the waker out, and wakes it without the lock.
pub(crate) fn poll<S, T>(
    state: &SpinLock<S>,
    context: &Context<'_>,
    slot: fn(&mut S) -> &mut Option<Waker>,
    mut check: impl FnMut(&mut S) -> Poll<T>,
) -> Poll<T> {
    let waker = {
        let mut state = state.lock();
        let result = check(&mut state);
        let stored = slot(&mut state);
        if result.is_ready() {
            let unused = stored.take();
            drop(state);
            drop_waker(unused);
            return result;
        }
        if stored.as_ref().is_some_and(|stored| stored.will_wake(context.waker())) {
            return Poll::Pending;
        }
        drop(state);
        // A waker is foreign code, so it is cloned without the lock. Meanwhile the state may change.
        context.waker().clone()
    };
    let mut state = state.lock();
    let result = check(&mut state);
    let unused = if result.is_ready() { Some(waker) } else { slot(&mut state).replace(waker) };
    drop(state);
    drop_waker(unused);
    result
}
