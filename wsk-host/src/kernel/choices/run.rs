//! A run whose choices are recorded, and may come from elsewhere than the seed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::replay::{Base, Replay};
use super::{Choice, ChoiceKind};
use crate::kernel::random::Random;
use crate::verifier::{kernel_violation, place_of_client};

/// The choices of one run of one host, in the order in which its parts draw them.
#[derive(Debug)]
pub(crate) struct Run(Mutex<RunState>);

#[derive(Debug)]
struct RunState {
    replay: Replay,
    /// The bytes that were read.
    read: usize,
    record: Vec<Choice>,
    /// The number of choices of each kind.
    counts: BTreeMap<ChoiceKind, u64>,
    /// The plainest numbers of the client.
    numbers: Random,
    /// Whether a value that cannot be is left out, instead of refused.
    is_lenient: bool,
    /// Whether the choices that differ from the plainest are noted.
    is_told: bool,
    notes: Vec<String>,
    /// Every choice is written here at once: the process may end at any time.
    file: Option<File>,
}

impl Run {
    /// The run of a line.
    pub(crate) fn new(replay: Replay) -> Self {
        // The others have too many choices that differ from the plainest.
        let is_told = matches!(replay.base, Base::Plain);
        Self(Mutex::new(RunState {
            replay,
            read: 0,
            record: Vec::new(),
            counts: BTreeMap::new(),
            numbers: Random::new(0),
            is_lenient: false,
            is_told,
            notes: Vec::new(),
            file: None,
        }))
    }

    /// Has the run leave out the values that cannot be.
    pub(crate) fn lenient(self) -> Self {
        self.state().is_lenient = true;
        self
    }

    /// Has the run note nothing: the places of its choices take time to look up.
    pub(crate) fn untold(self) -> Self {
        self.state().is_told = false;
        self
    }

    /// Has the run write each choice to a file, a line each.
    pub(crate) fn writing_to(self, file: File) -> Self {
        self.state().file = Some(file);
        self
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides a choice, and records it. `drawn` draws a value below the bound from the seed.
    pub(super) fn decide(&self, kind: ChoiceKind, bound: u64, drawn: impl FnOnce() -> u64) -> u64 {
        let mut state = self.state();
        let count = state.counts.entry(kind).or_default();
        let id = (kind, *count);
        *count += 1;
        let given = state.replay.differences.get(&id).copied();
        let is_wrong = given.is_some_and(|value| value >= bound);
        if is_wrong && !state.is_lenient {
            drop(state);
            kernel_violation(&format!(
                "the line of WSK_HOST_REPLAY is stale, or of another test: it has the value {} for the choice {}{}, which \
                 has {bound} values. Run the test without it for a new one",
                given.unwrap_or_default(),
                kind.letter(),
                id.1,
            ));
        }
        let value = match (&state.replay.base, given.filter(|_| !is_wrong)) {
            (_, Some(value)) => value,
            (Base::Seed(..), None) => drawn(),
            (Base::Plain, None) => 0,
            (Base::Bytes(_), None) => state.read(bound),
        };
        let value = value.min(bound.saturating_sub(1));
        state.record.push(Choice { kind, bound, value });
        if value != 0 && state.is_told {
            let (letter, place) = (kind.letter(), place_of_client());
            // The innermost of the client's functions that the thread is in.
            let place = place.lines().map(str::trim).find(|line| !line.is_empty());
            let at = place.map_or_else(String::new, |place| format!(", in {place}"));
            let note = format!("CHOICE {letter}{}={value} of {bound}: {}{at}", id.1, kind.text());
            state.notes.push(note);
        }
        if let Some(file) = &mut state.file {
            // What the system does not take is missing in the record, which then does not fail the same.
            let _ = file.write_all(format!("{} {bound} {value}\n", kind.letter()).as_bytes());
        }
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

    /// Adds a line to the story, if it is told.
    pub(super) fn tell(&self, text: impl FnOnce() -> String) {
        let mut state = self.state();
        if state.is_told {
            state.notes.push(text());
        }
    }

    /// The notes about choices since the last call.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().notes)
    }

    /// Whether the choices that differ from the plainest are noted in the trace.
    pub(crate) fn is_told(&self) -> bool {
        self.state().is_told
    }
}

impl RunState {
    /// The next value of the bytes: one byte for a bound up to 256, two up to 65,536, then eight. 0 at the end of the bytes.
    fn read(&mut self, bound: u64) -> u64 {
        let Base::Bytes(bytes) = &self.replay.base else { return 0 };
        let length = match bound {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 8,
        };
        let end = self.read.saturating_add(length).min(bytes.len());
        let mut value = [0; 8];
        for (to, from) in value.iter_mut().zip(&bytes[self.read..end]) {
            *to = *from;
        }
        self.read = end;
        u64::from_le_bytes(value) % bound.max(1)
    }
}

/// Reads the file of a run's choices.
pub(crate) fn read_record(text: &str) -> Vec<Choice> {
    let choice = |line: &str| {
        let mut words = line.split(' ');
        let letter = words.next()?.chars().next()?;
        let kind = *ChoiceKind::ALL.iter().find(|kind| kind.letter() == letter)?;
        Some(Choice {
            kind,
            bound: words.next()?.parse().ok()?,
            value: words.next()?.parse().ok()?,
        })
    };
    // The last line is not complete if the process ended in it.
    text.lines().map_while(choice).collect()
}
