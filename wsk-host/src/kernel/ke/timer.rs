//! Timers.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::time::Duration;

use wsk_sys::fields;
use wsk_sys::{
    BOOLEAN, DISPATCH_LEVEL, FALSE, KTIMER, LARGE_INTEGER, LONG, NotificationTimer, PKDPC, PKTIMER,
    SynchronizationTimer, TIMER_TYPE, TRUE, ULONG,
};

use super::dispatcher::{NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER, change, initialize};
use super::dpc::queue;
use super::irql::require_at_most;
use super::time::relative;
use super::timer_queue::{SetTimer, TimerQueue};
use crate::kernel::ex::pool::require_resident_object;
use crate::kernel::schedule::{ClientPointer, Ticks, ticks};
use crate::kernel::{Kernel, current, interrupt};
use crate::verifier::{Origin, kernel_violation};

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeTimer(timer: PKTIMER) {
    // SAFETY: the caller passes memory for a timer that no thread uses.
    unsafe { KeInitializeTimerEx(timer, NotificationTimer) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeTimerEx(timer: PKTIMER, kind: TIMER_TYPE) {
    require_at_most(DISPATCH_LEVEL, "KeInitializeTimerEx");
    // SAFETY: the caller passes memory for a timer that no thread uses.
    unsafe { initialize_timer(timer, kind, "KeInitializeTimerEx") };
}

/// Initializes memory as a timer.
///
/// # Safety
///
/// The pointer is to memory for a timer that no thread uses.
pub(crate) unsafe fn initialize_timer(timer: PKTIMER, kind: TIMER_TYPE, function: &str) {
    let kind = match kind {
        NotificationTimer => NOTIFICATION_TIMER,
        SynchronizationTimer => SYNCHRONIZATION_TIMER,
        _ => kernel_violation(&format!("{function}: Type is not a TIMER_TYPE")),
    };
    require_resident_object(timer.addr(), "the timer", function);
    let memory = timer.addr()..timer.addr() + size_of::<KTIMER>();
    current().timers().require_unused(&memory, function);
    // SAFETY: the caller passes memory for a timer, of which zeroes are a valid one.
    unsafe { timer.write_bytes(0, 1) };
    // SAFETY: the caller passes memory for a timer that no thread uses.
    unsafe { initialize(&raw mut (*timer).Header, kind, 0) };
}

/// Stops a client that passes something else than an initialized timer.
///
/// # Safety
///
/// The memory is initialized.
unsafe fn require_timer(timer: PKTIMER, function: &str) {
    // SAFETY: the memory is initialized, by this function's contract.
    let lock = unsafe { fields::dispatcher_lock(&raw mut (*timer).Header) };
    // SAFETY: the memory is initialized, and the kind of a timer does not change.
    let kind = unsafe { lock.read() };
    if !matches!(kind, NOTIFICATION_TIMER | SYNCHRONIZATION_TIMER) {
        kernel_violation(&format!("{function}: the timer is not initialized"));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeSetTimer(timer: PKTIMER, due: LARGE_INTEGER, dpc: PKDPC) -> BOOLEAN {
    // SAFETY: the caller passes an initialized timer.
    unsafe { set(timer, fields::quad_part(&due), 0, dpc, "KeSetTimer") }
}

/// The period is in milliseconds, and zero for a timer that expires once.
#[wsk_host_macros::export]
unsafe extern "C" fn KeSetTimerEx(
    timer: PKTIMER,
    due: LARGE_INTEGER,
    period: LONG,
    dpc: PKDPC,
) -> BOOLEAN {
    let Ok(period) = ULONG::try_from(period) else {
        kernel_violation(&format!("KeSetTimerEx: the period of {period} ms is negative"))
    };
    // SAFETY: the caller passes an initialized timer.
    unsafe { set(timer, fields::quad_part(&due), milliseconds(period), dpc, "KeSetTimerEx") }
}

/// A timer that may be late is not: it need not be.
#[wsk_host_macros::export]
unsafe extern "C" fn KeSetCoalescableTimer(
    timer: PKTIMER,
    due: LARGE_INTEGER,
    period: ULONG,
    _tolerance: ULONG,
    dpc: PKDPC,
) -> BOOLEAN {
    let due = fields::quad_part(&due);
    // SAFETY: the caller passes an initialized timer.
    unsafe { set(timer, due, milliseconds(period), dpc, "KeSetCoalescableTimer") }
}

fn milliseconds(period: ULONG) -> Ticks {
    ticks(Duration::from_millis(period.into()))
}

/// Sets a timer, which expires again after each period, if that is not zero. Returns whether it was set before.
///
/// # Safety
///
/// The timer is initialized, and it and the deferred procedure call stay valid while it is set.
pub(crate) unsafe fn set(
    timer: PKTIMER,
    due: i64,
    period: Ticks,
    dpc: PKDPC,
    function: &'static str,
) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, function);
    // SAFETY: the timer is initialized (this function's contract).
    unsafe { require_timer(timer, function) };
    let kernel = current();
    let left = ticks(relative(due));
    let at = kernel.now().saturating_add(left);
    let mut timers = kernel.timers();
    let former = timers.remove_timer(timer.addr());
    let was_set = former.is_some();
    let former = former.and_then(|former| kernel.cancel_timer(former.job));
    // SAFETY: the timer is initialized, as was checked; `expire` takes the lock over all timers first.
    unsafe { change(&raw mut (*timer).Header, |_| 0) };
    // SAFETY: the caller's timer is valid, and the lock over all timers is held.
    unsafe { (&raw mut (*timer).Dpc).write(dpc) };
    // SAFETY: the caller's timer is valid, and the lock over all timers is held.
    unsafe { schedule(&kernel, &mut timers, timer, dpc, (at, period), Origin::here(function)) };
    drop(timers);
    // Without the lock: dropping a job may drop the last reference on the kernel.
    drop(former);
    interrupt();
    if was_set { TRUE } else { FALSE }
}

/// Has a timer expire at a time, and again after each period, if that is not zero.
///
/// # Safety
///
/// The timer is valid, and not set.
unsafe fn schedule(
    kernel: &Kernel,
    timers: &mut TimerQueue,
    timer: PKTIMER,
    dpc: PKDPC,
    (at, period): (Ticks, Ticks),
    origin: Origin,
) {
    // SAFETY: the timer is valid (this function's contract), and the lock over all timers is held.
    unsafe { (&raw mut (*timer).DueTime.QuadPart).write(at) };
    let number = timers.next_number();
    let pointers = (ClientPointer(timer), ClientPointer(dpc));
    // The job takes the lock over all timers before it looks for itself.
    let job = kernel.set_timer(at, move |kernel| {
        let (timer, dpc) = (pointers.0.get(), pointers.1.get());
        expire(kernel, number, timer, dpc);
    });
    timers
        .insert_timer(timer.addr(), SetTimer { number, job, dpc: dpc.addr(), at, period, origin });
}

/// Signals a timer that is due, and queues its deferred procedure call.
fn expire(kernel: &Kernel, number: u64, timer: PKTIMER, dpc: PKDPC) {
    let mut timers = kernel.timers();
    // A native thread may have set or cancelled it before this thread got the lock.
    if !timers.is_set(timer.addr(), number) {
        return;
    }
    let Some(set) = timers.remove_timer(timer.addr()) else { return };
    if !dpc.is_null() {
        queue(kernel, &mut timers, dpc);
    }
    if set.period != 0 {
        let times = (set.at.saturating_add(set.period), set.period);
        // SAFETY: the timer was set, so it is valid, and it was just taken out of the set ones.
        unsafe { schedule(kernel, &mut timers, timer, dpc, times, set.origin) };
    }
    // SAFETY: the timer was set until here, so it is valid; it is not accessed afterwards, unless it is periodic, and set.
    unsafe { change(&raw mut (*timer).Header, |_| 1) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeCancelTimer(timer: PKTIMER) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "KeCancelTimer");
    interrupt();
    // SAFETY: the caller passes an initialized timer.
    unsafe { require_timer(timer, "KeCancelTimer") };
    if cancel(&current(), timer.addr()) { TRUE } else { FALSE }
}

/// Cancels the timer at an address, and returns whether it was set.
pub(crate) fn cancel(kernel: &Kernel, timer: usize) -> bool {
    let former = kernel.timers().remove_timer(timer);
    let Some(former) = former else { return false };
    drop(kernel.cancel_timer(former.job));
    true
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReadStateTimer(timer: PKTIMER) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "KeReadStateTimer");
    // SAFETY: the caller passes an initialized timer.
    unsafe { require_timer(timer, "KeReadStateTimer") };
    // SAFETY: the timer is initialized, as was just checked.
    let state = unsafe { change(&raw mut (*timer).Header, |state| state) };
    if state > 0 { TRUE } else { FALSE }
}
