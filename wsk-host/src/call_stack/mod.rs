//! The current thread's stack: whether memory is on it, and in which function's frame.
//!
//! # Safety
//!
//! Only functions of the C library are called, with memory of this file's own.

#![allow(unsafe_code, reason = "the functions are C's; there are none on some systems")]

pub(crate) mod unwind;

use std::ops::Range;
use std::thread::{self, ThreadId};

/// The frame of a function that has not returned.
///
/// It is known by its place on the stack and by its function: another function that is called later from the same place
/// also has a frame that ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    thread: ThreadId,
    /// The address behind the frame.
    end: usize,
    function: usize,
}

impl Frame {
    /// The frame of the current thread that contains an address. None if no frame does.
    pub(crate) fn of(address: usize) -> Option<Self> {
        if !is_on_stack(address) {
            return None;
        }
        let thread = thread::current().id();
        let (mut inner, mut found) = (None, None);
        unwind::trace(|frame| {
            // The start of the frame, which is the end of the frame of the function that it calls.
            let start = frame.sp().addr();
            if start > address {
                found = inner.map(|function| Self { thread, end: start, function });
                return false;
            }
            inner = Some(frame.symbol_address().addr());
            true
        });
        found
    }

    /// Whether a function of the current thread has returned whose frame contained an address.
    pub(crate) fn has_returned(&self, address: usize) -> bool {
        self.thread == thread::current().id() && Self::of(address) != Some(*self)
    }
}

/// Whether an address is on the current thread's stack. Where that cannot be known, it is not.
pub(crate) fn is_on_stack(address: usize) -> bool {
    of_current_thread().contains(&address)
}

/// The current thread's stack; empty where it cannot be known.
#[cfg(all(any(target_os = "linux", target_os = "macos"), not(miri)))]
pub(crate) fn of_current_thread() -> Range<usize> {
    thread_local! {
        static STACK: Range<usize> = stack();
    }
    STACK.with(Clone::clone)
}

#[cfg(not(all(any(target_os = "linux", target_os = "macos"), not(miri))))]
pub(crate) fn of_current_thread() -> Range<usize> {
    0..0
}

#[cfg(all(target_os = "linux", not(miri)))]
fn stack() -> Range<usize> {
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
fn stack() -> Range<usize> {
    // SAFETY: the thread is the current one.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: the thread is the current one.
    let end = unsafe { libc::pthread_get_stackaddr_np(thread) }.addr();
    // SAFETY: the thread is the current one.
    let size = unsafe { libc::pthread_get_stacksize_np(thread) };
    end - size..end
}
