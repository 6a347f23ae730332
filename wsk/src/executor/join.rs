//! The handles of a task.
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

/// The handle of a spawned task: a future of its output. From [`Spawner::spawn`](crate::Spawner::spawn).
///
/// Dropping it detaches the task, whose output is then dropped. [`abort`](Self::abort) ends the task. It needs no allocation
/// of its own.
///
/// IRQL: <= `DISPATCH_LEVEL`.
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
/// `STATUS_CANCELLED` (kind [`Cancelled`](crate::ErrorKind::Cancelled)) if the task was aborted, or the runtime ended before
/// it.
///
/// # Invariants
///
/// This is the only handle of its task, it owns one of the task's references, and `T` is the output of the task's
/// future.
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
    /// The caller transfers one of the task's references to the handle, which is the task's only handle. `T` is the
    /// output of the task's future.
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

    /// Ends the task: its executor drops the future when it no longer polls it, a [`Runtime`](crate::Runtime) at `PASSIVE_LEVEL`
    /// and a [`DpcExecutor`](crate::rt::DpcExecutor) at `DISPATCH_LEVEL`. As with any
    /// dropped future, its requests are cancelled. Awaiting the handle waits for that, and fails with `STATUS_CANCELLED`,
    /// unless the task finishes first.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// ```
    /// use wsk::{ErrorKind, Runtime, irql::Passive, rt};
    ///
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// let runtime = Runtime::new(passive, 1)?;
    /// let task = runtime.spawn(std::future::pending::<()>())?;
    /// task.abort();
    /// let error = rt::block_on(passive, task)?.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// runtime.shutdown(passive);
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Returns a handle that can only abort the task, and may outlive this one.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. It allocates nothing.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        // INVARIANT: a reference is taken for the new handle.
        AbortHandle(self.task.retain())
    }
}

/// A handle that can abort a task. From [`JoinHandle::abort_handle`].
///
/// It keeps the task's memory, but not its future.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Invariants
///
/// It owns one of the task's references.
pub struct AbortHandle(Task);

// SAFETY: its methods are atomic, and any thread may release its reference (see `Task`).
unsafe impl Sync for AbortHandle {}

impl AbortHandle {
    /// Ends the task, like [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Returns whether the task has finished, like [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_done()
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        // INVARIANT: a reference is taken for the new handle.
        Self(self.0.retain())
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("is_finished", &self.is_finished()).finish()
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
