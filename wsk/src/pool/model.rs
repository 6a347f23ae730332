//! The pool of a loom model, which has no kernel.

use core::ffi::c_void;
use std::alloc::{Layout, alloc, dealloc};

use wsk_sys::{POOL_FLAGS, SIZE_T, ULONG};

/// The size of the memory in front of each block, which holds the block's size.
const HEADER: usize = super::ALIGNMENT;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size + HEADER, HEADER).expect("a size")
}

/// Allocates memory of the process.
#[expect(non_snake_case, reason = "the kernel's name")]
pub(super) unsafe fn ExAllocatePool2(_: POOL_FLAGS, size: SIZE_T, _: ULONG) -> *mut c_void {
    let size = usize::try_from(size).expect("a size");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc(layout(size)) };
    // SAFETY: the block begins with room for its size.
    unsafe { memory.cast::<usize>().write(size) };
    // SAFETY: the block is larger than its header.
    unsafe { memory.add(HEADER) }.cast()
}

/// Frees memory of [`ExAllocatePool2`].
#[expect(non_snake_case, reason = "the kernel's name")]
pub(super) unsafe fn ExFreePoolWithTag(memory: *mut c_void, _: ULONG) {
    // SAFETY: the header is in front of the memory.
    let memory = unsafe { memory.cast::<u8>().sub(HEADER) };
    // SAFETY: the block begins with its size.
    let size = unsafe { memory.cast::<usize>().read() };
    // SAFETY: the block was allocated with this layout.
    unsafe { dealloc(memory, layout(size)) };
}
