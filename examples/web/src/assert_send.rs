//! Spawning futures that are not `Send`.
//!
//! # Safety
//!
//! [`AssertSend`] implements `Send` for a future whose type does not. Its only constructor, [`assert_send`], restricts
//! where that future comes from.

#![expect(unsafe_code, reason = "Send for a future whose type is not; see Safety")]

use core::pin::Pin;
use core::task::{Context, Poll};

/// A future that may move between threads although its type is not `Send`.
///
/// `picoserve` is written for single-threaded executors: its futures hold references to cells within themselves. A
/// runtime of `wsk` has several threads, but polls a task on one of them at a time.
///
/// # Invariants
///
/// The future was created by calling a `Send` closure, which kept no reference into it.
struct AssertSend<F>(F);

// SAFETY: by the invariant, every value in the future that is not `Send` was created by its `Send` constructor or by
// its polls. Such values cannot be stored outside the future: `no_std` code has no thread-local variables, and a static
// must be `Sync`. So no other thread can refer to them, and the runtime orders all polls and the drop.
unsafe impl<F> Send for AssertSend<F> {}

impl<F: Future> Future for AssertSend<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is structurally pinned: it is never moved out, and `AssertSend` has no `Drop`.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        future.poll(context)
    }
}

/// Calls `make`, and wraps its future in a type that is `Send`.
pub(crate) fn assert_send<F: Future<Output: Send>>(
    make: impl FnOnce() -> F + Send,
) -> impl Future<Output = F::Output> + Send {
    // INVARIANT: `make` is `Send`, and only its result is kept.
    AssertSend(make())
}
