//! A waker for a value that several tasks wait for.
//!
//! A completion routine wakes one waker. This one calls the [`WakeAll`] of its value, which wakes every task.
//!
//! # Safety
//!
//! The data of a waker is a pointer to a [`SharedWakerMemory`], from [`Arc::into_raw`]. Its first field has the functions for its type.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::ManuallyDrop;
use core::task::{RawWaker, RawWakerVTable, Waker};

use crate::pool::Arc;
use crate::status::Result;

/// A value that several tasks wait for.
pub(crate) trait WakeAll: Send + Sync + 'static {
    /// Wakes the waiting wakers, only through [`foreign`](super::foreign). IRQL: <= `DISPATCH_LEVEL`, also in a
    /// completion routine.
    fn wake_all(&self);
}

/// A value with wakers. They may outlive this owner.
pub(crate) struct SharedWaker<T>(Arc<SharedWakerMemory<T>>);

/// # Invariants
///
/// `functions` are those for `T`.
#[repr(C)]
struct SharedWakerMemory<T> {
    functions: WakerFunctions,
    value: T,
}

/// The functions of a waker. Each requires the data of a waker of its type.
#[derive(Clone, Copy)]
struct WakerFunctions {
    retain: unsafe fn(*const ()),
    wake: unsafe fn(*const ()),
    release: unsafe fn(*const ()),
}

impl<T: WakeAll> SharedWaker<T> {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn new(value: T) -> Result<Self> {
        let functions =
            WakerFunctions { retain: retain::<T>, wake: wake::<T>, release: release::<T> };
        // INVARIANT: the functions are those for `T`.
        Arc::new(SharedWakerMemory { functions, value }).map(Self)
    }

    pub(crate) fn value(&self) -> &T {
        &self.0.value
    }

    /// Lends a waker, which may be cloned.
    pub(crate) fn with_waker<R>(&self, use_waker: impl FnOnce(&Waker) -> R) -> R {
        let data = Arc::as_ptr(&self.0).cast();
        // SAFETY: the data is that of an owner, which is borrowed as long as the waker exists; it is not dropped.
        use_waker(&ManuallyDrop::new(unsafe { Waker::new(data, VTABLE) }))
    }
}

static VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake_owned, wake_by_ref, drop_waker);

/// Whether a waker was created by this module. Such a waker only wakes others.
#[cfg(not(loom))]
pub(super) fn is_own(waker: &Waker) -> bool {
    core::ptr::eq(waker.vtable(), VTABLE)
}

/// # Safety
///
/// The data belongs to a waker of a `SharedWakerMemory<T>`, and stays valid during the call.
unsafe fn retain<T>(data: *const ()) {
    // SAFETY: the data came from `Arc::into_raw` or `Arc::as_ptr`; the owner is not dropped here.
    let owner = ManuallyDrop::new(unsafe { Arc::<SharedWakerMemory<T>>::from_raw(data.cast()) });
    // The new waker owns the new reference.
    Arc::into_raw(Arc::clone(&owner));
}

/// # Safety
///
/// The data belongs to a waker of a `SharedWakerMemory<T>`, and stays valid during the call.
unsafe fn wake<T: WakeAll>(data: *const ()) {
    // SAFETY: an owner keeps the value during the call.
    unsafe { &*data.cast::<SharedWakerMemory<T>>() }.value.wake_all();
}

/// # Safety
///
/// The data belongs to a waker of a `SharedWakerMemory<T>`, which gives up its ownership.
unsafe fn release<T>(data: *const ()) {
    // SAFETY: the waker's owner came from `Arc::into_raw`, and the waker gives it up.
    drop(unsafe { Arc::<SharedWakerMemory<T>>::from_raw(data.cast()) });
}

/// # Safety
///
/// The data belongs to a waker, and stays valid during the call.
unsafe fn functions(data: *const ()) -> WakerFunctions {
    // SAFETY: a `SharedWakerMemory` of any type begins with its functions (`repr(C)`), and is valid while it has an owner.
    unsafe { *data.cast::<WakerFunctions>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data is that of a waker, which is borrowed.
    let functions = unsafe { functions(data) };
    // SAFETY: the functions are those for the data (Invariants of `SharedWakerMemory`).
    unsafe { (functions.retain)(data) };
    RawWaker::new(data, VTABLE)
}

unsafe fn wake_owned(data: *const ()) {
    // SAFETY: the data is that of a waker, whose owner is released last.
    unsafe { wake_by_ref(data) };
    // SAFETY: the data is that of a waker, which ends with this call.
    unsafe { drop_waker(data) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the data is that of a waker, which is borrowed.
    let functions = unsafe { functions(data) };
    // SAFETY: the functions are those for the data (Invariants of `SharedWakerMemory`).
    unsafe { (functions.wake)(data) };
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the data is that of a waker, whose owner keeps the functions until they are copied.
    let functions = unsafe { functions(data) };
    // SAFETY: the functions are those for the data (Invariants of `SharedWakerMemory`), whose owner the waker gives up.
    unsafe { (functions.release)(data) };
}
