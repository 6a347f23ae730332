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

use wsk_sys::fields;
use wsk_sys::{
    BOOLEAN, DISPATCH_LEVEL, FALSE, KTIMER, LARGE_INTEGER, NotificationTimer, PKDPC, PKTIMER,
    SynchronizationTimer, TIMER_TYPE, TRUE,
};

use super::dispatcher::{NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER, change, initialize};
use super::dpc::queue;
use super::irql::require_at_most;
use super::time::relative;
use super::timer_queue::SetTimer;
use crate::kernel::schedule::{ClientPointer, ticks};
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
    let kind = match kind {
        NotificationTimer => NOTIFICATION_TIMER,
        SynchronizationTimer => SYNCHRONIZATION_TIMER,
        _ => kernel_violation("KeInitializeTimerEx: Type is not a TIMER_TYPE"),
    };
    let memory = timer.addr()..timer.addr() + size_of::<KTIMER>();
    current().timers().require_unused(&memory, "KeInitializeTimerEx");
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
    require_at_most(DISPATCH_LEVEL, "KeSetTimer");
    // SAFETY: the caller passes an initialized timer.
    unsafe { require_timer(timer, "KeSetTimer") };
    let kernel = current();
    let left = ticks(relative(fields::quad_part(&due)));
    let at = kernel.now().saturating_add(left);
    let mut timers = kernel.timers();
    let former = timers.remove_timer(timer.addr());
    let was_set = former.is_some();
    let former = former.and_then(|former| kernel.cancel_timer(former.job));
    // SAFETY: the timer is initialized, as was checked; `expire` takes the lock over all timers first.
    unsafe { change(&raw mut (*timer).Header, |_| 0) };
    // SAFETY: the caller's timer is valid, and the lock over all timers is held.
    unsafe { (&raw mut (*timer).DueTime.QuadPart).write(at) };
    // SAFETY: the caller's timer is valid, and the lock over all timers is held.
    unsafe { (&raw mut (*timer).Dpc).write(dpc) };
    let number = timers.next_number();
    let pointers = (ClientPointer(timer), ClientPointer(dpc));
    // The job takes the lock over all timers before it looks for itself.
    let job = kernel.set_timer(at, move |kernel| {
        let (timer, dpc) = (pointers.0.get(), pointers.1.get());
        expire(kernel, number, timer, dpc);
    });
    let origin = Origin::here("KeSetTimer");
    timers.insert_timer(timer.addr(), SetTimer { number, job, dpc: dpc.addr(), origin });
    drop(timers);
    // Without the lock: dropping a job may drop the last reference on the kernel.
    drop(former);
    interrupt();
    if was_set { TRUE } else { FALSE }
}

/// Signals a timer whose time has come, and queues its deferred procedure call.
fn expire(kernel: &Kernel, number: u64, timer: PKTIMER, dpc: PKDPC) {
    let mut timers = kernel.timers();
    // A native thread may have set or cancelled it before this thread got the lock.
    if !timers.is_set(timer.addr(), number) {
        return;
    }
    timers.remove_timer(timer.addr());
    if !dpc.is_null() {
        queue(kernel, &mut timers, dpc);
    }
    // SAFETY: the timer was set until here, so it is valid; it is not accessed afterwards.
    unsafe { change(&raw mut (*timer).Header, |_| 1) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeCancelTimer(timer: PKTIMER) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "KeCancelTimer");
    interrupt();
    // SAFETY: the caller passes an initialized timer.
    unsafe { require_timer(timer, "KeCancelTimer") };
    let kernel = current();
    let former = kernel.timers().remove_timer(timer.addr());
    let Some(former) = former else { return FALSE };
    drop(kernel.cancel_timer(former.job));
    TRUE
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
