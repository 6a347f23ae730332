//! Macros and inline functions of wdm.h for memory descriptor lists.
//!
//! # Safety
//!
//! The functions access an MDL through a raw pointer, as the C originals do. The caller owns the MDL.

#![expect(unsafe_code, reason = "C's inline functions; see Safety")]

use crate::fields::length;
use crate::{
    CSHORT, FALSE, KPROCESSOR_MODE, KernelMode, MDL, MDL_MAPPED_TO_SYSTEM_VA,
    MDL_SOURCE_IS_NONPAGED_POOL, MmCached, MmMapLockedPagesSpecifyCache, PMDL, PVOID, SIZE_T,
    ULONG,
};

/// The size of a page on x64 and arm64, in bytes.
pub const PAGE_SIZE: usize = 0x1000;

/// Returns the number of pages that a range of memory spans.
///
/// IRQL: any.
///
/// ```
/// use wsk_sys::ADDRESS_AND_SIZE_TO_SPAN_PAGES;
///
/// assert_eq!(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0x1FFF as _, 2), 2);
/// assert_eq!(ADDRESS_AND_SIZE_TO_SPAN_PAGES(0x2000 as _, 0x1000), 1);
/// ```
#[must_use]
pub fn ADDRESS_AND_SIZE_TO_SPAN_PAGES(Va: PVOID, Size: usize) -> usize {
    (Va.addr() % PAGE_SIZE + Size).div_ceil(PAGE_SIZE)
}

/// Returns the size in bytes of an MDL for `Length` bytes at any address.
///
/// The macro `MmSizeOfMdl` of wdm.h also takes the address, and may return the size for one page less.
///
/// IRQL: any.
#[must_use]
pub const fn size_of_mdl(Length: usize) -> usize {
    // The range may start at the last byte of a page.
    let pages = (PAGE_SIZE - 1 + Length).div_ceil(PAGE_SIZE);
    size_of::<MDL>() + pages * size_of::<usize>()
}

/// Initializes the header of an MDL that describes `Length` bytes at `BaseVa`. A macro in wdm.h.
///
/// IRQL: any at which the memory of the MDL is accessible.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mminitializemdl).
///
/// # Safety
///
/// - `MemoryDescriptorList` is valid for writes of [`size_of_mdl`]`(Length)` bytes, and aligned.
/// - That size is at most 32,767 bytes, and `Length` fits a [`ULONG`].
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes fit: this function's contract"
)]
pub unsafe fn MmInitializeMdl(MemoryDescriptorList: PMDL, BaseVa: PVOID, Length: SIZE_T) {
    let offset = BaseVa.addr() % PAGE_SIZE;
    let pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(BaseVa, length(Length));
    let header = MDL {
        Next: core::ptr::null_mut(),
        Size: (size_of::<MDL>() + pages * size_of::<usize>()) as CSHORT,
        MdlFlags: 0,
        Process: core::ptr::null_mut(),
        MappedSystemVa: core::ptr::null_mut(),
        StartVa: BaseVa.wrapping_byte_sub(offset),
        ByteCount: Length as ULONG,
        ByteOffset: offset as ULONG,
    };
    // SAFETY: `MemoryDescriptorList` is aligned and valid for writes of at least an MDL (this function's contract).
    unsafe { MemoryDescriptorList.write(header) };
}

/// Returns the system-space address of the memory that `Mdl` describes, mapping it if necessary, or null if mapping
/// fails. A macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmgetsystemaddressformdlsafe).
///
/// # Safety
///
/// `Mdl` points to an MDL whose pages are locked, are nonpaged pool, or are part of such an MDL; and no other thread
/// maps it at the same time.
#[inline]
pub unsafe fn MmGetSystemAddressForMdlSafe(Mdl: PMDL, Priority: ULONG) -> PVOID {
    const MODE: KPROCESSOR_MODE = KernelMode;
    // SAFETY: `Mdl` points to an MDL (this function's contract) that no other thread modifies.
    let flags = unsafe { (*Mdl).MdlFlags };
    if flags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) != 0 {
        // SAFETY: `Mdl` points to an MDL (contract), and its flags say that `MappedSystemVa` is valid.
        return unsafe { (*Mdl).MappedSystemVa };
    }
    // SAFETY: the pages of `Mdl` may be mapped (this function's contract). BugCheckOnFailure is false, so failure
    // returns null, and in kernel mode it raises no exception.
    unsafe {
        MmMapLockedPagesSpecifyCache(
            Mdl,
            MODE,
            MmCached,
            core::ptr::null_mut(),
            ULONG::from(FALSE),
            Priority,
        )
    }
}
