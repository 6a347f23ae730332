//! Pool allocation, through the function that the running system exports.
//!
//! # Safety
//!
//! The kernel's `ExAllocatePool2` is called through a function pointer that [`find_pool_routines`] looked up by name.

#![expect(unsafe_code, reason = "kernel functions; see Safety")]

use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::ctypes::c_void;
use crate::fields::length;
use crate::{
    ExAllocatePoolWithTag, MmGetSystemRoutineAddress, NonPagedPoolNx, POOL_FLAG_NON_PAGED,
    POOL_FLAG_UNINITIALIZED, POOL_FLAGS, PVOID, SIZE_T, ULONG, unicode_string,
};

/// The address of the kernel's `ExAllocatePool2`, or null. Set by [`find_pool_routines`].
///
/// INVARIANT: not null implies that it is the address of a function of type [`Allocate`].
static ALLOCATE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

type Allocate = unsafe extern "C" fn(POOL_FLAGS, SIZE_T, ULONG) -> PVOID;

/// Looks up the kernel's `ExAllocatePool2`, for use by [`ExAllocatePool2`]. May be called more than once.
///
/// Before this call, and on a system without the function, [`ExAllocatePool2`] uses [`ExAllocatePoolWithTag`].
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
    // SAFETY: the IRQL is PASSIVE_LEVEL (this function's contract); `name` and its characters outlive the call.
    let found = unsafe { MmGetSystemRoutineAddress(&raw mut name) };
    // INVARIANT: the kernel's export of this name has the type `Allocate`.
    ALLOCATE.store(found, Ordering::Release);
}

/// Allocates pool, or returns null. The memory is zeroed unless `Flags` has `POOL_FLAG_UNINITIALIZED`.
///
/// The kernel exports a function of this name since Windows 10, version 2004. This function calls it if
/// [`find_pool_routines`] has found it. Otherwise it calls [`ExAllocatePoolWithTag`], which supports
/// [`POOL_FLAG_NON_PAGED`] with or without [`POOL_FLAG_UNINITIALIZED`]; any other flags, and a size of zero, return
/// null. [`ExFreePoolWithTag`](crate::ExFreePoolWithTag) frees the memory in both cases.
///
/// IRQL: <= `DISPATCH_LEVEL` for nonpaged pool. Minimum Windows: Windows 8.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2).
///
/// # Safety
///
/// The IRQL is at most `DISPATCH_LEVEL` for nonpaged pool, at most `APC_LEVEL` for paged pool.
#[must_use]
pub unsafe fn ExAllocatePool2(Flags: POOL_FLAGS, NumberOfBytes: SIZE_T, Tag: ULONG) -> PVOID {
    let allocate = ALLOCATE.load(Ordering::Acquire);
    if !allocate.is_null() {
        // SAFETY: by the invariant of `ALLOCATE`, this is the address of a function of type `Allocate`.
        let allocate = unsafe { mem::transmute::<PVOID, Allocate>(allocate) };
        // SAFETY: the IRQL allows allocation from the requested pool (this function's contract).
        return unsafe { allocate(Flags, NumberOfBytes, Tag) };
    }
    if Flags & !POOL_FLAG_UNINITIALIZED != POOL_FLAG_NON_PAGED || NumberOfBytes == 0 {
        return ptr::null_mut();
    }
    // SAFETY: the IRQL is at most DISPATCH_LEVEL (contract, for nonpaged pool).
    let memory = unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, NumberOfBytes, Tag) };
    if !memory.is_null() && Flags & POOL_FLAG_UNINITIALIZED == 0 {
        // SAFETY: `memory` was allocated above with `NumberOfBytes` bytes, and is not shared.
        unsafe { memory.cast::<u8>().write_bytes(0, length(NumberOfBytes)) };
    }
    memory
}

/// Converts ASCII to UTF-16.
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
