//! Where memory is: in the pool, on a thread's stack, or elsewhere.
//!
//! # Safety
//!
//! Only functions of the C library are called, with memory of this file's own.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use crate::kernel::Kernel;
use crate::verifier::{Rule, fatal_violation, rule_violation, tolerated_violation};

/// Stops a client that hands over memory that is on its stack, or that is smaller than it must be.
pub(crate) fn require_nonpaged(
    kernel: &Kernel,
    rule: Rule,
    address: usize,
    size: usize,
    what: &str,
    call: &str,
) {
    match kernel.pool().end_of_block(address) {
        Some(end) if address + size > end => {
            let found = format!("{what} has {} bytes, {size} are required", end - address);
            let why = "the host would access memory beyond it";
            fatal_violation(rule, call, &found, None, why);
        }
        None if is_on_stack(address) => {
            let found = format!("{what} is on the stack");
            if is_tolerated(rule) {
                tolerated_violation(rule, call, &found, None);
            } else {
                rule_violation(rule, call, &found, None);
            }
        }
        _ => {}
    }
}

/// Whether shipped drivers break a rule by memory on the stack of a function that waits.
fn is_tolerated(rule: Rule) -> bool {
    matches!(rule, Rule::CONTEXT_NONPAGED | Rule::ADDRESS_MEMORY)
}

/// Whether an address is on the current thread's stack. Where that cannot be known, it is not.
#[cfg(all(any(target_os = "linux", target_os = "macos"), not(miri)))]
fn is_on_stack(address: usize) -> bool {
    thread_local! {
        static STACK: std::ops::Range<usize> = stack();
    }
    STACK.with(|stack| stack.contains(&address))
}

#[cfg(not(all(any(target_os = "linux", target_os = "macos"), not(miri))))]
fn is_on_stack(_address: usize) -> bool {
    false
}

#[cfg(all(target_os = "linux", not(miri)))]
fn stack() -> std::ops::Range<usize> {
    use std::mem::MaybeUninit;

    let mut attributes = MaybeUninit::uninit();
    let (mut start, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the thread is the current one, and there is room for its attributes.
    let result = unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) };
    if result != 0 {
        return 0..0;
    }
    // SAFETY: the attributes were initialized.
    let result =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size) };
    // SAFETY: the attributes were initialized, and are not used afterwards.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if result == 0 { start.addr()..start.addr() + size } else { 0..0 }
}

#[cfg(all(target_os = "macos", not(miri)))]
fn stack() -> std::ops::Range<usize> {
    // SAFETY: the thread is the current one.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: the thread is the current one.
    let end = unsafe { libc::pthread_get_stackaddr_np(thread) }.addr();
    // SAFETY: the thread is the current one.
    let size = unsafe { libc::pthread_get_stacksize_np(thread) };
    end - size..end
}
