//! Macros and inline functions of wdm.h for I/O request packets.
//!
//! # Safety
//!
//! The functions write to an IRP through a raw pointer, as the C originals do. The caller owns the IRP.

#![expect(unsafe_code, reason = "C's inline functions; see Safety")]

use crate::fields::current_stack_location;
use crate::{
    BOOLEAN, CCHAR, FALSE, IO_STACK_LOCATION, IRP, IofCompleteRequest, PIO_COMPLETION_ROUTINE,
    PIO_STACK_LOCATION, PIRP, PVOID, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS,
    SL_PENDING_RETURNED, USHORT,
};

/// Returns the size in bytes of an IRP with `StackSize` stack locations. A macro in wdm.h.
///
/// IRQL: any.
///
/// ```
/// assert_eq!(wsk_sys::IoSizeOfIrp(1), 280);
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "at most 208 + 127 * 72 bytes")]
pub const fn IoSizeOfIrp(StackSize: CCHAR) -> USHORT {
    let locations = if StackSize < 0 { 0 } else { StackSize.unsigned_abs() as usize };
    (size_of::<IRP>() + locations * size_of::<IO_STACK_LOCATION>()) as USHORT
}

/// Returns the stack location of the driver that owns the IRP. An inline function in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetcurrentirpstacklocation).
///
/// # Safety
///
/// `Irp` points to an initialized IRP.
#[inline]
pub unsafe fn IoGetCurrentIrpStackLocation(Irp: PIRP) -> PIO_STACK_LOCATION {
    // SAFETY: `Irp` points to an initialized IRP (this function's contract).
    let field = unsafe { current_stack_location(Irp) };
    // SAFETY: `field` lies within the initialized IRP, whose `Tail` holds `Overlay` while a driver owns it.
    unsafe { field.read() }
}

/// Returns the stack location of the next-lower driver. An inline function in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetnextirpstacklocation).
///
/// # Safety
///
/// `Irp` points to an initialized IRP with an unused stack location.
#[inline]
pub unsafe fn IoGetNextIrpStackLocation(Irp: PIRP) -> PIO_STACK_LOCATION {
    // SAFETY: `Irp` points to an initialized IRP (this function's contract).
    let current = unsafe { IoGetCurrentIrpStackLocation(Irp) };
    // SAFETY: stack locations form an array that is used from its end, and an unused one is left (contract): the
    // element before the current one exists.
    unsafe { current.sub(1) }
}

/// Makes the next stack location the current one, as `IoCallDriver` does. An inline function in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetnextirpstacklocation).
///
/// # Safety
///
/// `Irp` points to an initialized IRP that the caller owns, with an unused stack location.
#[inline]
pub unsafe fn IoSetNextIrpStackLocation(Irp: PIRP) {
    // SAFETY: `Irp` is initialized and has an unused stack location (this function's contract).
    let next = unsafe { IoGetNextIrpStackLocation(Irp) };
    // SAFETY: `Irp` points to an initialized IRP (contract).
    let field = unsafe { current_stack_location(Irp) };
    // SAFETY: `field` lies within the IRP, which the caller owns and no other code accesses.
    unsafe { field.write(next) };
    // SAFETY: the caller owns the IRP and no other code accesses it.
    unsafe { (*Irp).CurrentLocation -= 1 };
}

/// Sets the routine to call when the next-lower driver completes the IRP. An inline function in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetcompletionroutine).
///
/// # Safety
///
/// - `Irp` points to an initialized IRP that the caller owns, with an unused stack location.
/// - `CompletionRoutine` is not null if one of the three conditions is true. It and `Context` are valid until it
///   has returned, at any IRQL up to `DISPATCH_LEVEL`.
#[inline]
pub unsafe fn IoSetCompletionRoutine(
    Irp: PIRP,
    CompletionRoutine: PIO_COMPLETION_ROUTINE,
    Context: PVOID,
    InvokeOnSuccess: BOOLEAN,
    InvokeOnError: BOOLEAN,
    InvokeOnCancel: BOOLEAN,
) {
    let mut control = 0;
    if InvokeOnSuccess != FALSE {
        control |= SL_INVOKE_ON_SUCCESS;
    }
    if InvokeOnError != FALSE {
        control |= SL_INVOKE_ON_ERROR;
    }
    if InvokeOnCancel != FALSE {
        control |= SL_INVOKE_ON_CANCEL;
    }
    // SAFETY: `Irp` is initialized and has an unused stack location (this function's contract).
    let next = unsafe { IoGetNextIrpStackLocation(Irp) };
    // SAFETY: the stack location belongs to the IRP, which the caller owns; no other code refers to it before the
    // IRP is passed on.
    let next = unsafe { &mut *next };
    next.CompletionRoutine = CompletionRoutine;
    next.Context = Context;
    next.Control = control;
}

/// Marks the IRP pending at the current stack location. An inline function in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iomarkirppending).
///
/// # Safety
///
/// `Irp` points to an IRP that the caller owns and that has a current stack location.
#[inline]
pub unsafe fn IoMarkIrpPending(Irp: PIRP) {
    // SAFETY: `Irp` has a current stack location (this function's contract), so it is initialized.
    let current = unsafe { IoGetCurrentIrpStackLocation(Irp) };
    // SAFETY: the caller owns the IRP and with it the current stack location, which exists (contract).
    unsafe { (*current).Control |= SL_PENDING_RETURNED };
}

/// Completes an IRP. A macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocompleterequest).
///
/// # Safety
///
/// The caller owns the IRP, has set its `IoStatus`, has removed its cancel routine, and does not access it afterwards.
#[inline]
pub unsafe fn IoCompleteRequest(Irp: PIRP, PriorityBoost: CCHAR) {
    // SAFETY: this function's contract is that of IofCompleteRequest.
    unsafe { IofCompleteRequest(Irp, PriorityBoost) };
}
