//! The objects that requests are issued on.
//!
//! # Safety
//!
//! A request in flight keeps an untyped pointer to its target. The completion routine is generic over the type; the
//! rare path of a refused request finds the function for the type in the target's header.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;

use wsk_sys::PDEVICE_OBJECT;

use super::budget::Budget;
use super::kept::KeptReceives;
use super::{Cache, Operation, SendCount};

/// An object that requests are issued on: it stays while a request is in flight.
///
/// # Safety
///
/// The type is `#[repr(C)]` and begins with [`TargetHeader::of`] itself. An object stays in place until each
/// reference that [`retain`](Self::retain) took was [released](Self::release).
pub(crate) unsafe trait Target: Sized {
    /// Whether requests on it may [borrow](super::Idle::start_borrowing) a reference.
    const LENDS: bool;

    /// Takes a reference.
    fn retain(&self);

    /// Releases a reference. The object may be freed when this returns. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller holds a reference, whose pointer may be used to free the object, and uses it no more.
    unsafe fn release(this: NonNull<Self>);

    /// As [`release`](Self::release), where the caller has another reference. What follows the last one takes stack, which
    /// a call of `release` would count for every request.
    ///
    /// # Safety
    ///
    /// As for [`release`](Self::release), and the caller holds another reference to the object.
    unsafe fn release_one_of_several(this: NonNull<Self>) {
        // SAFETY: this function's contract.
        unsafe { Self::release(this) };
    }

    /// Its operations that can be reused, and those that the system has refused.
    fn requests(&self) -> &Cache;

    /// The number of requests in flight that send and are in no operation of the cache, if requests on such a target can
    /// send.
    fn sends(&self) -> Option<&SendCount>;
}

/// The beginning of every [`Target`], for code that does not know its type.
///
/// # Invariants
///
/// - `keep_refused` is the function for the type of the target that this header begins.
/// - `device` is null, or a device of the driver that exists as long as requests are issued on the target.
pub(crate) struct TargetHeader {
    /// Counts the requests that were issued on it.
    pub(crate) budget: Budget,
    /// Its receives whose futures were dropped.
    pub(crate) kept: KeptReceives,
    keep_refused: unsafe fn(NonNull<TargetHeader>, NonNull<Operation>, bool),
    /// The driver's device, which keeps the driver loaded until a completion routine has returned; or null.
    device: PDEVICE_OBJECT,
}

impl TargetHeader {
    /// # Safety
    ///
    /// `device` is null, or a device of the driver that exists as long as requests are issued on the target.
    pub(crate) const unsafe fn of<T: Target>(device: PDEVICE_OBJECT) -> Self {
        // INVARIANT: `Target` requires that only a `T` begins with this header; the device is as required (this
        // function's contract).
        Self {
            budget: Budget::new(),
            kept: KeptReceives::new(),
            keep_refused: keep_refused::<T>,
            device,
        }
    }

    /// The driver's device, or null.
    pub(crate) const fn device(&self) -> PDEVICE_OBJECT {
        self.device
    }

    /// Leaves a refused request to its target until that ends, and releases the request's reference, if it has one.
    ///
    /// # Safety
    ///
    /// `target` is the target of the request, which has been orphaned; this is called once for it, by its owner.
    pub(super) unsafe fn keep_refused(
        target: NonNull<Self>,
        operation: NonNull<Operation>,
        has_reference: bool,
    ) {
        // SAFETY: the target stays as `Idle::start` requires of the owner, and with it the header.
        let keep_refused = unsafe { target.as_ref() }.keep_refused;
        // SAFETY: the function is for the target's type (Invariants); the request is the target's, was orphaned, and is
        // passed once (this function's contract).
        unsafe { keep_refused(target, operation, has_reference) };
    }
}

/// # Safety
///
/// As for [`TargetHeader::keep_refused`], where the target is a `T`.
unsafe fn keep_refused<T: Target>(
    target: NonNull<TargetHeader>,
    operation: NonNull<Operation>,
    has_reference: bool,
) {
    let target: NonNull<T> = target.cast();
    // SAFETY: the target stays as `Idle::start` requires of the owner.
    let requests = unsafe { target.as_ref() }.requests();
    // SAFETY: the request was orphaned, and only this call adopts it.
    unsafe { requests.adopt(operation) };
    if has_reference {
        // The completion routine will not release the reference, since it may never run.
        // SAFETY: the reference that `start` took is released once.
        unsafe { T::release(target) };
    }
}
