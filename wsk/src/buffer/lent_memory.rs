//! Memory of another that is lent to requests: the part of an element's allocation that describes it.
//!
//! The element's allocation has a header, this description, and the owner of the memory. A request is given the MDLs of the
//! owner. Only if something follows the memory in the same request, or it does not begin where its first MDL begins, it is
//! described by own partial MDLs, because the owner's are not changed.
//!
//! # Safety
//!
//! The owner's MDLs are read during calls, and never written. Partial MDLs belong to the description.

#![expect(unsafe_code, reason = "see Safety")]

use core::any::TypeId;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use wsk_sys::{
    FALSE, IoAllocateMdl, IoBuildPartialMdl, IoFreeMdl, MdlMappingNoExecute,
    MmGetSystemAddressForMdlSafe, NormalPagePriority, PMDL, PVOID, ULONG, WSK_BUF,
};

use super::mdl_chain::{BufferHeader, MdlChain};
use crate::pool::PoolBox;
use crate::rundown::Rundown;
use crate::status::{Error, Result, known};

/// Received data is never executed, and Driver Verifier's code integrity checks stop a driver that maps it executable.
const PRIORITY: ULONG = NormalPagePriority | MdlMappingNoExecute;

/// # Invariants
///
/// - `source` starts a chain of MDLs that are valid until the owner is dropped. The memory is the `size` bytes that begin at
///   `offset` in it.
/// - The element is the part `start..end` of the memory. The byte at `start` is at `offset_in_mdl` of `mdl`, an MDL of `source`'s
///   chain, or the first own MDL.
/// - `own` is null, or starts a list of MDLs of `IoAllocateMdl`, one for each MDL that has a byte of the part, which
///   `last_own` ends. They describe the part if `mdl` is the first of them.
/// - `built` is null, or an MDL of `IoAllocateMdl`, which is `source`.
pub(super) struct LentMemory {
    functions: &'static OwnerFunctions,
    source: PMDL,
    offset: usize,
    size: usize,
    start: usize,
    end: usize,
    mdl: PMDL,
    offset_in_mdl: usize,
    own: PMDL,
    last_own: PMDL,
    built: PMDL,
    is_writable: bool,
}

/// What is to be known of the owner's type.
struct OwnerFunctions {
    id: fn() -> TypeId,
    /// Frees what the description has, and drops the owner: [`end_of`]. A pointer, so that only lent memory takes its stack
    /// where a buffer may be dropped.
    end: unsafe fn(NonNull<LentMemory>),
}

/// The allocation of an element of lent memory.
#[repr(C)]
struct LentBlock<O> {
    header: BufferHeader,
    described: Described<O>,
}

#[repr(C)]
struct Described<O> {
    memory: LentMemory,
    owner: O,
}

/// The memory that an owner lends.
pub(super) struct LentRange {
    pub(super) source: PMDL,
    pub(super) offset: usize,
    pub(super) size: usize,
    pub(super) is_writable: bool,
    /// Whether `source` is an MDL of `IoAllocateMdl` that is freed with the description.
    pub(super) is_built: bool,
}

impl LentMemory {
    /// Allocates an element of lent memory, with its owner.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if the range is empty, or is not within the MDLs.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    ///
    /// # Safety
    ///
    /// `source` starts a chain of valid MDLs, until the owner is dropped; or `is_built` says that it is of `IoAllocateMdl`, and the
    /// caller gives it up, unless an error is returned.
    pub(super) unsafe fn allocate<O: Send + 'static>(
        LentRange { source, offset, size, is_writable, is_built }: LentRange,
        owner: O,
    ) -> core::result::Result<MdlChain, (Error, O)> {
        const {
            assert!(align_of::<O>() <= 16, "the pool aligns to 16 bytes");
        }
        // SAFETY: the MDLs are valid (this function's contract).
        let has = |size| unsafe { has(source, size) };
        let is_within = offset.checked_add(size).is_some_and(has);
        if size == 0 || !is_within {
            return Err((known::STATUS_INVALID_BUFFER_SIZE, owner));
        }
        let block = match PoolBox::new_with(MaybeUninit::<LentBlock<O>>::uninit) {
            Ok(block) => block.into_raw().cast::<LentBlock<O>>(),
            Err(error) => return Err((error, owner)),
        };
        let functions = const { &OwnerFunctions { id: TypeId::of::<O>, end: end_of::<O> } };
        // SAFETY: the MDLs have more than `offset` bytes.
        let (mdl, offset_in_mdl) = unsafe { seek(source, offset) };
        let memory = Self {
            functions,
            source,
            offset,
            size,
            start: 0,
            end: size,
            mdl,
            offset_in_mdl,
            own: ptr::null_mut(),
            last_own: ptr::null_mut(),
            built: if is_built { source } else { ptr::null_mut() },
            is_writable,
        };
        // SAFETY: the allocation has room for it.
        let described = unsafe { &raw mut (*block.as_ptr()).described };
        // SAFETY: the allocation has room for it. INVARIANT: the element is the whole memory, described by the owner's MDLs.
        unsafe { described.write(Described { memory, owner }) };
        // SAFETY: a place in an allocation is not at address zero.
        let data = unsafe { NonNull::new_unchecked(described) }.cast();
        let header = block.cast::<BufferHeader>();
        // SAFETY: the allocation begins with room for a header. INVARIANT: it is of lent memory.
        unsafe { header.write(BufferHeader::lending(data, size)) };
        // INVARIANT: this owns the header, and no request has the memory.
        Ok(MdlChain(header))
    }

    /// Whether the owner is of this type.
    pub(super) fn is_of<O: 'static>(&self) -> bool {
        (self.functions.id)() == TypeId::of::<O>()
    }

    pub(super) const fn is_writable(&self) -> bool {
        self.is_writable
    }

    /// The number of bytes of the element.
    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// The element's part of the memory.
    pub(super) const fn part(&self) -> (usize, usize) {
        (self.start, self.end)
    }

    /// The MDL that describes the element's byte at `at`, and the byte's offset in it. For the end of the element, it is that of
    /// the last byte, or a later one.
    pub(super) fn mdl_at(&self, at: usize) -> (PMDL, usize) {
        // SAFETY: the MDLs are valid (Invariants).
        unsafe { seek(self.mdl, self.offset_in_mdl + at) }
    }

    /// The position at which a range begins that was described, if it begins in this element.
    pub(super) fn position(&self, descriptor: &WSK_BUF) -> Option<usize> {
        let (mut mdl, mut walked) = (self.mdl, 0);
        let end = self.offset_in_mdl + self.len();
        while walked < end && !mdl.is_null() {
            if mdl == descriptor.Mdl {
                let at = walked + descriptor.Offset as usize;
                return Some(at.saturating_sub(self.offset_in_mdl));
            }
            // SAFETY: the MDLs are valid (Invariants).
            let (count, next) = unsafe { count_and_next(mdl) };
            walked += count;
            mdl = next;
        }
        None
    }

    /// The MDL that another element's may follow; null if the last one is the owner's.
    pub(super) fn last_mdl(&self) -> PMDL {
        if self.uses_own() { self.last_own } else { ptr::null_mut() }
    }

    fn uses_own(&self) -> bool {
        !self.own.is_null() && self.mdl == self.own
    }

    /// Maps the element's byte at `at`. Returns its address, and the number of contiguous bytes of the element from there on.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if it cannot be mapped.
    ///
    /// # Safety
    ///
    /// No request uses the memory, and no other thread maps it meanwhile.
    pub(super) unsafe fn map(&self, at: usize) -> Result<(*mut u8, usize)> {
        let left = self.len().saturating_sub(at);
        if left == 0 {
            return Ok((ptr::null_mut(), 0));
        }
        let (mdl, offset) = self.mdl_at(at);
        // SAFETY: the MDL is valid (Invariants), its pages are locked or nonpaged (`Lent::from_raw`), and no other thread maps it
        // (this function's contract).
        let address = unsafe { MmGetSystemAddressForMdlSafe(mdl, PRIORITY) };
        if address.is_null() {
            return Err(known::STATUS_INSUFFICIENT_RESOURCES);
        }
        // SAFETY: the MDL is valid (Invariants).
        let (count, _) = unsafe { count_and_next(mdl) };
        Ok((address.cast::<u8>().wrapping_add(offset), left.min(count.saturating_sub(offset))))
    }

    /// Makes the element a part of the memory, and allocates the MDLs that it needs if something is to follow it. The part has a
    /// byte.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails. The element is the whole memory.
    pub(super) fn prepare(&mut self, start: usize, end: usize) -> Result<()> {
        self.reset();
        (self.start, self.end) = (start, end);
        // SAFETY: the MDLs are valid (Invariants), and the part is within the memory.
        (self.mdl, self.offset_in_mdl) = unsafe { seek(self.source, self.offset + start) };
        let (mut own, mut last): (PMDL, PMDL) = (ptr::null_mut(), ptr::null_mut());
        for Piece { address, size, .. } in self.pieces() {
            // SAFETY: there is no IRP, and an MDL describes as many bytes.
            let allocated = unsafe { IoAllocateMdl(address, size, FALSE, FALSE, ptr::null_mut()) };
            if own.is_null() {
                own = allocated;
            } else if !allocated.is_null() {
                // SAFETY: it is an own MDL, which no request uses.
                unsafe { link(last, allocated) };
            }
            if allocated.is_null() {
                (self.own, self.last_own) = (own, last);
                self.reset();
                return Err(known::STATUS_INSUFFICIENT_RESOURCES);
            }
            last = allocated;
        }
        // INVARIANT: there is one for each piece of the part.
        (self.own, self.last_own) = (own, last);
        Ok(())
    }

    /// The pieces of the element, one for each MDL that has a byte of it.
    fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let (mut mdl, mut offset, mut left) = (self.mdl, self.offset_in_mdl, self.len());
        core::iter::from_fn(move || {
            while left > 0 && !mdl.is_null() {
                let source = mdl;
                // SAFETY: the MDLs are valid (Invariants).
                let (count, next) = unsafe { count_and_next(source) };
                let size = left.min(count.saturating_sub(offset));
                let skipped = core::mem::take(&mut offset);
                (mdl, left) = (next, left - size);
                if size > 0 {
                    // SAFETY: the MDLs are valid (Invariants).
                    let address = unsafe { virtual_address(source) }.wrapping_byte_add(skipped);
                    // CAST: an MDL counts its bytes in a ULONG.
                    #[expect(clippy::cast_possible_truncation, reason = "it is an MDL's")]
                    return Some(Piece { source, address, size: size as ULONG });
                }
            }
            None
        })
    }

    /// Makes the element the whole memory, and frees its own MDLs.
    pub(super) fn reset(&mut self) {
        let (mut own, last) = (self.own, self.last_own);
        while !own.is_null() {
            // SAFETY: it is an own MDL, which no request uses.
            let (_, next) = unsafe { count_and_next(own) };
            let next = if own == last { ptr::null_mut() } else { next };
            // SAFETY: it is of `IoAllocateMdl`, and is not used any more. This undoes its mapping, too.
            unsafe { IoFreeMdl(own) };
            own = next;
        }
        // INVARIANT: the element is the whole memory, described by the owner's MDLs.
        (self.own, self.last_own) = (ptr::null_mut(), ptr::null_mut());
        (self.start, self.end) = (0, self.size);
        // SAFETY: the MDLs are valid (Invariants).
        (self.mdl, self.offset_in_mdl) = unsafe { seek(self.source, self.offset) };
    }

    /// Has own MDLs describe the element. Returns whether it changed the element's MDLs. It was [prepared](Self::prepare).
    pub(super) fn use_own_mdls(&mut self) -> bool {
        if self.uses_own() || self.own.is_null() {
            return false;
        }
        let mut own = self.own;
        for Piece { source, address, size } in self.pieces() {
            // SAFETY: the piece is within the MDL, and the own one was allocated for it.
            unsafe { IoBuildPartialMdl(source, own, address, size) };
            // SAFETY: it is an own MDL, which no request uses.
            (_, own) = unsafe { count_and_next(own) };
        }
        // INVARIANT: the own MDLs describe the part.
        (self.mdl, self.offset_in_mdl) = (self.own, 0);
        true
    }

    /// Frees what the description has, and drops the owner.
    ///
    /// # Safety
    ///
    /// The description is in an element's allocation, no request uses the memory, and neither is used any more.
    #[inline]
    pub(super) unsafe fn end(this: NonNull<Self>) {
        // SAFETY: the description is valid (this function's contract).
        let end = unsafe { this.as_ref() }.functions.end;
        // SAFETY: the function is for the type of its owner; the rest is this function's contract.
        unsafe { end(this) };
    }

    fn free_mdls(&mut self) {
        self.reset();
        let built = core::mem::replace(&mut self.built, ptr::null_mut());
        if !built.is_null() {
            // SAFETY: it is of `IoAllocateMdl` (Invariants), and no request uses it.
            unsafe { IoFreeMdl(built) };
        }
    }

    /// The owner.
    ///
    /// # Safety
    ///
    /// The description is in an element's allocation, whose owner is of this type.
    pub(super) const unsafe fn owner<O>(this: NonNull<Self>) -> NonNull<O> {
        let described = this.cast::<Described<O>>().as_ptr();
        // SAFETY: the description is followed by its owner (this function's contract).
        let owner = unsafe { &raw mut (*described).owner };
        // SAFETY: a place in an allocation is not at address zero.
        unsafe { NonNull::new_unchecked(owner) }
    }

    /// Frees what the description has, and takes the owner out.
    ///
    /// # Safety
    ///
    /// As for [`end`](Self::end); the owner is of this type.
    pub(super) unsafe fn into_owner<O>(mut this: NonNull<Self>) -> O {
        // SAFETY: the description is valid, and no longer used by others (this function's contract).
        unsafe { this.as_mut() }.free_mdls();
        // SAFETY: the owner is of this type (this function's contract).
        let owner = unsafe { Self::owner::<O>(this) };
        // SAFETY: the owner is in place, and is taken out once.
        unsafe { owner.read() }
    }
}

/// [`LentMemory::end`] for an owner of this type.
///
/// # Safety
///
/// As for that; the owner is of this type.
unsafe fn end_of<O>(mut memory: NonNull<LentMemory>) {
    // SAFETY: the description is valid, and no longer used by others (this function's contract).
    unsafe { memory.as_mut() }.free_mdls();
    // The partial MDLs have ended before their source (INV-74).
    // SAFETY: the owner is of this type (this function's contract).
    let owner = unsafe { LentMemory::owner::<O>(memory) };
    // This may be a completion routine, and the owner may have sockets.
    // SAFETY: the owner is in place, and is dropped once.
    Rundown::current().in_foreign_waker(|| unsafe { owner.drop_in_place() });
}

/// The MDL of a chain that has the byte at an offset, and the byte's offset in it. If no MDL has it, it is the last one.
///
/// # Safety
///
/// The chain is of valid MDLs.
unsafe fn seek(mut mdl: PMDL, mut offset: usize) -> (PMDL, usize) {
    loop {
        // SAFETY: the MDL is valid (this function's contract).
        let (count, next) = unsafe { count_and_next(mdl) };
        if offset < count || next.is_null() {
            return (mdl, offset);
        }
        (mdl, offset) = (next, offset - count);
    }
}

/// Whether a chain of MDLs describes at least this many bytes.
///
/// # Safety
///
/// The chain is null, or of valid MDLs.
unsafe fn has(mut mdl: PMDL, size: usize) -> bool {
    let mut left = size;
    while !mdl.is_null() {
        // SAFETY: the MDL is valid (this function's contract).
        let (count, next) = unsafe { count_and_next(mdl) };
        if left <= count {
            return true;
        }
        (mdl, left) = (next, left - count);
    }
    false
}

/// The number of bytes that a chain of MDLs describes.
///
/// # Safety
///
/// The chain is null, or of valid MDLs.
pub(super) unsafe fn mdl_size(mut mdl: PMDL) -> usize {
    let mut size = 0;
    while !mdl.is_null() {
        // SAFETY: the MDL is valid (this function's contract).
        let (count, next) = unsafe { count_and_next(mdl) };
        (mdl, size) = (next, size + count);
    }
    size
}

/// The number of bytes of an MDL, and the next one. Other fields may change meanwhile, when WSK maps the memory.
///
/// # Safety
///
/// The MDL is valid.
unsafe fn count_and_next(mdl: PMDL) -> (usize, PMDL) {
    // SAFETY: the MDL is valid (this function's contract).
    let count = unsafe { (*mdl).ByteCount } as usize;
    // SAFETY: the MDL is valid (this function's contract).
    (count, unsafe { (*mdl).Next })
}

/// The address that an MDL's memory has for its owner.
///
/// # Safety
///
/// The MDL is valid.
unsafe fn virtual_address(mdl: PMDL) -> PVOID {
    // SAFETY: the MDL is valid (this function's contract).
    let page = unsafe { (*mdl).StartVa };
    // SAFETY: the MDL is valid (this function's contract).
    page.wrapping_byte_add(unsafe { (*mdl).ByteOffset } as usize)
}

/// # Safety
///
/// The MDL is valid, and neither a request nor other code uses it.
unsafe fn link(mdl: PMDL, next: PMDL) {
    // SAFETY: the MDL is valid, and not used by others (this function's contract).
    unsafe { (*mdl).Next = next };
}

/// A piece of an element, within one MDL.
struct Piece {
    source: PMDL,
    address: PVOID,
    size: ULONG,
}
