//! Operations that wait to be reused.
//!
//! # Safety
//!
//! The cache owns the operations in its list: most of them have a [home](Homes) here, and are used by one owner at a time,
//! which takes them out and puts them back. Their memory stays until the cache ends, so that the completion routine of a
//! request whose future was forgotten does not touch freed memory, and so that the close finds each request in flight.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::completion::abandon_result;
use super::homes::Homes;
use super::{Idle, Operation, Target};
use crate::status::Result;

/// The operations of a [target](super::Target) that can be reused, and those that the system has refused.
///
/// # Invariants
///
/// - The list has each operation with a home here, and each that was [adopted](Self::adopt); the cache owns their memory.
///   Operations are added only, and freed with the cache.
/// - An operation in a home is idle, and no other code uses it.
pub(crate) struct Cache {
    homes: Homes<Operation>,
    /// The first of the list, which [`Operation::next_owned`] continues.
    owned: AtomicPtr<Operation>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self { homes: Homes::new(), owned: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Returns an idle operation from the cache, or a new one.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails for a new one.
    ///
    /// # Safety
    ///
    /// - The operation is put back or dropped while the cache exists; so is the outcome of each request that it is used
    ///   for, and the request's future.
    /// - It is used for requests on the cache's target only.
    #[inline]
    pub(crate) unsafe fn take(&self) -> Result<Idle> {
        match self.homes.take_first() {
            // SAFETY: the operation was in its home, so it is idle and the caller's now.
            Some(operation) => Ok(unsafe { Idle::from_raw(operation) }),
            None => self.take_other(),
        }
    }

    #[inline(never)]
    fn take_other(&self) -> Result<Idle> {
        if let Some(operation) = self.homes.take_any() {
            // SAFETY: the operation was in its home, so it is idle and the caller's now.
            return Ok(unsafe { Idle::from_raw(operation) });
        }
        let idle = Idle::allocate()?;
        if let Some(home) = self.homes.assign() {
            // INVARIANT: the operation is in the list as soon as it has a home.
            // SAFETY: it was just allocated, and is in no list.
            unsafe { self.own(idle.as_ptr()) };
            idle.operation().home.store(ptr::from_ref(home).cast_mut(), Ordering::Relaxed);
        }
        Ok(idle)
    }

    /// Keeps an operation for the next request, or frees it.
    // Out of line, so that the transfers' own path keeps its registers.
    #[inline(never)]
    #[expect(clippy::unused_self, reason = "its operations are put back while it exists")]
    pub(crate) fn put(&self, mut idle: Idle) {
        // SAFETY: a counted request is one of the cache's target, which has the count and the cache.
        unsafe { idle.payload().clear() };
        drop(idle);
    }

    /// Keeps an operation like [`put`](Self::put), for a request that owned only a buffer, which was taken out. If it has
    /// a home, it is not [counted](super::Counted).
    #[inline]
    pub(crate) fn put_transfer(&self, idle: Idle) {
        match idle.operation().home() {
            Some(home) => {
                home.put(idle.as_ptr());
                core::mem::forget(idle);
            }
            None => self.put(idle),
        }
    }

    /// Adds an operation to the list.
    ///
    /// # Safety
    ///
    /// The operation is in no list, and the cache owns its memory from here on.
    unsafe fn own(&self, operation: NonNull<Operation>) {
        // SAFETY: the caller owns the operation.
        let next = &unsafe { operation.as_ref() }.next_owned;
        let mut head = self.owned.load(Ordering::Relaxed);
        loop {
            next.store(head, Ordering::Relaxed);
            // INVARIANT: the operation is in the list if the exchange succeeds.
            match self.owned.compare_exchange_weak(
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

    /// Keeps the operation of a refused request until this is dropped.
    ///
    /// # Safety
    ///
    /// The operation was orphaned, is one of this cache's or has no home, and the caller gives it up.
    pub(super) unsafe fn adopt(&self, operation: NonNull<Operation>) {
        // SAFETY: an orphan stays in place until its target frees it.
        let home = unsafe { operation.as_ref() }.home.swap(ptr::null_mut(), Ordering::Relaxed);
        match NonNull::new(home) {
            // It is in the list already, and another one may have its home.
            Some(home) => self.homes.unassign(home),
            // SAFETY: an operation without a home is in no list, and the caller gives it up.
            None => unsafe { self.own(operation) },
        }
    }

    /// The operations of the list.
    fn owned(&self) -> impl Iterator<Item = &Operation> {
        let mut next = self.owned.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: the list owns the operation, which stays as long as the cache.
            let operation = unsafe { NonNull::new(next)?.as_ref() };
            next = operation.next_owned.load(Ordering::Relaxed);
            Some(operation)
        })
    }

    /// Whether a request in flight of these operations [sends](super::RequestKind::Sends).
    pub(crate) fn is_sending(&self) -> bool {
        self.owned().any(|operation| operation.state.is_sending())
    }

    /// Gives a reference of its own to each request in flight that borrows one of its target's: see
    /// [`OperationState`](super::state::OperationState).
    ///
    /// # Safety
    ///
    /// The cache is that of `target`, to which the caller has a reference. No request is being issued, and none follows.
    pub(crate) unsafe fn end_borrowing<T: Target>(&self, target: NonNull<T>) {
        for operation in self.owned() {
            // SAFETY: the caller's reference keeps the target.
            let retain = || unsafe { target.as_ref() }.retain();
            if operation.state.end_borrowing(retain) {
                // It has completed meanwhile.
                // SAFETY: the reference was taken just now, and is not the last one, since the caller has another.
                unsafe { T::release_one_of_several(target) };
            }
        }
    }
}

impl Drop for Cache {
    /// Runs when the socket is closed, or the client deregistered: none of its requests is in flight. A close ends every
    /// request ([INV-46](crate::rules#inv-46)), and so does the end of a registration ([INV-5](crate::rules#inv-5)): an
    /// orphan that has not completed by now never will. No future of a request is left, or it was forgotten: each had a
    /// reference to the memory.
    fn drop(&mut self) {
        let mut next = *self.owned.get_mut();
        while let Some(operation) = NonNull::new(next) {
            // SAFETY: the list owns the operation, which stays until the last step.
            let request = unsafe { operation.as_ref() };
            next = request.next_owned.load(Ordering::Relaxed);
            if request.state.is_completed() {
                // Of a future that was forgotten, or with nothing left to clean up.
                // SAFETY: the request has completed, and no other code uses the payload.
                unsafe { abandon_result(request) };
            }
            // SAFETY: the list owns the operation, and no other code uses it.
            unsafe { Idle::free(operation) };
        }
    }
}
