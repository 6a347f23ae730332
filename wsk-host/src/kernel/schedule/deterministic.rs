//! One thread at a time, and time that passes while all of them wait.
//!
//! A thread keeps its turn until it waits, ends, or is interrupted. What was put off runs as a deferred
//! procedure call does: in whichever thread has the turn. So a seed decides everything that happens, and
//! waiting for a time-out takes no time.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Job, JobId, ThreadId, Ticks, run};
use crate::config::Config;
use crate::host::Host;
use crate::kernel::random::Random;
use crate::verifier::violation;

/// How long the threads of a host may all wait for something that does not come, and how long a thread
/// may keep its turn. Of real time: it is there to end tests that would hang.
const PATIENCE: Duration = Duration::from_secs(if cfg!(miri) { 3600 } else { 60 });

pub(crate) struct Turns {
    state: Mutex<State>,
    /// Whether chance decides who is next.
    mixed: bool,
}

struct State {
    random: Random,
    now: Ticks,
    threads: BTreeMap<ThreadId, Thread>,
    last_thread: ThreadId,
    /// Whose turn it is.
    current: Option<ThreadId>,
    /// That thread, and with it all of the host, waits for something from outside.
    idle: bool,
    jobs: BTreeMap<JobId, Job>,
    /// Jobs of the client's timers that are not due yet.
    timers: BTreeMap<JobId, Job>,
    last_job: u64,
    /// Threads of the host that do something elsewhere, and may come back at any time.
    outside: usize,
}

struct Thread {
    ready: bool,
    /// When it becomes ready at the latest.
    deadline: Option<Ticks>,
    turn: Arc<Condvar>,
}

enum Next {
    Job(Job),
    Thread(ThreadId),
}

impl State {
    fn thread(&mut self, id: ThreadId) -> &mut Thread {
        self.threads.entry(id).or_insert_with(|| Thread {
            ready: true,
            deadline: None,
            turn: Arc::default(),
        })
    }

    fn give_turn(&mut self, id: ThreadId) {
        self.current = Some(id);
        self.thread(id).turn.notify_all();
    }

    /// What can happen now, beside the thread that asks.
    fn next(&mut self, asking: ThreadId, mixed: bool) -> Option<Next> {
        let due = self.jobs.range(..=(self.now, u64::MAX)).count();
        let ready = self.threads.iter().filter(|(id, thread)| **id != asking && thread.ready);
        let ready: Vec<ThreadId> = ready.map(|(id, _)| *id).collect();
        if due + ready.len() == 0 {
            return None;
        }
        let chosen = if mixed { self.random.below(due + ready.len()) } else { 0 };
        match chosen.checked_sub(due) {
            // Threads take turns.
            Some(_) if !mixed => {
                let after = ready.iter().find(|id| **id > asking).or(ready.first());
                after.map(|id| Next::Thread(*id))
            }
            Some(thread) => Some(Next::Thread(ready[thread])),
            None => {
                let key = *self.jobs.keys().nth(chosen)?;
                self.jobs.remove(&key).map(Next::Job)
            }
        }
    }

    /// When something can happen next, if time passes. What only waits for its time does not count for
    /// those who want things to settle: neither time-outs nor timers.
    fn next_time(&self, deadlines: bool) -> Option<Ticks> {
        let job = self.jobs.keys().next().map(|(due, _)| *due);
        let waiting = self.threads.values().filter(|thread| !thread.ready);
        let timer = self.timers.keys().next().map(|(due, _)| *due);
        let deadline = waiting.filter_map(|thread| thread.deadline).chain(timer).min();
        match (job, deadline) {
            (Some(job), Some(deadline)) => Some(job.min(deadline)),
            (Some(job), None) => Some(job),
            (None, deadline) => deadline.filter(|_| deadlines),
        }
    }

    /// Lets time pass.
    fn pass_time(&mut self, until: Ticks) {
        self.now = self.now.max(until);
        let now = self.now;
        for thread in self.threads.values_mut() {
            thread.ready |= thread.deadline.is_some_and(|deadline| deadline <= now);
        }
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            let (id, job) = timer.remove_entry();
            self.jobs.insert(id, job);
        }
    }

    /// Whether a thread could run, but another one has the turn. While that one waits for something from
    /// outside, it is the one to report.
    fn is_kept_waiting(&self, thread: ThreadId) -> bool {
        let is_ready = self.threads.get(&thread).is_some_and(|thread| thread.ready);
        is_ready && self.current != Some(thread) && !self.idle
    }

    /// Wakes the thread that waits for something from outside.
    fn disturb(&mut self) {
        if let (true, Some(current)) = (self.idle, self.current) {
            self.thread(current).turn.notify_all();
        }
    }
}

impl Turns {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let state = State {
            random: Random::new(config.seed_or_zero() ^ 0x7475_726E),
            now: 0,
            threads: BTreeMap::new(),
            last_thread: 0,
            current: None,
            idle: false,
            jobs: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_job: 0,
            outside: 0,
        };
        Arc::new(Self { state: Mutex::new(state), mixed: config.is_mixed() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Ticks {
        self.state().now
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
        if state.current.is_none() {
            state.current = Some(thread);
        }
        state.disturb();
        drop(await_turn(state, thread));
    }

    pub(crate) fn end(&self, thread: ThreadId) {
        let mut state = self.state();
        state.threads.remove(&thread);
        if state.current != Some(thread) {
            return;
        }
        state.current = None;
        // Any other will do: if none is ready, one that waits lets time pass.
        let ready = state.threads.iter().find(|(_, thread)| thread.ready).map(|(id, _)| *id);
        if let Some(next) = ready.or(state.threads.keys().next().copied()) {
            state.give_turn(next);
        }
    }

    /// The current thread does something elsewhere, or has done it.
    pub(crate) fn outside(&self, thread: ThreadId, is_outside: bool) {
        let mut state = self.state();
        if is_outside {
            state.outside += 1;
            drop(state);
            self.end(thread);
        } else {
            state.outside -= 1;
            drop(state);
            self.begin(thread);
        }
    }

    pub(crate) fn at(&self, due: Ticks, job: Job) {
        let mut state = self.state();
        state.last_job += 1;
        let key = (due, state.last_job);
        state.jobs.insert(key, job);
        state.disturb();
    }

    /// As [`at`](Self::at), for a timer of the client's.
    pub(crate) fn set_timer(&self, due: Ticks, job: Job) -> JobId {
        let mut state = self.state();
        state.last_job += 1;
        let id = (due, state.last_job);
        let jobs = if due <= state.now { &mut state.jobs } else { &mut state.timers };
        jobs.insert(id, job);
        state.disturb();
        id
    }

    /// Takes a timer's job back, unless it has begun.
    pub(crate) fn cancel_timer(&self, id: JobId) -> Option<Job> {
        let mut state = self.state();
        state.timers.remove(&id).or_else(|| state.jobs.remove(&id))
    }

    /// Makes a thread ready that waits.
    pub(crate) fn wake(&self, thread: ThreadId) {
        let mut state = self.state();
        if let Some(thread) = state.threads.get_mut(&thread) {
            thread.ready = true;
        }
        state.disturb();
    }

    /// The thread that has the turn is about to wait.
    pub(crate) fn waits(&self, thread: ThreadId, deadline: Option<Ticks>) {
        let mut state = self.state();
        let thread = state.thread(thread);
        thread.ready = false;
        thread.deadline = deadline;
    }

    /// Runs everything else until a thread that waits is ready, and has its turn.
    pub(crate) fn run_others(&self, host: &Host, me: ThreadId) {
        let mut state = self.state();
        loop {
            let thread = state.thread(me);
            if thread.ready {
                thread.deadline = None;
                return;
            }
            if let Some(next) = state.next(me, self.mixed) {
                state = self.take_up(host, state, me, next);
                continue;
            }
            match (state.next_time(true), state.outside) {
                (Some(until), 0) => state.pass_time(until),
                (until, _) => state = idle(state, me, until),
            }
        }
    }

    fn take_up<'a>(
        &'a self,
        host: &Host,
        mut state: MutexGuard<'a, State>,
        me: ThreadId,
        next: Next,
    ) -> MutexGuard<'a, State> {
        match next {
            Next::Job(job) => {
                drop(state);
                run(host, job);
                self.state()
            }
            Next::Thread(thread) => {
                state.give_turn(thread);
                await_turn(state, me)
            }
        }
    }

    /// Sometimes lets something else happen first.
    pub(crate) fn interrupt(&self, host: &Host, me: ThreadId) {
        if !self.mixed {
            return;
        }
        let mut state = self.state();
        if state.current != Some(me) || state.random.below(4) != 0 {
            return;
        }
        if let Some(next) = state.next(me, true) {
            drop(self.take_up(host, state, me, next));
        }
    }

    pub(crate) fn settle(&self, host: &Host, me: ThreadId) {
        let mut state = self.state();
        loop {
            if let Some(next) = state.next(me, self.mixed) {
                state = self.take_up(host, state, me, next);
                continue;
            }
            match state.next_time(false) {
                Some(until) => state.pass_time(until),
                None => return,
            }
        }
    }
}

/// Waits until a thread has its turn.
fn await_turn(mut state: MutexGuard<'_, State>, thread: ThreadId) -> MutexGuard<'_, State> {
    let turn = Arc::clone(&state.thread(thread).turn);
    while state.current != Some(thread) {
        let (woken, timeout) =
            turn.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
        state = woken;
        if timeout.timed_out() && state.is_kept_waiting(thread) {
            let keeper = state.current.unwrap_or(0);
            drop(state);
            violation(&format!(
                "thread {keeper} of this host has kept its turn for {PATIENCE:?} while others are \
                 ready: what blocks elsewhere than in the kernel belongs into Host::outside"
            ));
        }
    }
    state
}

/// Nothing of the host can go on before a time: only a thread that is outside, or not the host's, can
/// change that. Meanwhile the host's time is the machine's.
fn idle(
    mut state: MutexGuard<'_, State>,
    me: ThreadId,
    until: Option<Ticks>,
) -> MutexGuard<'_, State> {
    state.idle = true;
    let patience = until
        .map_or(PATIENCE, |until| Duration::from_nanos((until - state.now).saturating_mul(100)));
    let turn = Arc::clone(&state.thread(me).turn);
    let (mut state, timeout) =
        turn.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
    state.idle = false;
    match until {
        Some(until) if timeout.timed_out() => state.pass_time(until),
        None if timeout.timed_out() && state.outside == 0 => {
            let waiting = state.threads.len();
            drop(state);
            violation(&format!(
                "all threads of this host ({waiting}) wait, for something that never comes"
            ));
        }
        _ => {}
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_is_not_kept_waiting() {
        let turns = Turns::new(&Config::default());
        let (busy, waiting, new) = (turns.announce(), turns.announce(), turns.announce());
        turns.begin(busy);
        // It waits in the kernel, for as long as it likes, while another thread runs.
        turns.waits(waiting, None);
        let mut state = turns.state();
        assert!(!state.is_kept_waiting(busy));
        assert!(!state.is_kept_waiting(waiting));
        assert!(state.is_kept_waiting(new));
        state.idle = true;
        assert!(!state.is_kept_waiting(new));
    }
}
