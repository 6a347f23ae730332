//! `Ex…`: rundown protection.
//!
//! A rundown reference is memory of the client, which its owner may free as soon as it has waited. So one lock guards all of
//! them, and they are accessed only under it.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsk_sys::fields::rundown_count;
use wsk_sys::{APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, FALSE, PEX_RUNDOWN_REF, TRUE, ULONG, ULONG_PTR};

use crate::kernel::context::require_no_callback;
use crate::kernel::holdings::{give_back, take};
use crate::kernel::interrupt;
use crate::kernel::ke::dispatcher::Signal;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::resources::Resource;
use crate::verifier::kernel_violation;

/// The bit of a protection that can no longer be acquired. The bits above it count its holders.
const RUN_DOWN: ULONG_PTR = 1;
const ONE: ULONG_PTR = 2;

/// The waiting owners, by the address of the rundown reference.
static WAITING: Mutex<Option<HashMap<usize, Arc<Signal>>>> = Mutex::new(None);

struct OwnersGuard(MutexGuard<'static, Option<HashMap<usize, Arc<Signal>>>>);

impl OwnersGuard {
    fn waiting(&mut self) -> &mut HashMap<usize, Arc<Signal>> {
        self.0.get_or_insert_default()
    }

    /// The count of a protection.
    ///
    /// # Safety
    ///
    /// The protection is valid and initialized.
    #[expect(clippy::unused_self, reason = "the lock makes the access the only one")]
    unsafe fn count(&mut self, protection: PEX_RUNDOWN_REF) -> &mut ULONG_PTR {
        // SAFETY: the pointer is to a rundown reference (this function's contract), and this borrows the guard of its
        // only lock.
        let count = unsafe { rundown_count(protection) };
        // SAFETY: the protection is valid, by this function's contract, and the guard holds the only lock.
        unsafe { &mut *count }
    }
}

fn lock() -> OwnersGuard {
    OwnersGuard(WAITING.lock().unwrap_or_else(PoisonError::into_inner))
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInitializeRundownProtection(protection: PEX_RUNDOWN_REF) {
    require_at_most(APC_LEVEL, "ExInitializeRundownProtection");
    let mut guard = lock();
    if guard.waiting().contains_key(&protection.addr()) {
        kernel_violation("ExInitializeRundownProtection: a thread is waiting for this rundown");
    }
    // SAFETY: the caller passes memory for a protection that no thread uses.
    let count = unsafe { rundown_count(protection) };
    // SAFETY: the caller passes memory for a protection that no thread uses.
    unsafe { count.write(0) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireRundownProtection(protection: PEX_RUNDOWN_REF) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "ExAcquireRundownProtection");
    interrupt();
    let mut guard = lock();
    // SAFETY: the caller passes a protection.
    let count = unsafe { guard.count(protection) };
    if *count & RUN_DOWN != 0 {
        return FALSE;
    }
    *count += ONE;
    drop(guard);
    take(Resource::RundownProtection, protection.addr(), "ExAcquireRundownProtection");
    TRUE
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseRundownProtection(protection: PEX_RUNDOWN_REF) {
    require_at_most(DISPATCH_LEVEL, "ExReleaseRundownProtection");
    let mut guard = lock();
    // SAFETY: the caller passes a protection.
    let count = unsafe { guard.count(protection) };
    if *count < ONE {
        kernel_violation("ExReleaseRundownProtection: the rundown protection is not held");
    }
    *count -= ONE;
    give_back(Resource::RundownProtection, protection.addr());
    if *count == RUN_DOWN {
        // From here on, its owner may free the protection.
        let owner = guard.waiting().remove(&protection.addr());
        drop(guard);
        if let Some(owner) = owner {
            owner.set();
        }
    } else {
        drop(guard);
    }
    interrupt();
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExWaitForRundownProtectionRelease(protection: PEX_RUNDOWN_REF) {
    const NAME: &str = "ExWaitForRundownProtectionRelease";
    require_at_most(APC_LEVEL, NAME);
    require_no_callback(NAME);
    interrupt();
    let mut guard = lock();
    if guard.waiting().contains_key(&protection.addr()) {
        kernel_violation(
            "ExWaitForRundownProtectionRelease: another thread is already waiting for this rundown",
        );
    }
    // SAFETY: the caller passes a protection.
    let count = unsafe { guard.count(protection) };
    let is_free = *count < ONE;
    *count |= RUN_DOWN;
    if is_free {
        return;
    }
    let released = Arc::new(Signal::new());
    guard.waiting().insert(protection.addr(), Arc::clone(&released));
    drop(guard);
    released.wait(NAME, None);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireRundownProtectionEx(
    protection: PEX_RUNDOWN_REF,
    count: ULONG,
) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "ExAcquireRundownProtectionEx");
    interrupt();
    let mut guard = lock();
    // SAFETY: the caller passes a protection.
    let held = unsafe { guard.count(protection) };
    if *held & RUN_DOWN != 0 {
        return FALSE;
    }
    *held += ONE * wsk_sys::fields::size_t(count as usize);
    drop(guard);
    for _ in 0..count {
        take(Resource::RundownProtection, protection.addr(), "ExAcquireRundownProtectionEx");
    }
    TRUE
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseRundownProtectionEx(protection: PEX_RUNDOWN_REF, count: ULONG) {
    for _ in 0..count {
        // SAFETY: the caller passes a protection that it holds as often.
        unsafe { ExReleaseRundownProtection(protection) };
    }
}

/// Lets a protection that was run down be acquired again.
#[wsk_host_macros::export]
unsafe extern "C" fn ExReInitializeRundownProtection(protection: PEX_RUNDOWN_REF) {
    require_at_most(APC_LEVEL, "ExReInitializeRundownProtection");
    let mut guard = lock();
    // SAFETY: the caller passes a protection.
    let count = unsafe { guard.count(protection) };
    if *count != RUN_DOWN {
        kernel_violation("ExReInitializeRundownProtection: the rundown has not completed");
    }
    *count = 0;
}

/// Marks a protection that its owner has waited for: it cannot be acquired.
#[wsk_host_macros::export]
unsafe extern "C" fn ExRundownCompleted(protection: PEX_RUNDOWN_REF) {
    require_at_most(DISPATCH_LEVEL, "ExRundownCompleted");
    let mut guard = lock();
    // SAFETY: the caller passes a protection.
    let count = unsafe { guard.count(protection) };
    if *count >= ONE {
        kernel_violation("ExRundownCompleted: the rundown protection is still held");
    }
    *count = RUN_DOWN;
}
