//! One thread at a time, and a clock that advances while all of them wait.
//!
//! A thread keeps its turn until it waits, ends, or is interrupted. Work also advances time: otherwise a driver whose
//! threads are always busy would wait forever for a timer. A deferred job runs like a deferred procedure call, in the
//! thread that has the turn. So a seed decides everything that happens, and waiting for a timeout takes no real time.

mod pct;
mod state;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use self::pct::Priorities;
use self::state::{NextEvent, ThreadSchedule};
use super::machine_thread::MachineThread;
use super::{Job, JobId, ThreadId, Ticks, run};
use crate::kernel::choices::{Choices, Run, Schedule};
use crate::kernel::config::{Config, Timing};

/// The number of steps (calls, jobs and turns) in one instant after which time passes, and the time that passes then.
const STEPS: u64 = 1000;
const TIME_OF_STEPS: Ticks = 10_000;

pub(crate) struct Deterministic {
    state: Mutex<ThreadSchedule>,
    /// The time, which is read more often than anything else.
    clock: Arc<AtomicU64>,
    /// Whether the seed picks the next thread.
    mixed: bool,
    /// The number of steps since time last advanced.
    steps: AtomicU64,
    /// The number of events so far. A thread that makes requests is not stuck, though it does not wait.
    events: AtomicU64,
    /// Notified when a thread has recorded its place.
    answered: Condvar,
}

impl Deterministic {
    pub(crate) fn new(config: &Config, run: Option<Arc<Run>>) -> Arc<Self> {
        let clock = Arc::<AtomicU64>::default();
        let choices = Choices::new(config.timing.seed_or_zero(), 0x7475_726E, run);
        let mut state = ThreadSchedule::new(Arc::clone(&clock), choices);
        if let (Timing::Mixed(seed), Schedule::Pct { depth }) =
            (config.timing, config.schedule.of_seed(config.timing.seed_or_zero()))
        {
            state.priorities = Some(Priorities::new(seed, depth));
        }
        Arc::new(Self {
            state: Mutex::new(state),
            clock,
            mixed: config.timing.is_mixed(),
            steps: AtomicU64::new(0),
            events: AtomicU64::new(0),
            answered: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, ThreadSchedule> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Ticks {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn announce(&self) -> ThreadId {
        let mut state = self.state();
        state.last_thread += 1;
        let id = state.last_thread;
        state.thread(id);
        id
    }

    pub(crate) fn begin(&self, thread: ThreadId) {
        let mut state = self.state();
        state.thread(thread).machine = MachineThread::current();
        if state.current.is_none() {
            state.current = Some(thread);
        }
        state.notify_idle();
        drop(self.await_turn(state, thread));
    }

    /// Counts an event of the trace.
    pub(crate) fn count_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a step, and returns whether enough were taken for time to pass.
    fn step(&self) -> bool {
        let is_enough = self.steps.fetch_add(1, Ordering::Relaxed) >= STEPS;
        if is_enough {
            self.steps.store(0, Ordering::Relaxed);
        }
        is_enough
    }

    pub(crate) fn end(&self, thread: ThreadId) {
        let mut state = self.state();
        state.remove_thread(thread);
        if state.current != Some(thread) {
            return;
        }
        state.current = None;
        // Any other will do: if none is ready, one that waits lets time pass.
        let next = state.ready.first().or(state.threads.keys().next()).copied();
        if let Some(next) = next {
            state.give_turn(next);
        }
    }

    /// The current thread begins to block elsewhere than in the kernel, or has returned.
    pub(crate) fn set_blocking(&self, thread: ThreadId, is_blocking: bool) {
        let mut state = self.state();
        if is_blocking {
            state.blocking += 1;
            drop(state);
            self.end(thread);
        } else {
            state.blocking -= 1;
            drop(state);
            self.begin(thread);
        }
    }

    pub(crate) fn at(&self, due: Ticks, job: Job) {
        let mut state = self.state();
        state.last_job += 1;
        let key = (due, state.last_job);
        state.jobs.insert(key, job);
        state.notify_idle();
    }

    /// As [`at`](Self::at), for a timer of the client.
    pub(crate) fn set_timer(&self, due: Ticks, job: Job) -> JobId {
        let mut state = self.state();
        state.last_job += 1;
        let id = (due, state.last_job);
        let jobs = if due <= state.now { &mut state.jobs } else { &mut state.timers };
        jobs.insert(id, job);
        state.notify_idle();
        id
    }

    /// Cancels a timer's job, unless it has begun.
    pub(crate) fn cancel_timer(&self, id: JobId) -> Option<Job> {
        let mut state = self.state();
        state.timers.remove(&id).or_else(|| state.jobs.remove(&id))
    }

    /// Makes a thread ready that waits.
    pub(crate) fn wake(&self, thread: ThreadId) {
        let mut state = self.state();
        if state.threads.contains_key(&thread) {
            state.progress += 1;
            let deadline = state.thread(thread).deadline;
            state.set_ready(thread, true, deadline);
        }
        state.notify_idle();
    }

    /// The thread that has the turn is about to wait.
    pub(crate) fn waits(&self, thread: ThreadId, deadline: Option<Ticks>) {
        let mut state = self.state();
        state.set_ready(thread, false, deadline);
    }

    /// Runs everything else until a thread that waits is ready, and has its turn.
    pub(crate) fn run_others(&self, me: ThreadId) {
        let mut state = self.state();
        loop {
            state.thread(me);
            if state.ready.contains(&me) {
                state.set_ready(me, true, None);
                return;
            }
            if let Some(next) = state.next(me, self.mixed) {
                state = self.run_next(state, me, next);
                continue;
            }
            match (state.next_time(true), state.blocking) {
                (Some(until), 0) => {
                    self.steps.store(0, Ordering::Relaxed);
                    state.pass_time(until);
                }
                (until, _) => state = self.idle(state, me, until),
            }
        }
    }

    fn run_next<'a>(
        &'a self,
        mut state: MutexGuard<'a, ThreadSchedule>,
        me: ThreadId,
        next: NextEvent,
    ) -> MutexGuard<'a, ThreadSchedule> {
        if self.step() {
            let now = state.now;
            state.pass_time(now + TIME_OF_STEPS);
            state.lower(me);
        }
        match next {
            NextEvent::Job(job) => {
                state.progress += 1;
                drop(state);
                run(job);
                self.state()
            }
            NextEvent::Thread(thread) => {
                state.give_turn(thread);
                self.await_turn(state, me)
            }
        }
    }

    /// Sometimes runs other threads or jobs first, and always if the thread has not waited for long.
    pub(crate) fn interrupt(&self, me: ThreadId) {
        let is_long = self.step();
        if !self.mixed && !is_long {
            return;
        }
        let mut state = self.state();
        if state.current != Some(me) {
            return;
        }
        if is_long {
            let now = state.now;
            state.pass_time(now + TIME_OF_STEPS);
        }
        if !is_long && !state.is_preempted(me) {
            return;
        }
        let due = if is_long { state.due() } else { 1 };
        for _ in 0..due {
            let Some(next) = state.next(me, self.mixed) else { return };
            state = self.run_next(state, me, next);
        }
    }

    pub(crate) fn settle(&self, me: ThreadId) {
        let mut state = self.state();
        loop {
            if let Some(next) = state.next(me, self.mixed) {
                state = self.run_next(state, me, next);
                continue;
            }
            match state.next_time(false) {
                Some(until) => state.pass_time(until),
                None => return,
            }
        }
    }
}
