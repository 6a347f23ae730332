//! Pinned memory by address.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::call_stack::Frame;
use crate::verifier::{Origin, Rule};

/// An object that uses the client's memory until it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The object, for a report; `#` stands for its number.
    pub(crate) description: &'static str,
    pub(crate) number: u64,
}

impl Owner {
    pub(super) fn describe(self) -> String {
        self.description.replace('#', &self.number.to_string())
    }
}

/// A pinned range: its address, and a number that distinguishes ranges of the same address.
pub(super) type PinKey = (usize, u64);

/// A range of memory that must stay.
pub(super) struct Pinned {
    pub(super) noun: &'static str,
    /// The rule that requires it.
    pub(super) rule: Rule,
    pub(super) end: usize,
    pub(super) owner: Option<Owner>,
    pub(super) origin: Origin,
}

/// The pinned ranges.
#[derive(Default)]
pub(super) struct PinIndex {
    pins: BTreeMap<PinKey, Pinned>,
    /// The frames of the ranges that are on stacks.
    on_stacks: BTreeMap<PinKey, Frame>,
    /// The size of the largest range: the maximum distance before freed memory of a range that overlaps it.
    /// It is reset when nothing is pinned.
    longest: usize,
}

impl PinIndex {
    /// Adds a range. `frame` is the frame that contains it, if it is on a stack.
    pub(super) fn insert(&mut self, key: PinKey, pinned: Pinned, frame: Option<Frame>) {
        self.on_stacks.extend(frame.map(|frame| (key, frame)));
        self.longest = self.longest.max(pinned.end - key.0);
        self.pins.insert(key, pinned);
    }

    pub(super) fn remove(&mut self, key: PinKey) {
        self.pins.remove(&key);
        if !self.on_stacks.is_empty() {
            self.on_stacks.remove(&key);
        }
        if self.pins.is_empty() {
            self.longest = 0;
        }
    }

    /// A range that overlaps freed memory.
    pub(super) fn overlapping(&self, freed: &Range<usize>) -> Option<&Pinned> {
        let first = freed.start.saturating_sub(self.longest);
        let mut near = self.pins.range((first, 0)..(freed.end, 0));
        let reaches = |((start, _), pinned): &(&PinKey, &Pinned)| {
            *start < pinned.end && freed.start < pinned.end
        };
        near.find(reaches).map(|(_, pinned)| pinned)
    }

    /// A range that was in the frame of a function of the current thread, which has returned. It is returned once.
    pub(super) fn take_returned(&mut self) -> Option<&Pinned> {
        let has_returned = |((start, _), frame): &(&PinKey, &Frame)| frame.has_returned(*start);
        let (key, _) = self.on_stacks.iter().find(has_returned)?;
        let key = *key;
        self.on_stacks.remove(&key);
        self.pins.get(&key)
    }
}
