//! The blocks of the pool by address: exactly, and by an address within one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rustc_hash::FxHashMap;

/// Values, by the start address of their blocks. Looking for the block that contains an address is rarer than
/// adding one, so the order of the blocks is established when it is needed.
pub(super) struct StartIndex<T> {
    by_start: FxHashMap<usize, T>,
    /// The starts in order, but for those in `unordered`.
    ordered: BTreeSet<usize>,
    /// Starts that may lack in `ordered`, and others.
    unordered: Vec<usize>,
}

impl<T> Default for StartIndex<T> {
    fn default() -> Self {
        Self { by_start: FxHashMap::default(), ordered: BTreeSet::new(), unordered: Vec::new() }
    }
}

impl<T> StartIndex<T> {
    pub(super) fn insert(&mut self, start: usize, value: T) {
        self.by_start.insert(start, value);
        self.unordered.push(start);
        if self.unordered.len() > 256.max(4 * self.by_start.len()) {
            self.unordered.sort_unstable();
            self.unordered.dedup();
            self.unordered.retain(|start| self.by_start.contains_key(start));
        }
    }

    pub(super) fn remove(&mut self, start: usize) -> Option<T> {
        if !self.ordered.is_empty() {
            self.ordered.remove(&start);
        }
        self.by_start.remove(&start)
    }

    pub(super) fn get(&self, start: usize) -> Option<&T> {
        self.by_start.get(&start)
    }

    /// The value with the last start that is not behind an address.
    pub(super) fn last_before(&mut self, address: usize) -> Option<(usize, &T)> {
        let new = self.unordered.drain(..).filter(|start| self.by_start.contains_key(start));
        self.ordered.extend(new);
        let start = *self.ordered.range(..=address).next_back()?;
        Some((start, self.by_start.get(&start)?))
    }

    pub(super) fn len(&self) -> usize {
        self.by_start.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.by_start.iter().map(|(start, value)| (*start, value))
    }
}

/// Values, by the start address of their memory, and their pages: most addresses are on none of them, which one
/// look-up shows.
pub(super) struct PageIndex<T> {
    by_start: BTreeMap<usize, T>,
    /// The number of values on each page.
    pages: FxHashMap<usize, usize>,
}

impl<T> Default for PageIndex<T> {
    fn default() -> Self {
        Self { by_start: BTreeMap::new(), pages: FxHashMap::default() }
    }
}

/// The numbers of the pages that memory is on.
fn pages(memory: &Range<usize>) -> Range<usize> {
    memory.start / wsk_sys::PAGE_SIZE..memory.end.div_ceil(wsk_sys::PAGE_SIZE)
}

impl<T> PageIndex<T> {
    /// Adds a value with this memory, which contains the start.
    pub(super) fn insert(&mut self, start: usize, memory: &Range<usize>, value: T) {
        for page in pages(memory) {
            *self.pages.entry(page).or_default() += 1;
        }
        self.by_start.insert(start, value);
    }

    /// Removes a value that was added with this memory.
    pub(super) fn remove(
        &mut self,
        start: usize,
        memory: impl Fn(&T) -> Range<usize>,
    ) -> Option<T> {
        let value = self.by_start.remove(&start)?;
        for page in pages(&memory(&value)) {
            if let Some(count) = self.pages.get_mut(&page) {
                *count -= 1;
                if *count == 0 {
                    self.pages.remove(&page);
                }
            }
        }
        Some(value)
    }

    /// Whether a value may be on the page of an address.
    pub(super) fn may_contain(&self, address: usize) -> bool {
        self.pages.contains_key(&(address / wsk_sys::PAGE_SIZE))
    }

    /// The values that start at or before an address, from the last one backwards.
    pub(super) fn before(&self, address: usize) -> impl Iterator<Item = (usize, &T)> {
        self.by_start.range(..=address).rev().map(|(start, value)| (*start, value))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.by_start.values()
    }

    /// Removes all values.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = T> {
        self.pages.clear();
        std::mem::take(&mut self.by_start).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_an_address_within_it_however_many_come_and_end() {
        let mut index = StartIndex::default();
        for round in 0..10 {
            for start in (0..4000).step_by(16) {
                index.insert(start, (round, start));
            }
            for start in (0..4000).step_by(32) {
                assert_eq!(index.remove(start), Some((round, start)));
            }
            assert_eq!(index.last_before(15), None);
            assert_eq!(index.last_before(47), Some((16, &(round, 16))));
            assert_eq!(index.last_before(usize::MAX), Some((3984, &(round, 3984))));
            assert!(index.ordered.len() + index.unordered.len() <= 4 * index.len() + 256);
        }
    }

    #[test]
    fn a_page_is_known_while_a_value_is_on_it() {
        let page = wsk_sys::PAGE_SIZE;
        let mut index = PageIndex::default();
        let memory = |size: &usize| page - 1..page - 1 + size;
        index.insert(page, &memory(&2), 2);
        index.insert(page + 64, &memory(&1), 1);
        let known = |index: &PageIndex<usize>| [0, 1, 2].map(|n| index.may_contain(n * page));
        assert_eq!(known(&index), [true, true, false]);
        assert_eq!(index.remove(page, memory), Some(2));
        assert_eq!(known(&index), [true, false, false]);
        assert_eq!(index.remove(page + 64, memory), Some(1));
        assert_eq!(known(&index), [false; 3]);
    }
}
