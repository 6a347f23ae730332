//! The interrupt request level in types.
//!
//! A function that may block or access pageable memory requires `PASSIVE_LEVEL`. In this crate, such a function takes a
//! [`Passive`]. A driver creates one where the level is known, at its entry points; it cannot be passed to a callback.
//!
//! # Safety
//!
//! Only `unsafe` code creates a [`Passive`]; its author guarantees the level.

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;

use wsk_sys::{KIRQL, KeGetCurrentIrql, PASSIVE_LEVEL};

/// A proof that the current thread runs at `PASSIVE_LEVEL` and may wait.
///
/// It is neither `Send` nor `Sync`, so it stays on its thread's stack. A completion routine or an event callback, which must
/// not wait even if its level is `PASSIVE_LEVEL` ([INV-16](crate::rules#inv-16)), cannot obtain one.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// fn handler(passive: wsk::irql::Passive) {
///     shared(passive);
/// }
/// ```
///
/// # Invariants
///
/// As long as the value is used, its thread runs at `PASSIVE_LEVEL`, in no completion routine and no event callback.
#[derive(Clone, Copy, Debug)]
pub struct Passive {
    /// Neither `Send` nor `Sync`. It has no parameter whose variance would matter.
    stays_on_its_thread: PhantomData<*mut ()>,
}

impl Passive {
    /// Creates the proof. The caller guarantees the level.
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
    /// As long as the value or a copy of it is used:
    ///
    /// - the current thread runs at `PASSIVE_LEVEL`, and
    /// - it is in no completion routine and no event callback of WSK.
    #[must_use]
    pub const unsafe fn assume() -> Self {
        // INVARIANT: the caller ensures both, by this function's contract.
        Self { stays_on_its_thread: PhantomData }
    }
}

/// Returns whether the current thread is at `PASSIVE_LEVEL` now. Use it for decisions; it does not grant permission to
/// wait.
pub(crate) fn is_passive() -> bool {
    // SAFETY: this crate runs in the kernel, or on a host that defines the function.
    let irql: KIRQL = unsafe { KeGetCurrentIrql() };
    irql == PASSIVE_LEVEL
}
