//! The handle of a task.
//!
//! # Safety
//!
//! A handle owns a reference to its task, and takes the output once.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::task::Task;
use crate::status::{Result, known};

/// The handle of a spawned task: a future of its output. From [`Spawner::spawn`](super::Spawner::spawn).
///
/// Dropping it detaches the task, whose output is then dropped. It needs no allocation of its own.
///
/// IRQL: <= `DISPATCH_LEVEL` to drop it; futures are polled at `PASSIVE_LEVEL`.
///
/// ```
/// use wsk::{Runtime, irql::Passive, rt};
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 1)?;
/// let task = runtime.spawner().spawn(async { 6 * 7 })?;
/// assert_eq!(rt::block_on(passive, task)??, 42);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Errors
///
/// `STATUS_CANCELLED` (kind [`Cancelled`](crate::ErrorKind::Cancelled)) if the runtime ended before the task.
///
/// # Invariants
///
/// It is the only handle of its task, owns one of the task's references, and `T` is the output of the task's future.
pub struct JoinHandle<T> {
    task: Task,
    /// Covariant: the output is moved out as a `T`, and nothing else is derived from the type.
    output: PhantomData<fn() -> T>,
}

// SAFETY: any thread may use and release its reference (see `Task`), and it moves the output to its thread (`T: Send`).
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: the only method on a shared reference returns whether the task is done, which is atomic.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Creates the handle of a task.
    ///
    /// # Safety
    ///
    /// The caller gives one of the task's references to the handle, which is the task's only one. `T` is the output of
    /// the task's future.
    pub(super) const unsafe fn new(task: Task) -> Self {
        // INVARIANT: this function's contract.
        Self { task, output: PhantomData }
    }

    /// Returns whether the task has finished, so that awaiting the handle does not wait.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_done()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if self.task.poll_done(context.waker()).is_pending() {
            return Poll::Pending;
        }
        // SAFETY: `T` is the output of the task's future (Invariants).
        Poll::Ready(unsafe { self.task.take_output() }.ok_or(known::STATUS_CANCELLED))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.task.detach();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}
