//! System threads that run tasks.
//!
//! # Safety
//!
//! The scheduler stays in its allocation until the last reference is dropped, and each of its threads owns one.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::future::Future;
use core::time::Duration;

use wsk_sys::PVOID;
use wsk_sys::image::LONG_WAIT;

use super::join::JoinHandle;
use super::local::LocalSpawner;
use super::task::{Links, Task};
use crate::irql::Passive;
use crate::kernel::{Event, SpinLock, Thread};
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
        let queues = Queues {
            shared: Tasks::new(),
            pinned: PoolBox::from_fn(threads, |_| Tasks::new())?,
            tasks: 0,
            threads: 0,
            idle: 0,
            stopping: false,
            is_awaited: false,
        };
        let wake = PoolBox::from_fn(threads, |_| Event::new())?;
        let scheduler =
            Arc::new_with(|| Scheduler { queues: SpinLock::new(queues), wake, end: Event::new() })?;
        // INVARIANT: the events are initialized before the scheduler is shared.
        for event in scheduler.wake.iter().chain([&scheduler.end]) {
            // SAFETY: the event stays in its allocation, which is nonpaged.
            unsafe { event.initialize() };
        }
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
                PoolBox::new(ThreadContext { scheduler: self.scheduler.clone(), worker })?;
            self.scheduler.queues.lock().threads += 1;
            let context = context.into_raw();
            // SAFETY: `run` takes a context from `into_raw`, which belongs to the thread from here on.
            match unsafe { Thread::start(passive, run, context.as_ptr().cast()) } {
                Ok(thread) => *slot = Some(thread),
                Err(error) => {
                    self.scheduler.queues.lock().threads -= 1;
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
    /// What makes the future, and its output, move between threads:
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
    /// tasks: for functions that take long, create another [`Runtime`]. The function must not wait for a task of its own
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
pub(super) unsafe fn spawn_on<F>(
    scheduler: &Arc<Scheduler>,
    worker: Option<usize>,
    future: F,
) -> Result<JoinHandle<F::Output>>
where
    F: Future<Output: 'static> + 'static,
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

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// The run queues and the lists of all tasks.
///
/// # Invariants
///
/// - Once it is shared, the events are initialized, and stay in their nonpaged allocations.
/// - The lists and the queues own a reference to each of their tasks.
pub(super) struct Scheduler {
    queues: SpinLock<Queues>,
    /// For each worker, set once when it is idle and needed.
    wake: PoolBox<[Event]>,
    /// Set when the last task has ended, if a thread waits for that.
    end: Event,
}

struct Queues {
    /// The tasks that run on any worker.
    shared: Tasks,
    /// Those of each worker.
    pinned: PoolBox<[Tasks]>,
    /// Tasks whose futures were not dropped.
    tasks: usize,
    /// Threads that have not ended.
    threads: usize,
    /// A bit for each worker that waits for work, or is about to.
    idle: u64,
    stopping: bool,
    /// Whether a thread waits for the end of the last task. Cleared by the thread that sets `end`.
    is_awaited: bool,
}

const _: () = assert!(Runtime::MAX_THREADS <= u64::BITS as usize, "each worker has a bit");

/// The tasks of all workers, or of one.
struct Tasks {
    first_queued: Option<Task>,
    last_queued: Option<Task>,
    /// The list of the tasks whose futures were not dropped, the newest first.
    first: Option<Task>,
    length: usize,
    /// Of a worker: whether its next turn is that of a shared task, if there are both.
    is_next_shared: bool,
}

impl Tasks {
    const fn new() -> Self {
        Self {
            first_queued: None,
            last_queued: None,
            first: None,
            length: 0,
            is_next_shared: false,
        }
    }
}

impl Scheduler {
    /// The worker with the fewest pinned tasks.
    fn least_pinned(&self) -> usize {
        let queues = self.queues.lock();
        let workers = queues.pinned.iter().enumerate();
        workers.min_by_key(|(_, tasks)| tasks.length).map_or(0, |(worker, _)| worker)
    }

    /// Adds a new task, unless the runtime is shutting down. Returns whether it was added.
    fn admit(&self, task: Task) -> bool {
        let mut queues = self.queues.lock();
        if queues.stopping {
            return false;
        }
        queues.link(task);
        let worker = queues.push(task);
        drop(queues);
        self.wake(worker);
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
        let worker = queues.push(task);
        drop(queues);
        self.wake(worker);
    }

    /// Removes a task from the list of all tasks.
    pub(super) fn forget(&self, task: Task) {
        let mut queues = self.queues.lock();
        queues.unlink(task);
        let is_awaited = queues.tasks == 0 && core::mem::take(&mut queues.is_awaited);
        drop(queues);
        if is_awaited {
            // SAFETY: the event is initialized (Invariants).
            unsafe { self.end.set() };
        }
    }

    /// Waits until no task is left, or `timeout` has passed. Returns whether no task was left at some moment. Only one
    /// thread may wait at a time.
    fn wait_until_idle(&self, passive: Passive, timeout: Option<Duration>) -> bool {
        {
            let mut queues = self.queues.lock();
            if queues.tasks == 0 {
                return true;
            }
            queues.is_awaited = true;
        }
        if let Some(timeout) = timeout {
            // SAFETY: the event is initialized (Invariants).
            if unsafe { self.end.wait_for(passive, timeout) } {
                return true;
            }
            if core::mem::take(&mut self.queues.lock().is_awaited) {
                return false;
            }
            // The last task has ended just now, and the event is about to be set.
        }
        // SAFETY: the event is initialized (Invariants).
        unsafe { self.end.wait(passive) };
        true
    }

    /// Wakes a worker that was idle, and no longer counts as such.
    fn wake(&self, worker: Option<usize>) {
        if let Some(event) = worker.and_then(|worker| self.wake.get(worker)) {
            // SAFETY: the event is initialized (Invariants).
            unsafe { event.set() };
        }
    }

    fn stop(&self) {
        let mut queues = self.queues.lock();
        queues.stopping = true;
        let mut idle = core::mem::take(&mut queues.idle);
        drop(queues);
        while let Some(worker) = take_lowest(&mut idle) {
            self.wake(Some(worker));
        }
    }

    /// Refuses new tasks from now on, if no task is left. Returns whether the runtime is stopping.
    fn stop_if_idle(&self) -> bool {
        let mut queues = self.queues.lock();
        queues.stopping |= queues.tasks == 0;
        queues.stopping
    }

    /// Drops the remaining tasks of a worker, in its thread, or the shared ones, in the last thread. The newest first.
    fn drop_tasks(&self, worker: Option<usize>) {
        loop {
            let mut queues = self.queues.lock();
            let Some(task) = queues.tasks_of(worker).first else { break };
            queues.unlink(task);
            drop(queues);
            task.finish();
            task.release();
        }
        loop {
            let Some(task) = self.queues.lock().tasks_of(worker).pop() else {
                break;
            };
            task.release();
        }
    }
}

/// Removes the lowest bit. Returns its number.
fn take_lowest(bits: &mut u64) -> Option<usize> {
    let lowest = bits.trailing_zeros();
    *bits &= bits.wrapping_sub(1);
    (lowest < u64::BITS).then_some(lowest as usize)
}

/// The links of a task, for as long as the lock is held.
fn links(_lock: &mut Tasks, task: Task) -> &mut Links {
    let links = task.header().links.get();
    // SAFETY: the scheduler's lock protects the links of every task (Invariants of `TaskHeader`), and `_lock` is borrowed
    // from its guard; the list or the queue owns a reference to the task.
    unsafe { &mut *links }
}

impl Queues {
    /// The tasks of a worker, or those that are not pinned.
    fn tasks_of(&mut self, worker: Option<usize>) -> &mut Tasks {
        match worker.and_then(|worker| self.pinned.get_mut(worker)) {
            Some(pinned) => pinned,
            None => &mut self.shared,
        }
    }

    /// Appends a task to its run queue. Returns the worker that must be woken for it, which no longer counts as idle.
    fn push(&mut self, task: Task) -> Option<usize> {
        let worker = task.header().worker;
        self.tasks_of(worker).push(task);
        let Some(worker) = worker else {
            return take_lowest(&mut self.idle);
        };
        let bit = 1 << worker;
        let is_idle = self.idle & bit != 0;
        self.idle &= !bit;
        is_idle.then_some(worker)
    }

    /// Removes the next task of a worker: one of its own and a shared one in turn.
    fn pop(&mut self, worker: usize) -> Option<Task> {
        let own = self.tasks_of(Some(worker));
        own.is_next_shared = !own.is_next_shared;
        if own.is_next_shared {
            own.pop().or_else(|| self.shared.pop())
        } else {
            self.shared.pop().or_else(|| self.tasks_of(Some(worker)).pop())
        }
    }

    /// Adds a new task to its list.
    fn link(&mut self, task: Task) {
        self.tasks += 1;
        let tasks = self.tasks_of(task.header().worker);
        tasks.length += 1;
        let first = tasks.first.replace(task);
        links(tasks, task).next = first;
        if let Some(first) = first {
            links(tasks, first).previous = Some(task);
        }
    }

    /// Removes a task from its list.
    fn unlink(&mut self, task: Task) {
        self.tasks -= 1;
        let tasks = self.tasks_of(task.header().worker);
        tasks.length -= 1;
        let (previous, next) = {
            let links = links(tasks, task);
            (links.previous.take(), links.next.take())
        };
        match previous {
            Some(previous) => links(tasks, previous).next = next,
            None => tasks.first = next,
        }
        if let Some(next) = next {
            links(tasks, next).previous = previous;
        }
    }
}

impl Tasks {
    /// Appends a task to the run queue.
    fn push(&mut self, task: Task) {
        links(self, task).next_queued = None;
        match self.last_queued.replace(task) {
            Some(last) => links(self, last).next_queued = Some(task),
            None => self.first_queued = Some(task),
        }
    }

    fn pop(&mut self) -> Option<Task> {
        let task = self.first_queued?;
        self.first_queued = links(self, task).next_queued.take();
        if self.first_queued.is_none() {
            self.last_queued = None;
        }
        Some(task)
    }
}

/// What a thread of a runtime is started with.
struct ThreadContext {
    scheduler: Arc<Scheduler>,
    worker: usize,
}

/// The routine of each thread.
unsafe extern "C" fn run(context: PVOID) {
    let context = context.cast::<ThreadContext>();
    // SAFETY: `Runtime::start_threads` passes a context, which is not null.
    let context = unsafe { core::ptr::NonNull::new_unchecked(context) };
    // SAFETY: the context is from `into_raw`, and belongs to this thread.
    let context = PoolBox::into_inner(unsafe { PoolBox::from_raw(context) });
    let ThreadContext { scheduler, worker } = context;
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    loop {
        let mut queues = scheduler.queues.lock();
        if queues.stopping {
            drop(queues);
            break;
        }
        let task = queues.pop(worker);
        if task.is_none() {
            queues.idle |= 1 << worker;
        }
        drop(queues);
        match (task, scheduler.wake.get(worker)) {
            (Some(task), _) => task.run(),
            // SAFETY: the event is initialized (Invariants of `Scheduler`).
            (None, Some(event)) => unsafe { event.wait(passive) },
            // Each worker has an event.
            (None, None) => break,
        }
    }
    // The runtime is stopping, and admits no tasks: this thread polls none any more.
    scheduler.drop_tasks(Some(worker));
    let is_last = {
        let mut queues = scheduler.queues.lock();
        queues.threads -= 1;
        queues.threads == 0
    };
    if is_last {
        scheduler.drop_tasks(None);
    }
}
