//! A set of tasks.

use core::fmt;
use core::future::{Future, poll_fn};
use core::mem::ManuallyDrop;
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::executor::foreign::{drop_waker, wake};
use crate::executor::{AbortHandle, JoinHandle, LocalSpawner, Spawner};
use crate::kernel::SpinLock;
use crate::pool::{Arc, PoolBox};
use crate::status::{Result, known};
use crate::sync::{Notify, waker_slot};

/// Tasks with outputs of one type, which are awaited in the order in which they finish. Dropping the set aborts them.
///
/// IRQL: <= `DISPATCH_LEVEL`. It makes one allocation when it is created, and two for each task.
///
/// ```
/// use wsk::rt::{self, JoinSet};
/// use wsk::{Runtime, irql::Passive};
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 2)?;
/// let mut squares = JoinSet::new(runtime.spawner())?;
/// for number in 1..=3 {
///     squares.spawn(async move { number * number })?;
/// }
/// let sum = rt::block_on(passive, async move {
///     let mut sum = 0;
///     while let Some(square) = squares.join_next().await {
///         sum += square?;
///     }
///     Ok::<_, wsk::Error>(sum)
/// })??;
/// assert_eq!(sum, 14);
/// runtime.shutdown(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct JoinSet<T> {
    spawner: Spawner,
    shared: Arc<JoinSetState<T>>,
    /// The tasks whose results were not returned.
    length: usize,
    /// The results of tasks that were not spawned. All are the same error, as are those of aborted tasks.
    refused: usize,
    /// Results that were taken from the shared list, in order.
    results: Option<PoolBox<Member<T>>>,
}

struct JoinSetState<T> {
    finished: SpinLock<FinishedTasks<T>>,
    abort: Notify,
}

struct FinishedTasks<T> {
    /// The results, the latest first.
    results: Option<PoolBox<Member<T>>>,
    /// The waker of the task that waits for one.
    waker: Option<Waker>,
}

/// The memory of a task's result, which is allocated with the task.
struct Member<T> {
    /// Not dropped with the member: dropping a long list would recurse once per member, on a small stack.
    next: ManuallyDrop<Option<PoolBox<Self>>>,
    result: Result<T>,
}

/// Owned by a task's future. Dropping it adds the result to the set.
struct Finisher<T> {
    shared: Arc<JoinSetState<T>>,
    member: Option<PoolBox<Member<T>>>,
}

impl<T> Drop for Finisher<T> {
    fn drop(&mut self) {
        let Some(mut member) = self.member.take() else { return };
        let mut finished = self.shared.finished.lock();
        *member.next = finished.results.take();
        finished.results = Some(member);
        let waker = finished.waker.take();
        drop(finished);
        wake(waker);
    }
}

impl<T> JoinSet<T> {
    /// Creates an empty set, whose tasks run where the spawner spawns.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new(spawner: Spawner) -> Result<Self> {
        let finished = SpinLock::new(FinishedTasks { results: None, waker: None });
        let shared = Arc::new(JoinSetState { finished, abort: Notify::new() })?;
        Ok(Self { spawner, shared, length: 0, refused: 0, results: None })
    }

    /// Returns the number of tasks whose results [`join_next`](Self::join_next) has not returned yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Returns whether the set has no tasks.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Aborts the tasks of the set. Their results are still to be joined.
    pub fn abort_all(&mut self) {
        self.shared.abort.notify_waiters();
    }

    /// Waits for the next task that finishes, and returns its output, or none if the set is empty.
    ///
    /// # Errors
    ///
    /// `STATUS_CANCELLED` (kind [`Cancelled`](crate::ErrorKind::Cancelled)) if the task was aborted, or the runtime ended
    /// before it.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. A future that is dropped before it is ready has removed no task.
    pub async fn join_next(&mut self) -> Option<Result<T>> {
        while self.length > 0 {
            let Some(member) = self.results.take() else {
                self.take_results().await;
                continue;
            };
            let Member { next, result } = PoolBox::into_inner(member);
            self.results = ManuallyDrop::into_inner(next);
            if result.is_err() && self.refused > 0 {
                self.refused -= 1;
                continue;
            }
            self.length -= 1;
            return Some(result);
        }
        None
    }

    /// Waits for results, and takes them from the shared list.
    async fn take_results(&mut self) {
        let mut results = poll_fn(|context| {
            waker_slot::poll(
                &self.shared.finished,
                context,
                |finished| &mut finished.waker,
                |finished| match finished.results.take() {
                    None => Poll::Pending,
                    results => Poll::Ready(results),
                },
            )
        })
        .await;
        // The first one first.
        while let Some(mut member) = results {
            results = member.next.take();
            *member.next = self.results.take();
            self.results = Some(member);
        }
    }

    /// Aborts the tasks of the set, and waits until all of them have finished. Their outputs are dropped.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. The tasks are aborted when the future is first polled.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task of the set.
    ///
    /// # Errors
    ///
    /// Those of [`Spawner::spawn`]. The set is unchanged then.
    pub fn spawn<F>(&mut self, future: F) -> Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let future = self.member(future)?;
        let task = self.spawner.spawn(future);
        self.spawned(task)
    }

    /// Spawns a task of the set that stays on the thread of a pinned task. Its output need not be `Send`.
    ///
    /// So a set on that thread owns local tasks: [`shutdown`](Self::shutdown) waits until their futures were dropped.
    ///
    /// # Errors
    ///
    /// Those of [`LocalSpawner::spawn_local`]. The set is unchanged then.
    pub fn spawn_local<F>(&mut self, local: &LocalSpawner, future: F) -> Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let future = self.member(future)?;
        let task = local.spawn_local(future);
        self.spawned(task)
    }

    /// A future that adds its result to the set when it is dropped.
    fn member<F: Future<Output = T>>(
        &self,
        future: F,
    ) -> Result<impl Future<Output = ()> + use<F, T>> {
        let member = PoolBox::new(Member {
            next: ManuallyDrop::new(None),
            result: Err(known::STATUS_CANCELLED),
        })?;
        let shared = self.shared.clone();
        let mut finisher = Finisher { shared: shared.clone(), member: Some(member) };
        let aborts = shared.abort.generation();
        Ok(async move {
            // Moved into the future, even if the future is dropped without a poll.
            let finisher = &mut finisher;
            let output = {
                let mut future = pin!(future);
                let mut aborted = pin!(shared.abort.notified_after(aborts));
                poll_fn(|context| match aborted.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => future.as_mut().poll(context).map(Some),
                })
                .await
            };
            if let (Some(output), Some(member)) = (output, &mut finisher.member) {
                member.result = Ok(output);
            }
        })
    }

    /// Counts a task that was spawned.
    fn spawned(&mut self, task: Result<JoinHandle<()>>) -> Result<AbortHandle> {
        // The future of a refused task was dropped, and has added its result.
        *(if task.is_ok() { &mut self.length } else { &mut self.refused }) += 1;
        task.map(|task| task.abort_handle())
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.shared.abort.notify_waiters();
        drop_all(self.results.take());
    }
}

impl<T> Drop for JoinSetState<T> {
    fn drop(&mut self) {
        let mut finished = self.finished.lock();
        let (results, unused) = (finished.results.take(), finished.waker.take());
        drop(finished);
        drop_waker(unused);
        drop_all(results);
    }
}

fn drop_all<T>(mut members: Option<PoolBox<Member<T>>>) {
    while let Some(member) = members {
        members = ManuallyDrop::into_inner(PoolBox::into_inner(member).next);
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings, with few preemptions, of the tasks of a set, and of its owner. Run by `cargo xtask test loom`.

    use core::future::pending;

    use super::*;
    use crate::executor::Workers;
    use crate::sync::model::{block_on, with_few_preemptions, with_preemptions};

    /// Each output is returned once, and the owner that waits for it is woken.
    #[test]
    fn each_task_is_joined_once() {
        with_preemptions(2, || {
            let workers = Workers::start(1);
            let mut set = JoinSet::new(workers.spawner()).unwrap();
            for value in [1, 2] {
                set.spawn(async move { value }).unwrap();
            }
            let sum = block_on(async {
                let mut sum = 0;
                while let Some(value) = set.join_next().await {
                    sum += value.unwrap();
                }
                sum
            });
            assert_eq!(sum, 3);
            drop(set);
            workers.end();
        });
    }

    /// A task that nothing else wakes is aborted before, while or after it is polled.
    #[test]
    fn a_set_is_shut_down() {
        with_few_preemptions(|| {
            let workers = Workers::start(1);
            let mut set = JoinSet::new(workers.spawner()).unwrap();
            set.spawn(pending::<()>()).unwrap();
            block_on(set.shutdown());
            assert!(set.is_empty());
            drop(set);
            workers.end();
        });
    }

    /// The set is dropped while its task runs.
    #[test]
    fn a_set_is_dropped() {
        with_few_preemptions(|| {
            let workers = Workers::start(1);
            let mut set = JoinSet::new(workers.spawner()).unwrap();
            set.spawn(async { 1 }).unwrap();
            drop(set);
            workers.end();
        });
    }
}
