//! An IRP in this crate's memory, and its completion routine.
//!
//! # Safety
//!
//! The IRP belongs to the system from the call that it is passed to until its completion routine runs, and to the owner of the
//! request the rest of the time. Every function that relies on this documents it.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::ptr;

use wsk_sys::{
    IO_STACK_LOCATION, IRP, IoInitializeIrp, IoReuseIrp, IoSetCompletionRoutine,
    IoSetCompletionRoutineEx, IoSizeOfIrp, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, TRUE, fields,
};

use super::CompletionRoutine;
use crate::status::{Result, check};

/// An IRP followed by its only stack location, the layout that [`IoSizeOfIrp`]`(1)` describes.
#[repr(C)]
struct IrpWithLocation {
    irp: IRP,
    location: IO_STACK_LOCATION,
}

const _: () = assert!(core::mem::offset_of!(IrpWithLocation, location) == size_of::<IRP>());

/// An IRP with one stack location.
///
/// # Invariants
///
/// Once [initialized](Self::initialize), it does not move: an IRP has pointers into itself.
#[repr(transparent)]
pub(super) struct Packet(UnsafeCell<IrpWithLocation>);

impl Packet {
    /// Writes zeroes to the packet's final place; [`initialize`](Self::initialize) comes next.
    ///
    /// # Safety
    ///
    /// `place` is valid for writes of a packet, and no one else uses it.
    pub(super) const unsafe fn write(place: *mut Self) {
        // An IRP consists of numbers and pointers, for which zero is a valid value.
        // SAFETY: this function's contract.
        unsafe { place.write_bytes(0, 1) };
    }

    /// Initializes the IRP. From then on, it must not move.
    ///
    /// # Safety
    ///
    /// The packet is in the nonpaged memory where it stays, and not in use.
    pub(super) unsafe fn initialize(&self) {
        // INVARIANT: it stays where it is, by this function's contract.
        // SAFETY: there is room for an IRP with one stack location, which is not in use.
        unsafe { IoInitializeIrp(self.irp(), IoSizeOfIrp(1), 1) };
    }

    #[inline]
    pub(super) const fn irp(&self) -> PIRP {
        self.0.get().cast()
    }

    /// Readies the IRP for a call as [`ready`](Self::ready) does, and lets the driver be unloaded only after the routine
    /// has returned. For that, the kernel allocates memory for each call.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails. The IRP has that status.
    ///
    /// # Safety
    ///
    /// As for [`ready`](Self::ready). `device` is a device of the driver, and the IRP is passed on if this succeeds.
    #[cold]
    pub(super) unsafe fn ready_guarded(
        &self,
        routine: CompletionRoutine,
        context: PVOID,
        device: PDEVICE_OBJECT,
    ) -> Result<()> {
        let irp = self.irp();
        // SAFETY: the IRP is initialized and not in flight, by this function's contract.
        unsafe { IoReuseIrp(irp, STATUS_INSUFFICIENT_RESOURCES) };
        // SAFETY: a fresh IRP has its stack location left; `routine` takes `context`, and is the driver's, as the device
        // is, by this function's contract.
        check(unsafe {
            IoSetCompletionRoutineEx(device, irp, Some(routine), context, TRUE, TRUE, TRUE)
        })
    }

    /// Releases what [`ready_guarded`](Self::ready_guarded) has allocated, for a request that does not complete: the kernel's
    /// routine does that, around the call of this crate's.
    ///
    /// # Safety
    ///
    /// The IRP was last readied for a request that was orphaned, and was neither completed nor passed on, nor ever will be. The caller
    /// owns it, and [has ended](super::state::OperationState::end_orphan) the orphan. `own` was the routine's context.
    #[cold]
    pub(super) unsafe fn end_guard(&self, own: PVOID) {
        // SAFETY: the system has not used the IRP, which is the caller's, so the location is as `ready` has left it.
        let location = unsafe { &(*self.0.get()).location };
        let (routine, context) = (location.CompletionRoutine, location.Context);
        // The kernel's routine has its own context.
        if context == own {
            return;
        }
        if let Some(routine) = routine {
            // SAFETY: the kernel has set its routine for this context, and calls it once for each completion, of which this
            // takes the place. It calls this crate's routine, which finds an orphan and drops what that owns.
            unsafe { routine(ptr::null_mut(), self.irp(), context) };
        }
    }

    /// Readies the IRP for a call: fresh, with `routine` as its completion routine for every outcome.
    ///
    /// # Safety
    ///
    /// The IRP is initialized, owned by the caller, and not in flight. `routine` may be called with `context`.
    #[inline]
    pub(super) unsafe fn ready(&self, routine: CompletionRoutine, context: PVOID) {
        let irp = self.irp();
        // SAFETY: the IRP is initialized and not in flight, by this function's contract.
        unsafe { IoReuseIrp(irp, STATUS_UNSUCCESSFUL) };
        // SAFETY: a fresh IRP has its stack location left; `routine` takes `context`, by this function's contract.
        unsafe { IoSetCompletionRoutine(irp, Some(routine), context, TRUE, TRUE, TRUE) };
    }

    /// The result of a completed request: the IRP's information, or its status as an error. What the
    /// information means depends on the kind of request, and it means nothing unless the request succeeded
    /// ([INV-19](crate::rules#inv-19)).
    ///
    /// # Safety
    ///
    /// The request has completed, and the caller owns the IRP.
    #[inline]
    pub(super) unsafe fn result(&self) -> Result<usize> {
        let irp = self.irp();
        // SAFETY: the IRP has completed, so the caller, who owns it, may read it.
        let block = unsafe { (*irp).IoStatus };
        let (status, information) = (fields::status(&block), fields::information(&block));
        if status == STATUS_SUCCESS {
            return Ok(information);
        }
        result_of_other_status(status, information)
    }

    /// The information of a completed request, whatever its status; zeroes before the first one.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's.
    pub(super) unsafe fn information(&self) -> usize {
        // SAFETY: the caller owns the IRP, whose block is numbers.
        fields::information(&unsafe { (*self.irp()).IoStatus })
    }
}

/// The result of a request that completed with a status other than `STATUS_SUCCESS`.
#[cold]
fn result_of_other_status(status: NTSTATUS, information: usize) -> Result<usize> {
    check(status).map(|()| information)
}
