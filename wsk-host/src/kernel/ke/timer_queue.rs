//! The timers that are set, and the deferred procedure calls that are queued or run.
//!
//! Timers and deferred procedure calls are the client's memory, which it may free as soon as they are neither
//! set nor queued. So the state is stored in this queue, by address; a timer's memory is not accessed after it was
//! signaled, nor a deferred procedure call's after its routine was called.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use wsk_sys::{KDPC, KTIMER};

use super::dispatcher::Signal;
use crate::kernel::schedule::{JobId, Ticks};
use crate::kernel::usage::{addresses_of, require_not_in_use};
use crate::verifier::Origin;

/// The timers and deferred procedure calls of one kernel.
#[derive(Default)]
pub(crate) struct TimerQueue {
    timers: BTreeMap<usize, SetTimer>,
    /// The timers that are set with a deferred procedure call, by the call's address.
    timers_by_dpc: BTreeMap<usize, BTreeSet<usize>>,
    dpcs: BTreeMap<usize, QueuedDpc>,
    /// The numbers of the calls that are queued or run.
    pending: BTreeSet<u64>,
    /// The numbers of running calls of the timers that the kernel has allocated, by the address of the call.
    allocated: BTreeMap<usize, usize>,
    /// The last number given to a timer's setting or to a call.
    last: u64,
    /// The flushes that wait for all calls up to a number, in the order of these.
    flushes: VecDeque<(u64, Arc<Signal>)>,
}

/// A timer that is set.
pub(crate) struct SetTimer {
    pub(crate) number: u64,
    pub(crate) job: JobId,
    /// The address of its deferred procedure call, or zero.
    pub(crate) dpc: usize,
    /// The time at which it expires.
    pub(crate) at: Ticks,
    /// The time after which it expires again; zero if it does not.
    pub(crate) period: Ticks,
    pub(crate) origin: Origin,
}

/// A deferred procedure call that is queued.
struct QueuedDpc {
    number: u64,
    origin: Origin,
}

impl TimerQueue {
    /// Stops a client that frees a set timer, or a deferred procedure call that is queued or that a timer will queue.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        if let Some((object, origin)) = self.in_use(freed) {
            require_not_in_use(call, object, origin);
        }
    }

    /// A set timer in memory, or a deferred procedure call that is queued or that a timer will queue.
    pub(crate) fn in_use(&self, memory: &Range<usize>) -> Option<(&'static str, &Origin)> {
        let timers = self.timers.range(addresses_of::<KTIMER>(memory));
        if let Some((_, timer)) = timers.into_iter().next() {
            return Some(("a set timer", &timer.origin));
        }
        let dpcs = self.timers_by_dpc.range(addresses_of::<KDPC>(memory));
        let timer = dpcs.flat_map(|(_, timers)| timers).next();
        if let Some(timer) = timer.and_then(|timer| self.timers.get(timer)) {
            return Some(("the DPC of a set timer", &timer.origin));
        }
        let queued = self.dpcs.range(addresses_of::<KDPC>(memory));
        queued.into_iter().next().map(|(_, dpc)| ("a queued DPC", &dpc.origin))
    }

    /// The number of timers that are set.
    pub(crate) fn set_count(&self) -> usize {
        self.timers.len()
    }

    /// The timers that are set, for a report.
    pub(crate) fn set_timers(&self) -> impl Iterator<Item = (String, &Origin)> {
        self.timers.values().map(|timer| ("a timer, set".to_owned(), &timer.origin))
    }

    /// A number for a timer's setting or for a call.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Records that a timer is set.
    pub(crate) fn insert_timer(&mut self, timer: usize, set: SetTimer) {
        if set.dpc != 0 {
            self.timers_by_dpc.entry(set.dpc).or_default().insert(timer);
        }
        self.timers.insert(timer, set);
    }

    /// Removes a timer that has expired or was cancelled.
    pub(crate) fn remove_timer(&mut self, timer: usize) -> Option<SetTimer> {
        let set = self.timers.remove(&timer)?;
        if let Some(timers) = self.timers_by_dpc.get_mut(&set.dpc) {
            timers.remove(&timer);
            if timers.is_empty() {
                self.timers_by_dpc.remove(&set.dpc);
            }
        }
        Some(set)
    }

    /// Whether a timer is set, by the setting with this number.
    pub(crate) fn is_set(&self, timer: usize, number: u64) -> bool {
        self.timers.get(&timer).is_some_and(|set| set.number == number)
    }

    /// Queues a deferred procedure call and returns the call's number. None if it is queued already.
    pub(crate) fn queue_dpc(&mut self, dpc: usize, origin: &'static str) -> Option<u64> {
        if self.dpcs.contains_key(&dpc) {
            return None;
        }
        let number = self.next_number();
        self.dpcs.insert(dpc, QueuedDpc { number, origin: Origin::here(origin) });
        self.pending.insert(number);
        Some(number)
    }

    /// Called when a queued call is about to run. Returns false if it was removed from the queue. From here on, it may
    /// be queued again.
    pub(crate) fn begin_dpc(&mut self, dpc: usize, number: u64) -> bool {
        let is_queued = self.dpcs.get(&dpc).is_some_and(|queued| queued.number == number);
        if is_queued {
            self.dpcs.remove(&dpc);
            self.begin_allocated(dpc);
        }
        is_queued
    }

    /// Counts the calls of an allocated timer from here on.
    pub(crate) fn allocate(&mut self, dpc: usize) {
        self.allocated.insert(dpc, 0);
    }

    /// Called when a call of an allocated timer begins, or its deletion.
    pub(crate) fn begin_allocated(&mut self, dpc: usize) {
        if let Some(running) = self.allocated.get_mut(&dpc) {
            *running += 1;
        }
    }

    /// Called at the end of a call of an allocated timer, or of its deletion.
    pub(crate) fn end_allocated(&mut self, dpc: usize) {
        if let Some(running) = self.allocated.get_mut(&dpc) {
            *running -= 1;
        }
    }

    /// Forgets an allocated timer that is not set, and whose call is neither queued nor running. Returns whether that is
    /// so.
    pub(crate) fn remove_allocated(&mut self, timer: usize, dpc: usize) -> bool {
        let is_idle = !self.timers.contains_key(&timer)
            && !self.dpcs.contains_key(&dpc)
            && self.allocated.get(&dpc) == Some(&0);
        if is_idle {
            self.allocated.remove(&dpc);
        }
        is_idle
    }

    /// Takes a call out of the queue and returns its number.
    pub(crate) fn remove_dpc(&mut self, dpc: usize) -> Option<u64> {
        self.dpcs.remove(&dpc).map(|queued| queued.number)
    }

    /// Called when a call has run. Returns the flushes that waited for it and wait for no other.
    pub(crate) fn end_dpc(&mut self, number: u64) -> Vec<Arc<Signal>> {
        self.pending.remove(&number);
        let mut finished = Vec::new();
        while let Some((last, _)) = self.flushes.front() {
            if self.pending.first().is_some_and(|first| first <= last) {
                break;
            }
            finished.extend(self.flushes.pop_front().map(|(_, signal)| signal));
        }
        finished
    }

    /// Registers a flush of all calls that are queued or running. `None` if there are none.
    pub(crate) fn flush_dpcs(&mut self) -> Option<Arc<Signal>> {
        self.pending.first()?;
        let signal = Arc::new(Signal::new());
        self.flushes.push_back((self.last, Arc::clone(&signal)));
        Some(signal)
    }
}
