//! The bounded exhaustive search: all runs with few choices that differ from the plainest.

use std::collections::VecDeque;

use crate::kernel::choices::{Choice, ChoiceKind, Differences, differences};

/// A run that has passed, and from which other runs differ by one more choice.
struct Parent {
    record: Vec<Choice>,
    differences: Differences,
    /// The place of the choice to vary next, its values that are left, and the number of choices of its kind before.
    place: usize,
    values: Vec<u64>,
}

/// The runs of a search, those with the fewest differences first.
pub(super) struct Search {
    most: usize,
    length: usize,
    parents: VecDeque<Parent>,
}

/// The values of a choice that are tried: 1, 2, and the largest.
fn values(choice: Choice) -> Vec<u64> {
    let mut values: Vec<u64> =
        [1, 2, choice.bound - 1].into_iter().filter(|value| *value < choice.bound).collect();
    values.sort_unstable();
    values.dedup();
    values.retain(|value| *value > 0);
    values.reverse();
    values
}

impl Search {
    pub(super) fn new(differences: u32, choices: u32) -> Self {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self { most: number(differences), length: number(choices), parents: VecDeque::new() }
    }

    /// A run has passed, with these choices.
    pub(super) fn passed(&mut self, record: &[Choice], given: &Differences) {
        if given.len() >= self.most {
            return;
        }
        // Choices before the last difference were varied from another parent.
        let place = last_difference(record).map_or(0, |last| last + 1);
        let record: Vec<Choice> = record.iter().copied().take(self.length).collect();
        let found = differences(&record);
        let values = record.get(place).copied().map(values).unwrap_or_default();
        self.parents.push_back(Parent { record, differences: found, place, values });
    }

    /// The next run.
    pub(super) fn next(&mut self) -> Option<Differences> {
        loop {
            let parent = self.parents.front_mut()?;
            if let Some(value) = parent.values.pop() {
                let mut next = parent.differences.clone();
                next.insert(id_at(&parent.record, parent.place)?, value);
                return Some(next);
            }
            parent.place += 1;
            match parent.record.get(parent.place) {
                Some(choice) => parent.values = values(*choice),
                None => _ = self.parents.pop_front(),
            }
        }
    }
}

fn last_difference(record: &[Choice]) -> Option<usize> {
    record.iter().rposition(|choice| choice.value != 0)
}

/// The kind of the choice at a place, and the number of choices of that kind before it.
fn id_at(record: &[Choice], place: usize) -> Option<(ChoiceKind, u64)> {
    let kind = record.get(place)?.kind;
    let before = record.iter().take(place).filter(|choice| choice.kind == kind).count();
    Some((kind, before as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of three choices, with 2, 3 and 10 values; the last exists only if the first is 1.
    fn program(given: &Differences) -> Vec<Choice> {
        let value = |kind, place| given.get(&(kind, place)).copied().unwrap_or(0);
        let first = value(ChoiceKind::Preemption, 0);
        let mut record = vec![
            Choice { kind: ChoiceKind::Preemption, bound: 2, value: first },
            Choice { kind: ChoiceKind::Turn, bound: 3, value: value(ChoiceKind::Turn, 0) },
        ];
        if first == 1 {
            let value = value(ChoiceKind::Turn, 1);
            record.push(Choice { kind: ChoiceKind::Turn, bound: 10, value });
        }
        record
    }

    /// The values of all runs, in order.
    fn runs(differences: u32, choices: u32) -> Vec<Vec<u64>> {
        let mut search = Search::new(differences, choices);
        let mut found = Vec::new();
        let mut next = Some(Differences::new());
        while let Some(given) = next {
            let record = program(&given);
            found.push(record.iter().map(|choice| choice.value).collect());
            search.passed(&record, &given);
            next = search.next();
        }
        found
    }

    #[test]
    fn every_run_within_the_bounds_is_made_once_with_the_fewest_differences_first() {
        assert_eq!(runs(0, 9), [[0, 0]]);
        assert_eq!(runs(1, 9), [vec![0, 0], vec![1, 0, 0], vec![0, 1], vec![0, 2]]);
        let all = runs(3, 9);
        // 3 without the third choice; 3 times 4 with it.
        assert_eq!(all.len(), 15);
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), 15);
        assert!(all.contains(&vec![1, 2, 9]));
        assert_eq!(runs(3, 1), [vec![0, 0], vec![1, 0, 0]]);
    }
}
