//! Waits for dispatcher objects.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use wsk_sys::fields;
use wsk_sys::{
    APC_LEVEL, BOOLEAN, DISPATCHER_HEADER, KPROCESSOR_MODE, KWAIT_REASON, NTSTATUS, PKWAIT_BLOCK,
    PLARGE_INTEGER, PVOID, STATUS_SUCCESS, STATUS_TIMEOUT, ULONG, WAIT_TYPE, WaitAny,
};

use super::dispatcher::{
    MUTANT, NOTIFICATION_EVENT, NOTIFICATION_TIMER, QUEUE, SEMAPHORE, SYNCHRONIZATION_EVENT,
    SYNCHRONIZATION_TIMER, Signal, THREAD, Wait, WaitingThread,
};
use super::event::require_event;
use super::irql::require_at_most;
use super::time::relative;
use crate::kernel::context::require_no_callback;
use crate::kernel::progress::require_progress;
use crate::kernel::residency::require_frames;
use crate::kernel::schedule::{Deterministic, Scheduler, ThreadId, Ticks, patience, ticks};
use crate::kernel::{Kernel, current};
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeWaitForSingleObject(
    object: PVOID,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    current().0.event_calls.count_wait();
    // SAFETY: the caller passes an object.
    unsafe { require_object(object.cast(), "KeWaitForSingleObject") };
    // SAFETY: the caller passes an initialized object, and a timeout or null.
    unsafe { wait("KeWaitForSingleObject", &[object.cast()], WaitAny, timeout) }
}

#[wsk_host_macros::export]
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
    /// The maximum number of objects without wait blocks from the caller, and with them.
    const THREAD_WAIT_OBJECTS: usize = 3;
    const MAXIMUM_WAIT_OBJECTS: usize = 64;
    let count = count as usize;
    let needs_blocks = count > THREAD_WAIT_OBJECTS;
    if count == 0 || count > MAXIMUM_WAIT_OBJECTS || (needs_blocks && blocks.is_null()) {
        kernel_violation(&format!(
            "KeWaitForMultipleObjects: Count is {count}; it must be 1 to 64, and more than 3 need a WaitBlockArray"
        ));
    }
    current().0.event_calls.count_wait();
    // SAFETY: the caller passes an array of `count` pointers.
    let objects = unsafe { std::slice::from_raw_parts(objects.cast(), count) };
    for object in objects {
        // SAFETY: the caller passes objects.
        unsafe { require_object(*object, "KeWaitForMultipleObjects") };
    }
    // SAFETY: the caller passes initialized objects, and a timeout or null.
    unsafe { wait("KeWaitForMultipleObjects", objects, wait_type, timeout) }
}

#[wsk_host_macros::export]
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

/// Stops a client that waits for an object which it has not initialized.
///
/// # Safety
///
/// The memory of the object is readable.
unsafe fn require_object(object: *mut DISPATCHER_HEADER, function: &str) {
    if object.is_null() {
        kernel_violation(&format!("{function}: the object is NULL"));
    }
    // SAFETY: the memory is readable, by this function's contract, and the kind of an object does not change.
    match unsafe { fields::dispatcher_lock(object).read() } {
        NOTIFICATION_EVENT | SYNCHRONIZATION_EVENT => {
            // SAFETY: the memory is readable, by this function's contract.
            unsafe { require_event(object, function) };
        }
        MUTANT | SEMAPHORE | THREAD | NOTIFICATION_TIMER | SYNCHRONIZATION_TIMER => {}
        QUEUE => kernel_violation(&format!(
            "{function}: the object is a queue, whose entries threads wait for with KeRemoveQueue"
        )),
        _ => kernel_violation(&format!("{function}: the object is not initialized")),
    }
}

/// Waits for one of the objects, or for all, and changes the objects as a satisfied wait does.
///
/// # Safety
///
/// The objects are initialized, and stay so; the timeout is valid or null.
pub(crate) unsafe fn wait(
    function: &'static str,
    objects: &[*mut DISPATCHER_HEADER],
    wait_type: WAIT_TYPE,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    // SAFETY: the timeout is valid or null, by this function's contract.
    let timeout = unsafe { timeout.as_ref() }.map(|timeout| relative(fields::quad_part(timeout)));
    // SAFETY: the objects are initialized and stay so, by this function's contract.
    unsafe { wait_for(function, objects, wait_type, timeout) }
}

/// Waits like [`wait`].
///
/// # Safety
///
/// The objects are initialized, and stay so.
unsafe fn wait_for(
    function: &'static str,
    objects: &[*mut DISPATCHER_HEADER],
    wait_type: WAIT_TYPE,
    timeout: Option<Duration>,
) -> NTSTATUS {
    let may_wait = timeout != Some(Duration::ZERO);
    if may_wait {
        require_at_most(APC_LEVEL, function);
        require_no_callback(function);
    }
    let kernel = current();
    require_frames(&kernel, function);
    let thread = || match kernel.scheduler() {
        Scheduler::Deterministic(scheduler) => {
            Some((Arc::clone(scheduler), Kernel::current_thread()))
        }
        Scheduler::Native(_) => None,
    };
    let waiting = || WaitingThread {
        kernel: kernel.as_raw().addr(),
        thread: Kernel::current_thread(),
        machine_thread: std::thread::current(),
        function,
        since: kernel.now(),
        has_timeout: timeout.is_some(),
    };
    // SAFETY: the objects are initialized and stay so, by this function's contract.
    let wait = match unsafe { Wait::begin(objects, wait_type, may_wait, thread, waiting) } {
        Ok(result) => return result.unwrap_or(STATUS_TIMEOUT),
        Err(wait) => wait,
    };
    let wait = match thread() {
        Some((scheduler, me)) => wait_deterministically(&scheduler, me, wait, timeout),
        None => wait_natively(&kernel, wait, timeout),
    };
    wait.finish().unwrap_or(STATUS_TIMEOUT)
}

/// Runs other threads until the wait is satisfied, or its timeout has passed.
fn wait_deterministically(
    scheduler: &Deterministic,
    me: ThreadId,
    mut wait: Wait,
    timeout: Option<Duration>,
) -> Wait {
    let deadline: Option<Ticks> =
        timeout.map(|timeout| scheduler.now().saturating_add(ticks(timeout)));
    loop {
        let is_over = deadline.is_some_and(|deadline| deadline <= scheduler.now());
        if is_over || wait.is_satisfied() {
            return wait;
        }
        scheduler.waits(me, deadline);
        wait = wait.unlocked(|| scheduler.run_others(me));
    }
}

/// Blocks the machine's thread until the wait is satisfied, or its timeout has passed.
fn wait_natively(kernel: &Kernel, mut wait: Wait, timeout: Option<Duration>) -> Wait {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let patience = patience().filter(|_| deadline.is_none());
    let mut check = patience.map(|patience| Instant::now() + patience);
    while !wait.is_satisfied() && deadline.is_none_or(|deadline| deadline > Instant::now()) {
        wait = wait.block(deadline.or(check));
        if check.is_some_and(|check| check <= Instant::now()) && !wait.is_satisfied() {
            wait = wait.unlocked(|| require_progress(kernel));
            check = patience.map(|patience| Instant::now() + patience);
        }
    }
    wait
}

impl Signal {
    /// Waits until it is set. Returns false if the timeout has passed first.
    pub(crate) fn wait(&self, function: &'static str, timeout: Option<Duration>) -> bool {
        // SAFETY: a signal's header is initialized, by its invariant, and `self` keeps it valid.
        unsafe { wait_for(function, &[self.0.get()], WaitAny, timeout) == STATUS_SUCCESS }
    }
}
