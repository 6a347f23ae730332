//! `IoSetCompletionRoutineEx`: completion routines that keep their driver loaded.
//!
//! The kernel has a reference to the driver's device from the time when the routine is set until it has returned, and
//! releases it in its own code. So the driver's image stays loaded, even if its unload routine has returned.
//!
//! # Safety
//!
//! The exported function requires of its callers what `wsk-sys` documents. The context of a routine is memory of the
//! pool's, which is freed when the routine is called.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;

use wsk_sys::{
    BOOLEAN, DISPATCH_LEVEL, IoSetCompletionRoutine, NTSTATUS, PDEVICE_OBJECT,
    PIO_COMPLETION_ROUTINE, PIRP, PVOID, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, ULONG,
    fields,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::ex::pool::{FRESH, allocate, free};
use crate::kernel::io::device;
use crate::kernel::ke::irql::{keeping_level, require_at_most};
use crate::kernel::{Kernel, current, interrupt};
use crate::verifier::kernel_violation;

const NAME: &str = "IoSetCompletionRoutineEx";

/// A routine, in reports.
const ROUTINE: &str = "a completion routine";

/// The tag of contexts: one that is left at the end is of an IRP that was never sent.
const TAG: ULONG = u32::from_le_bytes(*b"IoUs");

type IrpRoutine = unsafe extern "C" fn(PDEVICE_OBJECT, PIRP, PVOID) -> NTSTATUS;

/// The client's routine, and the device that keeps it.
struct GuardedRoutine {
    device: PDEVICE_OBJECT,
    routine: IrpRoutine,
    context: PVOID,
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoSetCompletionRoutineEx(
    device: PDEVICE_OBJECT,
    irp: PIRP,
    routine: PIO_COMPLETION_ROUTINE,
    context: PVOID,
    on_success: BOOLEAN,
    on_error: BOOLEAN,
    on_cancel: BOOLEAN,
) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, NAME);
    let kernel = current();
    kernel.usage().require_not_in_flight(irp, NAME);
    let Some(routine) = routine else {
        kernel_violation("IoSetCompletionRoutineEx: CompletionRoutine is null")
    };
    let size = fields::size_t(size_of::<GuardedRoutine>());
    let memory: *mut GuardedRoutine = allocate(size, TAG, FRESH, NAME).cast();
    if memory.is_null() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if !device.is_null() && !kernel.devices().hold(device.addr()) {
        kernel_violation(
            "IoSetCompletionRoutineEx: DeviceObject is not a device of this host, or was freed",
        );
    }
    // SAFETY: the memory was just allocated with this size.
    unsafe { memory.write(GuardedRoutine { device, routine, context }) };
    kernel.image().guard(memory.addr());
    // SAFETY: the caller passes an IRP with a stack location left; the routine takes this context.
    unsafe {
        IoSetCompletionRoutine(irp, Some(call), memory.cast(), on_success, on_error, on_cancel);
    };
    STATUS_SUCCESS
}

/// Calls the client's routine, and releases the device afterwards.
unsafe extern "C" fn call(none: PDEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    let kernel = current();
    if !kernel.image().end_guard(context.addr()) {
        kernel_violation("IoSetCompletionRoutineEx: the routine of an IRP is called twice");
    }
    // SAFETY: the context is of `IoSetCompletionRoutineEx`, and was not taken before.
    let guarded = unsafe { context.cast::<GuardedRoutine>().read() };
    free(context, TAG, NAME);
    let run = || {
        // SAFETY: the sender of the IRP has set this routine for this context.
        let call = || unsafe { guarded.routine.invoke((none, irp, guarded.context)) };
        let status = keeping_level(ROUTINE, call);
        // A thread may be interrupted in the last instructions of a routine.
        interrupt();
        status
    };
    // Without a device, nothing keeps the driver loaded.
    let status = if guarded.device.is_null() {
        kernel.run_client(ROUTINE, run)
    } else {
        kernel.run_guarded_client(ROUTINE, run)
    };
    if !guarded.device.is_null() && kernel.devices().unhold(guarded.device.addr()) {
        device::free(guarded.device.cast());
    }
    status
}

/// Calls the completion routine of an IRP's location.
///
/// # Safety
///
/// The routine was set for this context, and is called once.
pub(super) unsafe fn call_completion_routine(
    kernel: &Kernel,
    routine: IrpRoutine,
    irp: PIRP,
    context: PVOID,
) -> NTSTATUS {
    // SAFETY: the routine is for this context, by this function's contract.
    let run = || unsafe { routine.invoke((ptr::null_mut(), irp, context)) };
    let run = || keeping_level(ROUTINE, run);
    let Some(begun) = kernel.begin_routine(context.addr()) else { return run() };
    let status = run();
    // A thread may be interrupted in the last instructions of a routine.
    interrupt();
    kernel.end_client(begun);
    status
}
