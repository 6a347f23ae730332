//! Requests that wait to be used again.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::{Idle, Operation};
use crate::status::Result;

/// The requests of a socket or of the client that can be used again, and those that were refused.
pub(crate) struct Cache {
    idle: [AtomicPtr<Operation>; Self::SIZE],
    orphans: AtomicPtr<Operation>,
}

impl Cache {
    /// As many requests as a socket has in flight at once without allocating.
    const SIZE: usize = 4;

    pub(crate) fn new() -> Self {
        Self {
            idle: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
            orphans: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// A request: one that was used before, if there is one.
    #[inline]
    pub(crate) fn take(&self) -> Result<Idle> {
        let [first, others @ ..] = &self.idle;
        // Mostly it is there.
        match Self::take_from(first) {
            Some(idle) => Ok(idle),
            None => Self::take_from_others(others),
        }
    }

    #[inline(never)]
    fn take_from_others(slots: &[AtomicPtr<Operation>]) -> Result<Idle> {
        // A look first, so that empty slots cost no exchange.
        let mut there = slots.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null());
        there.find_map(Self::take_from).map_or_else(Idle::allocate, Ok)
    }

    #[inline]
    fn take_from(slot: &AtomicPtr<Operation>) -> Option<Idle> {
        let operation = NonNull::new(slot.swap(core::ptr::null_mut(), Ordering::Acquire))?;
        // SAFETY: `put` gave it away, and the exchange took it out.
        Some(unsafe { Idle::from_raw(operation) })
    }

    /// Keeps a request for the next use, or frees it.
    pub(crate) fn put(&self, mut idle: Idle) {
        // SAFETY: the cache is its socket's, which is there, or the client's, whose requests send nothing.
        unsafe { idle.payload().clear() };
        self.keep(idle);
    }

    /// As [`put`](Self::put), for a request that had a buffer and nothing else, which was taken out.
    #[inline]
    pub(crate) fn put_transfer(&self, mut idle: Idle) {
        // SAFETY: the cache is its socket's, which is there.
        unsafe { idle.payload().clear_transfer() };
        self.keep(idle);
    }

    /// Keeps a request that owns nothing, or frees it.
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

    /// Gives the request back if the slot has one.
    #[inline]
    fn put_into(slot: &AtomicPtr<Operation>, idle: Idle) -> Option<Idle> {
        let (empty, operation) = (core::ptr::null_mut(), idle.into_raw());
        let put =
            slot.compare_exchange(empty, operation.as_ptr(), Ordering::Release, Ordering::Relaxed);
        // SAFETY: it was given away above, and the slot has not taken it.
        put.err().map(|_| unsafe { Idle::from_raw(operation) })
    }

    /// Keeps a request that was refused.
    ///
    /// # Safety
    ///
    /// The request was orphaned, and nobody else adopts it.
    pub(crate) unsafe fn adopt(&self, operation: NonNull<Operation>) {
        let mut head = self.orphans.load(Ordering::Relaxed);
        loop {
            // SAFETY: the caller promises the request, whose link nobody else uses.
            unsafe { operation.as_ref() }.next_orphan.store(head, Ordering::Relaxed);
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
    /// Runs when the socket is closed, or the client deregistered, and nothing of it is in flight.
    fn drop(&mut self) {
        for slot in &mut self.idle {
            if let Some(operation) = NonNull::new(*slot.get_mut()) {
                // SAFETY: `put` gave it away.
                drop(unsafe { Idle::from_raw(operation) });
            }
        }
        let mut next = *self.orphans.get_mut();
        while let Some(operation) = NonNull::new(next) {
            // SAFETY: a close ends every request (INV-46), and so does the end of a registration (INV-5): an
            // orphan that has not completed by now never will.
            let orphan = unsafe { Idle::from_raw(operation) };
            next = orphan.operation().next_orphan.load(Ordering::Relaxed);
        }
    }
}
