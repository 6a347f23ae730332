//! Deferred procedure calls.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{
    BOOLEAN, FALSE, KDPC, KDPC_IMPORTANCE, MediumHighImportance, NTSTATUS, PASSIVE_LEVEL,
    PKDEFERRED_ROUTINE, PKDPC, PPROCESSOR_NUMBER, PRKDPC, PROCESSOR_NUMBER, PVOID,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, TRUE,
};

use super::dpc_watchdog;
use super::irql::{keeping_level, require_at_most};
use super::timer_queue::TimerQueue;
use crate::kernel::abi::Routine as _;
use crate::kernel::context::{deferred, require_no_callback};
use crate::kernel::ex::pool::require_resident_object;
use crate::kernel::schedule::ClientPointer;
use crate::kernel::{Kernel, current, interrupt};
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeDpc(dpc: PRKDPC, routine: PKDEFERRED_ROUTINE, context: PVOID) {
    if routine.is_none() {
        kernel_violation("KeInitializeDpc: DeferredRoutine is null");
    }
    // SAFETY: the caller passes memory for a deferred procedure call.
    unsafe { initialize_dpc(dpc, routine, context) };
}

/// Initializes memory as a deferred procedure call.
///
/// # Safety
///
/// The pointer is to memory for a deferred procedure call.
pub(crate) unsafe fn initialize_dpc(dpc: PRKDPC, routine: PKDEFERRED_ROUTINE, context: PVOID) {
    require_resident_object(dpc.addr(), "the DPC", "KeInitializeDpc");
    let memory = dpc.addr()..dpc.addr() + size_of::<KDPC>();
    current().timers().require_unused(&memory, "KeInitializeDpc");
    // SAFETY: the caller passes memory for a deferred procedure call, of which zeroes are a valid one.
    unsafe { dpc.write_bytes(0, 1) };
    // SAFETY: the caller passes memory for a deferred procedure call.
    unsafe { (&raw mut (*dpc).DeferredRoutine).write(routine) };
    // SAFETY: the caller passes memory for a deferred procedure call.
    unsafe { (&raw mut (*dpc).DeferredContext).write(context) };
}

/// Queues the call of a timer, unless it is queued already: then it runs once.
pub(super) fn queue(kernel: &Kernel, timers: &mut TimerQueue, dpc: PKDPC) {
    if let Some(number) = timers.queue_dpc(dpc.addr(), "an expired timer") {
        let dpc = ClientPointer(dpc);
        kernel.soon(move |kernel| call(kernel, dpc.get(), number));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeInsertQueueDpc(dpc: PRKDPC, first: PVOID, second: PVOID) -> BOOLEAN {
    let kernel = current();
    let mut timers = kernel.timers();
    let Some(number) = timers.queue_dpc(dpc.addr(), "KeInsertQueueDpc") else { return FALSE };
    // SAFETY: the caller passes an initialized call, which runs once the lock over all of them is free.
    unsafe { (&raw mut (*dpc).SystemArgument1).write(first) };
    // SAFETY: the caller passes an initialized call, which runs once the lock over all of them is free.
    unsafe { (&raw mut (*dpc).SystemArgument2).write(second) };
    drop(timers);
    let dpc = ClientPointer(dpc);
    kernel.soon(move |kernel| call(kernel, dpc.get(), number));
    interrupt();
    TRUE
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeSetTargetProcessorDpcEx(dpc: PKDPC, number: PPROCESSOR_NUMBER) -> NTSTATUS {
    // SAFETY: the caller passes an initialized call.
    if unsafe { (&raw const (*dpc).DeferredRoutine).read() }.is_none() {
        kernel_violation("KeSetTargetProcessorDpcEx: the DPC is not initialized");
    }
    // SAFETY: the caller passes a number.
    let PROCESSOR_NUMBER { Group, Number, Reserved } = unsafe { number.read() };
    if (Group, Number, Reserved) == (0, 0, 0) { STATUS_SUCCESS } else { STATUS_INVALID_PARAMETER }
}

/// Has no effect: calls are not ordered by importance.
#[wsk_host_macros::export]
extern "C" fn KeSetImportanceDpc(_dpc: PRKDPC, importance: KDPC_IMPORTANCE) {
    if !(0..=MediumHighImportance).contains(&importance) {
        kernel_violation(&format!("KeSetImportanceDpc: {importance} is not a KDPC_IMPORTANCE"));
    }
}

#[wsk_host_macros::export]
extern "C" fn KeRemoveQueueDpc(dpc: PRKDPC) -> BOOLEAN {
    let kernel = current();
    let removed = kernel.timers().remove_dpc(dpc.addr());
    let Some(number) = removed else { return FALSE };
    let finished = kernel.timers().end_dpc(number);
    for flush in finished {
        flush.set();
    }
    interrupt();
    TRUE
}

/// Runs a queued call.
fn call(kernel: &Kernel, dpc: PKDPC, number: u64) {
    if !kernel.timers().begin_dpc(dpc.addr(), number) {
        return;
    }
    // SAFETY: the client keeps a queued call valid until its routine was called.
    let routine = unsafe { (&raw const (*dpc).DeferredRoutine).read() };
    // SAFETY: the client keeps a queued call valid until its routine was called.
    let context = unsafe { (&raw const (*dpc).DeferredContext).read() };
    // SAFETY: the client keeps a queued call valid until its routine was called.
    let first = unsafe { (&raw const (*dpc).SystemArgument1).read() };
    // SAFETY: the client keeps a queued call valid until its routine was called.
    let second = unsafe { (&raw const (*dpc).SystemArgument2).read() };
    let Some(routine) = routine else {
        kernel_violation("a queued DPC is not initialized");
    };
    // SAFETY: the client initialized the call with this routine for this context.
    let routine = || unsafe { routine.invoke((dpc, context, first, second)) };
    let routine = || keeping_level("the routine of a DPC", routine);
    let routine = || dpc_watchdog::watch(routine);
    deferred(|| kernel.run_client("a deferred procedure call", routine));
    let finished = kernel.timers().end_dpc(number);
    for flush in finished {
        flush.set();
    }
}

#[wsk_host_macros::export]
extern "C" fn KeFlushQueuedDpcs() {
    require_at_most(PASSIVE_LEVEL, "KeFlushQueuedDpcs");
    flush("KeFlushQueuedDpcs");
}

/// Waits until all calls that are queued or running have returned.
pub(crate) fn flush(function: &'static str) {
    require_no_callback(function);
    interrupt();
    let flush = current().timers().flush_dpcs();
    if let Some(finished) = flush {
        finished.wait(function, None);
    }
}
