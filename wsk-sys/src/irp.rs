//! I/O request packets, and what wdm.h has as macros and inline code for them.

use crate::fields::current_stack_location;
use crate::{
    BOOLEAN, CCHAR, FALSE, IO_STACK_LOCATION, IRP, IofCompleteRequest, PIO_COMPLETION_ROUTINE,
    PIO_STACK_LOCATION, PIRP, PVOID, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS,
    SL_PENDING_RETURNED, USHORT,
};

/// The size in bytes of an IRP with its stack locations: a macro in wdm.h.
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

/// The stack location of the driver that owns the IRP: inline code in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetcurrentirpstacklocation).
///
/// # Safety
///
/// `Irp` points to an initialised IRP.
#[inline]
pub unsafe fn IoGetCurrentIrpStackLocation(Irp: PIRP) -> PIO_STACK_LOCATION {
    // SAFETY: the caller promises an initialised IRP.
    let place = unsafe { current_stack_location(Irp) };
    // SAFETY: the IRP's Tail is in use as Overlay.
    unsafe { place.read() }
}

/// The stack location of the driver below: inline code in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetnextirpstacklocation).
///
/// # Safety
///
/// `Irp` points to an initialised IRP with a stack location left.
#[inline]
pub unsafe fn IoGetNextIrpStackLocation(Irp: PIRP) -> PIO_STACK_LOCATION {
    // SAFETY: the caller promises an initialised IRP.
    let current = unsafe { IoGetCurrentIrpStackLocation(Irp) };
    // SAFETY: locations are used from the last to the first, and the caller promises one more.
    unsafe { current.sub(1) }
}

/// Makes the next stack location the current one, as calling a driver does: inline code in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetnextirpstacklocation).
///
/// # Safety
///
/// `Irp` points to an initialised IRP of the caller's with a stack location left.
#[inline]
pub unsafe fn IoSetNextIrpStackLocation(Irp: PIRP) {
    // SAFETY: the caller promises a location left.
    let next = unsafe { IoGetNextIrpStackLocation(Irp) };
    // SAFETY: the caller promises an initialised IRP.
    let place = unsafe { current_stack_location(Irp) };
    // SAFETY: the caller owns the IRP, whose Tail is in use as Overlay.
    unsafe { place.write(next) };
    // SAFETY: as above.
    unsafe { (*Irp).CurrentLocation -= 1 };
}

/// Sets the routine that is called when the driver below has completed the IRP: inline code in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetcompletionroutine).
///
/// # Safety
///
/// - `Irp` points to an initialised IRP of the caller's with a stack location left.
/// - `CompletionRoutine` is there if one of the three conditions is true. It and `Context` are valid
///   until it has been called, at any IRQL up to `DISPATCH_LEVEL`.
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
    // SAFETY: the caller promises a location left.
    let next = unsafe { IoGetNextIrpStackLocation(Irp) };
    // SAFETY: the caller owns the IRP and so its next location, which nobody else uses yet.
    let next = unsafe { &mut *next };
    next.CompletionRoutine = CompletionRoutine;
    next.Context = Context;
    next.Control = control;
}

/// Marks the IRP pending at the current stack location: inline code in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iomarkirppending).
///
/// # Safety
///
/// `Irp` points to an IRP that the caller owns, at a stack location.
#[inline]
pub unsafe fn IoMarkIrpPending(Irp: PIRP) {
    // SAFETY: the caller promises an IRP at a stack location.
    let current = unsafe { IoGetCurrentIrpStackLocation(Irp) };
    // SAFETY: the caller owns the IRP and so its current location.
    unsafe { (*current).Control |= SL_PENDING_RETURNED };
}

/// Completes an IRP: a macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocompleterequest).
///
/// # Safety
///
/// The caller owns the IRP, has set its `IoStatus`, has no cancel routine on it, and gives it up.
#[inline]
pub unsafe fn IoCompleteRequest(Irp: PIRP, PriorityBoost: CCHAR) {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { IofCompleteRequest(Irp, PriorityBoost) };
}
