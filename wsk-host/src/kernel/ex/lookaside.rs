//! `Ex…LookasideList…`: blocks of one size, of which a few are kept for the next allocation.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;

use wsk_sys::{
    DISPATCH_LEVEL, LIST_ENTRY, NTSTATUS, NonPagedPoolNx, POOL_TYPE, PVOID, SIZE_T,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, USHORT,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::ex::lists::{
    ExQueryDepthSList, ExpInterlockedFlushSList, ExpInterlockedPopEntrySList,
    ExpInterlockedPushEntrySList, InitializeSListHead, SListHeader,
};
use crate::kernel::ex::pool::{ExAllocatePoolWithTag, ExFreePoolWithTag};
use crate::kernel::holdings::{give_back, take};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::resources::Resource;
use crate::verifier::kernel_violation;

/// The number of blocks that a list keeps, and the maximum of a list that grows. On a host, lists do not grow.
const DEPTH: USHORT = 4;
const MAXIMUM_DEPTH: USHORT = 256;

/// The minimum size of a block: a kept block begins with a link.
const SMALLEST: usize = 16;

type AllocateEx = unsafe extern "C" fn(POOL_TYPE, SIZE_T, ULONG, *mut LookasideList) -> PVOID;
type FreeEx = unsafe extern "C" fn(PVOID, *mut LookasideList);
type Allocate = unsafe extern "C" fn(POOL_TYPE, SIZE_T, ULONG) -> PVOID;
type Free = unsafe extern "C" fn(PVOID);

/// `GENERAL_LOOKASIDE_POOL`, which is `LOOKASIDE_LIST_EX`, and the beginning of `NPAGED_LOOKASIDE_LIST`.
///
/// # Invariants
///
/// In an initialized list, `allocate` and `free` are null or functions of the types that the initialization received,
/// and each entry of `head` is a free block of `size` bytes that `free` accepts.
#[repr(C)]
pub(crate) struct LookasideList {
    head: SListHeader,
    depth: USHORT,
    maximum_depth: USHORT,
    total_allocates: ULONG,
    allocate_misses: ULONG,
    total_frees: ULONG,
    free_misses: ULONG,
    pool: POOL_TYPE,
    tag: ULONG,
    size: ULONG,
    /// The client's [`AllocateEx`] or [`Allocate`], or null.
    allocate: *const (),
    /// The client's [`FreeEx`] or [`Free`], or null.
    free: *const (),
    list: LIST_ENTRY,
    last_total_allocates: ULONG,
    last_allocate_misses: ULONG,
    /// The address of the list itself, which shows that it was initialized.
    initialized: [ULONG; 2],
}

const _: () = assert!(size_of::<LookasideList>() == 0x60);

/// The functions of a list: those whose names end in `Ex`, or those for nonpaged pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LookasideApi {
    Ex,
    Nonpaged,
}

/// The mark of an initialized list, made of its address and its functions.
fn mark(lookaside: *mut LookasideList, kind: LookasideApi) -> [ULONG; 2] {
    let low = lookaside.addr() & ULONG::MAX as usize;
    let kind = if kind == LookasideApi::Ex { 0x7845_784C } else { 0x5045_784C };
    [ULONG::try_from(low).unwrap_or(0), kind]
}

/// Stops a client whose list is not initialized as this kind.
///
/// # Safety
///
/// The pointer is to memory of a list.
unsafe fn require(lookaside: *mut LookasideList, kind: LookasideApi, function: &str) {
    require_at_most(DISPATCH_LEVEL, function);
    // SAFETY: the pointer is to memory of a list (this function's contract).
    if unsafe { (*lookaside).initialized } != mark(lookaside, kind) {
        kernel_violation(&format!(
            "{function}: the lookaside list is not initialized, or is of another kind"
        ));
    }
}

#[expect(clippy::too_many_arguments, reason = "those of the kernel's function")]
unsafe fn initialize(
    lookaside: *mut LookasideList,
    kind: LookasideApi,
    allocate: *const (),
    free: *const (),
    pool: POOL_TYPE,
    size: SIZE_T,
    tag: ULONG,
    function: &'static str,
) {
    require_at_most(DISPATCH_LEVEL, function);
    if tag == 0 {
        kernel_violation(&format!("{function}: the tag is zero"));
    }
    let size = wsk_sys::fields::length(size).max(SMALLEST);
    // SAFETY: the caller passes memory for a list, aligned to 16 bytes.
    unsafe { InitializeSListHead(lookaside.cast()) };
    // SAFETY: the caller passes memory for a list, of which zeroes are a valid one.
    unsafe { lookaside.write_bytes(0, 1) };
    // SAFETY: the memory was just initialized, and nothing else uses it.
    let list = unsafe { &mut *lookaside };
    list.depth = DEPTH;
    list.maximum_depth = MAXIMUM_DEPTH;
    list.pool = pool;
    list.tag = tag;
    list.size = ULONG::try_from(size).unwrap_or(ULONG::MAX);
    list.allocate = allocate;
    list.free = free;
    let own = &raw mut list.list;
    list.list = LIST_ENTRY { Flink: own, Blink: own };
    list.initialized = mark(lookaside, kind);
    take(Resource::LookasideList, lookaside.addr(), function);
}

/// Returns a block that the list keeps, or a new one.
unsafe fn allocate(lookaside: *mut LookasideList, kind: LookasideApi) -> PVOID {
    // SAFETY: the caller has checked the list.
    let kept = unsafe { ExpInterlockedPopEntrySList(lookaside.cast()) };
    // SAFETY: a counter of a valid list; concurrent updates may be lost, as in Windows.
    unsafe { count(&raw mut (*lookaside).total_allocates) };
    if !kept.is_null() {
        return kept.cast();
    }
    // SAFETY: a counter of a valid list; concurrent updates may be lost, as in Windows.
    unsafe { count(&raw mut (*lookaside).allocate_misses) };
    // SAFETY: these members do not change.
    let (pool, size, tag, routine) =
        unsafe { ((*lookaside).pool, (*lookaside).size, (*lookaside).tag, (*lookaside).allocate) };
    let size = wsk_sys::fields::size_t(size as usize);
    match kind {
        _ if routine.is_null() => ExAllocatePoolWithTag(pool, size, tag),
        // SAFETY: a list of this kind was initialized with a routine of this type.
        LookasideApi::Ex => unsafe {
            std::mem::transmute::<*const (), AllocateEx>(routine)
                .invoke((pool, size, tag, lookaside))
        },
        // SAFETY: a list of this kind was initialized with a routine of this type.
        LookasideApi::Nonpaged => unsafe {
            std::mem::transmute::<*const (), Allocate>(routine).invoke((pool, size, tag))
        },
    }
}

/// Adds one to a counter.
unsafe fn count(counter: *mut ULONG) {
    // SAFETY: the caller passes an aligned counter, which is only used atomically.
    let counter = unsafe { std::sync::atomic::AtomicU32::from_ptr(counter) };
    counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// Frees a block with the function of its list.
unsafe fn release(lookaside: *mut LookasideList, kind: LookasideApi, block: PVOID) {
    // SAFETY: these members do not change.
    let (tag, routine) = unsafe { ((*lookaside).tag, (*lookaside).free) };
    match kind {
        _ if routine.is_null() => ExFreePoolWithTag(block, tag),
        // SAFETY: a list of this kind was initialized with a routine of this type.
        LookasideApi::Ex => unsafe {
            std::mem::transmute::<*const (), FreeEx>(routine).invoke((block, lookaside));
        },
        // SAFETY: a list of this kind was initialized with a routine of this type.
        LookasideApi::Nonpaged => unsafe {
            std::mem::transmute::<*const (), Free>(routine).invoke((block,));
        },
    }
}

/// Keeps a block, or frees it if the list is full.
unsafe fn free(lookaside: *mut LookasideList, kind: LookasideApi, block: PVOID, function: &str) {
    if block.is_null() {
        kernel_violation(&format!("{function}: the block is null"));
    }
    // SAFETY: the caller has checked the list.
    unsafe { count(&raw mut (*lookaside).total_frees) };
    // SAFETY: the depth does not change, and the head is used under its guard.
    if unsafe { ExQueryDepthSList(lookaside.cast()) < (*lookaside).depth } {
        // SAFETY: the caller gives the block up, which has room for a link.
        unsafe { ExpInterlockedPushEntrySList(lookaside.cast(), block.cast()) };
        return;
    }
    // SAFETY: the caller has checked the list.
    unsafe {
        count(&raw mut (*lookaside).free_misses);
        release(lookaside, kind, block);
    }
}

/// Frees all blocks that the list keeps.
unsafe fn flush(lookaside: *mut LookasideList, kind: LookasideApi) {
    // SAFETY: the caller has checked the list.
    let mut entry = unsafe { ExpInterlockedFlushSList(lookaside.cast()) };
    while !entry.is_null() {
        // SAFETY: the entry was in the list, and is this function's now; its first word is the link.
        let next = unsafe { entry.cast::<*mut crate::kernel::ex::lists::SListEntry>().read() };
        // SAFETY: the block is one of the list's.
        unsafe { release(lookaside, kind, entry.cast()) };
        entry = next;
    }
}

unsafe fn delete(lookaside: *mut LookasideList, kind: LookasideApi) {
    // SAFETY: the caller has checked the list, and gives it up.
    unsafe {
        flush(lookaside, kind);
        (*lookaside).initialized = [0; 2];
    }
}

const RAISE_ON_FAIL: ULONG = 1;
const FAIL_NO_RAISE: ULONG = 2;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ExInitializeLookasideListEx(
    lookaside: *mut LookasideList,
    allocate: Option<AllocateEx>,
    free: Option<FreeEx>,
    pool: POOL_TYPE,
    flags: ULONG,
    size: SIZE_T,
    tag: ULONG,
    _depth: USHORT,
) -> NTSTATUS {
    const NAME: &str = "ExInitializeLookasideListEx";
    if flags & !(RAISE_ON_FAIL | FAIL_NO_RAISE) != 0 || flags == RAISE_ON_FAIL | FAIL_NO_RAISE {
        return STATUS_INVALID_PARAMETER;
    }
    if flags & RAISE_ON_FAIL != 0 {
        kernel_violation(&format!(
            "{NAME}: EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL is not supported: the host raises no exceptions"
        ));
    }
    let allocate = allocate.map_or(ptr::null(), |routine| routine as *const ());
    let free = free.map_or(ptr::null(), |routine| routine as *const ());
    // SAFETY: the caller passes memory for a list, and its routines.
    unsafe { initialize(lookaside, LookasideApi::Ex, allocate, free, pool, size, tag, NAME) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExDeleteLookasideListEx(lookaside: *mut LookasideList) {
    // SAFETY: the caller passes a list that nothing uses any more.
    unsafe {
        require(lookaside, LookasideApi::Ex, "ExDeleteLookasideListEx");
        delete(lookaside, LookasideApi::Ex);
    }
    give_back(Resource::LookasideList, lookaside.addr());
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExFlushLookasideListEx(lookaside: *mut LookasideList) {
    // SAFETY: the caller passes a list.
    unsafe {
        require(lookaside, LookasideApi::Ex, "ExFlushLookasideListEx");
        flush(lookaside, LookasideApi::Ex);
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAllocateFromLookasideListEx(lookaside: *mut LookasideList) -> PVOID {
    // SAFETY: the caller passes a list.
    unsafe {
        require(lookaside, LookasideApi::Ex, "ExAllocateFromLookasideListEx");
        allocate(lookaside, LookasideApi::Ex)
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExFreeToLookasideListEx(lookaside: *mut LookasideList, block: PVOID) {
    // SAFETY: the caller passes a list, and a block of it.
    unsafe {
        require(lookaside, LookasideApi::Ex, "ExFreeToLookasideListEx");
        free(lookaside, LookasideApi::Ex, block, "ExFreeToLookasideListEx");
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ExInitializeNPagedLookasideList(
    lookaside: *mut LookasideList,
    allocate: Option<Allocate>,
    free: Option<Free>,
    _flags: ULONG,
    size: SIZE_T,
    tag: ULONG,
    _depth: USHORT,
) {
    const NAME: &str = "ExInitializeNPagedLookasideList";
    let allocate = allocate.map_or(ptr::null(), |routine| routine as *const ());
    let free = free.map_or(ptr::null(), |routine| routine as *const ());
    // SAFETY: the caller passes memory for a list, and its routines.
    unsafe {
        initialize(
            lookaside,
            LookasideApi::Nonpaged,
            allocate,
            free,
            NonPagedPoolNx,
            size,
            tag,
            NAME,
        );
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExDeleteNPagedLookasideList(lookaside: *mut LookasideList) {
    // SAFETY: the caller passes a list that nothing uses any more.
    unsafe {
        require(lookaside, LookasideApi::Nonpaged, "ExDeleteNPagedLookasideList");
        delete(lookaside, LookasideApi::Nonpaged);
    }
    give_back(Resource::LookasideList, lookaside.addr());
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAllocateFromNPagedLookasideList(lookaside: *mut LookasideList) -> PVOID {
    // SAFETY: the caller passes a list.
    unsafe {
        require(lookaside, LookasideApi::Nonpaged, "ExAllocateFromNPagedLookasideList");
        allocate(lookaside, LookasideApi::Nonpaged)
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExFreeToNPagedLookasideList(lookaside: *mut LookasideList, block: PVOID) {
    // SAFETY: the caller passes a list, and a block of it.
    unsafe {
        require(lookaside, LookasideApi::Nonpaged, "ExFreeToNPagedLookasideList");
        free(lookaside, LookasideApi::Nonpaged, block, "ExFreeToNPagedLookasideList");
    }
}
