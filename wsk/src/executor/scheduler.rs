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
