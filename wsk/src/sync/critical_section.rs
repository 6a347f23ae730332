//! The implementation of the crate `critical-section`: one lock for the driver.
//!
//! # Safety
//!
//! The thread that holds the lock is its owner, and runs at `DISPATCH_LEVEL`, so that no other code of the driver runs on its processor.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use critical_section::RawRestoreState;
use wsk_sys::image::image_static;
use wsk_sys::{KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, KeGetCurrentThread, KeReleaseSpinLock};

use super::NeverWaits;
use crate::opaque_debug::opaque_debug;

/// The implementation of the crate `critical-section` for a driver, which `critical_section::set_impl!` chooses.
///
/// A critical section holds the driver's only such spin lock, so it excludes all others, on all processors. It may
/// contain further ones: the lock remembers its thread. Leaving the outermost one restores the IRQL.
///
/// The closures of `critical_section::with` run at `DISPATCH_LEVEL`, and so never wait: `D` is the driver's [promise](NeverWaits) for that.
///
/// IRQL: <= `DISPATCH_LEVEL`. It allocates nothing.
///
/// ```
/// use core::cell::Cell;
/// use wsk::sync::{DispatchCriticalSection, NeverWaits};
///
/// struct ThisDriver;
///
/// // SAFETY: no crate of this driver waits in a critical section.
/// unsafe impl NeverWaits for ThisDriver {}
///
/// critical_section::set_impl!(DispatchCriticalSection<ThisDriver>);
///
/// static COUNT: critical_section::Mutex<Cell<u32>> = critical_section::Mutex::new(Cell::new(0));
///
/// critical_section::with(|section| {
///     let count = COUNT.borrow(section);
///     count.set(count.get() + 1);
/// });
/// # assert_eq!(critical_section::with(|section| COUNT.borrow(section).get()), 1);
/// # extern crate wsk_host;
/// ```
pub struct DispatchCriticalSection<D>(PhantomData<fn() -> D>);

/// The lock of all critical sections.
///
/// # Invariants
///
/// - `lock` is a spin lock, which only the kernel's functions access.
/// - `owner` is the thread that holds it, or null. Only that thread sets it, and clears it before it releases the lock.
#[repr(C)]
struct SectionLock {
    lock: UnsafeCell<KSPIN_LOCK>,
    owner: AtomicPtr<c_void>,
}

// SAFETY: only the kernel's functions access the lock (Invariants), and they synchronize; the owner is atomic.
unsafe impl Sync for SectionLock {}

// INVARIANT: zero is an initialized lock that no thread holds.
static LOCK: SectionLock =
    SectionLock { lock: UnsafeCell::new(0), owner: AtomicPtr::new(ptr::null_mut()) };

/// The state of a section inside another one: no IRQL.
const NESTED: RawRestoreState = RawRestoreState::MAX;

fn section_lock() -> &'static SectionLock {
    // SAFETY: the static consists of zeroes, and of integers and pointers, which are aligned to 8 bytes.
    unsafe { image_static(&LOCK) }
}

// SAFETY: a section begins when this thread has acquired the lock, or is in another section. Meanwhile it runs at DISPATCH_LEVEL,
// so no other code of the driver runs on its processor as this thread, and other threads wait for the lock.
unsafe impl<D: NeverWaits> critical_section::Impl for DispatchCriticalSection<D> {
    unsafe fn acquire() -> RawRestoreState {
        let section = section_lock();
        // SAFETY: this crate runs in the kernel, or on a host that defines the function.
        let current = unsafe { KeGetCurrentThread() }.cast();
        // Only this thread stores its own address, so any other value means that it does not hold the lock. A DPC that has
        // interrupted a thread has that thread's address; the thread was not in a section, at whose level no DPC runs.
        if section.owner.load(Ordering::Relaxed) == current {
            return NESTED;
        }
        // SAFETY: the lock is initialized (Invariants), in the nonpaged image of the driver, and this thread does not hold it.
        let irql = unsafe { KeAcquireSpinLockRaiseToDpc(section.lock.get()) };
        // INVARIANT: this thread holds the lock.
        section.owner.store(current, Ordering::Relaxed);
        irql
    }

    unsafe fn release(state: RawRestoreState) {
        if state == NESTED {
            return;
        }
        let section = section_lock();
        // INVARIANT: this thread holds the lock, since its outermost section ends (the contract of `release`).
        section.owner.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: this thread holds the lock, and `state` is its IRQL from before (the contract of `release`).
        unsafe { KeReleaseSpinLock(section.lock.get(), state) };
    }
}

opaque_debug!(DispatchCriticalSection<D>);
