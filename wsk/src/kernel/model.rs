//! The spin lock of a loom model, which has no kernel.
//!
//! # Safety
//!
//! The functions have the contracts of the kernel's. A guard is stored and taken only by the thread that holds the
//! lock.

#![expect(unsafe_code, reason = "called as the kernel's functions are")]
#![expect(non_camel_case_types, non_snake_case, reason = "the kernel's names")]

use std::sync::OnceLock;

use loom::sync::{Mutex, MutexGuard};

/// A lock, made when it is first acquired: loom's own cannot be made in a constant.
pub(super) struct KSPIN_LOCK {
    lock: OnceLock<Mutex<()>>,
    guard: Option<MutexGuard<'static, ()>>,
}

impl KSPIN_LOCK {
    pub(super) const UNLOCKED: Self = Self { lock: OnceLock::new(), guard: None };
}

pub(super) type KIRQL = ();

/// Acquires the lock.
pub(super) unsafe fn KeAcquireSpinLockRaiseToDpc(this: *mut KSPIN_LOCK) {
    // SAFETY: the caller's lock is valid until it is released; only its holder writes to it, behind `guard`.
    let lock: &'static OnceLock<Mutex<()>> = unsafe { &(*this).lock };
    let guard = lock.get_or_init(|| Mutex::new(())).lock().expect("no model panics in a lock");
    // SAFETY: this thread holds the lock, which protects the field.
    unsafe { (*this).guard = Some(guard) };
}

/// Releases the lock.
pub(super) unsafe fn KeReleaseSpinLock(this: *mut KSPIN_LOCK, (): KIRQL) {
    // SAFETY: this thread holds the lock, which protects the field.
    let guard = unsafe { (*this).guard.take() };
    drop(guard);
}
