//! System threads that run tasks.
//!
//! # Safety
//!
//! The scheduler stays in its allocation until the last reference is dropped, and each of its threads owns one.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::future::Future;
use core::time::Duration;

use wsk_sys::image::LONG_WAIT;
use wsk_sys::{LONG, PVOID};

use super::join::JoinHandle;
use super::task::{Links, Task};
use crate::irql::Passive;
use crate::kernel::{Event, Semaphore, SpinLock, Thread};
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
    threads: PoolBox<[Option<Thread>; Runtime::MAX_THREADS]>,
}

impl Runtime {
    /// The maximum number of threads of a runtime.
    pub const MAX_THREADS: usize = 64;

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
        let scheduler = Arc::new_with(|| Scheduler {
            queues: SpinLock::new(Queues {
                first_queued: None,
                last_queued: None,
                first: None,
                threads: 0,
                idle_threads: 0,
                stopping: false,
                is_awaited: false,
            }),
            work: Semaphore::new(),
            idle: Event::new(),
        })?;
        // INVARIANT: the semaphore and the event are initialized before the scheduler is shared.
        // SAFETY: the scheduler stays in its allocation, which is nonpaged.
        unsafe { scheduler.work.initialize() };
        // SAFETY: the scheduler stays in its allocation, which is nonpaged.
        unsafe { scheduler.idle.initialize() };
        let mut runtime = Self { scheduler, threads: PoolBox::new_with(|| [const { None }; 64])? };
        match runtime.start_threads(threads, passive) {
            Ok(()) => Ok(runtime),
            Err(error) => {
                // Ends the threads that were started.
                runtime.shutdown(passive);
                Err(error)
            }
        }
    }

    fn start_threads(&mut self, count: usize, passive: Passive) -> Result<()> {
        for slot in self.threads.iter_mut().take(count) {
            self.scheduler.queues.lock().threads += 1;
            let context = self.scheduler.clone().into_raw();
            // SAFETY: `run` takes a reference to a scheduler from `into_raw`, which belongs to the thread from here on.
            match unsafe { Thread::start(passive, run, context.cast_mut().cast()) } {
                Ok(thread) => *slot = Some(thread),
                Err(error) => {
                    // SAFETY: the reference is from `into_raw` above, and no thread was started that takes it.
                    drop(unsafe { Arc::from_raw(context) });
                    self.scheduler.queues.lock().threads -= 1;
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
        Spawner(self.scheduler.clone())
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
        spawn(&self.scheduler, future)
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

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Spawns tasks on a [`Runtime`]. Cheap to clone, for example into tasks that spawn others.
#[derive(Clone)]
pub struct Spawner(Arc<Scheduler>);

impl Spawner {
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
}

fn spawn<F>(scheduler: &Arc<Scheduler>, future: F) -> Result<JoinHandle<F::Output>>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let task = Task::allocate(scheduler.clone(), future)?;
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

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// The run queue and the list of all tasks.
///
/// # Invariants
///
/// - Once it is shared, `work` and `idle` are initialized, and stay in their nonpaged allocation.
/// - The list and the queue own a reference to each of their tasks.
pub(super) struct Scheduler {
    queues: SpinLock<Queues>,
    /// Released once for each idle thread that is needed.
    work: Semaphore,
    /// Set when the last task has ended, if a thread waits for that.
    idle: Event,
}

struct Queues {
    first_queued: Option<Task>,
    last_queued: Option<Task>,
    /// The list of all tasks whose futures were not dropped.
    first: Option<Task>,
    /// Threads that have not ended.
    threads: usize,
    /// Threads that wait for work, or are about to.
    idle_threads: LONG,
    stopping: bool,
    /// Whether a thread waits for the end of the last task. Cleared by the thread that sets `idle`.
    is_awaited: bool,
}

impl Scheduler {
    /// Adds a new task, unless the runtime is shutting down. Returns whether it was added.
    fn admit(&self, task: Task) -> bool {
        let mut queues = self.queues.lock();
        if queues.stopping {
            return false;
        }
        let first = queues.first.replace(task);
        queues.links(task).next = first;
        if let Some(first) = first {
            queues.links(first).previous = Some(task);
        }
        let idle = queues.push(task);
        drop(queues);
        self.wake(idle);
        true
    }

    /// Queues a task, and takes over a reference for the queue.
    pub(super) fn queue(&self, task: Task) {
        let mut queues = self.queues.lock();
        if queues.stopping {
            drop(queues);
            task.release();
            return;
        }
        let idle = queues.push(task);
        drop(queues);
        self.wake(idle);
    }

    /// Removes a task from the list of all tasks.
    pub(super) fn forget(&self, task: Task) {
        let mut queues = self.queues.lock();
        queues.unlink(task);
        let is_awaited = queues.first.is_none() && core::mem::take(&mut queues.is_awaited);
        drop(queues);
        if is_awaited {
            // SAFETY: the event is initialized (Invariants).
            unsafe { self.idle.set() };
        }
    }

    /// Waits until no task is left, or `timeout` has passed. Returns whether no task was left at some moment. Only one
    /// thread may wait at a time.
    fn wait_until_idle(&self, passive: Passive, timeout: Option<Duration>) -> bool {
        {
            let mut queues = self.queues.lock();
            if queues.first.is_none() {
                return true;
            }
            queues.is_awaited = true;
        }
        if let Some(timeout) = timeout {
            // SAFETY: the event is initialized (Invariants).
            if unsafe { self.idle.wait_for(passive, timeout) } {
                return true;
            }
            if core::mem::take(&mut self.queues.lock().is_awaited) {
                return false;
            }
            // The last task has ended just now, and the event is about to be set.
        }
        // SAFETY: the event is initialized (Invariants).
        unsafe { self.idle.wait(passive) };
        true
    }

    fn wake(&self, idle: bool) {
        if idle {
            // SAFETY: the semaphore is initialized (Invariants), and an idle thread waits, or is about to.
            unsafe { self.work.release(1) };
        }
    }

    fn stop(&self) {
        let mut queues = self.queues.lock();
        queues.stopping = true;
        let idle = core::mem::take(&mut queues.idle_threads);
        drop(queues);
        // SAFETY: the semaphore is initialized (Invariants), and `idle` threads wait, or are about to.
        unsafe { self.work.release(idle) };
    }

    /// Refuses new tasks from now on, if no task is left. Returns whether the runtime is stopping.
    fn stop_if_idle(&self) -> bool {
        let mut queues = self.queues.lock();
        queues.stopping |= queues.first.is_none();
        queues.stopping
    }

    /// Drops the remaining tasks, in the last thread.
    fn drop_tasks(&self) {
        loop {
            let mut queues = self.queues.lock();
            let Some(task) = queues.first else { break };
            queues.unlink(task);
            drop(queues);
            task.finish();
            task.release();
        }
        loop {
            let Some(task) = self.queues.lock().pop() else {
                break;
            };
            task.release();
        }
    }
}

impl Queues {
    /// The links of a task, for as long as the lock is held.
    #[expect(clippy::unused_self, reason = "the borrow stands for the lock")]
    fn links(&mut self, task: Task) -> &mut Links {
        let links = task.header().links.get();
        // SAFETY: the scheduler's lock protects the links of every task (Invariants of `TaskHeader`), and `self` is
        // borrowed from its guard; the list or the queue owns a reference to the task.
        unsafe { &mut *links }
    }

    /// Appends a task to the run queue. Returns whether an idle thread must be woken, which no longer counts as idle.
    fn push(&mut self, task: Task) -> bool {
        self.links(task).next_queued = None;
        match self.last_queued.replace(task) {
            Some(last) => self.links(last).next_queued = Some(task),
            None => self.first_queued = Some(task),
        }
        let idle = self.idle_threads > 0;
        if idle {
            self.idle_threads -= 1;
        }
        idle
    }

    fn pop(&mut self) -> Option<Task> {
        let task = self.first_queued?;
        self.first_queued = self.links(task).next_queued.take();
        if self.first_queued.is_none() {
            self.last_queued = None;
        }
        Some(task)
    }

    fn unlink(&mut self, task: Task) {
        let (previous, next) = {
            let links = self.links(task);
            (links.previous.take(), links.next.take())
        };
        match previous {
            Some(previous) => self.links(previous).next = next,
            None => self.first = next,
        }
        if let Some(next) = next {
            self.links(next).previous = previous;
        }
    }
}

/// The routine of each thread.
unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: `Runtime::start_threads` passes a reference to the scheduler for this thread.
    let scheduler = unsafe { Arc::<Scheduler>::from_raw(context.cast_const().cast()) };
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    loop {
        let mut queues = scheduler.queues.lock();
        if queues.stopping {
            queues.threads -= 1;
            let is_last = queues.threads == 0;
            drop(queues);
            if is_last {
                scheduler.drop_tasks();
            }
            return;
        }
        let task = queues.pop();
        if task.is_none() {
            queues.idle_threads += 1;
        }
        drop(queues);
        match task {
            Some(task) => task.run(),
            // SAFETY: the semaphore is initialized (Invariants of `Scheduler`).
            None => unsafe { scheduler.work.wait(passive) },
        }
    }
}
