//! A kernel timer that can be set again.
//!
//! # Safety
//!
//! While a timer is set, its deferred procedure call (DPC) owns a reference to the timer's state.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::ptr;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use wsk_sys::{
    FALSE, KDPC, KTIMER, KeCancelTimer, KeInitializeDpc, KeInitializeTimer, KeSetTimer,
    LARGE_INTEGER, PVOID,
};

use crate::kernel::{SpinLock, ticks};
use crate::pool::Arc;
use crate::rundown::{ObjectKind, Rundown};
use crate::status::Result;

/// The state that a timer shares with its DPC, in nonpaged memory ([INV-17](crate::rules#inv-17)).
///
/// # Invariants
///
/// `timer` and `dpc` are initialized by [`Timer::new`] before the state is shared, do not move, and are then accessed
/// by the kernel's functions only. The DPC's routine is [`expired`], with the address of this state as its context.
pub(super) struct TimerState {
    timer: UnsafeCell<KTIMER>,
    dpc: UnsafeCell<KDPC>,
    progress: SpinLock<Progress>,
    /// Counts the timer while its DPC is pending.
    rundown: &'static Rundown,
}

/// The progress of a timer.
enum Progress {
    /// Not expired. The waker, if any, is woken on expiry.
    Waiting(Option<Waker>),
    Expired,
}

// SAFETY: only the kernel's functions access `timer` and `dpc` (Invariants), in any thread; the other fields are
// `Send`.
unsafe impl Send for TimerState {}
// SAFETY: only the kernel's functions access `timer` and `dpc` (Invariants), and they synchronize; the other fields are
// `Sync`.
unsafe impl Sync for TimerState {}

/// A timer. Dropping it stops it.
///
/// # Invariants
///
/// `call` is null, or a reference to the state from [`Arc::into_raw`] that belongs to a pending DPC. The DPC takes
/// it when it runs; this value takes it if it has cancelled the timer before.
pub(crate) struct Timer {
    shared: Arc<TimerState>,
    call: *const TimerState,
}

// SAFETY: `call` is a reference to a `TimerState`, which is `Send` and `Sync`, and any thread may release it.
unsafe impl Send for Timer {}
// SAFETY: methods on a shared reference access the `TimerState` only, which is `Sync`.
unsafe impl Sync for Timer {}

impl Timer {
    /// Creates a timer that is not set.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn new() -> Result<Self> {
        let shared = Arc::new_with(|| TimerState {
            // SAFETY: a timer consists of numbers and pointers, for which zero is valid; it is initialized below.
            timer: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            // SAFETY: a DPC consists of numbers and pointers, for which zero is valid; it is initialized below.
            dpc: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            progress: SpinLock::new(Progress::Waiting(None)),
            rundown: Rundown::current(),
        })?;
        // INVARIANT: the timer and the DPC are initialized here, in the allocation where they stay.
        // SAFETY: the timer stays in this nonpaged allocation until the last reference is released.
        unsafe { KeInitializeTimer(shared.timer.get()) };
        let dpc = shared.dpc.get();
        let context = shared.into_raw();
        // SAFETY: the DPC stays in this nonpaged allocation until the last reference is released, and the routine is
        // for this context.
        unsafe { KeInitializeDpc(dpc, Some(expired), context.cast_mut().cast()) };
        // SAFETY: the pointer is from `into_raw` above, and is converted back once.
        Ok(Self { shared: unsafe { Arc::from_raw(context) }, call: ptr::null() })
    }

    /// A timer with a state from [`into_idle`](Self::into_idle), which is reused.
    pub(super) const fn from_idle(shared: Arc<TimerState>) -> Self {
        Self { shared, call: ptr::null() }
    }

    /// Stops the timer. Returns its state for reuse, unless a DPC is still pending.
    pub(super) fn into_idle(mut self) -> Option<Arc<TimerState>> {
        self.stop();
        self.is_idle().then(|| self.shared.clone())
    }

    /// Sets the timer; if it was set before, again. Allocates a new state if the DPC of the former setting is running.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn start(&mut self, duration: Duration) -> Result<()> {
        self.stop();
        if !self.is_idle() {
            // The DPC is running, and owns a reference to that state.
            *self = Self::new()?;
        }
        drop(self.shared.advance(Progress::Waiting(None)));
        // INVARIANT: the DPC's own reference, which it releases when it runs, or `stop` does when it never will.
        self.call = self.shared.clone().into_raw();
        self.shared.rundown.begin(ObjectKind::Timer);
        // Negative is relative.
        let due = LARGE_INTEGER { QuadPart: -ticks(duration) };
        let (timer, dpc) = (self.shared.timer.get(), self.shared.dpc.get());
        // SAFETY: both are initialized and do not move (Invariants); the timer is not set, and the DPC not queued.
        unsafe { KeSetTimer(timer, due, dpc) };
        Ok(())
    }

    /// Whether no DPC is pending, so that only this timer accesses the progress.
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
        // SAFETY: the timer is initialized (Invariants), and this value's reference keeps it.
        let was_set = unsafe { KeCancelTimer(self.shared.timer.get()) } != FALSE;
        if was_set {
            // The DPC will not run.
            // SAFETY: `call` is a reference from `into_raw` (Invariants), and the cancelled DPC does not take it.
            drop(unsafe { Arc::from_raw(self.call) });
            self.call = ptr::null();
            self.shared.rundown.end(ObjectKind::Timer);
        }
    }

    /// Whether a timer that was set has expired.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        // Cloned and dropped without the lock: a waker is foreign code.
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
    /// Sets the progress, and returns the former one, which must be dropped without the lock.
    fn advance(&self, progress: Progress) -> Progress {
        core::mem::replace(&mut *self.progress.lock(), progress)
    }

    /// Drops the waker, so that a timer that is no longer polled does not keep a task's memory.
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

/// The routine of the DPC, which runs when a timer has expired.
unsafe extern "C" fn expired(_dpc: *mut KDPC, context: PVOID, _first: PVOID, _second: PVOID) {
    // SAFETY: `start` has left one reference for each expiry.
    let shared = unsafe { Arc::from_raw(context.cast_const().cast::<TimerState>()) };
    let rundown = shared.rundown;
    // From here on, the timer may be set again.
    let before = shared.advance(Progress::Expired);
    // Not while the lock is held: a waker is foreign code.
    if let Progress::Waiting(Some(waker)) = before {
        waker.wake();
    }
    drop(shared);
    // The last step: the driver may be unloaded once this routine has returned, and `unload` flushes the DPCs to wait
    // for that.
    rundown.end(ObjectKind::Timer);
}
