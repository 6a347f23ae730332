//! The threads, jobs and timers of a deterministic kernel, and the choice of what runs next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar};
use std::time::Duration;

use super::super::machine_thread::MachineThread;
use super::super::{Job, JobId, ThreadId, Ticks};
use super::pct::{Priorities, Task};
use crate::kernel::choices::{ChoiceKind, Choices};

/// The state of a kernel's deterministic threads.
pub(super) struct ThreadSchedule {
    pub(super) choices: Choices,
    /// The priorities of threads and jobs, if the schedule has them.
    pub(super) priorities: Option<Priorities>,
    pub(super) now: Ticks,
    /// A copy of the time.
    clock: Arc<AtomicU64>,
    pub(super) threads: BTreeMap<ThreadId, ScheduledThread>,
    /// The threads that can run.
    pub(super) ready: BTreeSet<ThreadId>,
    /// The threads that wait until a time at most.
    deadlines: BTreeSet<(Ticks, ThreadId)>,
    pub(super) last_thread: ThreadId,
    /// The thread that runs.
    pub(super) current: Option<ThreadId>,
    /// That thread, and with it the whole kernel, waits for an outside event.
    pub(super) idle: bool,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Jobs of the client's timers that are not due yet.
    pub(super) timers: BTreeMap<JobId, Job>,
    pub(super) last_job: u64,
    /// The threads of the kernel that block elsewhere, and may return at any time.
    pub(super) blocking: usize,
    /// The number of turns, jobs and wake-ups so far.
    pub(super) progress: u64,
    /// The threads that a report asks for their places, and the places.
    pub(super) asked: BTreeSet<ThreadId>,
    pub(super) places: BTreeMap<ThreadId, String>,
    /// A report that did not end the process was written.
    pub(super) is_reported: bool,
}

pub(super) struct ScheduledThread {
    /// The machine's thread, once it has begun.
    pub(super) machine: Option<MachineThread>,
    /// The latest time when it becomes ready, if its wait is limited.
    pub(super) deadline: Option<Ticks>,
    pub(super) turn: Arc<Condvar>,
}
/// An event that can happen next.
pub(super) enum NextEvent {
    Job(Job),
    Thread(ThreadId),
}
/// The maximum number of due jobs to pick from at random, so that the cost of picking does not depend on how many are
/// due.
const CHOICE: usize = 64;

/// The index of the next thread in turn after `asking`, among the other threads.
fn index_after(ready: &BTreeSet<ThreadId>, asking: ThreadId) -> usize {
    let before = ready.range(..asking).count();
    let is_last = ready.range(asking + 1..).next().is_none();
    if is_last { 0 } else { before }
}

impl ThreadSchedule {
    /// No threads and no jobs, at the time zero.
    pub(super) fn new(clock: Arc<AtomicU64>, choices: Choices) -> Self {
        Self {
            clock,
            choices,
            priorities: None,
            now: 0,
            threads: BTreeMap::new(),
            ready: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            last_thread: 0,
            current: None,
            idle: false,
            jobs: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_job: 0,
            blocking: 0,
            progress: 0,
            asked: BTreeSet::new(),
            places: BTreeMap::new(),
            is_reported: false,
        }
    }

    pub(super) fn thread(&mut self, id: ThreadId) -> &mut ScheduledThread {
        self.threads.entry(id).or_insert_with(|| {
            self.ready.insert(id);
            ScheduledThread { machine: None, deadline: None, turn: Arc::default() }
        })
    }

    /// How long the thread with the turn has waited for a processor of the machine.
    pub(super) fn delay(&self) -> Duration {
        let current = self.current.and_then(|current| self.threads.get(&current));
        let machine = current.and_then(|thread| thread.machine.as_ref());
        machine.map_or(Duration::ZERO, MachineThread::delay)
    }

    pub(super) fn give_turn(&mut self, id: ThreadId) {
        self.progress += 1;
        if self.current != Some(id) {
            self.choices.tell(|| format!("thread {id} has the turn"));
        }
        self.current = Some(id);
        self.thread(id).turn.notify_all();
    }

    /// Sets whether a thread can run, and if not, when it can at the latest.
    pub(super) fn set_ready(&mut self, id: ThreadId, is_ready: bool, deadline: Option<Ticks>) {
        let former = std::mem::replace(&mut self.thread(id).deadline, deadline);
        if let Some(former) = former {
            self.deadlines.remove(&(former, id));
        }
        if is_ready {
            self.ready.insert(id);
        } else {
            self.ready.remove(&id);
            self.deadlines.extend(deadline.map(|deadline| (deadline, id)));
        }
    }

    pub(super) fn remove_thread(&mut self, id: ThreadId) {
        if let Some(deadline) = self.threads.remove(&id).and_then(|thread| thread.deadline) {
            self.deadlines.remove(&(deadline, id));
        }
        self.ready.remove(&id);
        if let Some(priorities) = &mut self.priorities {
            priorities.forget(id);
        }
    }

    /// The number of jobs that are due and of threads that are ready.
    pub(super) fn due(&self) -> usize {
        self.jobs.range(..=(self.now, u64::MAX)).count() + self.ready.len()
    }

    /// The index of the due job or ready thread with the highest priority, and whether it is above that of the asking thread.
    /// None if the schedule has no priorities.
    fn highest(&self, asking: ThreadId, due: usize) -> Option<(usize, bool)> {
        let priorities = self.priorities.as_ref()?;
        let jobs = self.jobs.keys().take(due).map(|(_, number)| Task::Job(*number));
        let threads = self.ready.iter().filter(|id| **id != asking).copied().map(Task::Thread);
        priorities.highest(jobs.chain(threads), asking)
    }

    /// Whether another thread or job runs before a thread that calls the kernel.
    pub(super) fn is_preempted(&mut self, me: ThreadId) -> bool {
        let Some(priorities) = &mut self.priorities else {
            return self.choices.one_in(ChoiceKind::Preemption, 4);
        };
        priorities.call(me);
        let due = self.jobs.range(..=(self.now, u64::MAX)).take(CHOICE).count();
        let is_below = self.highest(me, due).is_some_and(|(_, is_above)| is_above);
        self.choices.pick_drawn(ChoiceKind::Preemption, 2, || 0, is_below.into()) != 0
    }

    /// Lowers the priority of a thread that has run for long without a wait, so that others run.
    pub(super) fn lower(&mut self, me: ThreadId) {
        if let Some(priorities) = &mut self.priorities {
            priorities.lower(me);
        }
    }

    /// The next event at this time, beside the thread that asks.
    pub(super) fn next(&mut self, asking: ThreadId, mixed: bool) -> Option<NextEvent> {
        let due = self.jobs.range(..=(self.now, u64::MAX)).take(CHOICE).count();
        let waiting = self.ready.len() - usize::from(self.ready.contains(&asking));
        if due + waiting == 0 {
            return None;
        }
        let chosen = if mixed {
            let highest = self.highest(asking, due).map(|(index, _)| index);
            let (ready, choices) = (&self.ready, &mut self.choices);
            let plainest = || if due == 0 { index_after(ready, asking) } else { 0 };
            match highest {
                None => choices.pick(ChoiceKind::Turn, due + waiting, plainest),
                Some(index) => choices.pick_drawn(ChoiceKind::Turn, due + waiting, plainest, index),
            }
        } else {
            0
        };
        match chosen.checked_sub(due) {
            // Threads take turns.
            Some(_) if !mixed => {
                let after = self.ready.range(asking + 1..).next();
                let first = self.ready.iter().find(|id| **id != asking);
                after.or(first).copied().map(NextEvent::Thread)
            }
            Some(thread) => {
                let others = self.ready.iter().filter(|id| **id != asking);
                others.copied().nth(thread).map(NextEvent::Thread)
            }
            None => {
                let key = *self.jobs.keys().nth(chosen)?;
                self.jobs.remove(&key).map(NextEvent::Job)
            }
        }
    }

    /// The time of the next event. Timeouts and the client's timers count only if asked for.
    pub(super) fn next_time(&self, deadlines: bool) -> Option<Ticks> {
        let job = self.jobs.keys().next().map(|(due, _)| *due);
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        let timer = self.timers.keys().next().map(|(due, _)| *due);
        let deadline = deadline.into_iter().chain(timer).min();
        match (job, deadline) {
            (Some(job), Some(deadline)) => Some(job.min(deadline)),
            (Some(job), None) => Some(job),
            (None, deadline) => deadline.filter(|_| deadlines),
        }
    }

    /// Advances the time.
    pub(super) fn pass_time(&mut self, until: Ticks) {
        self.now = self.now.max(until);
        self.clock.store(self.now, Ordering::SeqCst);
        while let Some((deadline, thread)) = self.deadlines.first().copied() {
            if deadline > self.now {
                break;
            }
            self.set_ready(thread, true, Some(deadline));
        }
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= self.now)
        {
            let (id, job) = timer.remove_entry();
            self.jobs.insert(id, job);
        }
    }

    /// Whether a thread could run while another one has the turn. While that one waits for an event from
    /// outside, it is the one to report.
    pub(super) fn is_kept_waiting(&self, thread: ThreadId) -> bool {
        self.ready.contains(&thread) && self.current != Some(thread) && !self.idle
    }

    /// Wakes the thread that waits for an event from outside.
    pub(super) fn notify_idle(&mut self) {
        if let (true, Some(current)) = (self.idle, self.current) {
            self.thread(current).turn.notify_all();
        }
    }
}
