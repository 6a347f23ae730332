//! A timer of the kernel's, which can be set again.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use atomic_waker::AtomicWaker;
use wsk_sys::{
    FALSE, KDPC, KTIMER, KeCancelTimer, KeFlushQueuedDpcs, KeInitializeDpc, KeInitializeTimer,
    KeSetTimer, LARGE_INTEGER, PVOID,
};

use crate::irql::Passive;
use crate::pool::PoolArc;
use crate::status::Result;

/// Whether a timer was ever set, and its deferred procedure call may still run.
static USED: AtomicBool = AtomicBool::new(false);

/// What a timer and its deferred procedure call have together, in nonpaged memory (INV-17).
pub(super) struct Shared {
    timer: UnsafeCell<KTIMER>,
    dpc: UnsafeCell<KDPC>,
    has_expired: AtomicBool,
    waker: AtomicWaker,
}

// SAFETY: the timer and the call are used by the kernel's functions, which synchronise; the rest is shared.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// A timer, which tells when it has expired. Dropping it stops it.
pub(crate) struct Timer {
    shared: PoolArc<Shared>,
    /// The share of the deferred procedure call that is to come, or null.
    call: *const Shared,
}

// SAFETY: the timer and what it shares may be used in any thread.
unsafe impl Send for Timer {}
// SAFETY: as above.
unsafe impl Sync for Timer {}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: a timer is numbers and pointers, for which zero is a value; it is initialised below.
        let timer = unsafe { core::mem::zeroed() };
        // SAFETY: the same holds for a deferred procedure call.
        let dpc = unsafe { core::mem::zeroed() };
        let shared = PoolArc::new(Shared {
            timer: UnsafeCell::new(timer),
            dpc: UnsafeCell::new(dpc),
            has_expired: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        })?;
        // SAFETY: it is where it stays until the last share is given up.
        unsafe { KeInitializeTimer(shared.timer.get()) };
        let dpc = shared.dpc.get();
        let context = shared.into_raw();
        // SAFETY: as above, and the routine is for this context.
        unsafe { KeInitializeDpc(dpc, Some(expired), context.cast_mut().cast()) };
        // SAFETY: it was given away above.
        Ok(Self { shared: unsafe { PoolArc::from_raw(context) }, call: ptr::null() })
    }

    /// A timer that was given away by [`into_idle`](Self::into_idle).
    pub(super) const fn from_idle(shared: PoolArc<Shared>) -> Self {
        Self { shared, call: ptr::null() }
    }

    /// Stops the timer. What is left of it can be set again, unless its last call is still to run.
    pub(super) fn into_idle(mut self) -> Option<PoolArc<Shared>> {
        self.stop();
        self.is_idle().then(|| self.shared.clone())
    }

    /// Sets the timer, again if it was set before. Without memory for another if it has not expired by now, and
    /// cannot be stopped any more.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    pub(crate) fn start(&mut self, duration: Duration) -> Result<()> {
        self.stop();
        if !self.is_idle() {
            // The call is on its way, with a share of that memory.
            *self = Self::new()?;
        }
        USED.store(true, Ordering::Relaxed);
        self.shared.has_expired.store(false, Ordering::Relaxed);
        // The call's own share: given up when it runs, or when it never will.
        self.call = self.shared.clone().into_raw();
        let ticks = duration.as_nanos().div_ceil(100);
        // Negative is relative. The longest is some 29,000 years.
        let due = i64::try_from(ticks).map_or(i64::MIN + 1, |ticks| -ticks);
        let (timer, dpc) = (self.shared.timer.get(), self.shared.dpc.get());
        // SAFETY: both are initialised, are neither set nor queued, and stay.
        unsafe { KeSetTimer(timer, LARGE_INTEGER { QuadPart: due }, dpc) };
        Ok(())
    }

    /// Whether no call is to come: the memory is this timer's alone, but for what a call that has told of its
    /// end does last.
    fn is_idle(&mut self) -> bool {
        if self.shared.has_expired.load(Ordering::Acquire) {
            self.call = ptr::null();
        }
        self.call.is_null()
    }

    fn stop(&mut self) {
        // It would keep the memory of a task that may have ended.
        drop(self.shared.waker.take());
        if self.is_idle() {
            return;
        }
        // SAFETY: the timer is initialised, and stays while this has its share.
        let was_set = unsafe { KeCancelTimer(self.shared.timer.get()) } != FALSE;
        if was_set {
            // The call will not run.
            // SAFETY: its share came from `into_raw`, and nobody else takes it back.
            drop(unsafe { PoolArc::from_raw(self.call) });
            self.call = ptr::null();
        }
    }

    /// Whether a timer that was set has expired.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        // Registered before the look: what expires between the two wakes.
        self.shared.waker.register(context.waker());
        if self.shared.has_expired.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What runs when a timer has expired.
unsafe extern "C" fn expired(_dpc: *mut KDPC, context: PVOID, _first: PVOID, _second: PVOID) {
    // SAFETY: `start` left a share for this, once for each time.
    let shared = unsafe { PoolArc::from_raw(context.cast_const().cast::<Shared>()) };
    // From here on the timer may be set again, whose waiter may be woken below for nothing.
    shared.has_expired.store(true, Ordering::Release);
    shared.waker.wake();
}

/// Waits until no deferred procedure call of a timer's runs any more (INV-18). No timer is set.
pub(crate) fn flush(_passive: Passive) {
    if USED.load(Ordering::Relaxed) {
        // SAFETY: the token says PASSIVE_LEVEL.
        unsafe { KeFlushQueuedDpcs() };
    }
}
