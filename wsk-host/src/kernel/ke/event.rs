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
    APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, EVENT_TYPE, FALSE, KPRIORITY, LONG, NotificationEvent,
    PRKEVENT, SynchronizationEvent,
};

use super::dispatcher::{change, initialize};
use super::irql::require_at_most;
use crate::kernel::{current, interrupt};
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeEvent(event: PRKEVENT, kind: EVENT_TYPE, state: BOOLEAN) {
    if kind != NotificationEvent && kind != SynchronizationEvent {
        kernel_violation("KeInitializeEvent: Type is not an EVENT_TYPE");
    }
    // SAFETY: the caller passes memory for an event that no thread uses.
    unsafe { initialize(&raw mut (*event).Header, kind, LONG::from(state != FALSE)) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeSetEvent(event: PRKEVENT, _increment: KPRIORITY, wait: BOOLEAN) -> LONG {
    require_at_most(if wait == FALSE { DISPATCH_LEVEL } else { APC_LEVEL }, "KeSetEvent");
    current().0.event_calls.count_set();
    interrupt();
    // SAFETY: the caller passes an initialized event.
    let former = unsafe { change(&raw mut (*event).Header, |_| 1) };
    // A thread that has waited for it may run before this call returns, and free the event.
    interrupt();
    former
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeResetEvent(event: PRKEVENT) -> LONG {
    // SAFETY: the caller passes an initialized event.
    unsafe { change(&raw mut (*event).Header, |_| 0) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeClearEvent(event: PRKEVENT) {
    // SAFETY: the caller passes an initialized event.
    unsafe { change(&raw mut (*event).Header, |_| 0) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReadStateEvent(event: PRKEVENT) -> LONG {
    // SAFETY: the caller passes an initialized event.
    unsafe { change(&raw mut (*event).Header, |state| state) }
}
