//! Threads that end by themselves.
//!
//! A thread is told to end at any IRQL, where its end cannot be waited for. But only a wait on the thread object proves
//! that the thread has left the driver's code. So its record is listed here, for a thread that may wait.
//!
//! # Safety
//!
//! A record in the list is owned by the list: an exchange puts it there, and another one takes all of them out.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use wsk_sys::HANDLE;

use super::Running;

/// A record of a thread.
pub(crate) struct ThreadRecord {
    next: AtomicPtr<ThreadRecord>,
    pub(crate) handle: HANDLE,
    /// Counts the thread.
    pub(crate) running: Running,
}

impl ThreadRecord {
    pub(crate) const fn new(handle: HANDLE, running: Running) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), handle, running }
    }
}

/// A list of records, linked by themselves.
///
/// # Invariants
///
/// Every record in the list came from [`EndedThreads::push`], and is the list's.
pub(crate) struct EndedThreads(AtomicPtr<ThreadRecord>);

impl EndedThreads {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a record into the list. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The record is valid, and given up for this.
    pub(crate) unsafe fn push(&self, record: NonNull<ThreadRecord>) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: the record is valid and this call's until the exchange succeeds.
            unsafe { record.as_ref() }.next.store(head, Ordering::Relaxed);
            let record = record.as_ptr();
            // INVARIANT: the record is the list's if the exchange succeeds.
            match self.0.compare_exchange_weak(head, record, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => head = found,
            }
        }
    }

    /// Takes all records out, and calls `each` with one after the other, which is given up to it.
    pub(crate) fn take_all(&self, mut each: impl FnMut(NonNull<ThreadRecord>)) {
        let mut next = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(record) = NonNull::new(next) {
            // SAFETY: the record was the list's, and was taken out by this call alone.
            next = unsafe { record.as_ref() }.next.load(Ordering::Relaxed);
            each(record);
        }
    }
}
