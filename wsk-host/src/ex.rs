//! `Ex…`: pool.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr;

use wsk_sys::{POOL_TYPE, PVOID, SIZE_T, ULONG};

use crate::host::{Allocation, Host};
use crate::violation;

/// What the pool aligns to; a page, from a page on.
const ALIGNMENT: usize = 16;

/// What fills memory that is not zeroed, and memory that was freed.
const FRESH: u8 = 0xCD;
const FREED: u8 = 0xDD;

#[unsafe(no_mangle)]
pub(crate) extern "C" fn ExAllocatePoolWithTag(
    _pool: POOL_TYPE,
    size: SIZE_T,
    tag: ULONG,
) -> PVOID {
    if tag == 0 {
        violation("ExAllocatePoolWithTag: the tag is zero");
    }
    let host = Host::current();
    if !host.may_allocate() {
        return ptr::null_mut();
    }
    let alignment = if size < wsk_sys::PAGE_SIZE { ALIGNMENT } else { wsk_sys::PAGE_SIZE };
    let Ok(layout) = Layout::from_size_align(size.max(1), alignment) else {
        return ptr::null_mut();
    };
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc(layout) };
    if memory.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the memory has this size.
    unsafe { memory.write_bytes(FRESH, layout.size()) };
    host.pool().insert(memory.expose_provenance(), Allocation { layout, tag });
    memory.cast()
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn ExFreePoolWithTag(memory: PVOID, tag: ULONG) {
    let host = Host::current();
    let Some(allocation) = host.pool().remove(&memory.addr()) else {
        violation("ExFreePoolWithTag: not memory of this host's pool, or freed before");
    };
    if allocation.tag != tag {
        violation("ExFreePoolWithTag: the tag is not the one that the memory was allocated with");
    }
    let size = allocation.layout.size();
    host.in_flight().require_unused(&(memory.addr()..memory.addr() + size), "ExFreePoolWithTag");
    // SAFETY: the memory is an allocation of this size, which was live until here.
    unsafe { memory.cast::<u8>().write_bytes(FREED, size) };
    // SAFETY: as above, with the layout that it was allocated with.
    unsafe { dealloc(memory.cast(), allocation.layout) };
}
