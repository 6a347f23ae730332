//! The decisions that a seed makes: which thread runs, when something happens, what fails, and how large a part is.
//!
//! Each decision is one *choice*: a [kind](ChoiceKind), a bound, and a value below the bound. **The value 0 is always the
//! plainest one**: no preemption, no delay, no fault, the first in turn. So the plainest run is the one of zeros, and the
//! distance of another run from it is the number of its other values.
//!
//! # Drawing a choice
//!
//! A part of the host owns a [`Choices`], with a stream of its own, and draws from it:
//!
//! - [`below`](Choices::below): a number, where 0 is the plainest;
//! - [`pick`](Choices::pick): one of several things, where another one than the first is the plainest;
//! - [`one_in`](Choices::one_in) and [`per_mille`](Choices::per_mille): whether something unusual happens;
//! - [`number`](Choices::number): 64 bits.
//!
//! `Kernel::choices(stream)` creates one for a part, with the seed and the [`Run`] of the kernel; `Kernel::by_chance` lends the
//! kernel's own. Nothing else in this crate decides by chance: a decision past the choices could be neither recorded nor
//! replayed.
//!
//! A host of a seed alone has no [`Run`], and a choice costs one number of the sequence. A run that is recorded, replayed or
//! chosen otherwise shares one `Run` between all parts: their choices have one order.

pub(crate) mod replay;
mod run;
mod schedule;

use std::sync::Arc;

use crate::kernel::random::Random;

pub(crate) use replay::{Base, Differences, Replay, RunEnd, differences};
pub(crate) use run::{Run, read_record};
pub use schedule::Schedule;

/// Declares the kinds of choices: their names, their letters in a replay line, and descriptions of values other than 0.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $letter:literal $text:literal)*) => {
        /// What a choice decides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum ChoiceKind {
            $($(#[$doc])* $name,)*
        }

        impl ChoiceKind {
            /// All kinds, in the order of their declaration.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The letter of the kind in a replay line.
            pub(crate) const fn letter(self) -> char {
                match self {
                    $(Self::$name => $letter,)*
                }
            }

            /// The meaning of a value other than 0.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// The next thread or deferred job.
    Turn 't' "another thread or job than the next in turn runs"
    /// Whether others run first where a processor could switch.
    Preemption 'p' "the thread is preempted"
    /// Whether work runs later instead of at once.
    Deferral 'f' "the work is deferred"
    /// Whether a call returns the final status of a request that it completes.
    CallStatus 's' "the call returns the final status"
    /// The time that something takes.
    Delay 'd' "it is delayed"
    /// A fault of the network or of the subsystem.
    Fault 'x' "a fault occurs"
    /// The winner of a race that WSK allows, between a request and a callback or a cancellation.
    Race 'r' "the other side of a race wins"
    /// The size of a part.
    Size 'z' "the data is divided"
    /// The shape of an indication.
    Shape 'h' "the indication has another shape"
    /// A number of 64 bits for the client.
    Number 'n' "the client is given other random bytes"
}

/// A recorded choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) kind: ChoiceKind,
    /// The number of values.
    pub(crate) bound: u64,
    /// The value, below the bound.
    pub(crate) value: u64,
}

/// The choices of one part of a host.
#[derive(Debug)]
pub(crate) struct Choices {
    numbers: Random,
    /// The run that decides or records, if it is not the seed alone.
    run: Option<Arc<Run>>,
}

impl Choices {
    /// The choices of a seed, in one of its streams, within a run.
    pub(crate) fn new(seed: u64, stream: u64, run: Option<Arc<Run>>) -> Self {
        Self { numbers: Random::new(seed ^ stream), run }
    }

    /// A number below a bound that is not zero. 0 is the plainest.
    pub(crate) fn below(&mut self, kind: ChoiceKind, bound: usize) -> usize {
        self.pick(kind, bound, || 0)
    }

    /// The index of one of `count` things. `plainest` returns the index of the plainest; the choice's value is the distance
    /// from there.
    pub(crate) fn pick(
        &mut self,
        kind: ChoiceKind,
        count: usize,
        plainest: impl FnOnce() -> usize,
    ) -> usize {
        let Some(run) = &self.run else { return self.numbers.below(count) };
        let numbers = &mut self.numbers;
        decide(run, kind, (count, plainest()), || numbers.below(count))
    }

    /// As [`pick`](Self::pick), where a schedule, and not the seed, draws the index.
    pub(crate) fn pick_drawn(
        &self,
        kind: ChoiceKind,
        count: usize,
        plainest: impl FnOnce() -> usize,
        drawn: usize,
    ) -> usize {
        let Some(run) = &self.run else { return drawn };
        decide(run, kind, (count, plainest()), || drawn)
    }

    /// Whether something unusual happens, once in `n` times.
    pub(crate) fn one_in(&mut self, kind: ChoiceKind, n: usize) -> bool {
        let numbers = &mut self.numbers;
        let mut drawn = || numbers.below(n) == 0;
        match &self.run {
            None => drawn(),
            Some(run) => run.decide(kind, 2, || drawn().into()) != 0,
        }
    }

    /// Whether something unusual happens, with this probability in thousandths. Not a choice if the probability is 0.
    pub(crate) fn per_mille(&mut self, kind: ChoiceKind, chance: u16) -> bool {
        let numbers = &mut self.numbers;
        match &self.run {
            None => numbers.per_mille(chance),
            Some(_) if chance == 0 => false,
            Some(run) => run.decide(kind, 2, || numbers.per_mille(chance).into()) != 0,
        }
    }

    /// Adds a line to the story of a run that is told.
    pub(crate) fn tell(&self, text: impl FnOnce() -> String) {
        if let Some(run) = &self.run {
            run.tell(text);
        }
    }

    /// 64 bits. The plainest are those of a sequence without a seed: a client that tries again until its numbers differ ends.
    pub(crate) fn number(&mut self, kind: ChoiceKind) -> u64 {
        let Some(run) = &self.run else { return self.numbers.next() };
        let plainest = run.plain_number();
        let numbers = &mut self.numbers;
        plainest ^ run.decide(kind, u64::MAX, || numbers.next() ^ plainest)
    }
}

/// Decides the index of one of several things, by its distance from the plainest.
fn decide(
    run: &Run,
    kind: ChoiceKind,
    (count, plainest): (usize, usize),
    drawn: impl FnOnce() -> usize,
) -> usize {
    let count = count.max(1);
    let distance = || (drawn() + count - plainest % count) % count;
    let value = run.decide(kind, count as u64, || distance() as u64);
    (usize::try_from(value).unwrap_or(0) + plainest) % count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(choices: &mut Choices) -> (Vec<usize>, Vec<bool>, u64) {
        let mut picked = vec![choices.below(ChoiceKind::Delay, 1000)];
        picked.push(choices.pick(ChoiceKind::Turn, 5, || 3));
        let unusual = vec![
            choices.one_in(ChoiceKind::Preemption, 2),
            choices.per_mille(ChoiceKind::Fault, 500),
            choices.per_mille(ChoiceKind::Fault, 0),
        ];
        (picked, unusual, choices.number(ChoiceKind::Number))
    }

    #[test]
    fn recording_does_not_change_what_a_seed_chooses() {
        for seed in 0..100 {
            let run = Arc::new(Run::new(Replay::of(Base::Seed(Schedule::Uniform, seed))));
            let plain = draws(&mut Choices::new(seed, 5, None));
            let recorded = draws(&mut Choices::new(seed, 5, Some(Arc::clone(&run))));
            assert_eq!(plain, recorded);
            // A probability of zero is no choice.
            let record = run.record();
            assert_eq!(record.len(), 5);
            assert!(record.iter().all(|choice| choice.value < choice.bound));
            assert_eq!((record[1].kind, record[1].bound), (ChoiceKind::Turn, 5));
            assert_eq!((record[1].value + 3) % 5, plain.0[1] as u64);
        }
    }

    #[test]
    fn the_plainest_run_chooses_what_each_place_calls_plain() {
        let run = Arc::new(Run::new(Replay::of(Base::Plain)));
        let (picked, unusual, number) = draws(&mut Choices::new(7, 5, Some(Arc::clone(&run))));
        assert_eq!(picked, [0, 3]);
        assert_eq!(unusual, [false; 3]);
        assert!(run.record().iter().all(|choice| choice.value == 0));
        let again = Arc::new(Run::new(Replay::of(Base::Plain)));
        let mut choices = Choices::new(8, 5, Some(again));
        assert_eq!(choices.number(ChoiceKind::Number), number);
        assert_ne!(choices.number(ChoiceKind::Number), number);
    }

    #[test]
    fn each_kind_has_a_letter_of_its_own() {
        let letters: std::collections::BTreeSet<_> =
            ChoiceKind::ALL.iter().map(|kind| kind.letter()).collect();
        assert_eq!(letters.len(), ChoiceKind::ALL.len());
    }
}
