//! Look-aside lists of images: the inline functions of Microsoft's headers call the routines of a list themselves, so a list
//! has them even if the driver gave none.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{NTSTATUS, POOL_TYPE, PVOID, SIZE_T, ULONG, USHORT};

use crate::kernel::abi::entry_points::{HostRoutine, pointer};
use crate::kernel::ex::lookaside::{
    ExInitializeLookasideListEx, ExInitializeNPagedLookasideList, LookasideList,
};
use crate::kernel::ex::pool::{ExAllocatePoolWithTag, ExFreePool};

/// The routine that the driver gave, or else the kernel's, which may ignore its last arguments.
fn or_default<F: HostRoutine>(given: Option<F>, default: impl HostRoutine) -> F {
    const { assert!(size_of::<F>() == size_of::<usize>()) };
    given.unwrap_or_else(|| {
        let default = pointer(default);
        // SAFETY: both types are function pointers (`HostRoutine`). The caller's convention is Microsoft's, in which a
        // function that ignores its last arguments can be called with them.
        unsafe { std::mem::transmute_copy(&default) }
    })
}

fn allocate() -> unsafe extern "C" fn(POOL_TYPE, SIZE_T, ULONG) -> PVOID {
    ExAllocatePoolWithTag
}

fn free() -> unsafe extern "C" fn(PVOID) {
    ExFreePool
}

#[wsk_host_macros::export("ExInitializeLookasideListEx")]
unsafe extern "C" fn initialize(
    lookaside: *mut LookasideList,
    own_allocate: Option<
        unsafe extern "C" fn(POOL_TYPE, SIZE_T, ULONG, *mut LookasideList) -> PVOID,
    >,
    own_free: Option<unsafe extern "C" fn(PVOID, *mut LookasideList)>,
    pool: POOL_TYPE,
    flags: ULONG,
    size: SIZE_T,
    tag: ULONG,
    depth: USHORT,
) -> NTSTATUS {
    let own_allocate = Some(or_default(own_allocate, allocate()));
    let own_free = Some(or_default(own_free, free()));
    // SAFETY: the caller passes memory for a list, and its routines.
    unsafe {
        ExInitializeLookasideListEx(
            lookaside,
            own_allocate,
            own_free,
            pool,
            flags,
            size,
            tag,
            depth,
        )
    }
}

#[wsk_host_macros::export("ExInitializeNPagedLookasideList")]
unsafe extern "C" fn initialize_nonpaged(
    lookaside: *mut LookasideList,
    own_allocate: Option<unsafe extern "C" fn(POOL_TYPE, SIZE_T, ULONG) -> PVOID>,
    own_free: Option<unsafe extern "C" fn(PVOID)>,
    flags: ULONG,
    size: SIZE_T,
    tag: ULONG,
    depth: USHORT,
) {
    let own_allocate = Some(or_default(own_allocate, allocate()));
    let own_free = Some(or_default(own_free, free()));
    // SAFETY: the caller passes memory for a list, and its routines.
    unsafe {
        ExInitializeNPagedLookasideList(lookaside, own_allocate, own_free, flags, size, tag, depth);
    }
}
