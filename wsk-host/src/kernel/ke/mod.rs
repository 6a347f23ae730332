//! `Ke…`: the IRQL, spin locks, events, semaphores and waits.
//!
//! An event is the client's memory, which it may free as soon as a wait on it has returned. So all of
//! them are guarded by one lock of this crate's, and touched only under it.

pub(crate) mod timer;

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wsk_sys::fields;
use wsk_sys::{
    APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, DISPATCHER_HEADER, EVENT_TYPE, FALSE, KIRQL, KPRIORITY,
    KPROCESSOR_MODE, KWAIT_REASON, LIST_ENTRY, LONG, NTSTATUS, NotificationEvent, PASSIVE_LEVEL,
    PKSPIN_LOCK, PKWAIT_BLOCK, PLARGE_INTEGER, PRKEVENT, PRKSEMAPHORE, PVOID, STATUS_SUCCESS,
    STATUS_TIMEOUT, SynchronizationEvent, ULONG, ULONG_PTR, WAIT_TYPE, WaitAll, WaitAny,
};

use crate::host::Host;
use crate::kernel::context::require_no_callback;
use crate::kernel::schedule::{Scheduler, ThreadId, Ticks, Turns, interrupt, ticks};
use crate::verifier::violation;

thread_local! {
    static IRQL: Cell<KIRQL> = const { Cell::new(PASSIVE_LEVEL) };
}

/// The IRQL of the current thread.
#[must_use]
pub fn current_irql() -> u8 {
    IRQL.get()
}

/// Stops the process if the IRQL is above a level.
pub(crate) fn require_at_most(level: KIRQL, function: &str) {
    if IRQL.get() > level {
        violation(&format!(
            "{function}: the IRQL is {}, and must not be above {level}",
            IRQL.get()
        ));
    }
}

#[unsafe(no_mangle)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    IRQL.get()
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn KfRaiseIrql(new: KIRQL) -> KIRQL {
    let old = IRQL.replace(new);
    if old > new {
        violation("KfRaiseIrql: the new IRQL is below the current one");
    }
    old
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn KeLowerIrql(new: KIRQL) {
    if IRQL.replace(new) < new {
        violation("KeLowerIrql: the new IRQL is above the current one");
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: PKSPIN_LOCK) -> KIRQL {
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a spin lock, which is a word that is only used atomically.
    let lock = unsafe { AtomicUsize::from_ptr(lock.cast()) };
    while lock.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        thread::yield_now();
    }
    old
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeReleaseSpinLock(lock: PKSPIN_LOCK, irql: KIRQL) {
    // SAFETY: the caller passes a spin lock, which is a word that is only used atomically.
    if unsafe { AtomicUsize::from_ptr(lock.cast()) }.swap(0, Ordering::Release) == 0 {
        violation("KeReleaseSpinLock: the lock is not held");
    }
    KeLowerIrql(irql);
}

/// The lock over all dispatcher objects, the threads that wait for some, and the signal for those of them
/// that run freely.
static OBJECTS: Mutex<Waiters> = Mutex::new(Waiters { waiting: Vec::new(), last: 0 });
static SIGNALLED: Condvar = Condvar::new();

struct Waiters {
    /// In the order in which they came.
    waiting: Vec<Waiter>,
    last: u64,
}

struct Waiter {
    number: u64,
    objects: Vec<Object>,
    wait_type: WAIT_TYPE,
    /// Of a thread that takes turns.
    thread: Option<(Arc<Turns>, ThreadId)>,
    /// What its wait returns, once it got what it waits for. That is when an object is signalled, and not
    /// when the thread runs again: the object may not be signalled any more by then.
    result: Option<NTSTATUS>,
}

impl Waiters {
    /// Lets a waiter go, and says what its wait returns, if it got what it waits for.
    fn remove(&mut self, number: u64) -> Option<NTSTATUS> {
        let index = self.waiting.iter().position(|waiter| waiter.number == number)?;
        self.waiting.remove(index).result
    }

    /// What a waiter's wait returns.
    fn result(&self, number: u64) -> Option<NTSTATUS> {
        self.waiting.iter().find(|waiter| waiter.number == number)?.result
    }
}

/// An object that a thread waits for, or is about to.
#[derive(Clone, Copy)]
struct Object(*mut DISPATCHER_HEADER);

// SAFETY: it is used under the lock over all dispatcher objects.
unsafe impl Send for Object {}

impl Object {
    /// Under the lock.
    fn is_signalled(&self) -> bool {
        // SAFETY: who waits has promised that it is valid, and the lock makes this the only access.
        unsafe { (*self.0).SignalState > 0 }
    }

    /// Under the lock: what a wait takes.
    fn take(self) {
        // SAFETY: as above.
        let lock = unsafe { fields::dispatcher_lock(self.0) };
        // SAFETY: as above.
        let kind = unsafe { lock.read() };
        // SAFETY: as above.
        let object = unsafe { &mut *self.0 };
        if matches!(kind, SYNCHRONIZATION_EVENT | SEMAPHORE | SYNCHRONIZATION_TIMER) {
            object.SignalState -= 1;
        }
    }
}

/// Under the lock: takes what a wait takes if it is there, and says what the wait returns.
fn try_take(objects: &[Object], wait_type: WAIT_TYPE) -> Option<NTSTATUS> {
    if wait_type == WaitAll {
        let all = !objects.is_empty() && objects.iter().all(Object::is_signalled);
        all.then(|| objects.iter().copied().for_each(Object::take)).map(|()| STATUS_SUCCESS)
    } else {
        let first = objects.iter().position(Object::is_signalled)?;
        objects[first].take();
        // STATUS_WAIT_0 and its like; there are at most 64.
        Some(NTSTATUS::try_from(first).unwrap_or(STATUS_SUCCESS))
    }
}

fn lock() -> MutexGuard<'static, Waiters> {
    OBJECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kinds of dispatcher objects, as the lowest byte of a header has them.
const SYNCHRONIZATION_EVENT: LONG = 1;
const SEMAPHORE: LONG = 5;
pub(crate) const THREAD: LONG = 6;
pub(crate) const NOTIFICATION_TIMER: LONG = 8;
pub(crate) const SYNCHRONIZATION_TIMER: LONG = 9;

pub(crate) fn header(kind: LONG, signal_state: LONG) -> DISPATCHER_HEADER {
    let unused = LIST_ENTRY { Flink: ptr::null_mut(), Blink: ptr::null_mut() };
    fields::dispatcher_header(kind, signal_state, unused)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeInitializeEvent(event: PRKEVENT, kind: EVENT_TYPE, state: BOOLEAN) {
    if kind != NotificationEvent && kind != SynchronizationEvent {
        violation("KeInitializeEvent: not a kind of event");
    }
    // SAFETY: the caller passes memory for an event.
    unsafe { initialise(&raw mut (*event).Header, kind, LONG::from(state != FALSE)) };
}

/// Makes memory an object.
///
/// # Safety
///
/// The pointer is to memory for an object that nobody uses.
pub(crate) unsafe fn initialise(object: *mut DISPATCHER_HEADER, kind: LONG, state: LONG) {
    let _guard = lock();
    // SAFETY: the caller promises memory, and the lock makes this the only access.
    unsafe { object.write(header(kind, state)) };
}

/// Changes an object's state, and returns the former one.
///
/// # Safety
///
/// The pointer is to an initialised object.
pub(crate) unsafe fn change(
    object: *mut DISPATCHER_HEADER,
    state: impl FnOnce(LONG) -> LONG,
) -> LONG {
    let mut waiters = lock();
    // SAFETY: the caller's object is valid, and the lock makes this the only access.
    let place = unsafe { &mut (*object).SignalState };
    let old = std::mem::replace(place, state(*place));
    // Under the lock: whoever waits may free the object as soon as it has it.
    for waiter in waiters.waiting.iter_mut().filter(|waiter| waiter.result.is_none()) {
        if !waiter.objects.iter().any(|of_waiter| of_waiter.0.addr() == object.addr()) {
            continue;
        }
        waiter.result = try_take(&waiter.objects, waiter.wait_type);
        match (&waiter.result, &waiter.thread) {
            (Some(_), Some((turns, thread))) => turns.wake(*thread),
            (Some(_), None) => SIGNALLED.notify_all(),
            (None, _) => {}
        }
    }
    old
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeSetEvent(event: PRKEVENT, _increment: KPRIORITY, wait: BOOLEAN) -> LONG {
    require_at_most(if wait == FALSE { DISPATCH_LEVEL } else { APC_LEVEL }, "KeSetEvent");
    interrupt();
    // SAFETY: the caller passes an event.
    unsafe { change(&raw mut (*event).Header, |_| 1) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeResetEvent(event: PRKEVENT) -> LONG {
    // SAFETY: the caller passes an event.
    unsafe { change(&raw mut (*event).Header, |_| 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeClearEvent(event: PRKEVENT) {
    // SAFETY: the caller passes an event.
    unsafe { change(&raw mut (*event).Header, |_| 0) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeReadStateEvent(event: PRKEVENT) -> LONG {
    // SAFETY: the caller passes an event.
    unsafe { change(&raw mut (*event).Header, |state| state) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeInitializeSemaphore(semaphore: PRKSEMAPHORE, count: LONG, limit: LONG) {
    // SAFETY: the caller passes memory for a semaphore.
    unsafe { initialise(&raw mut (*semaphore).Header, SEMAPHORE, count) };
    // SAFETY: as above.
    unsafe { (&raw mut (*semaphore).Limit).write(limit) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeReleaseSemaphore(
    semaphore: PRKSEMAPHORE,
    _increment: KPRIORITY,
    adjustment: LONG,
    wait: BOOLEAN,
) -> LONG {
    require_at_most(if wait == FALSE { DISPATCH_LEVEL } else { APC_LEVEL }, "KeReleaseSemaphore");
    // SAFETY: the caller passes a semaphore, whose limit does not change.
    let limit = unsafe { (*semaphore).Limit };
    // SAFETY: as above.
    unsafe {
        change(&raw mut (*semaphore).Header, |count| match count.checked_add(adjustment) {
            Some(count) if adjustment > 0 && count <= limit => count,
            _ => violation("KeReleaseSemaphore: beyond the semaphore's limit"),
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeWaitForSingleObject(
    object: PVOID,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    // SAFETY: the caller passes an object, and a time-out or null.
    unsafe { wait("KeWaitForSingleObject", &[object.cast()], WaitAny, timeout) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeWaitForMultipleObjects(
    count: ULONG,
    objects: *mut PVOID,
    wait_type: WAIT_TYPE,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
    blocks: PKWAIT_BLOCK,
) -> NTSTATUS {
    /// As many as need no wait blocks of the caller's, and as many as there can be at all.
    const FEW: usize = 3;
    const MOST: usize = 64;
    let count = count as usize;
    if count == 0 || count > MOST || (count > FEW && blocks.is_null()) {
        violation(&format!(
            "KeWaitForMultipleObjects: {count} objects, or no room for their waits"
        ));
    }
    // SAFETY: the caller passes this many objects.
    let objects = unsafe { std::slice::from_raw_parts(objects.cast(), count) };
    // SAFETY: the caller passes objects, and a time-out or null.
    unsafe { wait("KeWaitForMultipleObjects", objects, wait_type, timeout) }
}

/// Waits for one of the objects, or for all, and takes from them what a wait takes.
///
/// # Safety
///
/// The objects are initialised, and stay so; the time-out is valid or null.
pub(crate) unsafe fn wait(
    function: &str,
    objects: &[*mut DISPATCHER_HEADER],
    wait_type: WAIT_TYPE,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    // SAFETY: the caller passes a time-out, or null.
    let timeout = unsafe { timeout.as_ref() }.map(|timeout| relative(fields::quad_part(timeout)));
    // SAFETY: the caller's promises are the same.
    unsafe { wait_for(function, objects, wait_type, timeout) }
}

/// As [`wait`].
///
/// # Safety
///
/// The objects are initialised, and stay so.
unsafe fn wait_for(
    function: &str,
    objects: &[*mut DISPATCHER_HEADER],
    wait_type: WAIT_TYPE,
    timeout: Option<Duration>,
) -> NTSTATUS {
    if timeout != Some(Duration::ZERO) {
        require_at_most(APC_LEVEL, function);
        require_no_callback(function);
    }
    let objects: Vec<Object> = objects.iter().copied().map(Object).collect();
    let host = Host::current();
    let mut waiters = lock();
    if let Some(status) = try_take(&objects, wait_type) {
        return status;
    }
    if timeout == Some(Duration::ZERO) {
        return STATUS_TIMEOUT;
    }
    waiters.last += 1;
    let number = waiters.last;
    let thread = match &host.0.scheduler {
        Scheduler::Turns(turns) => Some((Arc::clone(turns), Host::current_thread())),
        Scheduler::Free(_) => None,
    };
    let waiter = Waiter { number, objects, wait_type, thread: thread.clone(), result: None };
    waiters.waiting.push(waiter);
    let mut waiters = match thread {
        Some((turns, me)) => wait_in_turns(&host, &turns, me, waiters, number, timeout),
        None => wait_freely(waiters, number, timeout),
    };
    waiters.remove(number).unwrap_or(STATUS_TIMEOUT)
}

/// Waits until a waiter got what it waits for, or its time-out has passed.
fn wait_in_turns<'a>(
    host: &Host,
    turns: &Turns,
    me: ThreadId,
    mut waiters: MutexGuard<'a, Waiters>,
    number: u64,
    timeout: Option<Duration>,
) -> MutexGuard<'a, Waiters> {
    let deadline: Option<Ticks> = timeout.map(|timeout| turns.now().saturating_add(ticks(timeout)));
    loop {
        let is_over = deadline.is_some_and(|deadline| deadline <= turns.now());
        if is_over || waiters.result(number).is_some() {
            return waiters;
        }
        turns.waits(me, deadline);
        drop(waiters);
        turns.run_others(host, me);
        waiters = lock();
    }
}

/// As [`wait_in_turns`], where there are none.
fn wait_freely(
    mut waiters: MutexGuard<'_, Waiters>,
    number: u64,
    timeout: Option<Duration>,
) -> MutexGuard<'_, Waiters> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    while waiters.result(number).is_none() {
        let Some(deadline) = deadline else {
            waiters = SIGNALLED.wait(waiters).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        waiters = SIGNALLED
            .wait_timeout(waiters, left)
            .map_or_else(|error| error.into_inner().0, |(waiters, _)| waiters);
    }
    waiters
}

/// Something of this crate's own that threads wait for: it stays signalled until it is cleared.
pub(crate) struct Signal(UnsafeCell<DISPATCHER_HEADER>);

// SAFETY: the header is used under the lock over all dispatcher objects.
unsafe impl Send for Signal {}
// SAFETY: as above.
unsafe impl Sync for Signal {}

impl Signal {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(header(0, 0)))
    }

    pub(crate) fn set(&self) {
        // SAFETY: the object is initialised, and is here.
        unsafe { change(self.0.get(), |_| 1) };
    }

    pub(crate) fn clear(&self) {
        // SAFETY: as above.
        unsafe { change(self.0.get(), |_| 0) };
    }

    /// Waits for it, and says whether it came.
    pub(crate) fn wait(&self, function: &str, timeout: Option<Duration>) -> bool {
        // SAFETY: as above.
        unsafe { wait_for(function, &[self.0.get()], WaitAny, timeout) == STATUS_SUCCESS }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeDelayExecutionThread(
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    interval: PLARGE_INTEGER,
) -> NTSTATUS {
    require_at_most(APC_LEVEL, "KeDelayExecutionThread");
    // SAFETY: the caller passes an interval.
    let interval = relative(unsafe { (*interval).QuadPart });
    // SAFETY: there are no objects.
    unsafe { wait_for("KeDelayExecutionThread", &[], WaitAny, Some(interval)) };
    STATUS_SUCCESS
}

/// The beginning of Unix's time in the system's: 1970, in units of 100 ns since 1601.
const UNIX: i64 = 116_444_736_000_000_000;

/// When the hosts that have a time of their own were made.
const CREATION: i64 = UNIX + 1_750_000_000 * 10_000_000;

/// The time of day, in units of 100 ns since 1601.
pub(crate) fn system_time(host: &Host) -> i64 {
    match &host.0.scheduler {
        Scheduler::Turns(turns) => CREATION.saturating_add_unsigned(turns.now()),
        Scheduler::Free(_) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            UNIX.saturating_add_unsigned(ticks(since))
        }
    }
}

/// How long until a time: negative ones are relative, in units of 100 ns.
pub(crate) fn relative(time: i64) -> Duration {
    let ticks = if time > 0 {
        u64::try_from(time - system_time(&Host::current())).unwrap_or(0)
    } else {
        time.unsigned_abs()
    };
    Duration::from_nanos(ticks.saturating_mul(100))
}

#[unsafe(no_mangle)]
extern "C" fn KeBugCheckEx(
    code: ULONG,
    first: ULONG_PTR,
    second: ULONG_PTR,
    third: ULONG_PTR,
    fourth: ULONG_PTR,
) -> ! {
    violation(&format!("bug check 0x{code:08X} ({first:#x}, {second:#x}, {third:#x}, {fourth:#x})"))
}
