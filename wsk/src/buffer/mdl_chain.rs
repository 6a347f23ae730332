//! Memory that a request owns: one allocation with its MDL, or several in a chain.
//!
//! An element of a chain has its bytes in its allocation, or they are [lent](super::lent_memory).
//!
//! # Safety
//!
//! A chain owns its allocations. Each begins with a header, which has the address of the next one.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::slice;

use wsk_sys::fields::size_t;
use wsk_sys::{MDL, MmBuildMdlForNonPagedPool, MmInitializeMdl, PMDL, WSK_BUF, size_of_mdl};

use super::lent_memory::LentMemory;
use crate::pool;
use crate::status::{Result, known};

/// The alignment of the data in bytes.
const ALIGNMENT: usize = 16;

/// The header of an allocation; its MDL follows, and then its data. A buffer is a single pointer to it, since buffers
/// often move into requests and futures and out again.
///
/// # Invariants
///
/// - `mdl` and `data` point into the allocation that this header begins, and `data` to `size` initialized bytes. The MDL
///   describes a part of the data: the element's bytes. It is the whole of the data if the header is in no
///   [`Chain`](super::Chain).
/// - Or the memory is lent: `mdl` is null, and `data` points to a [`LentMemory`] in the allocation, which describes `size` bytes
///   that belong to another. `size` is not zero.
/// - In [`NOTHING`], `mdl` is null, `size` is 0 and `next` is null.
/// - `next` is null, or points to another header, which has the same owner; the `Next` of this element's last MDL is the first
///   MDL of that header.
#[repr(C, align(16))]
pub(super) struct BufferHeader {
    /// Null if the memory is lent, and for a buffer without memory, whose header is static.
    mdl: PMDL,
    data: NonNull<u8>,
    pub(super) size: usize,
    next: *mut BufferHeader,
}

// A longer header would cost each buffer memory.
const _: () = assert!(size_of::<BufferHeader>() == 32);

// SAFETY: the fields change only through an exclusive reference to their owner, and only the owner follows the
// pointers.
unsafe impl Sync for BufferHeader {}

/// The numbers of a chain's elements, of those that are lent, and of its bytes.
#[derive(Default)]
pub(super) struct ElementCount {
    pub(super) elements: usize,
    pub(super) lent: usize,
    pub(super) bytes: usize,
}

/// The header of all that is without memory.
static NOTHING: BufferHeader = BufferHeader {
    mdl: ptr::null_mut(),
    data: NonNull::dangling(),
    size: 0,
    next: ptr::null_mut(),
};

/// One allocation with its MDL, or several in a chain. [`Buffer`](super::Buffer) and [`Chain`](super::Chain) own one, and so
/// does a request in flight.
///
/// # Invariants
///
/// The pointer is to `NOTHING`, or to a header that this value owns, with all that follow it. No request uses the memory while
/// this value is accessible.
#[repr(transparent)]
pub struct MdlChain(pub(super) NonNull<BufferHeader>);

// SAFETY: it owns its bytes, as `Box<[u8]>` does, and its MDLs, which no other thread uses meanwhile (Invariants). Owners of
// lent memory are `Send`.
unsafe impl Send for MdlChain {}
// SAFETY: a shared chain only reads its bytes, as `Box<[u8]>` does, and no request uses its MDLs (Invariants). It does not map
// lent memory, and gives no access to an owner.
unsafe impl Sync for MdlChain {}

impl MdlChain {
    /// The maximum size of one allocation's data in bytes: an MDL stores its own size in 15 bits.
    pub(super) const MAX_SIZE: usize = 4088 * wsk_sys::PAGE_SIZE;

    /// A chain without memory.
    pub(crate) const fn empty() -> Self {
        // INVARIANT: the header is `NOTHING`.
        // SAFETY: the address of a static is not null.
        Self(unsafe { NonNull::new_unchecked((&raw const NOTHING).cast_mut()) })
    }

    /// Allocates `size` zeroed bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Buffer::new`](super::Buffer::new).
    pub(super) fn allocate(size: usize) -> Result<Self> {
        if size == 0 {
            // WSK takes a null MDL for zero bytes; an MDL of zero bytes could not be built.
            return Ok(Self::empty());
        }
        if size > Self::MAX_SIZE {
            return Err(known::STATUS_INVALID_BUFFER_SIZE);
        }
        let mdl_size = size_of_mdl(size).next_multiple_of(ALIGNMENT);
        let header: NonNull<BufferHeader> =
            pool::allocate_zeroed(size_of::<BufferHeader>() + mdl_size + size)?.cast();
        // SAFETY: the allocation continues with room for an MDL.
        let behind: NonNull<u8> = unsafe { header.add(1) }.cast();
        // SAFETY: the offset is within the allocation.
        let data = unsafe { behind.add(mdl_size) };
        let mdl = behind.as_ptr().cast();
        let next = ptr::null_mut();
        // SAFETY: the allocation begins with room for a header.
        unsafe { header.write(BufferHeader { mdl, data, size, next }) };
        // INVARIANT: the allocation has a header, an MDL of the data, and the data.
        let mut chain = Self(header);
        chain.describe_part(0, size);
        Ok(chain)
    }

    /// The first allocation's header.
    #[inline]
    pub(super) const fn header(&self) -> &BufferHeader {
        // SAFETY: the chain owns it, or it is static (Invariants).
        unsafe { self.0.as_ref() }
    }

    /// The number of bytes of the first allocation.
    #[inline]
    pub(crate) const fn first_size(&self) -> usize {
        self.header().size
    }

    /// The headers of all allocations, in order.
    fn elements(&self) -> impl Iterator<Item = &BufferHeader> {
        core::iter::successors(Some(self.header()), |header| header.next())
    }

    /// Has the first allocation's MDL describe a part of its data, followed by no other MDL. The part has a byte, and is
    /// within the data.
    pub(super) fn describe_part(&mut self, start: usize, end: usize) {
        let BufferHeader { mdl, data, .. } = *self.header();
        let address = data.as_ptr().wrapping_add(start).cast();
        // SAFETY: there is room for the MDL of all data, which `MAX_SIZE` bounds, and so for that of a part; no request uses
        // it (Invariants).
        unsafe { MmInitializeMdl(mdl, address, size_t(end - start)) };
        // SAFETY: the MDL was initialized, and describes memory of the nonpaged pool (INV-23).
        unsafe { MmBuildMdlForNonPagedPool(mdl) };
    }

    /// The range of a chain of one allocation, as WSK takes it ([INV-22](crate::rules#inv-22)). The range is within its data.
    #[inline]
    pub(crate) fn describe_first(&self, start: usize, end: usize) -> WSK_BUF {
        describe(self.header().mdl, start, end - start)
    }

    /// The range of a chain, in the form that WSK requires: starting from the element that contains its first byte
    /// ([INV-22](crate::rules#inv-22)). The range is within the chain.
    pub(crate) fn describe(&self, start: usize, end: usize) -> WSK_BUF {
        let (element, at) = self.element(start);
        let (mdl, offset) = element.mdl_at(at);
        describe(mdl, offset, end - start)
    }

    /// The element that has the byte at `position`, and the byte's position in it. For the end of the chain, this is the end of
    /// the last element.
    fn element(&self, position: usize) -> (&BufferHeader, usize) {
        let (mut element, mut at) = (self.header(), position);
        while let Some(next) = element.next().filter(|_| at >= element.len()) {
            at -= element.len();
            element = next;
        }
        (element, at)
    }

    /// The position in the chain at which a range begins that was [described](Self::describe).
    pub(crate) fn position(&self, descriptor: &WSK_BUF) -> usize {
        let mut before = 0;
        for element in self.elements() {
            if let Some(at) = element.position(descriptor) {
                return before + at;
            }
            before += element.len();
        }
        before
    }

    /// The address of the byte at `start`, and the number of bytes from there on, up to `end`, that are contiguous. The bytes
    /// are initialized, and stay there until the chain moves into a request or is dropped. Lent memory is mapped.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if lent memory cannot be mapped.
    fn contiguous(&mut self, start: usize, end: usize) -> Result<(*mut u8, usize)> {
        let (element, at) = self.element(start);
        let (first, size) = if let Some(lent) = element.lent() {
            // SAFETY: no request uses the MDLs (Invariants), and the chain is borrowed mutably, so that no other thread maps them.
            unsafe { lent.map(at) }?
        } else {
            let (first, size) = element.bytes();
            let at = at.min(size);
            (first.wrapping_add(at), size - at)
        };
        Ok((first, size.min(end.saturating_sub(start))))
    }

    /// The bytes of the first allocation, which is not lent.
    pub(crate) fn first_mut(&mut self) -> &mut [u8] {
        let (first, size) = self.header().bytes();
        // SAFETY: the element has these bytes, which are initialized, no request has them (Invariants), and the chain is borrowed
        // mutably.
        unsafe { slice::from_raw_parts_mut(first, size) }
    }

    /// Copies the bytes of a range, as many as fit. Returns their number.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if lent memory cannot be mapped.
    pub(crate) fn copy_to(&mut self, start: usize, end: usize, to: &mut [u8]) -> Result<usize> {
        let mut copied = 0;
        while let Some(rest) = to.get_mut(copied..).filter(|rest| !rest.is_empty()) {
            let (from, size) = self.contiguous(start + copied, end)?;
            let count = size.min(rest.len());
            if count == 0 {
                break;
            }
            // SAFETY: this many initialized bytes are there, and no reference to them exists. `rest` is as long, and no part of the
            // chain, since it is borrowed as well.
            unsafe { ptr::copy_nonoverlapping(from, rest.as_mut_ptr(), count) };
            copied += count;
        }
        Ok(copied)
    }

    /// Copies bytes to a range that may be written, as many as fit. Returns their number.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if lent memory cannot be mapped.
    pub(super) fn copy_from(&mut self, start: usize, end: usize, from: &[u8]) -> Result<usize> {
        let mut copied = 0;
        while let Some(rest) = from.get(copied..).filter(|rest| !rest.is_empty()) {
            let (to, size) = self.contiguous(start + copied, end)?;
            let count = size.min(rest.len());
            if count == 0 {
                break;
            }
            // SAFETY: this many bytes are there, and no reference to them exists. `rest` is as long, and no part of the chain,
            // since it is borrowed as well.
            unsafe { ptr::copy_nonoverlapping(rest.as_ptr(), to, count) };
            copied += count;
        }
        Ok(copied)
    }

    /// Copies the bytes of a range to a range of another chain that may be written, as many as fit. Returns their number.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if lent memory cannot be mapped.
    pub(crate) fn copy_to_chain(
        &mut self,
        (start, end): (usize, usize),
        to: &mut Self,
        (to_start, to_end): (usize, usize),
    ) -> Result<usize> {
        let mut copied = 0;
        loop {
            let (from, size) = self.contiguous(start + copied, end)?;
            let (to, room) = to.contiguous(to_start + copied, to_end)?;
            let count = size.min(room);
            if count == 0 {
                return Ok(copied);
            }
            // SAFETY: this many initialized bytes are at both places, and no reference to them exists. They may overlap: both chains
            // may have lent memory of one owner.
            unsafe { ptr::copy(from, to, count) };
            copied += count;
        }
    }

    /// Whether a request may write to all of the memory.
    pub(crate) fn is_writable(&self) -> bool {
        self.elements().all(|element| element.lent().is_none_or(LentMemory::is_writable))
    }

    /// The address of the byte at `start` of the first allocation, for calls that take no `WSK_BUF`. It stays the same when
    /// the chain moves. `start` is within the data.
    pub(crate) const fn at(&self, start: usize) -> *mut u8 {
        self.header().data.as_ptr().wrapping_add(start)
    }

    /// The last header, and the number of elements, of those that are lent, and of bytes.
    pub(super) fn count(&self) -> (NonNull<BufferHeader>, ElementCount) {
        let mut last = self.0;
        let mut count = ElementCount::default();
        loop {
            // SAFETY: the chain owns the header, or it is static (Invariants).
            let header = unsafe { last.as_ref() };
            count.elements += usize::from(header.size != 0);
            count.lent += usize::from(header.lent().is_some());
            count.bytes += header.len();
            match NonNull::new(header.next) {
                Some(next) => last = next,
                None => return (last, count),
            }
        }
    }

    /// Appends another chain. Both have memory.
    ///
    /// # Safety
    ///
    /// `last` is this chain's last header.
    pub(super) unsafe fn append(&mut self, mut last: NonNull<BufferHeader>, mut other: Self) {
        // Lent memory ends with its own MDLs only if it has own MDLs. In the middle of a request, it also has to begin with one.
        // SAFETY: it is a header of this chain (this function's contract).
        unsafe { self.use_own_mdls(last) };
        if other.header().mdl_at(0).1 != 0 {
            let first = other.0;
            // SAFETY: it is a header of that chain.
            unsafe { other.use_own_mdls(first) };
        }
        let first = ManuallyDrop::new(other).0;
        // SAFETY: `other` owned the header.
        let (following, _) = unsafe { first.as_ref() }.mdl_at(0);
        // SAFETY: this chain owns the header (this function's contract), and is borrowed mutably.
        let last = unsafe { last.as_mut() };
        // INVARIANT: this chain owns the other's headers now.
        last.next = first.as_ptr();
        last.link(following);
    }

    /// Has lent memory described by its own MDLs, within this chain.
    ///
    /// # Safety
    ///
    /// The header is one of this chain. Its memory was [prepared](LentMemory::prepare), if it is lent.
    unsafe fn use_own_mdls(&mut self, element: NonNull<BufferHeader>) {
        // SAFETY: the chain owns the header.
        let header = unsafe { element.as_ref() };
        // SAFETY: the chain is borrowed mutably, and no other reference to the lent memory exists.
        let Some(lent) = (unsafe { header.lent_mut() }) else { return };
        if !lent.use_own_mdls() {
            return;
        }
        let (first, _) = lent.mdl_at(0);
        let mut before = self.header();
        while let Some(next) = before.next() {
            if NonNull::from(next) == element {
                before.link(first);
            }
            before = next;
        }
    }

    /// Separates the first allocation from those that follow it.
    pub(super) fn split_rest(&mut self) -> Option<Self> {
        let next = NonNull::new(self.header().next)?;
        // SAFETY: the chain owns the header (Invariants), which has a successor, and so is not static.
        let first = unsafe { self.0.as_mut() };
        first.next = ptr::null_mut();
        first.link(ptr::null_mut());
        // INVARIANT: the first one does not own them any more.
        Some(Self(next))
    }
}

/// A range that begins in an MDL, as WSK takes it.
#[inline]
fn describe(mdl: PMDL, start: usize, length: usize) -> WSK_BUF {
    // An empty range may start at the end of the buffer, where the MDL describes no byte.
    let start = if length == 0 { 0 } else { start };
    // NO-OVERFLOW: an allocation is smaller than 4 GiB.
    #[expect(clippy::cast_possible_truncation, reason = "an allocation is smaller than 4 GiB")]
    let offset = start as u32;
    WSK_BUF { Mdl: mdl, Offset: offset, Length: size_t(length) }
}

impl BufferHeader {
    /// A header of lent memory, alone.
    pub(super) const fn lending(described: NonNull<LentMemory>, size: usize) -> Self {
        let next = ptr::null_mut();
        Self { mdl: ptr::null_mut(), data: described.cast(), size, next }
    }

    /// The next header of the chain.
    pub(super) fn next(&self) -> Option<&Self> {
        // SAFETY: it is owned with this one, which is borrowed (Invariants).
        NonNull::new(self.next).map(|next| unsafe { next.as_ref() })
    }

    /// The lent memory, if this is an element of such.
    #[inline]
    pub(super) fn lent(&self) -> Option<&LentMemory> {
        // SAFETY: the header's allocation has it (Invariants), and it changes only while the chain is borrowed mutably.
        self.lent_pointer().map(|lent| unsafe { lent.as_ref() })
    }

    /// The address of the lent memory.
    pub(super) fn lent_pointer(&self) -> Option<NonNull<LentMemory>> {
        (self.mdl.is_null() && self.size != 0).then(|| self.data.cast())
    }

    /// The lent memory, for changes.
    ///
    /// # Safety
    ///
    /// The chain that owns the header is borrowed mutably, and no other reference to the lent memory exists.
    #[expect(
        clippy::mut_from_ref,
        reason = "the chain is borrowed mutably: this function's contract"
    )]
    pub(super) unsafe fn lent_mut(&self) -> Option<&mut LentMemory> {
        // SAFETY: the header's allocation has it (Invariants); the rest is this function's contract.
        self.lent_pointer().map(|mut lent| unsafe { lent.as_mut() })
    }

    /// The number of the element's bytes.
    pub(super) fn len(&self) -> usize {
        self.lent().map_or_else(|| self.part().len(), LentMemory::len)
    }

    /// The MDL that describes the element's byte at `at`, and the byte's offset in it.
    fn mdl_at(&self, at: usize) -> (PMDL, usize) {
        self.lent().map_or((self.mdl, at), |lent| lent.mdl_at(at))
    }

    /// The position at which a range begins that was described, if it begins in this element.
    fn position(&self, descriptor: &WSK_BUF) -> Option<usize> {
        match self.lent() {
            Some(lent) => lent.position(descriptor),
            None => (self.mdl == descriptor.Mdl).then_some(descriptor.Offset as usize),
        }
    }

    /// Has the element's last MDL be followed by another one, or none. It is one of this crate's, and no request uses it.
    fn link(&self, next: PMDL) {
        if let Some(last) = NonNull::new(self.lent().map_or(self.mdl, LentMemory::last_mdl)) {
            // SAFETY: the element has the MDL, which no request uses while the header is accessible.
            unsafe { (*last.as_ptr()).Next = next };
        }
    }

    /// The bytes of the data that the MDL describes.
    pub(super) fn part(&self) -> Range<usize> {
        if self.mdl.is_null() {
            return 0..0;
        }
        // SAFETY: the MDL is in the allocation (Invariants), and no request uses it while the header is accessible.
        let MDL { StartVa, ByteOffset, ByteCount, .. } = unsafe { self.mdl.read() };
        let start = (StartVa.addr() + ByteOffset as usize).wrapping_sub(self.data.as_ptr().addr());
        // The system does not change them; a wrong one must not lead out of the data.
        let start = start.min(self.size);
        start..(start + ByteCount as usize).min(self.size)
    }

    /// The address of the part, and its number of bytes.
    pub(super) fn bytes(&self) -> (*mut u8, usize) {
        let part = self.part();
        (self.data.as_ptr().wrapping_add(part.start), part.len())
    }
}

impl fmt::Debug for BufferHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferHeader").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Drop for MdlChain {
    fn drop(&mut self) {
        let mut header = self.0;
        loop {
            // SAFETY: the chain owns the header, or it is static (Invariants).
            let BufferHeader { mdl, data, size, next } = *unsafe { header.as_ref() };
            if mdl.is_null() {
                if size == 0 {
                    return;
                }
                // SAFETY: the header is of lent memory, of which no request has anything (Invariants), and is not used any more.
                unsafe { LentMemory::end(data.cast()) };
            }
            // An MDL of nonpaged pool has no mapping or locked pages to undo.
            // SAFETY: the allocation begins with the header, and no request owns it (Invariants).
            unsafe { pool::free(header.cast()) };
            let Some(next) = NonNull::new(next) else { return };
            header = next;
        }
    }
}
