//! The blocks of the pool: the allocated blocks, the last freed ones, and the allocation faults.
//!
//! Guard bytes surround each block, and a freed block stays filled with [`FREED`] in a quarantine. Both are checked
//! when the block is freed, when it leaves the quarantine, and when the kernel ends, so that a write outside a block or
//! after its free is reported with the calls that have allocated and freed it. Where the system can protect pages, the
//! whole pages of a freed block are protected instead: IRPs have their own pages, and so have blocks of a page or more.
//! Then a read is also reported, at once. Under Miri, blocks have neither guards nor a quarantine: Miri itself finds
//! such accesses at once.
//!
//! # Safety
//!
//! The memory of an entry, guards included, is readable until the entry is removed.

#![expect(unsafe_code, reason = "the guards around a client's memory are read through pointers")]

use std::alloc::{Layout, dealloc};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::ptr;

use crate::kernel::block_index::{PageIndex, StartIndex};
use crate::kernel::protection::{Protected, page_size};
use crate::verifier::{Origin, kernel_violation};

/// The size of the guard in front of a block; a larger alignment enlarges it.
const FRONT: usize = if cfg!(miri) { 0 } else { 64 };
/// The size of the guard behind a block.
const BACK: usize = if cfg!(miri) { 0 } else { 128 };
/// The byte that fills guards. Its lowest bit is zero: `IoMarkIrpPending` on an IRP without a current stack location
/// sets that bit behind the IRP.
pub(crate) const GUARD: u8 = 0xBC;
/// The byte that fills memory that was freed.
pub(crate) const FREED: u8 = 0xDD;
/// The most bytes, and the most blocks, in a kernel's quarantine.
const QUARANTINE: (usize, usize) = if cfg!(miri) { (0, 0) } else { (4 << 20, 1024) };
/// The maximum total size of a kernel's small blocks that have their own pages.
const PAGES: usize = 64 << 20;

/// The pool of one kernel.
#[derive(Default)]
pub(crate) struct Blocks {
    by_address: StartIndex<Block>,
    /// The last freed blocks by address, their addresses from the oldest on, and their size in bytes.
    freed: PageIndex<Freed>,
    order: VecDeque<usize>,
    freed_bytes: usize,
    /// The total size of the allocated small blocks that have their own pages.
    bytes_in_pages: usize,
    /// The number of allocations that were requested.
    requested: usize,
    /// The numbers of the first and the last allocation that fail; zeros if none does.
    failing: (usize, usize),
}

/// An allocated block.
pub(crate) struct Block {
    pub(crate) size: usize,
    pub(crate) tag: u32,
    pub(crate) layout: BlockLayout,
    /// Whether it is in paged pool, which code at `DISPATCH_LEVEL` and WSK must not use.
    pub(crate) is_paged: bool,
    pub(crate) origin: Origin,
}

/// A freed block, which stays allocated for a while.
///
/// # Invariants
///
/// The memory is an allocation with the layout of `block`, and this is its only entry. Except for its protected pages,
/// the block is filled with [`FREED`].
pub(crate) struct Freed {
    address: usize,
    block: Block,
    free: Origin,
    protected: Option<Protected>,
}

/// The text of a report about a freed block.
pub(crate) struct FreedBlock {
    /// Its address.
    pub(crate) start: usize,
    size: usize,
    /// Its size and tag, in words.
    block: String,
    created: String,
    pub(crate) freed: String,
}

impl FreedBlock {
    pub(crate) fn describe(&self) -> String {
        let Self { block, created, freed, .. } = self;
        format!("{block} was freed\n  created: {created}\n  freed:   {freed}")
    }
}

/// The memory of a block with its guards.
#[derive(Clone, Copy)]
pub(crate) struct BlockLayout {
    pub(crate) whole: Layout,
    /// The offset of the block in it.
    pub(crate) offset: usize,
    /// Whether the block has pages that no other block is in, whatever its size.
    is_in_pages: bool,
}

impl BlockLayout {
    /// The layout for a block of this size and alignment, or none if it is too large.
    pub(crate) fn new(size: usize, alignment: usize) -> Option<Self> {
        let offset = FRONT.next_multiple_of(alignment);
        let whole = size.max(1).checked_add(offset + BACK)?;
        let whole = Layout::from_size_align(whole, alignment).ok()?;
        Some(Self { whole, offset, is_in_pages: false })
    }

    /// The layout for a block in pages that no other block is in. None if the system protects no pages.
    pub(crate) fn in_pages(size: usize) -> Option<Self> {
        let page = page_size()?;
        let whole = size.checked_add(FRONT + BACK)?.checked_next_multiple_of(page)?;
        let whole = Layout::from_size_align(whole, page).ok()?;
        Some(Self { whole, offset: FRONT, is_in_pages: true })
    }

    /// The size, if it consists of pages that no other block is in.
    fn size_in_pages(&self) -> usize {
        if self.is_in_pages { self.whole.size() } else { 0 }
    }
}

impl Block {
    fn describe(&self) -> String {
        let tag = self.tag.to_le_bytes();
        format!("the block of {} bytes with the tag `{}`", self.size, tag.escape_ascii())
    }

    /// The whole pages that are the block's alone.
    fn pages(&self, address: usize) -> std::ops::Range<usize> {
        let Some(page) = page_size() else { return 0..0 };
        if self.layout.is_in_pages {
            let start = address - self.layout.offset;
            return start..start + self.layout.whole.size();
        }
        let (start, end) = (address.next_multiple_of(page), address + self.size);
        start..end - end % page
    }

    /// The bytes that the block takes.
    fn bytes(&self) -> usize {
        self.layout.size_in_pages().max(self.size)
    }

    /// The guards in front of the block and behind it.
    fn guards(&self, address: usize) -> [std::ops::Range<usize>; 2] {
        let (start, end) = (address - FRONT.min(self.layout.offset), address + self.size);
        let whole_end = address - self.layout.offset + self.layout.whole.size();
        [start..address, end..whole_end]
    }

    /// Whether the guards show a write outside of the block.
    fn is_overrun(&self, address: usize) -> bool {
        self.guards(address).into_iter().any(|guard| !consists_of(guard, GUARD))
    }

    /// A write outside of the block, if its guards show one.
    fn overrun(&self, address: usize) -> Option<String> {
        let [front, back] = self.guards(address);
        let end = back.start;
        let damage = if let Some((first, last)) = differing(back, GUARD) {
            let (first, last) = (first - end, last - end);
            format!("was written beyond its end, {} bytes behind it", range(first, last))
        } else {
            let (first, last) = differing(front, GUARD)?;
            format!(
                "was written before its begin, {} bytes in front of it",
                range(address - last, address - first)
            )
        };
        Some(format!("{} {damage}\n  created: {}", self.describe(), self.origin))
    }
}

fn range(first: usize, last: usize) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

impl Freed {
    /// Takes ownership of a block that its client has freed: protects its whole pages, and fills the rest.
    fn new(address: usize, block: Block, free: Origin) -> Self {
        // SAFETY: the block is the quarantine's now, and so are the guards in its pages.
        let protected = unsafe { Protected::new(block.pages(address)) };
        let freed = Self { address, block, free, protected };
        let filled = freed.filled();
        let memory = ptr::with_exposed_provenance_mut::<u8>(filled.start);
        // SAFETY: the block is the quarantine's now, and this part of it is not protected.
        unsafe { memory.write_bytes(FREED, filled.len()) };
        freed
    }

    /// The block's memory. A block of no bytes also has an address.
    fn memory(&self) -> std::ops::Range<usize> {
        self.address..self.address + self.block.size.max(1)
    }

    /// The memory that the block is found by: its own, and its protected pages.
    fn reach(&self) -> std::ops::Range<usize> {
        let memory = self.memory();
        let protected = self.protected.as_ref().map_or_else(|| memory.clone(), Protected::pages);
        memory.start.min(protected.start)..memory.end.max(protected.end)
    }

    /// The part of the block that is not protected.
    fn filled(&self) -> std::ops::Range<usize> {
        let end = self.address + self.block.size;
        match &self.protected {
            Some(protected) => protected.pages().end.min(end)..end,
            None => self.address..end,
        }
    }

    /// A write after the free, if the memory shows one.
    fn written(&self) -> Option<String> {
        let Self { address, block, free, .. } = self;
        let (first, last) = differing(self.filled(), FREED)?;
        let which = range(first - address, last - address);
        Some(format!(
            "{} was written after it was freed, at its bytes {which}\n  created: {}\n  freed:   {free}",
            block.describe(),
            block.origin
        ))
    }

    fn damage(&self) -> Option<String> {
        // The guards in protected pages cannot be read, or written.
        if self.block.layout.is_in_pages && self.protected.is_some() {
            return None;
        }
        self.written().or_else(|| self.block.overrun(self.address))
    }

    /// Frees the memory, whose guards and contents have been checked.
    fn release(mut self) {
        drop(self.protected.take());
        let whole = self.address - self.block.layout.offset;
        // SAFETY: the memory was allocated with this layout, and this was its only entry.
        unsafe { dealloc(ptr::with_exposed_provenance_mut(whole), self.block.layout.whole) };
    }
}

/// The memory of an entry.
fn bytes_of<'a>(memory: &std::ops::Range<usize>) -> &'a [u8] {
    let start: *const u8 = ptr::with_exposed_provenance(memory.start);
    // SAFETY: the ranges are of an entry's memory, which was written when the entry was made.
    unsafe { std::slice::from_raw_parts(start, memory.len()) }
}

/// Whether an entry's memory consists of one byte, [`GUARD`] or [`FREED`].
fn consists_of(memory: std::ops::Range<usize>, byte: u8) -> bool {
    // Comparing slices is fast even in a build without optimization.
    let same = if byte == GUARD { &[GUARD; 256] } else { &[FREED; 256] };
    bytes_of(&memory).chunks(same.len()).all(|chunk| chunk == &same[..chunk.len()])
}

/// The first and last address where an entry's memory differs from a byte, [`GUARD`] or [`FREED`].
fn differing(memory: std::ops::Range<usize>, byte: u8) -> Option<(usize, usize)> {
    if consists_of(memory.clone(), byte) {
        return None;
    }
    let bytes = bytes_of(&memory);
    let differs = |found: &u8| *found != byte;
    let first = bytes.iter().position(differs)?;
    let last = bytes.iter().rposition(differs)?;
    Some((memory.start + first, memory.start + last))
}

impl Blocks {
    pub(crate) fn insert(&mut self, address: usize, block: Block) {
        self.bytes_in_pages += block.layout.size_in_pages();
        self.by_address.insert(address, block);
    }

    pub(crate) fn remove(&mut self, address: usize) -> Option<Block> {
        let block = self.by_address.remove(address)?;
        self.bytes_in_pages -= block.layout.size_in_pages();
        Some(block)
    }

    /// Whether one more small block may have its own pages.
    pub(crate) fn has_pages(&self) -> bool {
        self.bytes_in_pages < PAGES
    }

    /// Quarantines a freed block. Returns a report if the block that leaves the quarantine for it was damaged.
    #[must_use = "damage must be reported"]
    pub(crate) fn quarantine(
        &mut self,
        address: usize,
        block: Block,
        free: Origin,
    ) -> Option<String> {
        self.freed_bytes += block.bytes();
        self.order.push_back(address);
        let freed = Freed::new(address, block, free);
        self.freed.insert(address, &freed.reach(), freed);
        while self.freed_bytes > QUARANTINE.0 || self.order.len() > QUARANTINE.1 {
            let oldest = self.freed.remove(self.order.pop_front()?, Freed::reach)?;
            self.freed_bytes -= oldest.block.bytes();
            if let Some(damage) = oldest.damage() {
                return Some(damage);
            }
            oldest.release();
        }
        None
    }

    /// A write outside of an allocated block, if its guards show one.
    pub(crate) fn overrun(&self, address: usize) -> Option<String> {
        self.by_address.get(address)?.overrun(address)
    }

    /// The first damage of any block, allocated or freed.
    pub(crate) fn damage(&self) -> Option<String> {
        let allocated = self.by_address.iter().find_map(|(address, block)| block.overrun(address));
        allocated.or_else(|| self.freed.values().find_map(Freed::damage))
    }

    /// The freed block that contains an address, for a report.
    pub(crate) fn freed_at(&self, address: usize) -> Option<String> {
        let freed = self.freed_block_at(address)?;
        (address < freed.start + freed.size.max(1)).then(|| freed.describe())
    }

    /// The freed block that contains an address, or whose protected pages do, for a report.
    pub(crate) fn freed_block_at(&self, address: usize) -> Option<FreedBlock> {
        if !self.freed.may_contain(address) {
            return None;
        }
        let is_in = |(_, found): &(usize, &Freed)| {
            let protected = found.protected.as_ref().map_or(0..0, Protected::pages);
            found.memory().contains(&address) || protected.contains(&address)
        };
        // In front of a block in its own pages is only its guard.
        let mut near = self.freed.before(address.saturating_add(FRONT)).take(2);
        let (start, Freed { block, free, .. }) = near.find(is_in)?;
        Some(FreedBlock {
            start,
            size: block.size,
            block: block.describe(),
            created: block.origin.to_string(),
            freed: free.to_string(),
        })
    }

    /// Whether an address is not in freed memory, as far as its page shows, and the guards of a block that starts there
    /// show no write outside the block.
    pub(crate) fn is_intact(&self, address: usize) -> bool {
        match self.by_address.get(address) {
            Some(block) => !block.is_overrun(address),
            None => !self.freed.may_contain(address),
        }
    }

    /// The size of the allocated block that begins at an address.
    pub(crate) fn size_of_block(&self, address: usize) -> Option<usize> {
        self.by_address.get(address).map(|block| block.size)
    }

    /// Where the allocated block that begins at an address was made, for a report.
    pub(crate) fn origin_of_block(&self, address: usize) -> String {
        self.by_address.get(address).map_or_else(String::new, |block| block.origin.to_string())
    }

    /// The byte at an offset in the guard behind the block that begins at an address.
    pub(crate) fn guard_at(&self, address: usize, offset: usize) -> Option<u8> {
        let block = self.by_address.get(address)?;
        let is_guard = (block.size..block.size + BACK).contains(&offset);
        let byte: *const u8 = ptr::with_exposed_provenance(address + offset);
        // SAFETY: the guard is a part of the block's memory.
        is_guard.then(|| unsafe { byte.read() })
    }

    /// The end of the block that contains an address.
    pub(crate) fn end_of_block(&mut self, address: usize) -> Option<usize> {
        let (start, block) = self.by_address.last_before(address)?;
        let end = start + block.size.max(1);
        (address < end).then_some(end)
    }

    /// The tag of the block that begins at an address.
    pub(crate) fn tag(&mut self, address: usize) -> Option<u32> {
        let (start, block) = self.by_address.last_before(address)?;
        (start == address).then_some(block.tag)
    }

    /// Whether an address is in a block of paged pool.
    pub(crate) fn is_paged(&mut self, address: usize) -> bool {
        self.by_address
            .last_before(address)
            .is_some_and(|(start, block)| block.is_paged && address < start + block.size.max(1))
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

    /// The allocated blocks by tag: their number, and their total size in bytes.
    pub(crate) fn outstanding_by_tag(&self) -> BTreeMap<[u8; 4], (usize, usize)> {
        let mut tags = BTreeMap::<_, (usize, usize)>::new();
        for (_, block) in self.by_address.iter() {
            let (count, bytes) = tags.entry(block.tag.to_le_bytes()).or_default();
            *count += 1;
            *bytes += block.size;
        }
        tags
    }

    /// The allocated blocks, for a report: of each call and thread that made some, one line, and the places of the client.
    pub(crate) fn describe_outstanding(&self) -> String {
        let of = |block: &Block| format!("{}, made", block.describe());
        describe_all(self.by_address.iter().map(|(_, block)| (of(block), &block.origin)))
    }
}

/// Describes objects for a report: equal ones that were made by the same call in the same thread in one line, and behind
/// it the places of the client that made them.
pub(crate) fn describe_all<'a>(objects: impl Iterator<Item = (String, &'a Origin)>) -> String {
    /// The most places that are shown of equal objects.
    const PLACES: usize = 8;
    let mut lines = BTreeMap::<String, BTreeMap<String, usize>>::new();
    for (object, origin) in objects {
        let places = lines.entry(format!("{object} {}", origin.headline())).or_default();
        *places.entry(origin.place()).or_default() += 1;
    }
    let mut report = String::new();
    for (line, places) in lines {
        let count: usize = places.values().sum();
        let _ = match count {
            1 => write!(report, "\n  {line}"),
            _ => write!(report, "\n  {count} times {line}"),
        };
        let has_several = places.len() > 1;
        for (place, count) in places.iter().take(PLACES) {
            if has_several && !place.is_empty() {
                let _ = write!(report, "\n    {count} of them at");
            }
            report.push_str(place);
        }
        if let Some(more) = places.len().checked_sub(PLACES).filter(|more| *more > 0) {
            let _ = write!(report, "\n    and at {more} other places");
        }
    }
    report
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(damage) = self.damage() {
            kernel_violation(&format!("the end of a kernel: {damage}"));
        }
        self.freed.take_all().for_each(Freed::release);
    }
}
