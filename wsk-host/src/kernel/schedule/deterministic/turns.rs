//! Waiting for a turn, and the reports about threads that get none.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::{TIME_FOR_PLACES, ThreadId, Ticks, patience};
use super::Deterministic;
use super::state::ThreadSchedule;
use crate::verifier::{hang, place_of_client, report_hang};

/// The real time that a thread may keep its turn while others are ready.
const LONGEST_TURN: Duration = Duration::from_secs(if cfg!(miri) { 3600 } else { 60 });

/// The number of times that a waiting thread looks for progress within the patience of a report.
const LOOKS: u32 = 8;

/// The start of the time in which the thread with the turn could have run.
struct RunningSince {
    time: Instant,
    /// How long it had waited for a processor.
    delay: Duration,
}

impl RunningSince {
    fn now(state: &ThreadSchedule) -> Self {
        Self { time: Instant::now(), delay: state.delay() }
    }

    /// The time since then, and the part of it in which the thread waited for a processor.
    fn elapsed(&self, state: &ThreadSchedule) -> (Duration, Duration) {
        (self.time.elapsed(), state.delay().saturating_sub(self.delay))
    }

    /// Whether the thread has kept its turn for the patience of a report.
    fn kept(&self, state: &ThreadSchedule, patience: Duration) -> bool {
        let (time, delay) = self.elapsed(state);
        is_too_long(time, delay, patience)
    }
}

/// Whether a turn was kept for too long, by a thread that has waited for a processor for a part of the time.
///
/// A thread that was given no processor has kept nothing. One that spins on a machine with much other work is given a small
/// part of each second; it is reported within four times the patience.
fn is_too_long(time: Duration, delay: Duration, patience: Duration) -> bool {
    let own = time.saturating_sub(delay);
    own >= patience || (time >= 4 * patience && own >= patience / 4)
}

impl Deterministic {
    /// Waits until a thread has its turn.
    pub(super) fn await_turn<'a>(
        &'a self,
        mut state: MutexGuard<'a, ThreadSchedule>,
        thread: ThreadId,
    ) -> MutexGuard<'a, ThreadSchedule> {
        let turn = Arc::clone(&state.thread(thread).turn);
        let patience = patience().unwrap_or(LONGEST_TURN).min(LONGEST_TURN);
        let mut progress = self.progress(&state);
        // The machine's statistics of a thread are files: most turns are over before they are of use.
        let mut since: Option<RunningSince> = None;
        while state.current != Some(thread) {
            let waited = turn.wait_timeout(state, patience / LOOKS);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if state.asked.contains(&thread) {
                state = self.record_place(state, thread);
            } else if self.progress(&state) != progress {
                (progress, since) = (self.progress(&state), None);
            } else if timeout.timed_out() && !state.idle {
                match &since {
                    None => since = Some(RunningSince::now(&state)),
                    Some(since) if since.kept(&state, patience) => {
                        state = self.report_stuck_thread(state, thread, since);
                    }
                    Some(_) => {}
                }
            }
        }
        state
    }

    /// The number of turns, jobs, wake-ups and events so far.
    fn progress(&self, state: &ThreadSchedule) -> u64 {
        state.progress.wrapping_add(self.events.load(Ordering::Relaxed))
    }

    /// Records the place of the current thread, for a report.
    fn record_place<'a>(
        &'a self,
        state: MutexGuard<'a, ThreadSchedule>,
        me: ThreadId,
    ) -> MutexGuard<'a, ThreadSchedule> {
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
        mut state: MutexGuard<'_, ThreadSchedule>,
        me: ThreadId,
    ) -> BTreeMap<ThreadId, String> {
        let running = state.current.filter(|_| !state.idle);
        let others = state.threads.keys().copied();
        state.asked = others.filter(|id| *id != me && Some(*id) != running).collect();
        for thread in state.threads.values() {
            thread.turn.notify_all();
        }
        let is_asking = |state: &mut ThreadSchedule| !state.asked.is_empty();
        let waited = self.answered.wait_timeout_while(state, TIME_FOR_PLACES, is_asking);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.asked.clear();
        let mut places = std::mem::take(&mut state.places);
        drop(state);
        places.insert(me, place_of_client());
        places
    }

    /// Another thread has kept its turn since a time, and nothing else has happened.
    fn report_stuck_thread<'a>(
        &'a self,
        mut state: MutexGuard<'a, ThreadSchedule>,
        me: ThreadId,
        since: &RunningSince,
    ) -> MutexGuard<'a, ThreadSchedule> {
        let keeper = state.current.unwrap_or(0);
        let (time, _) = since.elapsed(&state);
        let is_hanging = state.is_kept_waiting(me) && since.kept(&state, LONGEST_TURN);
        if state.is_reported && !is_hanging {
            return state;
        }
        state.is_reported = true;
        let message = format!(
            "thread {keeper} of this kernel has kept its turn for {time:.0?}: it computes, spins until another \
             thread does something, or blocks elsewhere than in the kernel, which belongs into Host::blocking"
        );
        let places = self.places(state, me);
        if is_hanging {
            hang(&message, &places);
        }
        report_hang(&message, &places);
        self.state()
    }

    /// Nothing in the kernel can run before a time: only a thread that blocks elsewhere, or a foreign one, can
    /// change that. Until then, the kernel's clock is the machine's.
    pub(super) fn idle<'a>(
        &'a self,
        mut state: MutexGuard<'a, ThreadSchedule>,
        me: ThreadId,
        until: Option<Ticks>,
    ) -> MutexGuard<'a, ThreadSchedule> {
        /// The longest that a wait without an end may block before it is waited for anew.
        const LONG: Duration = Duration::from_secs(3600);
        state.idle = true;
        let left = until.map(|until| Duration::from_nanos((until - state.now).saturating_mul(100)));
        let turn = Arc::clone(&state.thread(me).turn);
        let timeout = left.or(patience()).unwrap_or(LONG);
        let (mut state, timeout) =
            turn.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner);
        if state.asked.contains(&me) {
            state = self.record_place(state, me);
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
    use crate::kernel::config::Config;

    #[test]
    fn time_without_a_processor_does_not_count_as_a_kept_turn() {
        let [patience, minute] = [5, 60].map(Duration::from_secs);
        assert!(is_too_long(patience, Duration::ZERO, patience));
        // Given no processor, or hardly any.
        assert!(!is_too_long(minute, minute, patience));
        assert!(!is_too_long(minute, 59 * patience / 5, patience));
        // Given a tenth of one.
        assert!(!is_too_long(3 * patience, 3 * patience * 9 / 10, patience));
        assert!(is_too_long(4 * patience, 4 * patience * 9 / 10, patience));
    }

    #[test]
    fn a_thread_that_waits_is_not_kept_waiting() {
        let scheduler = Deterministic::new(&Config::default(), None);
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
