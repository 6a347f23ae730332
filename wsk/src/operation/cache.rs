//! Operations that wait to be reused.
//!
//! # Safety
//!
//! The cache owns the operations in its list: most of them have a [home](super::homes::Homes) here, and are used by one owner at a time,
//! which takes them out and puts them back. Their memory stays until the cache ends, so that the completion routine of a
//! request whose future was forgotten does not touch freed memory, and so that the close finds each request in flight.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use super::completion::abandon_result;
use super::owned::OwnedObjects;
use super::{Idle, Operation, Target};
use crate::status::Result;

/// The operations of a [target](super::Target) that can be reused, and those that the system has refused.
///
/// # Invariants
///
/// The cache owns the memory of each operation in its list, which is freed with the cache.
pub(crate) struct Cache(OwnedObjects<Operation>);

impl Cache {
    pub(crate) fn new() -> Self {
        Self(OwnedObjects::new())
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
        match self.0.take_first() {
            // SAFETY: the operation was in its home, so it is idle and the caller's now.
            Some(operation) => Ok(unsafe { Idle::from_raw(operation) }),
            None => self.take_other(),
        }
    }

    #[inline(never)]
    fn take_other(&self) -> Result<Idle> {
        if let Some(operation) = self.0.take_any() {
            // SAFETY: the operation was in its home, so it is idle and the caller's now.
            return Ok(unsafe { Idle::from_raw(operation) });
        }
        let idle = Idle::allocate()?;
        // INVARIANT: an operation in the list is the cache's to free.
        // SAFETY: it was just allocated, is in no list, and stays in place until it is freed: by the cache, if it is in its
        // list, since dropping an `Idle` with a home does not free it.
        unsafe { self.0.add(idle.as_ptr()) };
        Ok(idle)
    }

    /// Keeps an operation for the next request, or frees it.
    // Out of line, so that the fast path of transfers keeps its registers.
    #[inline(never)]
    #[expect(clippy::unused_self, reason = "its operations are put back while it exists")]
    pub(crate) fn put(&self, idle: Idle) {
        drop(idle);
    }

    /// Keeps an operation like [`put`](Self::put), for a request that owned only a buffer, which was taken out.
    #[inline]
    pub(crate) fn put_transfer(&self, idle: Idle) {
        // SAFETY: `idle` owns the operation, whose cache this is.
        match unsafe { idle.operation().links.home() } {
            Some(home) => {
                home.put(idle.as_ptr());
                core::mem::forget(idle);
            }
            None => self.put(idle),
        }
    }

    /// Keeps the operation of a refused request until this is dropped.
    ///
    /// # Safety
    ///
    /// The operation was orphaned, belongs to this cache or has no home, and the caller gives up ownership of it.
    pub(super) unsafe fn adopt(&self, operation: NonNull<Operation>) {
        // SAFETY: the caller gives it up, and it stays in place until the cache ends.
        let request = unsafe { operation.as_ref() };
        // It will have no home.
        request.may_borrow.store(false, Ordering::Relaxed);
        // INVARIANT: an operation in the list is the cache's to free.
        // SAFETY: the operation is one of this cache's, or has no home, and so is in no list.
        unsafe { self.0.adopt(operation) };
    }

    /// Whether a request in flight of these operations [sends](super::RequestKind::Sends).
    pub(crate) fn is_sending(&self) -> bool {
        self.0.is_sending()
    }

    /// Gives its own reference to each request in flight that borrows one from its target: see
    /// [`OperationState`](super::state::OperationState).
    ///
    /// # Safety
    ///
    /// The cache belongs to `target`, and the caller has a reference to `target`. No request is being issued, and none
    /// follows.
    pub(crate) unsafe fn end_borrowing<T: Target>(&self, target: NonNull<T>) {
        // SAFETY: the caller's reference keeps the target.
        let retain = || unsafe { target.as_ref() }.retain();
        // SAFETY: the reference was taken just now, and is not the last one, since the caller has another.
        let release = || unsafe { T::release_one_of_several(target) };
        self.0.end_borrowing(retain, release);
    }
}

impl Drop for Cache {
    /// Runs when the socket is closed, or the client deregistered: none of its requests is in flight. A close ends every
    /// request ([INV-46](crate::rules#inv-46)), and so does the end of a registration ([INV-5](crate::rules#inv-5)): an
    /// orphan that has not completed by now never will. No future of a request is left, or it was forgotten: each had a
    /// reference to the memory.
    fn drop(&mut self) {
        while let Some(operation) = self.0.pop() {
            // SAFETY: the operation was taken out of the list, and stays until the last step.
            let request = unsafe { operation.as_ref() };
            if request.state.end_orphan() {
                // SAFETY: the system has refused the request, and its target has ended: it will not complete.
                unsafe { request.packet.end_guard(operation.as_ptr().cast()) };
            } else if request.state.is_completed() {
                // Of a future that was forgotten, or with nothing left to clean up.
                // SAFETY: the request has completed, and no other code uses the payload.
                unsafe { abandon_result(request) };
            }
            // SAFETY: the operation was taken out of the list, and no other code uses it.
            unsafe { Idle::free(operation) };
        }
    }
}
