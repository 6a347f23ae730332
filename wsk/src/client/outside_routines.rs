//! Calls to WSK in a foreign waker that a completion routine calls: they are not made there
//! ([INV-15](crate::rules#inv-15)).
//!
//! A future that is polled in such a waker, and is about to issue a request, is woken again by the client's thread, and
//! issues the request then. A call that is no future, and so cannot be made later, fails.
//!
//! # Safety
//!
//! A waker that is left to the client's thread keeps a reference to the client.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use super::Client;
use crate::deferred::ReservedCall;
use crate::status::{Result, known};

impl Client {
    /// For a call to WSK that cannot be made later.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_REQUEST` in a foreign waker that a completion routine calls.
    #[inline]
    pub(crate) fn check_outside_routines(&self) -> Result<()> {
        if self.rundown().is_in_foreign_waker() {
            return Err(known::STATUS_INVALID_DEVICE_REQUEST);
        }
        Ok(())
    }

    /// For a future that is about to call WSK: waits until it is polled where it may.
    #[inline]
    pub(crate) const fn outside_routines(&self) -> AwaitOutsideRoutines<'_> {
        AwaitOutsideRoutines(self)
    }

    /// Ready if the caller may call WSK; otherwise the task is woken where it may. If there is no memory for that, this is ready,
    /// and the [check](Self::check_outside_routines) fails.
    #[inline]
    pub(crate) fn poll_outside_routines(&self, context: &Context<'_>) -> Poll<()> {
        if self.rundown().is_in_foreign_waker() {
            return self.wake_in_thread(context.waker());
        }
        Poll::Ready(())
    }

    #[cold]
    #[inline(never)]
    fn wake_in_thread(&self, waker: &Waker) -> Poll<()> {
        let Ok(reserved) = ReservedCall::new() else {
            return Poll::Ready(());
        };
        self.retain_reference();
        let waiting = WaitingWaker { client: NonNull::from(self), waker: waker.clone() };
        let job = reserved.into_job(WaitingWaker::wake, waiting);
        // SAFETY: the job is new, has no other user, and frees itself; its argument keeps a reference to the client.
        unsafe { Self::defer(NonNull::from(self), job) };
        Poll::Pending
    }
}

/// A future that is ready where WSK may be called.
#[must_use = "it is to be awaited"]
pub(crate) struct AwaitOutsideRoutines<'a>(&'a Client);

impl Future for AwaitOutsideRoutines<'_> {
    type Output = ();

    /// Out of line, unlike [`Client::poll_outside_routines`], which is for sending and receiving.
    #[inline(never)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_outside_routines(context)
    }
}

/// A waker that the client's thread is to wake.
///
/// # Invariants
///
/// It has a reference to the client.
struct WaitingWaker {
    waker: Waker,
    client: NonNull<Client>,
}

// SAFETY: a waker is `Send`, and so is a reference to a client.
unsafe impl Send for WaitingWaker {}

impl WaitingWaker {
    /// In the client's thread, which is in no completion routine.
    fn wake(self) {
        self.waker.wake_by_ref();
    }
}

impl Drop for WaitingWaker {
    fn drop(&mut self) {
        // SAFETY: the reference is released once. The client's thread frees the client, not before it has done the job; any
        // other thread holds another reference, through which it has called `wake_in_thread`.
        unsafe { Client::release_reference(self.client) };
    }
}
