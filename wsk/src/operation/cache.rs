//! Operations that wait to be reused.
//!
//! # Safety
//!
//! An operation in a slot is owned by the cache: an exchange puts it there and another takes it out, so that each is
//! taken once.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::{Idle, Operation};
use crate::status::Result;

/// The operations of a [target](super::Target) that can be reused, and those that the system has refused.
///
/// # Invariants
///
/// Every pointer is null, or to an operation that the cache owns: idle ones in `idle`, orphaned ones in the list of
/// `orphans`.
pub(crate) struct Cache {
    idle: [AtomicPtr<Operation>; Self::SIZE],
    orphans: AtomicPtr<Operation>,
}

impl Cache {
    /// The number of requests that a socket can have in flight without allocating.
    const SIZE: usize = 4;

    pub(crate) fn new() -> Self {
        Self {
            idle: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
            orphans: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// Returns an idle operation from the cache, or a new one.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails for a new one.
    #[inline]
    pub(crate) fn take(&self) -> Result<Idle> {
        let [first, others @ ..] = &self.idle;
        match Self::take_from(first) {
            Some(idle) => Ok(idle),
            None => Self::take_from_others(others),
        }
    }

    #[inline(never)]
    fn take_from_others(slots: &[AtomicPtr<Operation>]) -> Result<Idle> {
        // A load first, so that empty slots cost no exchange.
        let mut full = slots.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null());
        full.find_map(Self::take_from).map_or_else(Idle::allocate, Ok)
    }

    #[inline]
    fn take_from(slot: &AtomicPtr<Operation>) -> Option<Idle> {
        let operation = NonNull::new(slot.swap(core::ptr::null_mut(), Ordering::Acquire))?;
        // SAFETY: the slot owned the operation, which the exchange took out.
        Some(unsafe { Idle::from_raw(operation) })
    }

    /// Keeps an operation for the next request, or frees it.
    // Out of line, so that the transfers' own path keeps its registers.
    #[inline(never)]
    pub(crate) fn put(&self, mut idle: Idle) {
        // SAFETY: a counted request is one of the cache's target, which has the count and the cache.
        unsafe { idle.payload().clear() };
        self.keep(idle);
    }

    /// Keeps an operation like [`put`](Self::put), for a request that owned only a buffer, which was taken out.
    #[inline]
    pub(crate) fn put_transfer(&self, mut idle: Idle) {
        // SAFETY: a counted request is one of the cache's target, which has the count and the cache.
        unsafe { idle.payload().clear_transfer() };
        self.keep(idle);
    }

    /// Keeps an operation that owns nothing else, or frees it.
    #[inline]
    fn keep(&self, idle: Idle) {
        let [first, others @ ..] = &self.idle;
        if let Some(idle) = Self::put_into(first, idle) {
            Self::put_into_others(others, idle);
        }
    }

    #[inline(never)]
    fn put_into_others(slots: &[AtomicPtr<Operation>], mut idle: Idle) {
        for slot in slots {
            match Self::put_into(slot, idle) {
                Some(back) => idle = back,
                None => return,
            }
        }
    }

    /// Returns the operation if the slot is full.
    #[inline]
    fn put_into(slot: &AtomicPtr<Operation>, idle: Idle) -> Option<Idle> {
        let (empty, operation) = (core::ptr::null_mut(), idle.into_raw());
        // INVARIANT: the operation is idle, and the slot's if the exchange succeeds.
        let put =
            slot.compare_exchange(empty, operation.as_ptr(), Ordering::Release, Ordering::Relaxed);
        // SAFETY: `into_raw` gave the operation up, and the slot has not taken it.
        put.err().map(|_| unsafe { Idle::from_raw(operation) })
    }

    /// Keeps the operation of a refused request until this is dropped.
    ///
    /// # Safety
    ///
    /// The operation was orphaned, and the caller gives it up.
    pub(super) unsafe fn adopt(&self, operation: NonNull<Operation>) {
        let mut head = self.orphans.load(Ordering::Relaxed);
        loop {
            // SAFETY: an orphan stays in place until its target frees it, and only this function uses the link.
            unsafe { operation.as_ref() }.next_orphan.store(head, Ordering::Relaxed);
            // INVARIANT: the list owns the operation if the exchange succeeds.
            match self.orphans.compare_exchange_weak(
                head,
                operation.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(found) => head = found,
            }
        }
    }
}

impl Drop for Cache {
    /// Runs when the socket is closed, or the client deregistered: none of its requests is in flight.
    fn drop(&mut self) {
        for slot in &mut self.idle {
            if let Some(operation) = NonNull::new(*slot.get_mut()) {
                // SAFETY: the slot owned the operation.
                drop(unsafe { Idle::from_raw(operation) });
            }
        }
        let mut next = *self.orphans.get_mut();
        while let Some(operation) = NonNull::new(next) {
            // SAFETY: the list owned the operation. A close ends every request (INV-46), and so does the end of a
            // registration (INV-5): an orphan that has not completed by now never will.
            let orphan = unsafe { Idle::from_raw(operation) };
            next = orphan.operation().next_orphan.load(Ordering::Relaxed);
        }
    }
}
