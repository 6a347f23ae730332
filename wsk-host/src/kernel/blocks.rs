//! The blocks of the pool that are allocated, and the faults of allocation.

use std::alloc::Layout;
use std::collections::BTreeMap;

/// The pool of one kernel.
#[derive(Default)]
pub(crate) struct Blocks {
    by_address: BTreeMap<usize, Block>,
    /// The number of allocations that were requested.
    requested: usize,
    /// The numbers of the first and the last allocation that fail; zeros if none does.
    failing: (usize, usize),
}

/// An allocated block.
pub(crate) struct Block {
    pub(crate) layout: Layout,
    pub(crate) tag: u32,
}

impl Blocks {
    pub(crate) fn insert(&mut self, address: usize, block: Block) {
        self.by_address.insert(address, block);
    }

    pub(crate) fn remove(&mut self, address: usize) -> Option<Block> {
        self.by_address.remove(&address)
    }

    /// The end of the block that contains an address.
    pub(crate) fn end_of_block(&self, address: usize) -> Option<usize> {
        let (start, block) = self.by_address.range(..=address).next_back()?;
        let end = start + block.layout.size();
        (address < end).then_some(end)
    }

    /// Counts a requested allocation, and returns its number if it must fail.
    pub(crate) fn request(&mut self) -> Option<usize> {
        self.requested += 1;
        let (first, last) = self.failing;
        (first..=last).contains(&self.requested).then_some(self.requested)
    }

    /// The number of allocations that were requested.
    pub(crate) fn requested(&self) -> usize {
        self.requested
    }

    /// Makes the requests from one number to another fail, counted from 1, from now on.
    pub(crate) fn fail(&mut self, first: usize, last: usize) {
        self.failing = (self.requested + first, self.requested.saturating_add(last));
    }

    /// The number of allocated blocks.
    pub(crate) fn outstanding(&self) -> usize {
        self.by_address.len()
    }

    /// The allocated blocks by tag: how many, and their size in bytes.
    pub(crate) fn outstanding_by_tag(&self) -> BTreeMap<[u8; 4], (usize, usize)> {
        let mut tags = BTreeMap::<_, (usize, usize)>::new();
        for block in self.by_address.values() {
            let (count, bytes) = tags.entry(block.tag.to_le_bytes()).or_default();
            *count += 1;
            *bytes += block.layout.size();
        }
        tags
    }
}
