//! Kernel objects in pool, waits, times, and a log for routines.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]
#![allow(clippy::wildcard_imports, reason = "raw calls use most of C's names")]
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "tests make mistakes on purpose; see the crate's documentation"
)]

use std::ops::Deref;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use wsk_host::{Config, Host, Timing, testing};
use wsk_sys::*;

/// The tag of everything that tests allocate.
pub const TAG: ULONG = u32::from_le_bytes(*b"test");
/// A millisecond in the kernel's units of 100 ns.
pub const MILLISECOND: i64 = 10_000;
/// An hour in the kernel's units.
pub const HOUR: i64 = 3_600_000 * MILLISECOND;

/// Runs a scenario on both networks, and with all timings.
pub fn on_hosts(scenario: fn(&Host)) {
    on_simulated_hosts(scenario);
    // Miri has no network.
    if cfg!(miri) {
        return;
    }
    testing::run(Config::real().timing(Timing::Inline), 0..1, |host| scenario(&host));
}

/// Runs a scenario on the simulated network, with all timings.
pub fn on_simulated_hosts(scenario: fn(&Host)) {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(0)] {
        testing::run(Config::default().timing(timing), testing::SEEDS, |host| scenario(&host));
    }
}

/// Whether the host's network is the simulated one.
pub fn is_simulated(host: &Host) -> bool {
    host.config().network == Config::default().network
}

/// An object in nonpaged pool, freed when it is dropped.
///
/// # Invariants
///
/// The pointer is to memory of the pool for a `T`, which this value owns.
pub struct Pool<T>(pub *mut T);

impl<T> Pool<T> {
    /// Moves a value to nonpaged pool.
    pub fn new(value: T) -> Self {
        // SAFETY: the memory is allocated with this size.
        unsafe {
            let memory: *mut T = ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<T>(), TAG).cast();
            memory.write(value);
            Self(memory)
        }
    }

    /// The pointer that C functions take.
    pub fn raw(&self) -> PVOID {
        self.0.cast()
    }
}

impl<T> Deref for Pool<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `new` wrote the object, and only `drop` frees it.
        unsafe { &*self.0 }
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        // SAFETY: `new` allocated the memory and wrote the object; the test has ended the kernel's use of it.
        unsafe {
            self.0.drop_in_place();
            ExFreePoolWithTag(self.0.cast(), TAG);
        }
    }
}

/// A kernel object, initialized by `initialize` in zeroed memory.
pub fn object<T>(initialize: impl FnOnce(*mut T)) -> Pool<T> {
    // SAFETY: the kernel's structures are integers and pointers, for which zeroes are valid.
    let object = Pool::new(unsafe { std::mem::zeroed() });
    initialize(object.0);
    object
}

/// A notification event, not signaled.
pub fn event() -> Pool<KEVENT> {
    // SAFETY: there is room for an event.
    object(|event| unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) })
}

/// A timer that is not set.
pub fn timer(kind: TIMER_TYPE) -> Pool<KTIMER> {
    // SAFETY: there is room for a timer.
    object(|timer| unsafe { KeInitializeTimerEx(timer, kind) })
}

/// A DPC with this routine and context.
pub fn dpc(routine: PKDEFERRED_ROUTINE, context: PVOID) -> Pool<KDPC> {
    // SAFETY: there is room for a call; the routine is for the context.
    object(|dpc| unsafe { KeInitializeDpc(dpc, routine, context) })
}

/// A time, or an interval if negative, in units of 100 ns.
pub fn time(value: i64) -> LARGE_INTEGER {
    LARGE_INTEGER { QuadPart: value }
}

/// Sets a timer. Returns whether it was set before.
pub fn set(timer: &Pool<KTIMER>, due: i64, dpc: Option<&Pool<KDPC>>) -> bool {
    // SAFETY: both are initialized, and stay until they are not used any more.
    unsafe { KeSetTimer(timer.0, time(due), dpc.map_or(ptr::null_mut(), |dpc| dpc.0)) != FALSE }
}

/// Cancels a timer. Returns whether it was set.
pub fn cancel(timer: &Pool<KTIMER>) -> bool {
    // SAFETY: the timer is initialized.
    unsafe { KeCancelTimer(timer.0) != FALSE }
}

/// Waits until every queued DPC has run.
pub fn flush() {
    // SAFETY: the IRQL is PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
}

/// Waits for an object. Returns whether it was signaled; without a timeout, the wait does not end before.
pub fn wait<T>(object: &Pool<T>, timeout: Option<i64>) -> bool {
    let mut timeout = timeout.map(time);
    let timeout = timeout.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: the object is initialized.
    let status =
        unsafe { KeWaitForSingleObject(object.raw(), Executive, KernelMode, FALSE, timeout) };
    assert!(matches!(status, STATUS_SUCCESS | STATUS_TIMEOUT));
    status == STATUS_SUCCESS
}

/// Waits for an interval, or until a time.
pub fn delay(interval: i64) {
    // SAFETY: the interval is here.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut *Box::new(time(interval))) };
}

/// The time of day, and the time since the system started.
pub fn now() -> (i64, i64) {
    let mut now = time(0);
    // SAFETY: there is room for a time.
    unsafe {
        KeQuerySystemTimePrecise(&raw mut now);
        (now.QuadPart, KeQueryUnbiasedInterruptTime().try_into().unwrap())
    }
}

/// Asserts that `expected` has passed since then: exactly on the simulated network, where time passes only while
/// every thread waits.
#[track_caller]
pub fn assert_passed(host: &Host, since: (i64, i64), expected: i64) {
    let (day, interrupt) = now();
    if is_simulated(host) {
        assert_eq!((day - since.0, interrupt - since.1), (expected, expected));
    } else {
        // The machine's waits and its clocks differ.
        assert!(interrupt - since.1 >= expected - MILLISECOND, "{}", interrupt - since.1);
        assert!(day - since.0 < expected + 60_000 * MILLISECOND);
    }
}

/// Numbers that routines append, in order.
#[derive(Default)]
pub struct CallLog(Mutex<Vec<usize>>);

impl CallLog {
    /// Appends a number.
    pub fn push(&self, entry: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Takes all numbers, in order.
    pub fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The context of a routine that appends a number to a log.
///
/// # Invariants
///
/// The log outlives every call of the routine.
pub struct LogEntry {
    log: *const CallLog,
    number: usize,
}

impl LogEntry {
    /// An entry for this log, with this number.
    pub fn new(log: &Pool<CallLog>, number: usize) -> Pool<Self> {
        Pool::new(Self { log: log.0, number })
    }

    /// Appends the entry's number to its log.
    ///
    /// # Safety
    ///
    /// The context points to an entry whose log is alive.
    pub unsafe fn write(context: PVOID) {
        // SAFETY: the context points to an entry whose log is alive: the caller's contract.
        unsafe {
            let entry = context.cast::<Self>();
            (*(*entry).log).push((*entry).number);
        }
    }
}
