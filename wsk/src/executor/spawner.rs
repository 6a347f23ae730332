//! Spawning tasks on the threads of a runtime.
//!
//! # Safety
//!
//! A future that is not `Send` stays with one worker.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;

use super::join::JoinHandle;
use super::local::LocalSpawner;
use super::scheduler::Scheduler;
use super::task::{Schedule, Task};
use crate::irql::Passive;
use crate::opaque_debug::opaque_debug;
use crate::pool::Arc;
use crate::status::{Result, known};

/// Spawns tasks on a [`Runtime`](crate::Runtime). Cheap to clone, for example into tasks that spawn others.
#[derive(Clone)]
pub struct Spawner(Arc<Scheduler>);

impl Spawner {
    pub(super) const fn new(scheduler: Arc<Scheduler>) -> Self {
        Self(scheduler)
    }

    /// Spawns a task: a future that runs until it finishes or the runtime ends. The returned handle is a future of its
    /// output; dropping the handle detaches the task.
    ///
    /// Makes one allocation. The future is polled and dropped at `PASSIVE_LEVEL`; a refused future is dropped here, at
    /// the caller's IRQL.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// In each case, the future is dropped without being polled.
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - `STATUS_CANCELLED` if the runtime is shutting down.
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        spawn(&self.0, future)
    }

    /// Spawns a task that stays on its thread: `create` runs there, and makes a future that need not be `Send`. It gets a
    /// [`LocalSpawner`], for more tasks of the same thread, and for calls that need a [`Passive`].
    ///
    /// The task runs on the thread of the runtime with the fewest pinned tasks, between the tasks that may run on any. When
    /// the runtime ends, each thread drops its pinned tasks, the most recently spawned first.
    ///
    /// Makes one allocation. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use wsk::{Runtime, irql::Passive, rt};
    ///
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// let runtime = Runtime::new(passive, 2)?;
    /// let count = runtime.spawner().spawn_pinned(|local| async move {
    ///     let count = Rc::new(Cell::new(0));
    ///     let of_the_task = Rc::clone(&count);
    ///     let task = local.spawn_local(async move { of_the_task.set(of_the_task.get() + 1) })?;
    ///     task.await?;
    ///     Ok::<_, wsk::Error>(count.get())
    /// })?;
    /// assert_eq!(rt::block_on(passive, count)???, 1);
    /// runtime.shutdown(passive);
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// The future and its output may move between threads only if they are `Send`:
    ///
    /// ```compile_fail,E0277
    /// fn spawns(spawner: &wsk::Spawner, shared: std::rc::Rc<u8>) {
    ///     let _ = spawner.spawn_pinned(move |_| async move { drop(shared) });
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn). `create` is dropped without being called.
    pub fn spawn_pinned<C, F>(&self, create: C) -> Result<JoinHandle<F::Output>>
    where
        C: FnOnce(LocalSpawner) -> F + Send + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        let (scheduler, worker) = (self.0.clone(), self.0.least_pinned());
        let future = async move {
            // SAFETY: the task is pinned to this worker, whose thread polls it, at PASSIVE_LEVEL and in no callback.
            let local = unsafe { LocalSpawner::new(scheduler, worker) };
            create(local).await
        };
        // SAFETY: the task is pinned; before its first poll, the future contains only the scheduler, a number and `create`,
        // which are `Send`, as is the output.
        unsafe { spawn_on(&self.0, Some(worker), future) }
    }

    /// Runs a function that may wait for other things than futures, on a thread of the runtime. Meanwhile this thread runs no
    /// tasks: for functions that take long, create another [`Runtime`](crate::Runtime). The function must not wait for a task of its own
    /// runtime.
    ///
    /// Makes one allocation. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// ```
    /// use wsk::{Registration, Runtime, irql::Passive, rt};
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// let runtime = Runtime::new(passive, 1)?;
    /// let registration = Registration::register(passive)?;
    /// let deregisters =
    ///     runtime.spawner().spawn_blocking(move |passive| registration.deregister(passive))?;
    /// rt::block_on(passive, deregisters)??;
    /// runtime.shutdown(passive);
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn). The function is dropped without being called.
    pub fn spawn_blocking<T>(
        &self,
        function: impl FnOnce(Passive) -> T + Send + 'static,
    ) -> Result<JoinHandle<T>>
    where
        T: Send + 'static,
    {
        self.spawn_pinned(|local| async move { function(local.passive()) })
    }
}

opaque_debug!(Spawner);

fn spawn<F>(scheduler: &Arc<Scheduler>, future: F) -> Result<JoinHandle<F::Output>>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    // SAFETY: the future and its output are `Send`.
    unsafe { spawn_on(scheduler, None, future) }
}

/// Spawns a task that may be pinned to a worker.
///
/// # Errors
///
/// Those of [`Spawner::spawn`].
///
/// # Safety
///
/// That of [`Task::allocate`].
pub(super) unsafe fn spawn_on<F, S>(
    scheduler: &Arc<S>,
    worker: Option<usize>,
    future: F,
) -> Result<JoinHandle<F::Output>>
where
    F: Future<Output: 'static> + 'static,
    S: Schedule,
{
    // SAFETY: the future and its output are as `allocate` requires (this function's contract).
    let task = unsafe { Task::allocate(scheduler.clone(), worker, future) }?;
    // SAFETY: `allocate` has returned a reference for the handle, and the output of the task's future is that of `F`.
    let handle = unsafe { JoinHandle::new(task) };
    if scheduler.admit(task) {
        return Ok(handle);
    }
    task.finish();
    // The references of the list and of the queue, which did not take the task.
    task.release();
    task.release();
    Err(known::STATUS_CANCELLED)
}
