//! An executor at `DISPATCH_LEVEL`: tasks that deferred procedure calls (DPCs) poll.

mod queue;
mod spawner;

use core::future::Future;

use super::join::JoinHandle;
use crate::irql::Passive;
use crate::kernel::active_processors;
use crate::opaque_debug::opaque_debug;
use crate::pool::{Arc, PoolBox};
use crate::rundown::Rundown;
use crate::status::{Result, known};
use queue::DpcQueue;
use spawner::DpcQueues;
pub use spawner::DpcSpawner;

/// An executor whose tasks are polled at `DISPATCH_LEVEL`, in DPCs: for work that must not pay the latency of waking a
/// thread.
///
/// The completion routine of a request wakes its task by queueing a DPC, on the processor of the task. The DPC polls the woken
/// tasks of this processor, at most 16 of them; if more are woken, it queues itself again. So a task is never polled inside a
/// completion routine ([INV-15](crate::rules#inv-15)), no DPC runs for long ([INV-71](crate::rules#inv-71)), and neither an event is set nor
/// a thread waits for a request.
///
/// A task must never wait for anything but a future, and safe code cannot: it has no [`Passive`] token, which is not `Send`.
/// So [`block_on`](crate::rt::block_on), [`Registration::deregister`](crate::Registration::deregister),
/// [`Runtime::shutdown`](crate::Runtime::shutdown) and others do not compile there:
///
/// ```compile_fail,E0277
/// use wsk::irql::Passive;
/// use wsk::rt::DpcSpawner;
///
/// fn spawns(spawner: &DpcSpawner, registration: wsk::Registration, passive: Passive) {
///     let _ = spawner.spawn(async move { registration.deregister(passive) });
/// }
/// ```
///
/// Sending, receiving, accepting, connecting, closing, timers and everything in [`sync`](crate::sync) work as in any task. What
/// Windows does at `PASSIVE_LEVEL` only fails with `STATUS_INVALID_DEVICE_REQUEST`: resolving names, listing the machine's addresses,
/// and some control codes. What a task drops is dropped at `DISPATCH_LEVEL`; the thread of the registration
/// [does the rest](crate::guide::executors#drops).
///
/// A task that is always ready, because its requests complete at once, keeps its processor from running threads. Let it
/// wait, for example for a timer, or run it on a [`Runtime`](crate::Runtime).
///
/// [`shutdown`](Self::shutdown) drops the tasks and waits for that. Dropping the executor drops them, too, in DPCs, and does not wait;
/// [`wsk::unload`](crate::unload()) does.
///
/// Minimum Windows: Windows 8. In Wine 8, `KeInsertQueueDpc` does nothing, so no task runs.
///
/// ```
/// use wsk::irql::Passive;
/// use wsk::rt::{self, DpcExecutor};
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let executor = DpcExecutor::new(passive, 1)?;
/// let hello = executor.spawn(async { "hello from a DPC" })?;
/// assert_eq!(rt::block_on(passive, hello)??, "hello from a DPC");
/// executor.shutdown(passive);
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct DpcExecutor(Arc<DpcQueues>);

impl DpcExecutor {
    /// The maximum number of run queues of an executor.
    pub const MAX_QUEUES: usize = 2048;

    /// Creates an executor with this number of run queues, each with a DPC of its own on one processor: the first queue on the first
    /// processor, and so on, and more queues than processors from the first one again. One queue for each
    /// [active processor](Self::active_processors) uses them all.
    ///
    /// Makes two allocations, and one for each queue. IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the number is zero or more than [`DpcExecutor::MAX_QUEUES`].
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new(_passive: Passive, queues: usize) -> Result<Self> {
        // Not in a callback: `unload` counts sockets after the queues.
        if queues == 0 || queues > Self::MAX_QUEUES {
            return Err(known::STATUS_INVALID_PARAMETER);
        }
        let processors = active_processors();
        let mut places = PoolBox::from_fn(queues, |_| None)?;
        for (index, place) in places.iter_mut().enumerate() {
            *place = Some(DpcQueue::new(index % processors)?);
        }
        Arc::new(DpcQueues::new(places)).map(Self)
    }

    /// The number of processors that are active.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn active_processors() -> usize {
        active_processors()
    }

    /// Returns a handle for spawning tasks.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn spawner(&self) -> DpcSpawner {
        DpcSpawner::new(self.0.clone())
    }

    /// Spawns a task, as [`DpcSpawner::spawn`] does.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// Those of [`DpcSpawner::spawn`].
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.spawn(future)
    }

    /// Ends the executor: refuses new tasks, drops all that are left, and waits until that is done. As with any dropped future,
    /// requests in flight are cancelled.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn shutdown(self, passive: Passive) {
        self.0.stop();
        self.0.wait(passive, || Rundown::current().report("DpcExecutor::shutdown"));
    }
}

impl Drop for DpcExecutor {
    /// IRQL: <= `DISPATCH_LEVEL`. Does not wait.
    fn drop(&mut self) {
        // The DPCs drop the tasks; `unload` waits for that.
        self.0.stop();
    }
}

opaque_debug!(DpcExecutor);
