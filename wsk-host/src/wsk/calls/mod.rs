//! The functions of the provider's tables, which check the client's arguments.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

pub(super) mod basic;
pub(super) mod connection;
mod control;
mod control_call;
pub(super) mod datagram;
pub(super) mod listen;
pub(super) mod names;
pub(super) mod provider;
mod returned;
mod transport;
pub(super) mod unavailable;

use wsk_sys::{
    IoGetCurrentIrpStackLocation, IoSetNextIrpStackLocation, NTSTATUS, PIRP, SL_INVOKE_ON_CANCEL,
    SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, UCHAR, ULONG,
};

use super::action::Actions;
use super::execute::remember;
use super::object::SocketObject;
use super::stack::Stack;
use crate::kernel::Kernel;
use crate::kernel::io::irp::require_usable;
use crate::kernel::residency::require_frames;
use crate::kernel::trace::TraceEvent;
use crate::verifier::{Rule, fatal_violation, rule_violation};
use returned::ReturnedStatus;

/// Takes an IRP over, as a driver does that is called with one.
///
/// # Safety
///
/// The IRP is null, or valid; the socket is one of the host's, or zero.
unsafe fn take_over(
    kernel: &Kernel,
    socket: u64,
    irp: PIRP,
    function: &'static str,
    amount: Option<usize>,
) {
    /// The outcomes that a completion routine must be set for.
    const EVERY_OUTCOME: UCHAR = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;
    if irp.is_null() {
        let why = "the request has no IRP to complete";
        fatal_violation(Rule::IRP_PER_REQUEST, function, "the IRP is null", None, why);
    }
    require_frames(kernel, function);
    require_usable(kernel, irp, function);
    // SAFETY: the caller passes an IRP.
    let (location, count) = unsafe { ((*irp).CurrentLocation, (*irp).StackCount) };
    // An IRP from a higher driver returns to that driver (INV-13).
    let is_own = location > count;
    let number = kernel.usage().begin(irp, is_own, function, (socket, kernel.now()));
    kernel.record(TraceEvent::Call { function, socket, irp: number, amount });
    if location <= 1 {
        let found = "the IRP has no stack location left";
        let why = "the memory before its first location is not the IRP's";
        fatal_violation(Rule::IRP_PER_REQUEST, function, found, None, why);
    }
    // SAFETY: the IRP is valid, and has a location left, as was checked.
    unsafe { IoSetNextIrpStackLocation(irp) };
    // SAFETY: the IRP is valid, and at this provider's location now.
    let location = unsafe { &*IoGetCurrentIrpStackLocation(irp) };
    let has_routine =
        location.CompletionRoutine.is_some() && location.Control & EVERY_OUTCOME == EVERY_OUTCOME;
    if is_own && !has_routine {
        rule_violation(
            Rule::COMPLETION_ROUTINE,
            function,
            "the IRP's completion routine is not set for success, error and cancellation",
            None,
        );
    }
    // SAFETY: the IRP is the provider's, and a socket keeps its kernel.
    unsafe { remember(kernel, socket, irp) };
}

/// Takes over an IRP for a call with a socket.
///
/// # Safety
///
/// The IRP is null, or valid.
unsafe fn take_over_for(
    object: &SocketObject,
    irp: PIRP,
    function: &'static str,
    amount: Option<usize>,
) {
    // SAFETY: the IRP is null or valid, by this function's contract.
    unsafe { take_over(object.kernel(), object.id, irp, function, amount) };
}

/// Executes the actions that `decide` returns, and returns the status that the call returns for the IRP, which it has taken
/// over.
fn with_stack(kernel: &Kernel, irp: PIRP, decide: impl FnOnce(&mut Stack) -> Actions) -> NTSTATUS {
    let mut stack = kernel.stack();
    let actions = decide(&mut stack);
    let returned = ReturnedStatus::decide(kernel, irp, &actions);
    drop(stack);
    returned.execute(kernel, actions)
}

/// Stops a client that uses flags which are reserved ([INV-30](crate::rules#inv-30)).
fn require_no_flags(flags: ULONG, function: &str) {
    if flags != 0 {
        rule_violation(Rule::RESERVED_FLAGS, function, &format!("the flags are {flags:#x}"), None);
    }
}
