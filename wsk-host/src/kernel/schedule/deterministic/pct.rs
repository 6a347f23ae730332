//! Probabilistic concurrency testing: priorities that change at a few points.
//!
//! Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
//! ASPLOS 2010. Deferred jobs have priorities as threads have.

use std::collections::BTreeMap;

use super::super::ThreadId;
use crate::kernel::random::Random;

/// What a schedule chooses from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    Thread(ThreadId),
    /// A job, by its number.
    Job(u64),
}

/// The ranges of calls from which the points of change are drawn: 4, 8, and so on up to 1024. The length of a run is not known
/// beforehand: the seed draws the range as well.
const RANGES: usize = 9;

pub(super) struct Priorities {
    salt: u64,
    /// The calls at which the priority of the calling thread changes, the last first.
    changes: Vec<u64>,
    calls: u64,
    /// The priorities that were changed: negative ones, below all others.
    lowered: BTreeMap<Task, i64>,
    lowest: i64,
}

impl Priorities {
    pub(super) fn new(seed: u64, depth: u32) -> Self {
        let mut random = Random::new(seed ^ 0x7063_7400);
        let salt = random.next();
        let range = 4 << random.below(RANGES);
        let mut changes: Vec<u64> = (1..depth).map(|_| 1 + random.below(range) as u64).collect();
        changes.sort_unstable_by(|one, other| other.cmp(one));
        Self { salt, changes, calls: 0, lowered: BTreeMap::new(), lowest: 0 }
    }

    /// The priority of a task: a number by the seed, until it is lowered.
    fn of(&self, task: Task) -> i64 {
        if let Some(lowered) = self.lowered.get(&task) {
            return *lowered;
        }
        let id = match task {
            Task::Thread(id) => id << 1,
            Task::Job(id) => id << 1 | 1,
        };
        let number = Random::new(self.salt ^ id.wrapping_mul(0xD6E8_FEB8_6659_FD93)).next();
        i64::try_from(number >> 1).unwrap_or(0)
    }

    /// Lowers the priority of a thread below all others.
    pub(super) fn lower(&mut self, thread: ThreadId) {
        self.lowest -= 1;
        self.lowered.insert(Task::Thread(thread), self.lowest);
    }

    /// Forgets a thread that has ended.
    pub(super) fn forget(&mut self, thread: ThreadId) {
        self.lowered.remove(&Task::Thread(thread));
    }

    /// Counts a call of a thread, whose priority may change now.
    pub(super) fn call(&mut self, thread: ThreadId) {
        self.calls += 1;
        while self.changes.last().is_some_and(|change| *change <= self.calls) {
            self.changes.pop();
            self.lower(thread);
        }
    }

    /// The index of the task with the highest priority, and whether it is above that of a thread.
    pub(super) fn highest(
        &self,
        tasks: impl Iterator<Item = Task>,
        thread: ThreadId,
    ) -> Option<(usize, bool)> {
        let highest = tasks.map(|task| self.of(task)).enumerate().max_by_key(|(_, of)| *of)?;
        Some((highest.0, highest.1 > self.of(Task::Thread(thread))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_of_three_tasks_occurs_and_does_not_change_by_itself() {
        let tasks = [Task::Thread(1), Task::Thread(2), Task::Job(1)];
        let mut first = [0; 3];
        for seed in 0..300 {
            let priorities = Priorities::new(seed, 1);
            let highest = priorities.highest(tasks.into_iter(), 1).map(|(index, _)| index);
            assert_eq!(priorities.highest(tasks.into_iter(), 2).map(|(index, _)| index), highest);
            first[highest.unwrap_or(0)] += 1;
        }
        assert!(first.iter().all(|count| (70..130).contains(count)), "{first:?}");
    }

    #[test]
    fn a_priority_is_lowered_at_depth_minus_one_calls() {
        for depth in 1..5 {
            let mut priorities = Priorities::new(9, depth);
            for _ in 0..4 << RANGES {
                priorities.call(3);
            }
            assert_eq!(priorities.lowest, 1 - i64::from(depth));
            let tasks = [Task::Thread(4)].into_iter();
            let is_above = priorities.highest(tasks, 3).is_some_and(|(_, is_above)| is_above);
            assert!(is_above || depth == 1);
        }
    }
}
