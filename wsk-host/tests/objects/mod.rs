//! What tests of the kernel share: hosts, objects in pool, waits, times, and logs of what routines do.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

use std::ops::Deref;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use wsk_host::{Config, Host, Timing, testing};
use wsk_sys::*;

pub(crate) const TAG: ULONG = u32::from_le_bytes(*b"test");
/// Units of the kernel's time.
pub(crate) const MILLISECOND: i64 = 10_000;
pub(crate) const HOUR: i64 = 3_600_000 * MILLISECOND;

/// Runs a scenario on both networks, and with all timings.
pub(crate) fn on_hosts(scenario: fn(&Host)) {
    on_simulated_hosts(scenario);
    // Miri knows nothing of the machine's network.
    if cfg!(miri) {
        return;
    }
    testing::run(Config::real().timing(Timing::Inline), 0..1, |host| scenario(&host));
}

pub(crate) fn on_simulated_hosts(scenario: fn(&Host)) {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(0)] {
        testing::run(Config::default().timing(timing), testing::SEEDS, |host| scenario(&host));
    }
}

pub(crate) fn is_simulated(host: &Host) -> bool {
    host.config().network == Config::default().network
}

/// An object in pool, which is freed at the end.
pub(crate) struct Pool<T>(pub(crate) *mut T);

impl<T> Pool<T> {
    pub(crate) fn new(value: T) -> Self {
        // SAFETY: the memory is allocated with this size.
        unsafe {
            let memory: *mut T = ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<T>(), TAG).cast();
            memory.write(value);
            Self(memory)
        }
    }

    /// For a routine of C's.
    pub(crate) fn raw(&self) -> PVOID {
        self.0.cast()
    }
}

impl<T> Deref for Pool<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it was initialised, and lives.
        unsafe { &*self.0 }
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe {
            self.0.drop_in_place();
            ExFreePoolWithTag(self.0.cast(), TAG);
        }
    }
}

/// Room for an object that the kernel initialises.
pub(crate) fn object<T>(initialise: impl FnOnce(*mut T)) -> Pool<T> {
    // SAFETY: all of these objects may be zeroes.
    let object = Pool::new(unsafe { std::mem::zeroed() });
    initialise(object.0);
    object
}

pub(crate) fn event() -> Pool<KEVENT> {
    // SAFETY: there is room for an event.
    object(|event| unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) })
}

pub(crate) fn timer(kind: TIMER_TYPE) -> Pool<KTIMER> {
    // SAFETY: there is room for a timer.
    object(|timer| unsafe { KeInitializeTimerEx(timer, kind) })
}

pub(crate) fn dpc(routine: PKDEFERRED_ROUTINE, context: PVOID) -> Pool<KDPC> {
    // SAFETY: there is room for a call; the routine is for the context.
    object(|dpc| unsafe { KeInitializeDpc(dpc, routine, context) })
}

pub(crate) fn time(value: i64) -> LARGE_INTEGER {
    LARGE_INTEGER { QuadPart: value }
}

/// Whether the timer was set.
pub(crate) fn set(timer: &Pool<KTIMER>, due: i64, dpc: Option<&Pool<KDPC>>) -> bool {
    // SAFETY: both are initialised, and stay until they are not used any more.
    unsafe { KeSetTimer(timer.0, time(due), dpc.map_or(ptr::null_mut(), |dpc| dpc.0)) != FALSE }
}

pub(crate) fn cancel(timer: &Pool<KTIMER>) -> bool {
    // SAFETY: the timer is initialised.
    unsafe { KeCancelTimer(timer.0) != FALSE }
}

pub(crate) fn flush() {
    // SAFETY: the IRQL is PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
}

/// Waits for an object, and says whether it was signalled. Without a time-out, for ever.
pub(crate) fn wait<T>(object: &Pool<T>, timeout: Option<i64>) -> bool {
    let mut timeout = timeout.map(time);
    let timeout = timeout.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: the object is initialised.
    let status =
        unsafe { KeWaitForSingleObject(object.raw(), Executive, KernelMode, FALSE, timeout) };
    assert!(matches!(status, STATUS_SUCCESS | STATUS_TIMEOUT));
    status == STATUS_SUCCESS
}

pub(crate) fn delay(interval: i64) {
    // SAFETY: the interval is here.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut *Box::new(time(interval))) };
}

/// The time of day, and the time since the system was started.
pub(crate) fn now() -> (i64, i64) {
    let mut now = time(0);
    // SAFETY: there is room for a time.
    unsafe {
        KeQuerySystemTimePrecise(&raw mut now);
        (now.QuadPart, KeQueryUnbiasedInterruptTime().try_into().unwrap())
    }
}

/// That so much time has passed since then: exactly, where time only passes while all wait.
#[track_caller]
pub(crate) fn assert_passed(host: &Host, since: (i64, i64), expected: i64) {
    let (day, interrupt) = now();
    if is_simulated(host) {
        assert_eq!((day - since.0, interrupt - since.1), (expected, expected));
    } else {
        // The machine's clocks are not those that its waits go by.
        assert!(interrupt - since.1 >= expected - MILLISECOND, "{}", interrupt - since.1);
        assert!(day - since.0 < expected + 60_000 * MILLISECOND);
    }
}

/// What routines have done, in order.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<usize>>);

impl Log {
    pub(crate) fn push(&self, entry: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The context of routines that write their number.
pub(crate) struct Entry {
    log: *const Log,
    number: usize,
}

impl Entry {
    pub(crate) fn new(log: &Pool<Log>, number: usize) -> Pool<Self> {
        Pool::new(Self { log: log.0, number })
    }

    /// # Safety
    ///
    /// The context is an entry.
    pub(crate) unsafe fn write(context: PVOID) {
        // SAFETY: the caller promises an entry, whose log lives as long.
        unsafe {
            let entry = context.cast::<Self>();
            (*(*entry).log).push((*entry).number);
        }
    }
}
