//! A request to end, for any number of tasks.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::token_tree::{CancelWait, TreeToken};
use crate::executor::wait_queue::Waiter;
use crate::status::Result;

/// A request to end, which tasks, callbacks and other code share. Clones are the same token. Once cancelled, it stays so.
///
/// A task [waits for it](Self::cancelled) and then ends in its own way, or [drops a future](Self::run_until_cancelled) when
/// the token is cancelled, which cancels the future's requests.
///
/// A [child](Self::child_token) ends a part: it is cancelled with its parent, or alone.
///
/// IRQL: <= `DISPATCH_LEVEL`. It makes two allocations when it is created, and a child makes one.
///
/// ```
/// use std::time::Duration;
/// use wsk::sync::CancellationToken;
/// use wsk::{Runtime, irql::Passive, rt, time};
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 1)?;
/// let token = CancellationToken::new()?;
/// let of_the_task = token.clone();
/// let task = runtime.spawn(async move {
///     let hour = time::sleep(Duration::from_secs(3600));
///     of_the_task.run_until_cancelled(hour).await.is_none()
/// })?;
/// token.cancel();
/// assert!(rt::block_on(passive, task)??);
/// runtime.shutdown(passive);
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone)]
pub struct CancellationToken(TreeToken);

impl CancellationToken {
    /// Creates a token.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new() -> Result<Self> {
        TreeToken::new().map(Self)
    }

    /// Creates a token that is cancelled when this one is. Cancelling the child does not cancel this one.
    ///
    /// The child does not need its parent: when the last clone of this token is dropped without being cancelled, its children
    /// become those of its own parent.
    ///
    /// ```
    /// use wsk::sync::CancellationToken;
    ///
    /// let server = CancellationToken::new()?;
    /// let connections = [server.child_token()?, server.child_token()?];
    /// connections[0].cancel();
    /// assert!(!server.is_cancelled() && !connections[1].is_cancelled());
    /// server.cancel();
    /// assert!(connections[1].is_cancelled());
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn child_token(&self) -> Result<Self> {
        self.0.child().map(Self)
    }

    /// Cancels the token and its children, and wakes the tasks that wait for that. Never waits.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Returns whether the token is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the token is cancelled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future changes nothing.
    pub async fn cancelled(&self) {
        let mut waiter = pin!(Waiter::new(self.0.waiting(), CancelWait));
        poll_fn(|context| {
            waiter.as_mut().poll(context, |is_cancelled, _, _| {
                if *is_cancelled { Poll::Ready(()) } else { Poll::Pending }
            })
        })
        .await;
    }

    /// Runs a future until it is ready. If the token is cancelled before, the future is dropped, and the result is `None`. A
    /// future that is ready at the first poll succeeds, even if the token is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Same as `future`, which is dropped when this future is dropped, or when the token is cancelled.
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut cancelled = pin!(self.cancelled());
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => cancelled.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// Returns a guard that cancels the token when it is dropped.
    pub const fn drop_guard(self) -> DropGuard {
        DropGuard(self)
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// Cancels a token when it is dropped. From [`CancellationToken::drop_guard`].
///
/// IRQL: <= `DISPATCH_LEVEL`.
#[derive(Debug)]
#[must_use = "dropping it cancels the token"]
pub struct DropGuard(CancellationToken);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of tasks that wait and of the code that cancels. Run by `cargo xtask test loom`.

    use super::super::model::{block_on, thread, with_few_preemptions};
    use super::*;

    #[test]
    fn a_cancellation_wakes_every_waiting_task() {
        with_few_preemptions(|| {
            let token = CancellationToken::new().unwrap();
            let others = [(); 2].map(|()| {
                let token = token.clone();
                thread::spawn(move || block_on(token.cancelled()))
            });
            drop(token.drop_guard());
            for other in others {
                other.join().unwrap();
            }
        });
    }
}
