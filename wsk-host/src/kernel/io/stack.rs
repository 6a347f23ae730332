//! The limits of the current thread's stack.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only.

#![expect(unsafe_code, reason = "the functions and their arguments are C's")]

use std::ops::Range;

use wsk_sys::{APC_LEVEL, SIZE_T, ULONG};

use crate::call_stack;
use crate::kernel::ke::irql::require_at_most;

/// The current thread's stack, or the whole address space where it cannot be known.
fn limits() -> Range<usize> {
    let stack = call_stack::of_current_thread();
    if stack.is_empty() { 0..usize::MAX } else { stack }
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoGetStackLimits(low: *mut usize, high: *mut usize) {
    require_at_most(APC_LEVEL, "IoGetStackLimits");
    let stack = limits();
    // SAFETY: the caller passes room for a number.
    unsafe { low.write(stack.start) };
    // SAFETY: the caller passes room for a number.
    unsafe { high.write(stack.end) };
}

/// Whether a region is on the current thread's stack.
#[wsk_host_macros::export]
extern "C" fn IoWithinStackLimits(start: usize, size: SIZE_T) -> ULONG {
    let stack = limits();
    let end = start.checked_add(wsk_sys::fields::length(size));
    u32::from(stack.contains(&start) && end.is_some_and(|end| end <= stack.end))
}
