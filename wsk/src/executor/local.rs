//! Tasks of one thread.
//!
//! # Safety
//!
//! A local spawner stays on the thread of its worker.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::marker::PhantomData;

use super::join::JoinHandle;
use super::scheduler::Scheduler;
use super::spawner::{Spawner, spawn_on};
use crate::irql::Passive;
use crate::opaque_debug::opaque_debug;
use crate::pool::Arc;
use crate::status::Result;

/// Spawns tasks on the thread of a pinned task. From [`Spawner::spawn_pinned`](crate::Spawner::spawn_pinned).
///
/// It stays on this thread, and so proves its level:
///
/// ```compile_fail,E0277
/// fn sends<T: Send>(_: T) {}
/// fn leaves(local: wsk::rt::LocalSpawner) {
///     sends(local);
/// }
/// ```
///
/// # Invariants
///
/// The current thread is the worker's.
#[derive(Clone)]
pub struct LocalSpawner {
    scheduler: Arc<Scheduler>,
    worker: usize,
    /// Neither `Send` nor `Sync`. It has no parameter whose variance would matter.
    stays_on_its_thread: PhantomData<*mut ()>,
}

impl LocalSpawner {
    /// Creates a spawner for the current thread.
    ///
    /// # Safety
    ///
    /// The caller is a task that is pinned to this worker of the scheduler.
    pub(super) const unsafe fn new(scheduler: Arc<Scheduler>, worker: usize) -> Self {
        // INVARIANT: the task is polled by the worker's thread (this function's contract), which the value does not leave.
        Self { scheduler, worker, stays_on_its_thread: PhantomData }
    }

    /// Spawns a task of this thread. Neither the future nor its output need be `Send`. The handle stays on this thread if the
    /// output does.
    ///
    /// Makes one allocation. When the runtime ends, the thread drops its tasks, the most recently spawned first. A
    /// [`JoinSet`](crate::rt::JoinSet) ends some of them earlier.
    ///
    /// IRQL: `PASSIVE_LEVEL`, at which its thread runs.
    ///
    /// # Errors
    ///
    /// Those of [`Spawner::spawn`](crate::Spawner::spawn).
    pub fn spawn_local<F>(&self, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: 'static> + 'static,
    {
        // SAFETY: the task is pinned to the worker of this thread (Invariants). The handle of an output that is not `Send` is
        // not `Send`, and so stays on this thread.
        unsafe { spawn_on(&self.scheduler, Some(self.worker), future) }
    }

    /// Returns a handle for spawning tasks that run on any thread of the runtime.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner::new(self.scheduler.clone())
    }

    /// A proof that this thread runs at `PASSIVE_LEVEL` and may wait. While it waits, no task of the thread runs, so it must
    /// not wait for one.
    ///
    /// ```
    /// use wsk::{Registration, Runtime, irql::Passive, rt};
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// let runtime = Runtime::new(passive, 1)?;
    /// let registers = runtime.spawner().spawn_pinned(|local| async move {
    ///     let registration = Registration::register(local.passive())?;
    ///     registration.deregister(local.passive());
    ///     Ok::<_, wsk::Error>(())
    /// })?;
    /// rt::block_on(passive, registers)???;
    /// runtime.shutdown(passive);
    /// # Ok::<(), wsk::Error>(())
    /// ```
    #[must_use]
    pub const fn passive(&self) -> Passive {
        // SAFETY: this is a thread of a runtime (Invariants), which polls and drops its pinned tasks at PASSIVE_LEVEL. No
        // completion routine and no callback that runs on this thread meanwhile can have the token: it is not `Send`, and
        // they own only values that are.
        unsafe { Passive::assume() }
    }
}

opaque_debug!(LocalSpawner);
