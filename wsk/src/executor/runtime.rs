//! System threads that run tasks.
//!
//! # Safety
//!
//! Each thread is started with a context for its routine.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::time::Duration;

use wsk_sys::image::LONG_WAIT;

use super::join::JoinHandle;
use super::scheduler::{MAX_WORKERS, Scheduler};
use super::spawner::Spawner;
use super::worker::{WorkerContext, run};
use crate::irql::Passive;
use crate::kernel::Thread;
use crate::opaque_debug::opaque_debug;
use crate::pool::{Arc, PoolBox};
use crate::rundown::Rundown;
use crate::status::{Result, known};

/// System threads that run tasks.
///
/// [`shutdown`](Self::shutdown) ends it, and waits for its threads. Dropping it also ends it, but does not wait: each
/// thread ends when it returns from the task that it polls, and the last one drops the tasks. So it may be dropped
/// anywhere at up to `DISPATCH_LEVEL`, including in a callback, a completion routine and one of its own tasks.
/// [`wsk::unload`](crate::unload()) waits for its threads; if the runtime was forgotten, indefinitely.
///
/// ```
/// use wsk::{Runtime, irql::Passive};
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 1)?;
/// runtime.spawner().spawn(async { /* serve a connection */ })?;
/// runtime.shutdown(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct Runtime {
    scheduler: Arc<Scheduler>,
    threads: PoolBox<[Option<Thread>]>,
}

impl Runtime {
    /// The maximum number of threads of a runtime.
    pub const MAX_THREADS: usize = MAX_WORKERS;

    /// Starts a runtime with this number of threads. One is enough for tasks that mostly wait for the network; more
    /// threads use more processors.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the number is zero or more than [`Runtime::MAX_THREADS`].
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails, or a thread cannot be created.
    pub fn new(passive: Passive, threads: usize) -> Result<Self> {
        if threads == 0 || threads > Self::MAX_THREADS {
            return Err(known::STATUS_INVALID_PARAMETER);
        }
        let scheduler = Scheduler::new(threads)?;
        let mut runtime = Self { scheduler, threads: PoolBox::from_fn(threads, |_| None)? };
        match runtime.start_threads(passive) {
            Ok(()) => Ok(runtime),
            Err(error) => {
                // Ends the threads that were started.
                runtime.shutdown(passive);
                Err(error)
            }
        }
    }

    fn start_threads(&mut self, passive: Passive) -> Result<()> {
        for (worker, slot) in self.threads.iter_mut().enumerate() {
            let context =
                PoolBox::new(WorkerContext { scheduler: self.scheduler.clone(), worker })?;
            self.scheduler.add_worker();
            let context = context.into_raw();
            // SAFETY: `run` takes a context from `into_raw`, which belongs to the thread from here on.
            match unsafe { Thread::start(passive, run, context.as_ptr().cast()) } {
                Ok(thread) => *slot = Some(thread),
                Err(error) => {
                    self.scheduler.remove_worker();
                    // SAFETY: the context is from `into_raw` above, and no thread was started that takes it.
                    drop(unsafe { PoolBox::from_raw(context) });
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Returns a handle for spawning tasks.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner::new(self.scheduler.clone())
    }

    /// Spawns a task, as [`Spawner::spawn`] does.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// Those of [`Spawner::spawn`].
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.spawner().spawn(future)
    }

    /// Waits until all tasks have finished, including those that they spawn. Other threads may spawn more at any time.
    ///
    /// If a task never finishes, this waits forever: signal the tasks to finish, or use [`Runtime::wait_timeout`]. Must not
    /// be called from one of the runtime's own tasks.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait(&mut self, passive: Passive) {
        let _ = self.scheduler.wait_until_idle(passive, None);
    }

    /// Waits like [`Runtime::wait`], with a timeout. Afterwards, [`Runtime::shutdown`] drops the remaining tasks.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wsk::{ErrorKind, Runtime, irql::Passive};
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// let mut runtime = Runtime::new(passive, 1)?;
    /// runtime.spawner().spawn(std::future::pending::<()>())?;
    /// let error = runtime.wait_timeout(passive, Duration::from_secs(5)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// runtime.shutdown(passive);
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `STATUS_IO_TIMEOUT` (kind [`TimedOut`](crate::ErrorKind::TimedOut)) if unfinished tasks are left.
    pub fn wait_timeout(&mut self, passive: Passive, timeout: Duration) -> Result<()> {
        if self.scheduler.wait_until_idle(passive, Some(timeout)) {
            Ok(())
        } else {
            Err(known::STATUS_IO_TIMEOUT)
        }
    }

    /// Waits like [`Runtime::wait`], and ends the runtime when no task is left, so none is dropped before it finishes.
    /// Tasks spawned afterwards are refused.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// ```
    /// use wsk::{Runtime, irql::Passive};
    ///
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// let runtime = Runtime::new(passive, 2)?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// runtime.spawner().spawn(async move {
    ///     wsk::rt::yield_now().await;
    ///     sender.send("done").unwrap();
    /// })?;
    /// runtime.finish(passive);
    /// assert_eq!(receiver.try_recv(), Ok("done"));
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub fn finish(mut self, passive: Passive) {
        while !self.scheduler.stop_if_idle() {
            self.wait(passive);
        }
        self.stop(passive);
    }

    /// Ends the runtime: waits until its threads return from polling, ends the threads, and drops all tasks. As with
    /// any dropped future, requests in flight are cancelled and sockets are closed; the registration waits for their
    /// completion.
    ///
    /// Must not be called from one of the runtime's own tasks, which would wait for itself.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn shutdown(mut self, passive: Passive) {
        self.stop(passive);
    }

    fn stop(&mut self, passive: Passive) {
        self.scheduler.stop();
        for thread in self.threads.iter_mut().filter_map(Option::take) {
            thread.join(passive, LONG_WAIT, || Rundown::current().report("Runtime::shutdown"));
        }
    }
}

impl Drop for Runtime {
    /// IRQL: <= `DISPATCH_LEVEL`. Does not wait.
    fn drop(&mut self) {
        // The threads end by themselves; `unload` waits for them.
        self.scheduler.stop();
    }
}

opaque_debug!(Runtime);
