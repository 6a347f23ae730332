//! One thread at a time, and a clock that advances while all of them wait.
//!
//! A thread keeps its turn until it waits, ends, or is interrupted. Work also advances time: otherwise a driver whose
//! threads are always busy would wait forever for a timer. A deferred job runs like a deferred procedure call, in the
//! thread that has the turn. So a seed decides everything that happens, and waiting for a timeout takes no real time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::machine_thread::MachineThread;
use super::{Job, JobId, TIME_FOR_PLACES, ThreadId, Ticks, patience, run};
use crate::kernel::config::Config;
use crate::kernel::random::Random;
use crate::verifier::{hang, place_of_client, report_hang};

/// The number of steps (calls, jobs and turns) in one instant after which time passes, and the time that passes then.
const STEPS: u64 = 1000;
const TIME_OF_STEPS: Ticks = 10_000;

/// The real time that a thread may keep its turn while others are ready.
const LONGEST_TURN: Duration = Duration::from_secs(if cfg!(miri) { 3600 } else { 60 });

pub(crate) struct Deterministic {
    state: Mutex<Schedule>,
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

struct Schedule {
    random: Random,
    now: Ticks,
    /// A copy of the time.
    clock: Arc<AtomicU64>,
    threads: BTreeMap<ThreadId, ScheduledThread>,
    /// The threads that can run.
    ready: BTreeSet<ThreadId>,
    /// The threads that wait until a time at most.
    deadlines: BTreeSet<(Ticks, ThreadId)>,
    last_thread: ThreadId,
    /// The thread that runs.
    current: Option<ThreadId>,
    /// That thread, and with it the whole kernel, waits for an event from outside.
    idle: bool,
    jobs: BTreeMap<JobId, Job>,
    /// Jobs of the client's timers that are not due yet.
    timers: BTreeMap<JobId, Job>,
    last_job: u64,
    /// The threads of the kernel that block elsewhere, and may return at any time.
    blocking: usize,
    /// The number of turns, jobs and wake-ups so far.
    progress: u64,
    /// The threads that a report asks for their places, and the places.
    asked: BTreeSet<ThreadId>,
    places: BTreeMap<ThreadId, String>,
    /// A report that did not end the process was written.
    is_reported: bool,
}

struct ScheduledThread {
    /// The machine's thread, once it has begun.
    machine: Option<MachineThread>,
    /// The latest time at which it becomes ready, if it waits for that long at most.
    deadline: Option<Ticks>,
    turn: Arc<Condvar>,
}

/// A point in time, from which the time counts in which the thread with the turn could have run.
struct Since {
    time: Instant,
    /// How long it had waited for a processor.
    delay: Duration,
}

impl Since {
    fn now(state: &Schedule) -> Self {
        Self { time: Instant::now(), delay: state.delay() }
    }

    fn elapsed(&self, state: &Schedule) -> Duration {
        let time = self.time.elapsed();
        let delay = state.delay().saturating_sub(self.delay);
        // A report comes at some time on the busiest machine, too.
        time.saturating_sub(delay).max(time / 4)
    }
}

enum Next {
    Job(Job),
    Thread(ThreadId),
}

/// The most due jobs that chance picks among, so that picking costs the same however many are due.
const CHOICE: usize = 64;

impl Schedule {
    fn thread(&mut self, id: ThreadId) -> &mut ScheduledThread {
        self.threads.entry(id).or_insert_with(|| {
            self.ready.insert(id);
            ScheduledThread { machine: None, deadline: None, turn: Arc::default() }
        })
    }

    /// How long the thread with the turn has waited for a processor of the machine.
    fn delay(&self) -> Duration {
        let current = self.current.and_then(|current| self.threads.get(&current));
        let machine = current.and_then(|thread| thread.machine.as_ref());
        machine.map_or(Duration::ZERO, MachineThread::delay)
    }

    fn give_turn(&mut self, id: ThreadId) {
        self.progress += 1;
        self.current = Some(id);
        self.thread(id).turn.notify_all();
    }

    /// Sets whether a thread can run, and if not, when it can at the latest.
    fn set_ready(&mut self, id: ThreadId, is_ready: bool, deadline: Option<Ticks>) {
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

    fn remove_thread(&mut self, id: ThreadId) {
        if let Some(deadline) = self.threads.remove(&id).and_then(|thread| thread.deadline) {
            self.deadlines.remove(&(deadline, id));
        }
        self.ready.remove(&id);
    }

    /// The number of jobs that are due and of threads that are ready.
    fn due(&self) -> usize {
        self.jobs.range(..=(self.now, u64::MAX)).count() + self.ready.len()
    }

    /// The next event at this time, beside the thread that asks.
    fn next(&mut self, asking: ThreadId, mixed: bool) -> Option<Next> {
        let due = self.jobs.range(..=(self.now, u64::MAX)).take(CHOICE).count();
        let ready = self.ready.len() - usize::from(self.ready.contains(&asking));
        if due + ready == 0 {
            return None;
        }
        let chosen = if mixed { self.random.below(due + ready) } else { 0 };
        match chosen.checked_sub(due) {
            // Threads take scheduler.
            Some(_) if !mixed => {
                let after = self.ready.range(asking + 1..).next();
                let first = self.ready.iter().find(|id| **id != asking);
                after.or(first).copied().map(Next::Thread)
            }
            Some(thread) => {
                let others = self.ready.iter().filter(|id| **id != asking);
                others.copied().nth(thread).map(Next::Thread)
            }
            None => {
                let key = *self.jobs.keys().nth(chosen)?;
                self.jobs.remove(&key).map(Next::Job)
            }
        }
    }

    /// The time of the next event. Timeouts and the client's timers count only if asked for.
    fn next_time(&self, deadlines: bool) -> Option<Ticks> {
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
    fn pass_time(&mut self, until: Ticks) {
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
    fn is_kept_waiting(&self, thread: ThreadId) -> bool {
        self.ready.contains(&thread) && self.current != Some(thread) && !self.idle
    }

    /// Wakes the thread that waits for an event from outside.
    fn notify_idle(&mut self) {
        if let (true, Some(current)) = (self.idle, self.current) {
            self.thread(current).turn.notify_all();
        }
    }
}

impl Deterministic {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let clock = Arc::<AtomicU64>::default();
        let state = Schedule {
            clock: Arc::clone(&clock),
            random: Random::new(config.timing.seed_or_zero() ^ 0x7475_726E),
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
        };
        Arc::new(Self {
            state: Mutex::new(state),
            clock,
            mixed: config.timing.is_mixed(),
            steps: AtomicU64::new(0),
            events: AtomicU64::new(0),
            answered: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Schedule> {
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

    /// As [`at`](Self::at), for a timer of the client's.
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
        mut state: MutexGuard<'a, Schedule>,
        me: ThreadId,
        next: Next,
    ) -> MutexGuard<'a, Schedule> {
        if self.step() {
            let now = state.now;
            state.pass_time(now + TIME_OF_STEPS);
        }
        match next {
            Next::Job(job) => {
                state.progress += 1;
                drop(state);
                run(job);
                self.state()
            }
            Next::Thread(thread) => {
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
        if !is_long && state.random.below(4) != 0 {
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

impl Deterministic {
    /// Waits until a thread has its turn.
    fn await_turn<'a>(
        &'a self,
        mut state: MutexGuard<'a, Schedule>,
        thread: ThreadId,
    ) -> MutexGuard<'a, Schedule> {
        let turn = Arc::clone(&state.thread(thread).turn);
        let patience = patience().unwrap_or(LONGEST_TURN).min(LONGEST_TURN);
        let mut progress = self.progress(&state);
        let mut since = Since::now(&state);
        while state.current != Some(thread) {
            let (woken, timeout) =
                turn.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if state.asked.contains(&thread) {
                state = self.answer(state, thread);
            } else if self.progress(&state) != progress {
                (progress, since) = (self.progress(&state), Since::now(&state));
            } else if timeout.timed_out() && !state.idle && since.elapsed(&state) >= patience {
                state = self.complain(state, thread, &since);
            }
        }
        state
    }

    /// The number of turns, jobs, wake-ups and events so far.
    fn progress(&self, state: &Schedule) -> u64 {
        state.progress.wrapping_add(self.events.load(Ordering::Relaxed))
    }

    /// Records the place of the current thread, for a report.
    fn answer<'a>(
        &'a self,
        state: MutexGuard<'a, Schedule>,
        me: ThreadId,
    ) -> MutexGuard<'a, Schedule> {
        drop(state);
        let place = place_of_client();
        let mut state = self.state();
        if state.asked.remove(&me) {
            state.places.insert(me, place);
        }
        self.answered.notify_all();
        state
    }

    /// Asks every other waiting thread for its place, and returns the places by the threads' numbers.
    fn places(
        &self,
        mut state: MutexGuard<'_, Schedule>,
        me: ThreadId,
    ) -> BTreeMap<ThreadId, String> {
        let running = state.current.filter(|_| !state.idle);
        let others = state.threads.keys().copied();
        state.asked = others.filter(|id| *id != me && Some(*id) != running).collect();
        for thread in state.threads.values() {
            thread.turn.notify_all();
        }
        let is_asking = |state: &mut Schedule| !state.asked.is_empty();
        let waited = self.answered.wait_timeout_while(state, TIME_FOR_PLACES, is_asking);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.asked.clear();
        let mut places = std::mem::take(&mut state.places);
        drop(state);
        places.insert(me, place_of_client());
        places
    }

    /// Another thread has kept its turn since a time, and nothing else has happened.
    fn complain<'a>(
        &'a self,
        mut state: MutexGuard<'a, Schedule>,
        me: ThreadId,
        since: &Since,
    ) -> MutexGuard<'a, Schedule> {
        let keeper = state.current.unwrap_or(0);
        let time = since.elapsed(&state);
        let is_too_long = state.is_kept_waiting(me) && time >= LONGEST_TURN;
        if state.is_reported && !is_too_long {
            return state;
        }
        state.is_reported = true;
        let message = format!(
            "thread {keeper} of this kernel has kept its turn for {time:.0?}: it computes, spins until another \
             thread does something, or blocks elsewhere than in the kernel, which belongs into Host::blocking"
        );
        let places = self.places(state, me);
        if is_too_long {
            hang(&message, &places);
        }
        report_hang(&message, &places);
        self.state()
    }

    /// Nothing in the kernel can run before a time: only a thread that blocks elsewhere, or a foreign one, can
    /// change that. Meanwhile the kernel's clock is the machine's.
    fn idle<'a>(
        &'a self,
        mut state: MutexGuard<'a, Schedule>,
        me: ThreadId,
        until: Option<Ticks>,
    ) -> MutexGuard<'a, Schedule> {
        /// The longest that a wait without an end may block before it is waited for anew.
        const LONG: Duration = Duration::from_secs(3600);
        state.idle = true;
        let left = until.map(|until| Duration::from_nanos((until - state.now).saturating_mul(100)));
        let turn = Arc::clone(&state.thread(me).turn);
        let timeout = left.or(patience()).unwrap_or(LONG);
        let (mut state, timeout) =
            turn.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner);
        if state.asked.contains(&me) {
            state = self.answer(state, me);
        }
        let is_hanging = timeout.timed_out() && patience().is_some();
        match until {
            Some(until) if timeout.timed_out() => state.pass_time(until),
            None if is_hanging && state.blocking == 0 => {
                let message = format!(
                    "deadlock: all {} threads of this kernel are waiting, and nothing can wake them",
                    state.threads.len()
                );
                hang(&message, &self.places(state, me));
            }
            None if is_hanging && !state.is_reported => {
                state.is_reported = true;
                let places = self.places(state, me);
                report_hang(
                    "all threads of this kernel wait, and only those that block elsewhere can go on",
                    &places,
                );
                state = self.state();
            }
            _ => {}
        }
        state.idle = false;
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_is_not_kept_waiting() {
        let scheduler = Deterministic::new(&Config::default());
        let (busy, waiting, new) =
            (scheduler.announce(), scheduler.announce(), scheduler.announce());
        scheduler.begin(busy);
        // It waits in the kernel, for as long as it likes, while another thread runs.
        scheduler.waits(waiting, None);
        let mut state = scheduler.state();
        assert!(!state.is_kept_waiting(busy));
        assert!(!state.is_kept_waiting(waiting));
        assert!(state.is_kept_waiting(new));
        state.idle = true;
        assert!(!state.is_kept_waiting(new));
    }
}
