//! Spawning tasks that DPCs poll.
//!
//! # Safety
//!
//! Tasks are `Send`.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::queue::DpcQueue;
use crate::executor::join::JoinHandle;
use crate::executor::spawner::spawn_on;
use crate::irql::Passive;
use crate::opaque_debug::opaque_debug;
use crate::pool::{Arc, PoolBox};
use crate::status::{Result, known};

/// Spawns tasks on a [`DpcExecutor`](super::DpcExecutor). Cheap to clone, for example into tasks that spawn others.
#[derive(Clone)]
pub struct DpcSpawner(Arc<DpcQueues>);

/// The run queues of an executor.
pub(super) struct DpcQueues {
    /// Each was created.
    queues: PoolBox<[Option<DpcQueue>]>,
    /// The number of spawned tasks, which selects the queue: each task goes to the next one.
    spawned: AtomicUsize,
}

impl DpcQueues {
    pub(super) const fn new(queues: PoolBox<[Option<DpcQueue>]>) -> Self {
        Self { queues, spawned: AtomicUsize::new(0) }
    }

    pub(super) fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let next = self.spawned.fetch_add(1, Ordering::Relaxed) % self.queues.len().max(1);
        let Some(Some(queue)) = self.queues.get(next) else {
            // At least one queue exists, and each was created.
            return Err(known::STATUS_CANCELLED);
        };
        // SAFETY: the future and its output are `Send`.
        unsafe { spawn_on(queue.scheduler(), None, future) }
    }

    /// Has the DPCs drop all tasks.
    pub(super) fn stop(&self) {
        self.queues.iter().flatten().for_each(DpcQueue::stop);
    }

    /// Waits until all tasks were dropped after a [`stop`](Self::stop). Calls `report` when that takes long.
    pub(super) fn wait(&self, passive: Passive, report: impl Fn()) {
        for queue in self.queues.iter().flatten() {
            queue.wait(passive, &report);
        }
    }
}

impl DpcSpawner {
    pub(super) const fn new(queues: Arc<DpcQueues>) -> Self {
        Self(queues)
    }

    /// Spawns a task: a future that DPCs of one processor poll until it finishes or the executor ends. The returned handle is
    /// a future of its output; dropping the handle detaches the task. Tasks go to the processors in turn.
    ///
    /// Makes one allocation. The future is polled and dropped at `DISPATCH_LEVEL`, or dropped here, at the caller's IRQL, if it is
    /// refused. Large futures cost stack when they are spawned, not when they are polled.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// A future that is not `Send` may contain a token, and does not compile:
    ///
    /// ```compile_fail,E0277
    /// fn spawns(spawner: &wsk::rt::DpcSpawner, local: wsk::rt::LocalSpawner) {
    ///     let _ = spawner.spawn(async move { drop(local.passive()) });
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// In each case, the future is dropped without being polled.
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - `STATUS_CANCELLED` if the executor is shutting down.
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.spawn(future)
    }
}

opaque_debug!(DpcSpawner);
