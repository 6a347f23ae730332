//! Threads that end by themselves.
//!
//! A thread may be asked to end at any IRQL, including one that forbids waiting. But only a wait on the thread object
//! proves that the thread has left the driver's code. So the record of the thread is listed here, for code that may
//! wait.
//!
//! # Safety
//!
//! The list owns its records: an exchange inserts one, and another exchange removes all.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use wsk_sys::HANDLE;

use super::RundownGuard;

/// The record of a thread.
///
/// # Invariants
///
/// Only a list that owns the record uses `next`. `handle` is open, once the thread was created.
pub(crate) struct ThreadRecord {
    next: AtomicPtr<ThreadRecord>,
    pub(crate) handle: HANDLE,
    /// Counts the thread.
    pub(crate) running: RundownGuard,
}

impl ThreadRecord {
    pub(crate) const fn new(handle: HANDLE, running: RundownGuard) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), handle, running }
    }
}

/// A list of records, linked by their `next`.
///
/// # Invariants
///
/// Every record in the list came from [`EndedThreads::push`], and is owned by the list.
pub(crate) struct EndedThreads(AtomicPtr<ThreadRecord>);

impl EndedThreads {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Inserts a record. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The record is valid, and the caller transfers it to the list.
    pub(crate) unsafe fn push(&self, record: NonNull<ThreadRecord>) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: the record is valid, and no other code uses it before the exchange succeeds (this function's
            // contract).
            unsafe { record.as_ref() }.next.store(head, Ordering::Relaxed);
            let record = record.as_ptr();
            // INVARIANT: the list owns the record if the exchange succeeds.
            match self.0.compare_exchange_weak(head, record, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => head = found,
            }
        }
    }

    /// Removes all records, and passes each of them to `each`.
    pub(crate) fn take_all(&self, mut each: impl FnMut(NonNull<ThreadRecord>)) {
        let mut next = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(record) = NonNull::new(next) {
            // SAFETY: the list owned the record (Invariants), and this call has removed it.
            next = unsafe { record.as_ref() }.next.load(Ordering::Relaxed);
            each(record);
        }
    }
}
