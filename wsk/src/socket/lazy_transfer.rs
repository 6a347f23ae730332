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
use core::ptr;
use core::task::{Context, Poll};

use super::transfer::Submitted;
use crate::operation::Budgeted;

/// The object that a [`LazyTransfer`] is made on.
pub(crate) trait TransferSource {
    /// Ready if a request may be issued: see [`SocketState::poll_permit`](super::SocketState::poll_permit).
    fn poll_permit(&self, context: &Context<'_>) -> Poll<Budgeted>;
}

/// A request that is submitted at the first poll, by `F`. If `N` returns true then, `G` makes the future of the slow path
/// instead, such as one with a deadline.
///
/// # Invariants
///
/// The slow future stays in place from its first poll to its drop.
#[must_use = "the request is made when this is polled"]
pub(crate) struct LazyTransfer<'a, T, B, W, S, N, F, G> {
    source: &'a T,
    phase: ManuallyDrop<TransferPhase<B, W, S>>,
    is_slow: N,
    submit: F,
    slow: G,
    _pinned: PhantomPinned,
}

enum TransferPhase<B, W, S> {
    Start(B),
    InFlight(W),
    Slow(S),
    Done,
}

impl<'a, T, B, W, S, N, F, G> LazyTransfer<'a, T, B, W, S, N, F, G> {
    #[inline]
    pub(crate) fn new(source: &'a T, buffer: B, is_slow: N, submit: F, slow: G) -> Self
    where
        T: TransferSource,
        N: Fn(&'a T) -> bool,
        F: Fn(&'a T, Budgeted, B) -> Submitted<W::Output, W>,
        W: Future + Unpin,
        G: Fn(&'a T, B) -> S,
        S: Future<Output = W::Output>,
    {
        let phase = ManuallyDrop::new(TransferPhase::Start(buffer));
        Self { source, phase, is_slow, submit, slow, _pinned: PhantomPinned }
    }

    /// The phase, without a shared reference to it: a slow future may have references into itself, which must stay the only ones.
    #[inline]
    fn phase(&mut self) -> *mut TransferPhase<B, W, S> {
        // `ManuallyDrop` has the layout of its value.
        (&raw mut self.phase).cast()
    }

    /// Takes the buffer of a request that was not made, which is done then.
    #[inline]
    fn take_buffer(&mut self) -> Option<B> {
        // SAFETY: the phase is this value's, which is borrowed mutably. Only a buffer is referred to.
        let TransferPhase::Start(buffer) = (unsafe { &mut *self.phase() }) else { return None };
        // SAFETY: the next statement overwrites the buffer without dropping it.
        let buffer = unsafe { ptr::read(buffer) };
        self.overwrite_phase(TransferPhase::Done);
        Some(buffer)
    }

    /// Changes the phase without dropping the value of the former one, whose drop glue would be in every request.
    #[inline]
    fn overwrite_phase(&mut self, phase: TransferPhase<B, W, S>) {
        // INVARIANT: the callers have another phase than `Slow`.
        self.phase = ManuallyDrop::new(phase);
    }

    #[cold]
    #[inline(never)]
    fn drop_phase(&mut self) {
        // SAFETY: called once, when the value is dropped. A slow future is dropped in its place.
        unsafe { ManuallyDrop::drop(&mut self.phase) };
    }
}

impl<'a, T, B, W, S, N, F, G> LazyTransfer<'a, T, B, W, S, N, F, G>
where
    G: Fn(&'a T, B) -> S,
    S: Future,
{
    #[cold]
    #[inline(never)]
    fn poll_slow(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<S::Output> {
        // SAFETY: the slow future is pinned, and is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        if let Some(buffer) = this.take_buffer() {
            let future = (this.slow)(this.source, buffer);
            this.overwrite_phase(TransferPhase::Slow(future));
        }
        match &mut *this.phase {
            TransferPhase::Slow(future) => {
                // SAFETY: the future is part of `self`, which is pinned: it stays in place until it is dropped there.
                unsafe { Pin::new_unchecked(future) }.poll(context)
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
        // SAFETY: the phase is this value's, which is borrowed mutably. Only its discriminant is read.
        if matches!(unsafe { &mut *this.phase() }, TransferPhase::Start(_)) {
            if (this.is_slow)(this.source) {
                return self.poll_slow(context);
            }
            let Poll::Ready(budgeted) = this.source.poll_permit(context) else {
                return Poll::Pending;
            };
            let Some(buffer) = this.take_buffer() else { return Poll::Pending };
            match (this.submit)(this.source, budgeted, buffer) {
                Submitted::Completed(result) => return Poll::Ready(result),
                Submitted::InFlight(waiting) => {
                    this.overwrite_phase(TransferPhase::InFlight(waiting));
                }
            }
        }
        let TransferPhase::InFlight(waiting) = &mut *this.phase else {
            return self.poll_slow(context);
        };
        let polled = Pin::new(&mut *waiting).poll(context);
        if polled.is_ready() {
            // SAFETY: the next statement overwrites the value without dropping it; it is `Unpin`.
            let finished = unsafe { ptr::read(waiting) };
            this.overwrite_phase(TransferPhase::Done);
            drop(finished);
        }
        polled
    }
}

impl<T, B, W, S, N, F, G> Drop for LazyTransfer<'_, T, B, W, S, N, F, G> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the phase is this value's, which is borrowed mutably. Only its discriminant is read.
        if !matches!(unsafe { &mut *self.phase() }, TransferPhase::Done) {
            self.drop_phase();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::boxed::Box;
    use std::pin::pin;
    use std::rc::Rc;

    use wsk_host as _;

    use super::*;
    use crate::operation::Budget;

    /// What a request does at its first poll.
    #[derive(Clone, Copy, PartialEq)]
    enum Outcome {
        Completes,
        Waits,
        IsSlow,
    }

    struct Source {
        budget: Budget,
        outcome: Outcome,
    }

    impl TransferSource for Source {
        fn poll_permit(&self, context: &Context<'_>) -> Poll<Budgeted> {
            self.budget.poll_budgeted(context)
        }
    }

    type Buffer = Rc<Box<u32>>;

    /// Ready at the second poll, with the buffer that it owns.
    struct Waiting(Option<Buffer>, bool);

    impl Future for Waiting {
        type Output = Buffer;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Buffer> {
            if core::mem::replace(&mut self.1, true) {
                return self.0.take().map_or(Poll::Pending, Poll::Ready);
            }
            Poll::Pending
        }
    }

    /// Refers to itself across its `await`, as futures of an `async fn` do.
    async fn slow(buffer: Buffer) -> Buffer {
        let reference = &buffer;
        Waiting(Some(Rc::clone(reference)), false).await;
        assert_eq!(***reference, 7);
        buffer
    }

    fn transfer(source: &Source, buffer: Buffer) -> impl Future<Output = Buffer> {
        LazyTransfer::new(
            source,
            buffer,
            |source: &Source| source.outcome == Outcome::IsSlow,
            |source: &Source, _, buffer: Buffer| match source.outcome {
                Outcome::Completes => Submitted::Completed(buffer),
                _ => Submitted::InFlight(Waiting(Some(buffer), false)),
            },
            |_: &Source, buffer| slow(buffer),
        )
    }

    #[test]
    fn a_future_returns_its_buffer_or_drops_it_once() {
        let context = &mut Context::from_waker(core::task::Waker::noop());
        for (outcome, polls) in [(Outcome::Completes, 1), (Outcome::Waits, 2), (Outcome::IsSlow, 2)]
        {
            let source = Source { budget: Budget::new(), outcome };
            // It is dropped after each number of polls, also after it was ready and polled once more.
            for count in 0..=polls + 1 {
                let buffer = Rc::new(Box::new(7));
                {
                    let mut future = pin!(transfer(&source, Rc::clone(&buffer)));
                    for number in 1..=count {
                        let polled = future.as_mut().poll(context);
                        assert_eq!(polled.is_ready(), number == polls, "poll {number} of {count}");
                        if let Poll::Ready(returned) = polled {
                            assert!(Rc::ptr_eq(&returned, &buffer));
                        }
                        if number == polls && outcome == Outcome::IsSlow {
                            // An `async fn` panics when it is polled again.
                            break;
                        }
                    }
                }
                assert_eq!(Rc::strong_count(&buffer), 1, "dropped after {count} polls");
            }
        }
    }
}
