//! Requests in flight.

use std::mem::MaybeUninit;
use std::ptr;

use wsk_sys::*;

/// A request in flight: its IRP, and the event that its completion routine sets.
pub(crate) struct Request {
    pub(crate) irp: PIRP,
    event: PRKEVENT,
    /// What `WskXxx` returned.
    pub(crate) returned: NTSTATUS,
}

// SAFETY: IRPs and events may be used in any thread.
unsafe impl Send for Request {}

/// Sets the event that it is given, if there is one, and keeps its IRP.
pub(crate) unsafe extern "C" fn completed(
    _device: PDEVICE_OBJECT,
    _irp: PIRP,
    event: PVOID,
) -> NTSTATUS {
    if !event.is_null() {
        // SAFETY: the request's event.
        unsafe { KeSetEvent(event.cast(), 0, FALSE) };
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

/// A new IRP with a completion routine for every outcome.
pub(crate) fn irp(routine: PIO_COMPLETION_ROUTINE, context: PVOID) -> PIRP {
    // SAFETY: the IRP is new.
    unsafe {
        let irp = IoAllocateIrp(1, FALSE);
        assert!(!irp.is_null());
        IoSetCompletionRoutine(irp, routine, context, TRUE, TRUE, TRUE);
        irp
    }
}

impl Request {
    pub(crate) fn new() -> Self {
        let event: PRKEVENT = Box::into_raw(Box::<KEVENT>::new_uninit()).cast();
        // SAFETY: there is room for the event.
        unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) };
        let irp = irp(Some(completed), event.cast());
        Self { irp, event, returned: STATUS_SUCCESS }
    }

    /// Whether it has completed.
    pub(crate) fn is_complete(&self) -> bool {
        // SAFETY: the event is initialised.
        unsafe { KeReadStateEvent(self.event) != 0 }
    }

    /// Waits at most so many milliseconds. False if it has not completed.
    pub(crate) fn completes_within(&self, milliseconds: i64) -> bool {
        let mut timeout = LARGE_INTEGER { QuadPart: -10_000 * milliseconds };
        // SAFETY: as above.
        let status = unsafe {
            let event = self.event.cast();
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &raw mut timeout)
        };
        status == STATUS_SUCCESS
    }

    pub(crate) fn cancel(&self) {
        // SAFETY: the IRP is not freed before `wait`.
        unsafe { IoCancelIrp(self.irp) };
    }

    /// Waits for it, frees its IRP, and returns its result.
    pub(crate) fn wait(self) -> (NTSTATUS, usize) {
        // SAFETY: the event is the IRP's, which has completed when it is signalled.
        unsafe {
            let event = self.event.cast();
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut());
            let result = (*self.irp).IoStatus;
            IoFreeIrp(self.irp);
            drop(Box::from_raw(self.event.cast::<MaybeUninit<KEVENT>>()));
            (result.Status, result.Information)
        }
    }

    /// Waits for its success, and returns what the IRP's information says.
    #[track_caller]
    pub(crate) fn succeed(self) -> usize {
        let (status, information) = self.wait();
        assert_eq!(status, STATUS_SUCCESS, "{status:#x}");
        information
    }

    #[track_caller]
    pub(crate) fn fail(self, expected: NTSTATUS) {
        let (status, _) = self.wait();
        assert_eq!(status, expected, "{status:#x}");
    }
}
