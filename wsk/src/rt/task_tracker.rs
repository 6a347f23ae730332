//! The end of a group of tasks.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::executor::wait_queue::{Wait, WaitList, WaitQueue, Waiter};
use crate::executor::{JoinHandle, Spawner};
use crate::opaque_debug::opaque_debug;
use crate::pool::Arc;
use crate::status::Result;

/// A group of futures, whose end can be waited for. Unlike a [`JoinSet`](super::JoinSet), it does not keep their outputs.
/// Clones are the same group.
///
/// With a [`CancellationToken`](crate::sync::CancellationToken), it ends a server: cancel the token, close the tracker, and
/// wait.
///
/// IRQL: <= `DISPATCH_LEVEL`. It makes one allocation, when it is created.
///
/// ```
/// use wsk::rt::{self, TaskTracker};
/// use wsk::sync::CancellationToken;
/// use wsk::{Runtime, irql::Passive};
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 2)?;
/// let (connections, token) = (TaskTracker::new()?, CancellationToken::new()?);
/// for _ in 0..3 {
///     let token = token.clone();
///     connections.spawn(&runtime.spawner(), async move {
///         token.run_until_cancelled(std::future::pending::<()>()).await
///     })?;
/// }
/// token.cancel();
/// connections.close();
/// rt::block_on(passive, connections.wait())?;
/// assert_eq!(connections.len(), 0);
/// runtime.shutdown(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone)]
pub struct TaskTracker(Arc<WaitQueue<EndWait>>);

struct TrackerState {
    length: usize,
    is_closed: bool,
}

impl TrackerState {
    const fn has_ended(&self) -> bool {
        self.is_closed && self.length == 0
    }
}

/// A future that waits for the end.
struct EndWait {
    /// Whether this future has seen the end, even if the group was reopened since.
    has_seen: bool,
}

impl Wait for EndWait {
    type State = TrackerState;

    fn serve(state: &mut TrackerState, waiting: &mut WaitList<Self>) -> Option<Waker> {
        if !state.has_ended() {
            return None;
        }
        waiting.first()?.has_seen = true;
        waiting.pop()
    }

    fn give_up(&mut self, _: &mut TrackerState) {}
}

/// Counts as a task of a [`TaskTracker`] until it is dropped. From [`TaskTracker::token`].
///
/// IRQL: <= `DISPATCH_LEVEL`.
#[must_use = "dropping it ends what it stands for"]
pub struct TaskTrackerToken(TaskTracker);

impl TaskTracker {
    /// Creates an empty group.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new() -> Result<Self> {
        Arc::new(WaitQueue::new(TrackerState { length: 0, is_closed: false })).map(Self)
    }

    /// Spawns a task of the group. A closed group also accepts tasks, and ends when they do.
    ///
    /// # Errors
    ///
    /// Those of [`Spawner::spawn`].
    pub fn spawn<F>(&self, spawner: &Spawner, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        spawner.spawn(self.track_future(future))
    }

    /// Makes a future one of the group, until it is ready or dropped. It counts from this call on.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub fn track_future<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let token = self.token();
        async move {
            // Dropped after the future, and before its output is used.
            let _token = token;
            future.await
        }
    }

    /// Counts as a task of the group until it is dropped, for work that is not a future.
    pub fn token(&self) -> TaskTrackerToken {
        self.0.change(|state| state.length += 1);
        TaskTrackerToken(self.clone())
    }

    /// Lets [`wait`](Self::wait) end when no task is left. Returns whether it was open.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn close(&self) -> bool {
        self.0.change(|state| !core::mem::replace(&mut state.is_closed, true))
    }

    /// Makes [`wait`](Self::wait) wait for another [`close`](Self::close). Returns whether it was closed.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn reopen(&self) -> bool {
        self.0.change(|state| core::mem::replace(&mut state.is_closed, false))
    }

    /// The number of tasks that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.access(|state, _| state.length)
    }

    /// Whether no task is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the group is closed and no task is left.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future changes nothing.
    pub async fn wait(&self) {
        let mut waiter = pin!(Waiter::new(&self.0, EndWait { has_seen: false }));
        poll_fn(|context| {
            waiter.as_mut().poll(context, |state, ended, _| {
                if ended.has_seen || state.has_ended() { Poll::Ready(()) } else { Poll::Pending }
            })
        })
        .await;
    }
}

impl Drop for TaskTrackerToken {
    fn drop(&mut self) {
        self.0.0.change(|state| state.length -= 1);
    }
}

impl fmt::Debug for TaskTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskTracker").field("len", &self.len()).finish_non_exhaustive()
    }
}

opaque_debug!(TaskTrackerToken);

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of tasks that end, and of tasks that wait for that. Run by `cargo xtask test loom`.

    use loom::thread;

    use super::*;
    use crate::sync::model::{block_on, with_few_preemptions};

    /// The wait ends after the last task and the close, in whatever order they come.
    #[test]
    fn a_wait_ends_with_the_last_task() {
        with_few_preemptions(|| {
            let tracker = TaskTracker::new().unwrap();
            let tokens = [tracker.token(), tracker.token()];
            let ends = tokens.map(|token| thread::spawn(move || drop(token)));
            tracker.close();
            block_on(tracker.wait());
            assert!(tracker.is_empty());
            for end in ends {
                end.join().unwrap();
            }
        });
    }

    /// A group that is reopened at once has ended for those who waited.
    #[test]
    fn a_wait_ends_although_the_group_is_reopened() {
        with_few_preemptions(|| {
            let tracker = TaskTracker::new().unwrap();
            let token = tracker.token();
            let waits = {
                let tracker = tracker.clone();
                thread::spawn(move || block_on(tracker.wait()))
            };
            tracker.close();
            drop(token);
            // If the other thread has not begun to wait before, it waits for this close.
            tracker.reopen();
            tracker.close();
            waits.join().unwrap();
        });
    }
}
