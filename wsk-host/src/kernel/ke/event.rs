//! Events.
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
    APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, DISPATCHER_HEADER, EVENT_TYPE, FALSE, KPRIORITY, LONG,
    NotificationEvent, PRKEVENT, SynchronizationEvent,
};

use super::dispatcher::{change, initialize};
use super::irql::require_at_most;
use crate::call_stack::is_on_stack;
use crate::kernel::ex::pool::require_resident_object;
use crate::kernel::{current, interrupt};
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeEvent(event: PRKEVENT, kind: EVENT_TYPE, state: BOOLEAN) {
    if kind != NotificationEvent && kind != SynchronizationEvent {
        kernel_violation("KeInitializeEvent: Type is not an EVENT_TYPE");
    }
    require_resident_object(event.addr(), "the event", "KeInitializeEvent");
    // SAFETY: the caller passes memory for an event that no thread uses.
    unsafe { initialize(&raw mut (*event).Header, kind, LONG::from(state != FALSE)) };
    // SAFETY: the caller passes memory for an event.
    let waiting = unsafe { &raw mut (*event).Header.WaitListHead };
    // SAFETY: the list is in the memory that the caller passes, and no thread uses the event.
    unsafe { (*waiting).Flink = waiting };
}

/// Stops a client that uses an event which it has not initialized at its place. As in the kernel, the list of waiting
/// threads of an initialized event begins with its own address.
///
/// # Safety
///
/// The memory of the event is readable.
pub(super) unsafe fn require_event(event: *mut DISPATCHER_HEADER, function: &str) {
    // SAFETY: the memory is readable, by this function's contract.
    let waiting = unsafe { &raw mut (*event).WaitListHead };
    // SAFETY: the memory is readable, and nothing writes the pointer of an initialized event.
    if unsafe { (&raw const (*waiting).Flink).read() } != waiting {
        let found = match current().pool().freed_at(event.addr()) {
            Some(freed) => format!("the event is in freed memory: {freed}"),
            None if is_on_stack(event.addr()) => {
                "the event is on the stack, and is not initialized there: it is a copy, or its function has returned"
                    .to_owned()
            }
            None => "the event is not initialized, or is a copy".to_owned(),
        };
        kernel_violation(&format!("{function}: {found}"));
    }
}

/// Changes the state of an event, and returns the former one.
///
/// # Safety
///
/// The caller passes an initialized event.
unsafe fn change_event(event: PRKEVENT, function: &str, state: impl FnOnce(LONG) -> LONG) -> LONG {
    // SAFETY: the caller passes an event, by this function's contract.
    let header = unsafe { &raw mut (*event).Header };
    // SAFETY: the header is the event's.
    unsafe { require_event(header, function) };
    // SAFETY: the event is initialized.
    unsafe { change(header, state) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeSetEvent(event: PRKEVENT, _increment: KPRIORITY, wait: BOOLEAN) -> LONG {
    require_at_most(if wait == FALSE { DISPATCH_LEVEL } else { APC_LEVEL }, "KeSetEvent");
    current().0.event_calls.count_set();
    interrupt();
    // SAFETY: the caller passes an initialized event.
    let former = unsafe { change_event(event, "KeSetEvent", |_| 1) };
    // A thread that has waited for it may run before this call returns, and free the event.
    interrupt();
    former
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeResetEvent(event: PRKEVENT) -> LONG {
    // SAFETY: the caller passes an initialized event.
    unsafe { change_event(event, "KeResetEvent", |_| 0) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeClearEvent(event: PRKEVENT) {
    // SAFETY: the caller passes an initialized event.
    unsafe { change_event(event, "KeClearEvent", |_| 0) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReadStateEvent(event: PRKEVENT) -> LONG {
    // SAFETY: the caller passes an initialized event.
    unsafe { change_event(event, "KeReadStateEvent", |state| state) }
}
