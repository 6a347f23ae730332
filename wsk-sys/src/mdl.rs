//! Memory descriptor lists, and what wdm.h has as inline code for them.

use crate::fields::length;
use crate::{
    CSHORT, FALSE, KPROCESSOR_MODE, KernelMode, MDL, MDL_MAPPED_TO_SYSTEM_VA,
    MDL_SOURCE_IS_NONPAGED_POOL, MmCached, MmMapLockedPagesSpecifyCache, PMDL, PVOID, SIZE_T,
    ULONG,
};

/// The size of a page on x64 and arm64, in bytes.
pub const PAGE_SIZE: usize = 0x1000;

/// How many pages a range of memory touches.
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

/// The size in bytes of an MDL for `Length` bytes at any address.
///
/// `MmSizeOfMdl` of wdm.h takes the address, too, and may say one page less.
#[must_use]
pub const fn size_of_mdl(Length: usize) -> usize {
    // The range may begin at the last byte of a page.
    let pages = (PAGE_SIZE - 1 + Length).div_ceil(PAGE_SIZE);
    size_of::<MDL>() + pages * size_of::<usize>()
}

/// Initialises the header of an MDL that describes `Length` bytes at `BaseVa`: inline code in wdm.h.
///
/// IRQL: any at which the MDL's memory may be written.
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
    reason = "the caller promises sizes that fit"
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
    // SAFETY: the caller promises memory for the MDL.
    unsafe { MemoryDescriptorList.write(header) };
}

/// The address of an MDL's memory in the system's address space, mapping it if need be: inline code in
/// wdm.h. Null if it cannot be mapped.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmgetsystemaddressformdlsafe).
///
/// # Safety
///
/// `Mdl` is a valid MDL whose pages are locked, nonpaged pool or partial, and nobody else maps it at
/// the same time.
#[inline]
pub unsafe fn MmGetSystemAddressForMdlSafe(Mdl: PMDL, Priority: ULONG) -> PVOID {
    const MODE: KPROCESSOR_MODE = KernelMode;
    // SAFETY: the caller promises a valid MDL.
    let flags = unsafe { (*Mdl).MdlFlags };
    if flags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) != 0 {
        // SAFETY: as above; the flags say that the field is valid.
        return unsafe { (*Mdl).MappedSystemVa };
    }
    // SAFETY: the caller promises an MDL whose pages may be mapped; BugCheckOnFailure is false.
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
