//! The spin lock, the event and the DPC of a loom model, which has no kernel.
//!
//! # Safety
//!
//! The functions have the contracts of the kernel's. A guard is stored and taken only by the thread that holds the
//! lock.

#![expect(unsafe_code, reason = "called as the kernel's functions are")]
#![expect(non_camel_case_types, non_snake_case, reason = "the kernel's names")]

use core::ptr;
use core::time::Duration;
use std::sync::{Arc, OnceLock};

use loom::sync::{Condvar, Mutex, MutexGuard};
use loom::thread;
use wsk_sys::{KDPC, PVOID};

use crate::irql::Passive;
use crate::status::Result;

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

/// An event that resets itself when it releases a thread.
pub(crate) struct Event(OnceLock<Arc<Signal>>);

struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Event {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) unsafe fn initialize(&self) {
        self.signal();
    }

    /// The thread that waits may free the event before this returns.
    pub(crate) unsafe fn set(&self) {
        let signal = self.signal();
        *signal.is_set.lock().expect("no model panics in a lock") = true;
        signal.changed.notify_one();
    }

    pub(crate) unsafe fn wait(&self, _passive: Passive) {
        let signal = self.signal();
        let mut is_set = signal.is_set.lock().expect("no model panics in a lock");
        while !*is_set {
            is_set = signal.changed.wait(is_set).expect("no model panics in a lock");
        }
        *is_set = false;
    }

    /// A model has no time: it waits until the event is set.
    pub(crate) unsafe fn wait_for(&self, passive: Passive, _timeout: Duration) -> bool {
        // SAFETY: this function's contract is the other's.
        unsafe { self.wait(passive) };
        true
    }

    fn signal(&self) -> Arc<Signal> {
        let new = || Arc::new(Signal { is_set: Mutex::new(false), changed: Condvar::new() });
        Arc::clone(self.0.get_or_init(new))
    }
}

/// The routine of a DPC.
type DpcRoutine = unsafe extern "C" fn(*mut KDPC, PVOID, PVOID, PVOID);

/// A DPC. Whenever it is queued, its routine runs in a thread of its own, as on another processor.
pub(crate) struct Dpc(OnceLock<(DpcRoutine, usize)>);

impl Dpc {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) unsafe fn initialize(
        &self,
        routine: DpcRoutine,
        context: PVOID,
        _processor: usize,
    ) -> Result<()> {
        self.0.get_or_init(|| (routine, context.expose_provenance()));
        Ok(())
    }

    pub(crate) unsafe fn queue(&self) {
        let &(routine, context) = self.0.get().expect("a DPC is initialized before it is queued");
        thread::spawn(move || {
            let (none, context) = (ptr::null_mut(), ptr::with_exposed_provenance_mut(context));
            // SAFETY: the routine takes the context that the DPC was initialized with.
            unsafe { routine(ptr::null_mut(), context, none, none) };
        });
    }
}

pub(crate) fn active_processors() -> usize {
    1
}
