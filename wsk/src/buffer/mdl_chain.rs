//! Memory that a request owns: one allocation with its MDL, or several in a chain.
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

use super::copy;
use crate::pool;
use crate::status::{Result, known};

/// The alignment of the data in bytes.
const ALIGNMENT: usize = 16;

/// The header of an allocation; its MDL follows, and then its data. A buffer is a single pointer to it, since buffers
/// often move into requests and futures and out again.
///
/// # Invariants
///
/// - `mdl` and `data` point into the allocation that this header begins, and `data` to `size` initialized bytes. In
///   [`NOTHING`], `mdl` is null, `size` is 0 and `next` is null.
/// - The MDL describes a part of the data: the element's bytes. It is the whole of the data if the header is in no
///   [`Chain`](super::Chain).
/// - `next` is null, or points to another header, which has the same owner; the `Next` of this MDL is the MDL of that
///   header.
#[repr(C, align(16))]
pub(super) struct BufferHeader {
    /// Null for a buffer without memory, whose header is static.
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

// SAFETY: it owns its bytes, as `Box<[u8]>` does, and its MDLs, which no other thread uses meanwhile (Invariants).
unsafe impl Send for MdlChain {}
// SAFETY: a shared chain only reads its bytes, as `Box<[u8]>` does, and no request uses its MDLs (Invariants).
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
        describe(element.mdl, at, end - start)
    }

    /// The element that has the byte at `position`, and the byte's position in it. For the end of the chain, this is the end of
    /// the last element.
    fn element(&self, position: usize) -> (&BufferHeader, usize) {
        let (mut element, mut at) = (self.header(), position);
        while let Some(next) = element.next().filter(|_| at >= element.part().len()) {
            at -= element.part().len();
            element = next;
        }
        (element, at)
    }

    /// The position in the chain at which a range begins that was [described](Self::describe).
    pub(crate) fn position(&self, descriptor: &WSK_BUF) -> usize {
        let before = self.elements().take_while(|element| element.mdl != descriptor.Mdl);
        let before: usize = before.map(|element| element.part().len()).sum();
        before + descriptor.Offset as usize
    }

    /// The bytes at the start of a range that are contiguous.
    pub(crate) fn contiguous(&self, start: usize, end: usize) -> &[u8] {
        let (element, at) = self.element(start);
        let (first, size) = element.bytes();
        // SAFETY: the element has these bytes, which are initialized, and no request has them (Invariants).
        let bytes = unsafe { slice::from_raw_parts(first, size) };
        bytes.get(at..size.min(at.saturating_add(end.saturating_sub(start)))).unwrap_or_default()
    }

    /// The bytes at the start of a range that are contiguous, for writing.
    pub(crate) fn contiguous_mut(&mut self, start: usize, end: usize) -> &mut [u8] {
        let (element, at) = self.element(start);
        let (first, size) = element.bytes();
        // SAFETY: the element has these bytes, which are initialized, no request has them (Invariants), and the chain is borrowed
        // mutably.
        let bytes = unsafe { slice::from_raw_parts_mut(first, size) };
        let end = size.min(at.saturating_add(end.saturating_sub(start)));
        bytes.get_mut(at..end).unwrap_or_default()
    }

    /// Copies the bytes of a range, as many as fit. Returns their number.
    pub(crate) fn copy_to(&self, start: usize, end: usize, to: &mut [u8]) -> usize {
        let mut copied = 0;
        while let Some(rest) = to.get_mut(copied..) {
            match copy(self.contiguous(start + copied, end), rest) {
                0 => break,
                count => copied += count,
            }
        }
        copied
    }

    /// The address of the byte at `start` of the first allocation, for calls that take no `WSK_BUF`. It stays the same when
    /// the chain moves. `start` is within the data.
    pub(crate) const fn at(&self, start: usize) -> *mut u8 {
        self.header().data.as_ptr().wrapping_add(start)
    }

    /// The last header, the number of headers with memory, and the number of bytes.
    pub(super) fn count(&self) -> (NonNull<BufferHeader>, usize, usize) {
        let (mut last, mut count, mut size) = (self.0, 0, 0);
        loop {
            // SAFETY: the chain owns the header, or it is static (Invariants).
            let header = unsafe { last.as_ref() };
            count += usize::from(!header.mdl.is_null());
            size += header.part().len();
            match NonNull::new(header.next) {
                Some(next) => last = next,
                None => return (last, count, size),
            }
        }
    }

    /// Appends another chain to the one that ends with this header. Both have memory.
    ///
    /// # Safety
    ///
    /// `last` is the last header of a chain that the caller borrows mutably.
    pub(super) unsafe fn append(mut last: NonNull<BufferHeader>, other: Self) {
        let first = ManuallyDrop::new(other).0;
        // SAFETY: `other` owned the header.
        let following = unsafe { first.as_ref() }.mdl;
        // SAFETY: the caller borrows the chain that owns the header mutably (this function's contract).
        let last = unsafe { last.as_mut() };
        // INVARIANT: the chain of the last header owns the other's headers now.
        last.next = first.as_ptr();
        // SAFETY: the header is not static, since its chain has memory, so that it has an MDL, which no request uses.
        unsafe { (*last.mdl).Next = following };
    }

    /// Separates the first allocation from those that follow it.
    pub(super) fn split_rest(&mut self) -> Option<Self> {
        let next = NonNull::new(self.header().next)?;
        // SAFETY: the chain owns the header (Invariants), which has a successor, and so is not static.
        let first = unsafe { self.0.as_mut() };
        first.next = ptr::null_mut();
        // SAFETY: the header has an MDL, which no request uses (Invariants).
        unsafe { (*first.mdl).Next = ptr::null_mut() };
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
    /// The next header of the chain.
    pub(super) fn next(&self) -> Option<&Self> {
        // SAFETY: it is owned with this one, which is borrowed (Invariants).
        NonNull::new(self.next).map(|next| unsafe { next.as_ref() })
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
        f.debug_struct("BufferHeader").field("part", &self.part()).finish_non_exhaustive()
    }
}

impl Drop for MdlChain {
    fn drop(&mut self) {
        let mut header = self.0;
        loop {
            // SAFETY: the chain owns the header, or it is static (Invariants).
            let BufferHeader { mdl, next, .. } = *unsafe { header.as_ref() };
            if mdl.is_null() {
                return;
            }
            // An MDL of nonpaged pool has no mapping or locked pages to undo.
            // SAFETY: the allocation begins with the header, and no request owns it (Invariants).
            unsafe { pool::free(header.cast()) };
            let Some(next) = NonNull::new(next) else { return };
            header = next;
        }
    }
}
