//! A timer of the kernel's, which can be set again.
//!
//! # Safety
//!
//! A timer that was set has a reference of its own to what its deferred procedure call uses.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::ptr;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use wsk_sys::{
    FALSE, KDPC, KTIMER, KeCancelTimer, KeInitializeDpc, KeInitializeTimer, KeSetTimer,
    LARGE_INTEGER, PVOID,
};

use crate::pool::PoolArc;
use crate::rundown::{Kind, Rundown};
use crate::status::Result;
use crate::sync::{SpinLock, ticks};

/// What a timer and its deferred procedure call have together, in nonpaged memory ([INV-17](crate::rules#inv-17)).
pub(super) struct TimerState {
    timer: UnsafeCell<KTIMER>,
    dpc: UnsafeCell<KDPC>,
    progress: SpinLock<Progress>,
    /// Counts the timer while its deferred procedure call is to come.
    rundown: &'static Rundown,
}

/// How far a timer is.
enum Progress {
    /// Who waits is woken when it expires.
    Waiting(Option<Waker>),
    Expired,
}

// SAFETY: the timer and the call are used by the kernel's functions, which synchronize; the rest is shared.
unsafe impl Send for TimerState {}
// SAFETY: the timer and the call are used by the kernel's functions, which synchronize; the rest is shared.
unsafe impl Sync for TimerState {}

/// A timer, which tells when it has expired. Dropping it stops it.
pub(crate) struct Timer {
    shared: PoolArc<TimerState>,
    /// The share of the deferred procedure call that is to come, or null.
    call: *const TimerState,
}

// SAFETY: the timer and what it shares may be used in any thread.
unsafe impl Send for Timer {}
// SAFETY: the timer and what it shares may be used in any thread.
unsafe impl Sync for Timer {}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn new() -> Result<Self> {
        let shared = PoolArc::new_with(|| TimerState {
            // SAFETY: a timer is numbers and pointers, for which zero is a value; it is initialized below.
            timer: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            // SAFETY: the same holds for a deferred procedure call.
            dpc: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            progress: SpinLock::new(Progress::Waiting(None)),
            rundown: Rundown::current(),
        })?;
        // SAFETY: it is where it stays until the last share is given up.
        unsafe { KeInitializeTimer(shared.timer.get()) };
        let dpc = shared.dpc.get();
        let context = shared.into_raw();
        // SAFETY: it is where it stays until the last share is given up, and the routine is for this context.
        unsafe { KeInitializeDpc(dpc, Some(expired), context.cast_mut().cast()) };
        // SAFETY: it was given away above.
        Ok(Self { shared: unsafe { PoolArc::from_raw(context) }, call: ptr::null() })
    }

    /// A timer that was given away by [`into_idle`](Self::into_idle).
    pub(super) const fn from_idle(shared: PoolArc<TimerState>) -> Self {
        Self { shared, call: ptr::null() }
    }

    /// Stops the timer. What is left of it can be set again, unless its last call is still to run.
    pub(super) fn into_idle(mut self) -> Option<PoolArc<TimerState>> {
        self.stop();
        self.is_idle().then(|| self.shared.clone())
    }

    /// Sets the timer, again if it was set before. Without memory for another if it has not expired by now, and
    /// cannot be stopped any more.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn start(&mut self, duration: Duration) -> Result<()> {
        self.stop();
        if !self.is_idle() {
            // The call is on its way, with a share of that memory.
            *self = Self::new()?;
        }
        drop(self.shared.advance(Progress::Waiting(None)));
        // The call's own share: given up when it runs, or when it never will.
        self.call = self.shared.clone().into_raw();
        self.shared.rundown.begin(Kind::Timer);
        // Negative is relative.
        let due = LARGE_INTEGER { QuadPart: -ticks(duration) };
        let (timer, dpc) = (self.shared.timer.get(), self.shared.dpc.get());
        // SAFETY: both are initialized, are neither set nor queued, and stay.
        unsafe { KeSetTimer(timer, due, dpc) };
        Ok(())
    }

    /// Whether no call is to come: nobody sets or reads the progress but this timer.
    fn is_idle(&mut self) -> bool {
        if let Progress::Expired = *self.shared.progress.lock() {
            self.call = ptr::null();
        }
        self.call.is_null()
    }

    fn stop(&mut self) {
        self.shared.forget_waker();
        if self.is_idle() {
            return;
        }
        // SAFETY: the timer is initialized, and stays while this has its share.
        let was_set = unsafe { KeCancelTimer(self.shared.timer.get()) } != FALSE;
        if was_set {
            // The call will not run.
            // SAFETY: its share came from `into_raw`, and nobody else takes it back.
            drop(unsafe { PoolArc::from_raw(self.call) });
            self.call = ptr::null();
            self.shared.rundown.end(Kind::Timer);
        }
    }

    /// Whether a timer that was set has expired.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        // Made, and dropped, without the lock: a waker is anybody's code.
        let waker = context.waker().clone();
        let mut progress = self.shared.progress.lock();
        if let Progress::Expired = *progress {
            return Poll::Ready(());
        }
        let before = core::mem::replace(&mut *progress, Progress::Waiting(Some(waker)));
        drop(progress);
        drop(before);
        Poll::Pending
    }
}

impl TimerState {
    /// Goes on, and gives back how far it was: to be dropped without the lock.
    fn advance(&self, progress: Progress) -> Progress {
        core::mem::replace(&mut *self.progress.lock(), progress)
    }

    /// A timer that nobody waits for does not keep the memory of a task.
    fn forget_waker(&self) {
        let mut progress = self.progress.lock();
        let waker = match &mut *progress {
            Progress::Waiting(waker) => waker.take(),
            Progress::Expired => None,
        };
        drop(progress);
        drop(waker);
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
    let shared = unsafe { PoolArc::from_raw(context.cast_const().cast::<TimerState>()) };
    let rundown = shared.rundown;
    // From here on the timer may be set again.
    let before = shared.advance(Progress::Expired);
    // Not while the lock is held: a waker is foreign code.
    if let Progress::Waiting(Some(waker)) = before {
        waker.wake();
    }
    drop(shared);
    // The last step: the driver may be unloaded when this procedure has returned, which a flush ensures.
    rundown.end(Kind::Timer);
}
