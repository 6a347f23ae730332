//! Tasks of futures that are not `Send`.

use core::pin::Pin;
use core::task::{Context, Poll};

/// A future that may go from thread to thread although its type does not say so.
///
/// `picoserve` is written for executors of one thread: its futures refer to cells in themselves. A runtime of `wsk` has
/// several threads, and polls a task with one of them at a time.
struct AssertSend<F>(F);

// SAFETY: only `assert_send` makes one, of a future that comes from a `Send` function. Whatever is not `Send` in it is made
// by that function or by its polls, and stays in it: there is nowhere else to keep it, since without `std` there are
// no variables of threads, and what others can reach has to be `Send` or `Sync`. So no other thread refers to any of
// it, and the runtime, which needs `Send` for no more than that, orders the polls and the drop.
unsafe impl<F> Send for AssertSend<F> {}

impl<F: Future> Future for AssertSend<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned as the whole is: nothing moves it, and there is no `Drop`.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        future.poll(context)
    }
}

/// Makes a future that is `Send` from one that is not.
pub(crate) fn assert_send<F: Future<Output: Send>>(
    make: impl FnOnce() -> F + Send,
) -> impl Future<Output = F::Output> + Send {
    AssertSend(make())
}
