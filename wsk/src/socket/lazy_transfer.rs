//! The future of a request with a buffer that is submitted at the first poll, such as that of
//! [`TcpStream::recv`](crate::TcpStream::recv).
//!
//! An `async fn` stores its arguments and the state around each `await`, even for a request that completes at once.
//! This future stores its buffer, and nothing else for such a request.
//!
//! # Safety
//!
//! The future of the slow path is pinned with this one: it is created, polled and dropped in place.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::marker::PhantomPinned;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::transfer::Submitted;
use crate::operation::{Budget, Budgeted};

/// The object that a [`LazyTransfer`] is made on.
pub(crate) trait TransferSource {
    /// Counts the requests of the object.
    fn budget(&self) -> &Budget;
}

/// A request that is submitted at the first poll, by `F`. If `N` returns true then, `G` makes the future of the slow path
/// instead, such as one with a deadline.
///
/// # Invariants
///
/// While `buffer` is `Some`, `phase` is `Start`.
#[must_use = "the request is made when this is polled"]
pub(crate) struct LazyTransfer<'a, T, B, W, S, N, F, G> {
    source: &'a T,
    buffer: Option<B>,
    phase: TransferPhase<W, S>,
    is_slow: N,
    submit: F,
    slow: G,
    _pinned: PhantomPinned,
}

enum TransferPhase<W, S> {
    Start,
    InFlight(W),
    Slow(SlowPath<S>),
}

/// The future of the slow path, whose drop glue is not in the future of every request.
struct SlowPath<S>(ManuallyDrop<S>);

impl<S> Drop for SlowPath<S> {
    #[inline]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn drop_slow<S>(future: &mut ManuallyDrop<S>) {
            // SAFETY: called once, when the value around the future is dropped.
            unsafe { ManuallyDrop::drop(future) };
        }
        drop_slow(&mut self.0);
    }
}

impl<'a, T, B, W, S, N, F, G> LazyTransfer<'a, T, B, W, S, N, F, G>
where
    T: TransferSource,
    N: Fn(&'a T) -> bool,
    F: Fn(&'a T, Budgeted, B) -> Submitted<W::Output, W>,
    W: Future + Unpin,
    G: Fn(&'a T, B) -> S,
    S: Future<Output = W::Output>,
{
    #[inline]
    pub(crate) fn new(source: &'a T, buffer: B, is_slow: N, submit: F, slow: G) -> Self {
        // INVARIANT: the phase is `Start`.
        Self {
            source,
            buffer: Some(buffer),
            phase: TransferPhase::Start,
            is_slow,
            submit,
            slow,
            _pinned: PhantomPinned,
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_slow(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        // SAFETY: the slow future is pinned, and is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        if let Some(buffer) = this.buffer.take() {
            let future = SlowPath(ManuallyDrop::new((this.slow)(this.source, buffer)));
            // While there was a buffer, the phase was `Start`.
            this.phase = TransferPhase::Slow(future);
        }
        match &mut this.phase {
            TransferPhase::Slow(future) => {
                // SAFETY: the future is part of `self`, which is pinned: it stays in place until it is dropped there.
                unsafe { Pin::new_unchecked(&mut *future.0) }.poll(context)
            }
            // Polled after it was ready.
            _ => Poll::Pending,
        }
    }
}

impl<'a, T, B, W, S, N, F, G> Future for LazyTransfer<'a, T, B, W, S, N, F, G>
where
    T: TransferSource,
    N: Fn(&'a T) -> bool,
    F: Fn(&'a T, Budgeted, B) -> Submitted<W::Output, W>,
    W: Future + Unpin,
    G: Fn(&'a T, B) -> S,
    S: Future<Output = W::Output>,
{
    type Output = W::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        // SAFETY: only the slow future is pinned, and it is not moved.
        let this = unsafe { self.as_mut().get_unchecked_mut() };
        if !matches!(this.phase, TransferPhase::InFlight(_)) {
            if this.buffer.is_none() || (this.is_slow)(this.source) {
                return self.poll_slow(context);
            }
            let Poll::Ready(budgeted) = this.source.budget().poll_budgeted(context) else {
                return Poll::Pending;
            };
            let Some(buffer) = this.buffer.take() else { return Poll::Pending };
            match (this.submit)(this.source, budgeted, buffer) {
                Submitted::Completed(result) => return Poll::Ready(result),
                // SAFETY: the place is valid, and its former value, `Start`, has nothing to drop: there was a buffer.
                Submitted::InFlight(waiting) => unsafe {
                    (&raw mut this.phase).write(TransferPhase::InFlight(waiting));
                },
            }
        }
        // A single call, so that it is inlined.
        let TransferPhase::InFlight(waiting) = &mut this.phase else { return Poll::Pending };
        Pin::new(waiting).poll(context)
    }
}
