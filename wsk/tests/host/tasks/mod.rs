//! Tasks: their outputs, their turns, and the end of all of them.

mod abort;
mod ends;
mod hostile;
mod output;
mod pinned;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::scenario::timings;
use wsk_host::{Config, Host};

/// Runs a scenario with some timings, on a host where it leaves nothing.
pub(crate) fn everywhere(scenario: impl Fn(&Host)) {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing));
        let entered = host.enter();
        scenario(&host);
        drop(entered);
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Counts how often it was dropped, and at which level.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn guard(&self) -> Guard {
        Guard(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
