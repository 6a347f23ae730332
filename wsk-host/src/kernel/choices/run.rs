//! A run whose choices are recorded, and may come from elsewhere than the seed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Choice, ChoiceKind};
use crate::kernel::random::Random;

/// Where the values of choices come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// From the seed.
    Seed,
    /// The plainest: zeros.
    Plain,
}

/// The choices of one run of one host, in the order in which its parts draw them.
#[derive(Debug)]
pub(crate) struct Run(Mutex<RunState>);

#[derive(Debug)]
struct RunState {
    source: Source,
    record: Vec<Choice>,
    /// The plainest numbers of the client.
    numbers: Random,
}

impl Run {
    pub(crate) fn new(source: Source) -> Self {
        Self(Mutex::new(RunState { source, record: Vec::new(), numbers: Random::new(0) }))
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides a choice, and records it. `drawn` draws a value below the bound from the seed.
    pub(super) fn decide(&self, kind: ChoiceKind, bound: u64, drawn: impl FnOnce() -> u64) -> u64 {
        let mut state = self.state();
        let value = match state.source {
            Source::Seed => drawn(),
            Source::Plain => 0,
        };
        let value = value.min(bound.saturating_sub(1));
        state.record.push(Choice { kind, bound, value });
        value
    }

    /// The next of the plainest numbers.
    pub(super) fn plain_number(&self) -> u64 {
        self.state().numbers.next()
    }

    /// The choices so far.
    pub(crate) fn record(&self) -> Vec<Choice> {
        self.state().record.clone()
    }
}
