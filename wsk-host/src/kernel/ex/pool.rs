//! `Ex…`: pool.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::alloc::alloc;
use std::ptr;

use wsk_sys::{
    APC_LEVEL, DISPATCH_LEVEL, KIRQL, POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED, POOL_FLAGS,
    POOL_TYPE, PVOID, SIZE_T, ULONG,
};

use crate::kernel::blocks::{Block, BlockLayout, GUARD};
use crate::kernel::context::is_completing;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::{Kernel, current};
use crate::verifier::{Origin, kernel_violation};

/// The alignment of blocks smaller than a page; larger ones are aligned to a page.
const ALIGNMENT: usize = 16;

/// The byte that fills memory that is not zeroed.
pub(crate) const FRESH: u8 = 0xCD;

/// The bit of a `POOL_TYPE` that tells paged pool from nonpaged.
const PAGED_POOL: POOL_TYPE = 1;

/// `POOL_ZERO_ALLOCATION`: the bit of a `POOL_TYPE` that asks for zeroed memory.
const POOL_ZERO_ALLOCATION: POOL_TYPE = 1024;

/// The byte that fills memory of a `POOL_TYPE`.
const fn fill_of(pool: POOL_TYPE) -> u8 {
    if pool & POOL_ZERO_ALLOCATION == 0 { FRESH } else { 0 }
}

/// The highest IRQL at which memory of a pool is allocated or freed.
const fn highest_level(is_paged: bool) -> KIRQL {
    if is_paged { APC_LEVEL } else { DISPATCH_LEVEL }
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn ExAllocatePoolWithTag(pool: POOL_TYPE, size: SIZE_T, tag: ULONG) -> PVOID {
    if tag == 0 {
        kernel_violation("ExAllocatePoolWithTag: the tag is zero");
    }
    let is_paged = pool & PAGED_POOL != 0;
    require_at_most(highest_level(is_paged), "ExAllocatePoolWithTag");
    allocate_from(is_paged, size, tag, fill_of(pool), "ExAllocatePoolWithTag")
}

/// Flags that a caller may set, in addition to those of `wsk-sys`.
const POOL_FLAG_USE_QUOTA: POOL_FLAGS = 0x1;
const POOL_FLAG_CACHE_ALIGNED: POOL_FLAGS = 0x8;
const POOL_FLAG_RAISE_ON_FAILURE: POOL_FLAGS = 0x20;
const POOL_FLAG_NON_PAGED_EXECUTE: POOL_FLAGS = 0x80;
const POOL_FLAG_PAGED: POOL_FLAGS = 0x100;

/// The flags that a system ignores if it does not support them.
const OPTIONAL: POOL_FLAGS = !0 << 32;

/// Returns null where the kernel does. Stops a client that requests a feature of the kernel that the host lacks:
/// exceptions.
#[wsk_host_macros::export]
pub(crate) extern "C" fn ExAllocatePool2(flags: POOL_FLAGS, size: SIZE_T, tag: ULONG) -> PVOID {
    allocate_by_flags(flags, size, tag, "ExAllocatePool2")
}

fn allocate_by_flags(flags: POOL_FLAGS, size: SIZE_T, tag: ULONG, function: &'static str) -> PVOID {
    const POOLS: POOL_FLAGS = POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED;
    const OTHERS: POOL_FLAGS = POOL_FLAG_USE_QUOTA
        | POOL_FLAG_UNINITIALIZED
        | POOL_FLAG_CACHE_ALIGNED
        | POOL_FLAG_RAISE_ON_FAILURE;
    let required = flags & !OPTIONAL;
    let is_paged = required & POOL_FLAG_PAGED != 0;
    require_at_most(highest_level(is_paged), function);
    let is_valid = (required & POOLS).is_power_of_two() && required & !(POOLS | OTHERS) == 0;
    if !is_valid || size == 0 || tag == 0 {
        return ptr::null_mut();
    }
    if required & POOL_FLAG_RAISE_ON_FAILURE != 0 {
        kernel_violation(&format!(
            "{function}: the flags are {flags:#x}; the host raises no exceptions"
        ));
    }
    let fill = if flags & POOL_FLAG_UNINITIALIZED == 0 { 0 } else { FRESH };
    allocate_from(is_paged, size, tag, fill, function)
}

/// `POOL_EXTENDED_PARAMETER`. The first word has the type in its lowest 8 bits, and then one bit for a parameter that the
/// system may ignore.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PoolParameter {
    kind: u64,
    value: u64,
}

const _: () = assert!(size_of::<PoolParameter>() == 16);

impl PoolParameter {
    /// Whether the system can do what the parameter asks for, or ignores it.
    fn is_accepted(self, function: &str) -> bool {
        const OPTIONAL: u64 = 1 << 8;
        const PRIORITY: u64 = 1;
        const SECURE_POOL: u64 = 2;
        const NODE: u64 = 3;
        const MM_ANY_NODE_OK: u64 = 0x8000_0000;
        let value = self.value & u64::from(u32::MAX);
        let is_possible = match self.kind & 0xFF {
            PRIORITY => is_priority(value),
            SECURE_POOL => {
                kernel_violation(&format!("{function}: the host has no secure pools"));
            }
            // This system has one.
            NODE => value & MM_ANY_NODE_OK != 0 || value == 0,
            _ => false,
        };
        is_possible || self.kind & OPTIONAL != 0
    }
}

/// Whether a number is an `EX_POOL_PRIORITY`: low, normal or high, and perhaps a special pool.
fn is_priority(value: u64) -> bool {
    matches!(value & !0x39, 0)
        && matches!(value & 0x30, 0 | 16 | 32)
        && matches!(value & 9, 0 | 8 | 9)
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAllocatePool3(
    flags: POOL_FLAGS,
    size: SIZE_T,
    tag: ULONG,
    parameters: *const PoolParameter,
    count: ULONG,
) -> PVOID {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if parameters.is_null() && count != 0 {
        kernel_violation(&format!(
            "ExAllocatePool3: ExtendedParameters is NULL, and ExtendedParametersCount is {count}"
        ));
    }
    for index in 0..count {
        // SAFETY: the caller passes an array of `count` parameters.
        let parameter = unsafe { parameters.add(index).read() };
        if !parameter.is_accepted("ExAllocatePool3") {
            return ptr::null_mut();
        }
    }
    allocate_by_flags(flags, size, tag, "ExAllocatePool3")
}

/// The priority has no effect: an allocation fails where a test says so.
#[wsk_host_macros::export]
extern "C" fn ExAllocatePoolWithTagPriority(
    pool: POOL_TYPE,
    size: SIZE_T,
    tag: ULONG,
    priority: ULONG,
) -> PVOID {
    const NAME: &str = "ExAllocatePoolWithTagPriority";
    if tag == 0 {
        kernel_violation(&format!("{NAME}: the tag is zero"));
    }
    if !is_priority(priority.into()) {
        kernel_violation(&format!("{NAME}: {priority} is not an EX_POOL_PRIORITY"));
    }
    let is_paged = pool & PAGED_POOL != 0;
    require_at_most(highest_level(is_paged), NAME);
    allocate_from(is_paged, size, tag, fill_of(pool), NAME)
}

/// Allocates nonpaged memory, or returns null, and fills it.
pub(crate) fn allocate(size: SIZE_T, tag: ULONG, fill: u8, function: &'static str) -> PVOID {
    allocate_from(false, size, tag, fill, function)
}

/// Allocates memory of a pool, or returns null, and fills it.
fn allocate_from(
    is_paged: bool,
    size: SIZE_T,
    tag: ULONG,
    fill: u8,
    function: &'static str,
) -> PVOID {
    let kernel = current();
    if !kernel.may_allocate() {
        return ptr::null_mut();
    }
    let size = wsk_sys::fields::length(size);
    let alignment = if size < wsk_sys::PAGE_SIZE { ALIGNMENT } else { wsk_sys::PAGE_SIZE };
    let layout = BlockLayout::new(size, alignment);
    let Some(layout) = layout else { return ptr::null_mut() };
    let block = Block { size, tag, layout, is_paged, origin: Origin::here(function) };
    place(&kernel, block, fill)
}

/// As [`allocate`], in pages that are protected once the memory is freed, if the system can do that and the kernel has not
/// too many of them.
pub(crate) fn allocate_in_pages(
    size: usize,
    tag: ULONG,
    fill: u8,
    function: &'static str,
) -> PVOID {
    if current().may_allocate() {
        allocate_certainly(size, tag, fill, function)
    } else {
        ptr::null_mut()
    }
}

/// As [`allocate_in_pages`], from memory that the kernel has set aside: no shortage of a test affects it.
pub(crate) fn allocate_certainly(
    size: usize,
    tag: ULONG,
    fill: u8,
    function: &'static str,
) -> PVOID {
    let kernel = current();
    let in_pages = BlockLayout::in_pages(size).filter(|_| kernel.pool().has_pages());
    let layout = in_pages.or_else(|| BlockLayout::new(size, ALIGNMENT));
    let Some(layout) = layout else { return ptr::null_mut() };
    let block = Block { size, tag, layout, is_paged: false, origin: Origin::here(function) };
    place(&kernel, block, fill)
}

/// Allocates the memory of a block, and fills it.
fn place(kernel: &Kernel, block: Block, fill: u8) -> PVOID {
    let (size, layout) = (block.size, block.layout);
    // SAFETY: the size is not zero.
    let whole = unsafe { alloc(layout.whole) };
    if whole.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the memory has this size, and the block is in it.
    let memory = unsafe {
        whole.write_bytes(GUARD, layout.whole.size());
        whole.add(layout.offset)
    };
    // SAFETY: the memory has room for the block.
    unsafe { memory.write_bytes(fill, size) };
    whole.expose_provenance();
    kernel.pool().insert(memory.expose_provenance(), block);
    memory.cast()
}

/// Frees memory, whatever its tag.
#[wsk_host_macros::export]
pub(super) extern "C" fn ExFreePool(memory: PVOID) {
    free(memory, 0, "ExFreePool");
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn ExFreePoolWithTag(memory: PVOID, tag: ULONG) {
    free(memory, tag, "ExFreePoolWithTag");
}

/// Memory that is not of a secure pool has no parameters.
#[wsk_host_macros::export]
extern "C" fn ExFreePool2(
    memory: PVOID,
    tag: ULONG,
    parameters: *const PoolParameter,
    count: ULONG,
) {
    if !parameters.is_null() || count != 0 {
        kernel_violation(
            "ExFreePool2: ExtendedParameters is not NULL, or ExtendedParametersCount is not 0; only memory of a secure pool has them",
        );
    }
    free(memory, tag, "ExFreePool2");
}

/// Frees memory. As in the kernel, a tag of zero is any.
pub(crate) fn free(memory: PVOID, tag: ULONG, function: &'static str) {
    require_at_most(DISPATCH_LEVEL, function);
    let kernel = current();
    let address = memory.addr();
    require_no_overrun(&kernel, address, function);
    let mut pool = kernel.pool();
    let Some(block) = pool.remove(address) else {
        let found = pool.freed_at(address);
        let found = found
            .as_deref()
            .unwrap_or("the memory is not from this host's pool, or is already freed");
        kernel_violation(&format!("{function}: {found}"));
    };
    drop(pool);
    require_at_most(highest_level(block.is_paged), function);
    if tag != 0 && block.tag != tag {
        kernel_violation(&format!("{function}: the tag differs from the tag of the allocation"));
    }
    let range = address..address + block.size.max(1);
    if is_completing() {
        kernel.usage().free_in_routine(&range);
    }
    if !kernel.usage().require_unused(&range, function) {
        // It stays allocated, for the request or object that uses it.
        return;
    }
    kernel.timers().require_unused(&range, function);
    kernel.work_items().require_unused(&range, function);
    let damage = kernel.pool().quarantine(address, block, Origin::here(function));
    if let Some(damage) = damage {
        kernel_violation(&format!("{function} has checked the pool: {damage}"));
    }
}

/// Stops a client that has an object of the kernel's in paged pool, where it does not stay in memory.
pub(crate) fn require_resident_object(address: usize, what: &str, function: &str) {
    if current().pool().is_paged(address) {
        kernel_violation(&format!("{function}: {what} is in paged pool"));
    }
}

/// Stops a client that has written outside of a block of its pool.
pub(crate) fn require_no_overrun(kernel: &Kernel, address: usize, function: &str) {
    let overrun = kernel.pool().overrun(address);
    if let Some(overrun) = overrun {
        kernel_violation(&format!("{function}: {overrun}"));
    }
}
