//! A stand-in for wdk-alloc: an allocator without memory.

#![no_std]

use core::alloc::{GlobalAlloc, Layout};

/// Allocates nothing.
pub struct WdkAllocator;

// SAFETY: no memory is allocated, and so none is valid or freed.
unsafe impl GlobalAlloc for WdkAllocator {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
