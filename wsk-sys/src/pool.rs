//! Pool, by the function that the running system has.

use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::ctypes::c_void;
use crate::fields::length;
use crate::{
    ExAllocatePoolWithTag, MmGetSystemRoutineAddress, NonPagedPoolNx, POOL_FLAG_NON_PAGED,
    POOL_FLAG_UNINITIALIZED, POOL_FLAGS, PVOID, SIZE_T, ULONG, unicode_string,
};

/// The kernel's own `ExAllocatePool2`, once [`find_pool_routines`] has found it.
static ALLOCATE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

type Allocate = unsafe extern "C" fn(POOL_FLAGS, SIZE_T, ULONG) -> PVOID;

/// Looks for the kernel's `ExAllocatePool2`. Without this call, and on a system that lacks it,
/// [`ExAllocatePool2`] does the same with [`ExAllocatePoolWithTag`]. May be called again.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Safety
///
/// The IRQL is `PASSIVE_LEVEL`.
pub unsafe fn find_pool_routines() {
    const NAME: [u16; 15] = utf16(b"ExAllocatePool2");
    let Some(mut name) = unicode_string(&NAME) else {
        return;
    };
    // SAFETY: the caller promises PASSIVE_LEVEL; the name is a valid string during the call.
    let found = unsafe { MmGetSystemRoutineAddress(&raw mut name) };
    ALLOCATE.store(found, Ordering::Release);
}

/// Allocates pool, or returns null. The memory is zeroed unless `Flags` says otherwise.
///
/// The kernel's function of this name exists since Windows 10, version 2004; it is used if
/// [`find_pool_routines`] has found it. Otherwise this is [`ExAllocatePoolWithTag`], for
/// [`POOL_FLAG_NON_PAGED`] with or without [`POOL_FLAG_UNINITIALIZED`]; with any other flag it
/// returns null. Memory from either is freed by [`ExFreePoolWithTag`](crate::ExFreePoolWithTag).
///
/// IRQL: <= `DISPATCH_LEVEL` for nonpaged pool. Minimum Windows: Windows 8.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2).
///
/// # Safety
///
/// The IRQL is one at which the pool may be allocated from.
#[must_use]
pub unsafe fn ExAllocatePool2(Flags: POOL_FLAGS, NumberOfBytes: SIZE_T, Tag: ULONG) -> PVOID {
    let allocate = ALLOCATE.load(Ordering::Acquire);
    if !allocate.is_null() {
        // SAFETY: the pointer is the address of the kernel's ExAllocatePool2, which has this type.
        let allocate = unsafe { mem::transmute::<PVOID, Allocate>(allocate) };
        // SAFETY: the caller promises an IRQL at which the pool may be allocated from.
        return unsafe { allocate(Flags, NumberOfBytes, Tag) };
    }
    if Flags & !POOL_FLAG_UNINITIALIZED != POOL_FLAG_NON_PAGED || NumberOfBytes == 0 {
        return ptr::null_mut();
    }
    // SAFETY: the caller promises an IRQL at which the pool may be allocated from.
    let memory = unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, NumberOfBytes, Tag) };
    if !memory.is_null() && Flags & POOL_FLAG_UNINITIALIZED == 0 {
        // SAFETY: the memory was just allocated with this size.
        unsafe { memory.cast::<u8>().write_bytes(0, length(NumberOfBytes)) };
    }
    memory
}

/// ASCII as UTF-16.
const fn utf16<const LENGTH: usize>(text: &[u8; LENGTH]) -> [u16; LENGTH] {
    let mut units = [0; LENGTH];
    let mut index = 0;
    while index < LENGTH {
        assert!(text[index].is_ascii());
        units[index] = text[index] as u16;
        index += 1;
    }
    units
}
