//! The interrupt request level in types.
//!
//! What may block or touch pageable memory needs `PASSIVE_LEVEL`. In this crate such a function takes
//! a [`Passive`], which a driver makes where the level is known, at its entry points, and which
//! cannot be carried into a callback.
//!
//! # Safety
//!
//! A [`Passive`] is made by `unsafe` code only, which knows the level.

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;

use wsk_sys::{KIRQL, KeGetCurrentIrql, PASSIVE_LEVEL};

/// A proof that the current thread runs at `PASSIVE_LEVEL` and may wait.
///
/// It is neither `Send` nor `Sync`, so it stays on the stack of its thread: a completion routine or an event
/// callback, which must not wait even if its level happens to be passive ([INV-16](crate::rules#inv-16)),
/// cannot get hold of one.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// fn handler(passive: wsk::irql::Passive) {
///     shared(passive);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Passive {
    /// Neither `Send` nor `Sync`. It has no parameter whose variance would matter.
    stays_on_its_thread: PhantomData<*mut ()>,
}

impl Passive {
    /// Vouches for the level.
    ///
    /// ```
    /// use wsk::irql::Passive;
    ///
    /// // In DriverEntry, DriverUnload, or a system thread:
    /// // SAFETY: the system calls these at PASSIVE_LEVEL.
    /// let passive = unsafe { Passive::assume() };
    /// ```
    ///
    /// # Safety
    ///
    /// As long as the value, or a copy of it, is used:
    ///
    /// - the current thread runs at `PASSIVE_LEVEL`, and
    /// - it is in no completion routine and no event callback of WSK.
    #[must_use]
    pub const unsafe fn assume() -> Self {
        Self { stays_on_its_thread: PhantomData }
    }
}

/// Whether the current thread is at `PASSIVE_LEVEL` at this moment: to choose a way, not a permission
/// to wait.
pub(crate) fn is_passive() -> bool {
    // SAFETY: this crate runs in the kernel, or on a host that defines the function.
    let irql: KIRQL = unsafe { KeGetCurrentIrql() };
    irql == PASSIVE_LEVEL
}
