//! The run queues of a runtime's threads, and the lists of all tasks.
//!
//! # Safety
//!
//! The events are initialized before the scheduler is shared.

#![expect(unsafe_code, reason = "see Safety")]

use core::time::Duration;

use super::task::{Schedule, Task};
use super::tasks::Tasks;
use crate::irql::Passive;
use crate::kernel::{Event, SpinLock};
use crate::pool::{Arc, PoolBox};
use crate::status::Result;

/// The maximum number of workers: each has a bit in [`Queues::idle`].
pub(super) const MAX_WORKERS: usize = u64::BITS as usize;

/// The run queues and the lists of all tasks.
///
/// # Invariants
///
/// Once it is shared, the events are initialized, and stay in their nonpaged allocations.
pub(crate) struct Scheduler {
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
    pinned: PoolBox<[PinnedTasks]>,
    /// Workers that have not ended.
    workers: usize,
    /// A bit for each worker that waits for work, or is about to.
    idle: u64,
    stopping: bool,
    /// Whether a thread waits for the end of the last task. Cleared by the thread that sets `end`.
    is_awaited: bool,
    /// Tasks whose futures were not dropped.
    length: usize,
}

/// The tasks of one worker.
struct PinnedTasks {
    tasks: Tasks,
    /// Whether a shared task is next, if the worker has tasks of both kinds.
    is_next_shared: bool,
}

/// The next step of a worker.
pub(super) enum NextStep {
    Run(Task),
    /// The worker counts as idle, and waits.
    Wait,
    /// The runtime is stopping: no task is run any more.
    Stop,
}

impl Scheduler {
    /// Creates the scheduler of a number of workers, at most [`MAX_WORKERS`].
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(super) fn new(workers: usize) -> Result<Arc<Self>> {
        let queues = Queues {
            shared: Tasks::new(),
            pinned: PoolBox::from_fn(workers, |_| PinnedTasks {
                tasks: Tasks::new(),
                is_next_shared: false,
            })?,
            workers: 0,
            idle: 0,
            stopping: false,
            is_awaited: false,
            length: 0,
        };
        let wake = PoolBox::from_fn(workers, |_| Event::new())?;
        let scheduler =
            Arc::new_with(|| Self { queues: SpinLock::new(queues), wake, end: Event::new() })?;
        // INVARIANT: the events are initialized before the scheduler is shared.
        for event in scheduler.wake.iter().chain([&scheduler.end]) {
            // SAFETY: the event stays in its allocation, which is nonpaged.
            unsafe { event.initialize() };
        }
        Ok(scheduler)
    }

    /// Counts a worker that is started.
    pub(super) fn add_worker(&self) {
        self.queues.lock().workers += 1;
    }

    /// Removes a worker from the count. Returns whether it was the last one.
    pub(super) fn remove_worker(&self) -> bool {
        let mut queues = self.queues.lock();
        queues.workers -= 1;
        queues.workers == 0
    }

    /// The worker with the fewest pinned tasks.
    pub(super) fn least_pinned(&self) -> usize {
        let queues = self.queues.lock();
        let workers = queues.pinned.iter().enumerate();
        workers.min_by_key(|(_, pinned)| pinned.tasks.len()).map_or(0, |(worker, _)| worker)
    }

    /// The worker's next step.
    pub(super) fn next(&self, worker: usize) -> NextStep {
        let mut queues = self.queues.lock();
        if queues.stopping {
            return NextStep::Stop;
        }
        let Some(task) = queues.pop(worker) else {
            queues.idle |= 1 << worker;
            return NextStep::Wait;
        };
        NextStep::Run(task)
    }

    /// Waits until the worker is woken. Without an event, which each worker has, it returns false.
    pub(super) fn wait(&self, worker: usize, passive: Passive) -> bool {
        let event = self.wake.get(worker);
        if let Some(event) = event {
            // SAFETY: the event is initialized (Invariants).
            unsafe { event.wait(passive) };
        }
        event.is_some()
    }

    /// Waits until no task is left, or `timeout` has passed. Returns whether no task was left at some moment. Only one
    /// thread may wait at a time.
    pub(super) fn wait_until_idle(&self, passive: Passive, timeout: Option<Duration>) -> bool {
        {
            let mut queues = self.queues.lock();
            if queues.length == 0 {
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

    /// Has every worker end.
    pub(super) fn stop(&self) {
        let mut queues = self.queues.lock();
        queues.stopping = true;
        let mut idle = core::mem::take(&mut queues.idle);
        drop(queues);
        while let Some(worker) = take_lowest(&mut idle) {
            self.wake(Some(worker));
        }
    }

    /// Refuses new tasks from now on, if no task is left. Returns whether the runtime is stopping.
    pub(super) fn stop_if_idle(&self) -> bool {
        let mut queues = self.queues.lock();
        queues.stopping |= queues.length == 0;
        queues.stopping
    }

    /// Drops the remaining tasks of a worker that has stopped, in its thread, or the shared ones, in the last thread. The
    /// newest first.
    pub(super) fn drop_tasks(&self, worker: Option<usize>) {
        loop {
            let mut queues = self.queues.lock();
            let Some(task) = queues.tasks_of(worker).unlink_newest() else { break };
            queues.length -= 1;
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

impl Schedule for Scheduler {
    fn admit(&self, task: Task) -> bool {
        let mut queues = self.queues.lock();
        if queues.stopping {
            return false;
        }
        queues.length += 1;
        queues.tasks_of(task.header().worker).link(task);
        let worker = queues.push(task);
        drop(queues);
        self.wake(worker);
        true
    }

    fn queue(&self, task: Task) {
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

    fn forget(&self, task: Task) {
        let mut queues = self.queues.lock();
        queues.tasks_of(task.header().worker).unlink(task);
        queues.length -= 1;
        let is_awaited = queues.length == 0 && core::mem::take(&mut queues.is_awaited);
        drop(queues);
        if is_awaited {
            // SAFETY: the event is initialized (Invariants).
            unsafe { self.end.set() };
        }
    }
}

impl Queues {
    /// The tasks of a worker, or those that are not pinned.
    fn tasks_of(&mut self, worker: Option<usize>) -> &mut Tasks {
        match worker.and_then(|worker| self.pinned.get_mut(worker)) {
            Some(pinned) => &mut pinned.tasks,
            None => &mut self.shared,
        }
    }

    /// Appends a task to its run queue. Returns the worker that must be woken to run it, which no longer counts as
    /// idle.
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

    /// Removes the next task of a worker, alternating between its own tasks and shared ones.
    fn pop(&mut self, worker: usize) -> Option<Task> {
        let pinned = self.pinned.get_mut(worker)?;
        pinned.is_next_shared = !pinned.is_next_shared;
        if pinned.is_next_shared {
            pinned.tasks.pop().or_else(|| self.shared.pop())
        } else {
            self.shared.pop().or_else(|| pinned.tasks.pop())
        }
    }
}

/// Removes the lowest bit. Returns its number.
fn take_lowest(bits: &mut u64) -> Option<usize> {
    let lowest = bits.trailing_zeros();
    *bits &= bits.wrapping_sub(1);
    (lowest < u64::BITS).then_some(lowest as usize)
}

#[cfg(all(test, loom))]
pub(crate) mod loom_tests {
    //! All interleavings, with few preemptions, of the threads of a runtime, and of those that spawn, wake, abort and await
    //! their tasks. Run by `cargo xtask test loom`.

    use core::future::{pending, poll_fn};
    use core::task::{Poll, Waker};
    use std::vec::Vec;

    use loom::cell::UnsafeCell;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::sync::{Arc as LoomArc, Mutex};
    use loom::thread;

    use super::super::spawner::Spawner;
    use super::super::worker::work;
    use super::*;
    use crate::status::known;
    use crate::sync::model::{block_on, with_few_preemptions, with_preemptions};

    fn passive() -> Passive {
        // SAFETY: a model has no levels.
        unsafe { Passive::assume() }
    }

    /// The threads of a runtime.
    pub(crate) struct Workers {
        scheduler: Arc<Scheduler>,
        threads: Vec<thread::JoinHandle<()>>,
    }

    impl Workers {
        pub(crate) fn start(count: usize) -> Self {
            let scheduler = Scheduler::new(count).unwrap();
            let start = |worker| {
                scheduler.add_worker();
                let scheduler = scheduler.clone();
                thread::spawn(move || work(&scheduler, worker, passive()))
            };
            let threads = (0..count).map(start).collect();
            Self { scheduler, threads }
        }

        pub(crate) fn spawner(&self) -> Spawner {
            Spawner::new(self.scheduler.clone())
        }

        pub(crate) fn end(self) {
            self.scheduler.stop();
            for thread in self.threads {
                thread.join().unwrap();
            }
        }
    }

    /// Opened by one thread, awaited by a task.
    pub(crate) struct Gate {
        is_open: AtomicBool,
        waker: Mutex<Option<Waker>>,
    }

    impl Gate {
        pub(crate) fn new() -> LoomArc<Self> {
            LoomArc::new(Self { is_open: AtomicBool::new(false), waker: Mutex::new(None) })
        }

        pub(crate) fn open(&self) {
            self.is_open.store(true, Ordering::Release);
            let waker = self.waker.lock().unwrap().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }

        pub(crate) async fn opened(&self) {
            poll_fn(|context| {
                *self.waker.lock().unwrap() = Some(context.waker().clone());
                if self.is_open.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// Uses, each counted once, and drops, each counted a thousand times.
    struct Uses(UnsafeCell<u32>);

    // SAFETY: loom checks that no two threads use it at once.
    unsafe impl Send for Uses {}
    // SAFETY: loom checks that no two threads use it at once.
    unsafe impl Sync for Uses {}

    /// What a future owns. It is used by one thread at a time, and dropped once, before its task is done.
    pub(crate) struct Owned(LoomArc<Uses>);

    /// Sees what the future has done with an [`Owned`].
    pub(crate) struct Witness(LoomArc<Uses>);

    pub(crate) fn owned() -> (Owned, Witness) {
        let uses = LoomArc::new(Uses(UnsafeCell::new(0)));
        (Owned(LoomArc::clone(&uses)), Witness(uses))
    }

    impl Owned {
        pub(crate) fn touch(&mut self) {
            // SAFETY: loom checks that no other thread uses it meanwhile.
            self.0.0.with_mut(|value| unsafe { *value += 1 });
        }
    }

    impl Drop for Owned {
        fn drop(&mut self) {
            // SAFETY: loom checks that no other thread uses it meanwhile.
            self.0.0.with_mut(|value| unsafe { *value += 1000 });
        }
    }

    impl Witness {
        pub(crate) fn was_dropped_once(&self) -> bool {
            // SAFETY: loom checks that no other thread writes to it meanwhile.
            self.0.0.with(|value| unsafe { *value } / 1000 == 1)
        }
    }

    /// A wake is not lost, whenever it comes.
    #[test]
    fn a_task_that_is_woken_is_polled_again() {
        with_few_preemptions(|| {
            let (workers, gate) = (Workers::start(1), Gate::new());
            let (mut owned, witness) = owned();
            let opened = LoomArc::clone(&gate);
            let task = workers.spawner().spawn(async move {
                owned.touch();
                opened.opened().await;
                owned.touch();
                7
            });
            gate.open();
            assert_eq!(block_on(task.unwrap()), Ok(7));
            assert!(witness.was_dropped_once());
            workers.end();
        });
    }

    /// A task is aborted before, while or after it is polled and woken: its future is dropped once, before its handle is ready.
    #[test]
    fn a_task_is_aborted() {
        with_preemptions(2, || {
            let (workers, gate) = (Workers::start(1), Gate::new());
            let (mut owned, witness) = owned();
            let opened = LoomArc::clone(&gate);
            let task = workers.spawner().spawn(async move {
                owned.touch();
                opened.opened().await;
                owned.touch();
            });
            let task = task.unwrap();
            let abort = task.abort_handle();
            let opener = thread::spawn(move || gate.open());
            abort.abort();
            let result = block_on(task);
            assert!(matches!(result, Ok(()) | Err(known::STATUS_CANCELLED)));
            assert!(witness.was_dropped_once());
            opener.join().unwrap();
            workers.end();
        });
    }

    /// No task of an aborted handle is left to the end of its runtime.
    #[test]
    fn an_abort_ends_a_task_that_nothing_wakes() {
        with_few_preemptions(|| {
            let workers = Workers::start(1);
            let (owned, witness) = owned();
            let task = workers.spawner().spawn(async move {
                let _owned = owned;
                pending::<()>().await;
            });
            let task = task.unwrap();
            task.abort();
            assert_eq!(block_on(task), Err(known::STATUS_CANCELLED));
            assert!(witness.was_dropped_once());
            workers.end();
        });
    }

    /// Two workers that become idle miss no task.
    #[test]
    fn idle_workers_miss_no_task() {
        with_preemptions(1, || {
            let workers = Workers::start(2);
            let spawner = workers.spawner();
            let tasks = [1, 2].map(|value| spawner.spawn(async move { value }).unwrap());
            assert!(workers.scheduler.wait_until_idle(passive(), None));
            for (task, value) in tasks.into_iter().zip([1, 2]) {
                assert!(task.is_finished());
                assert_eq!(block_on(task), Ok(value));
            }
            workers.end();
        });
    }

    /// A task that is spawned while its runtime stops is refused, or dropped by the runtime. Its handle may be dropped, too.
    #[test]
    fn a_task_is_spawned_while_its_runtime_stops() {
        for keeps_handle in [true, false] {
            with_few_preemptions(move || {
                let workers = Workers::start(1);
                let (mut owned, witness) = owned();
                let spawner = workers.spawner();
                let spawning = thread::spawn(move || {
                    let task = spawner.spawn(async move {
                        owned.touch();
                        owned
                    });
                    match task {
                        Ok(task) if keeps_handle => drop(block_on(task)),
                        Ok(task) => drop(task),
                        Err(error) => assert_eq!(error, known::STATUS_CANCELLED),
                    }
                });
                workers.end();
                spawning.join().unwrap();
                assert!(witness.was_dropped_once());
            });
        }
    }
}
