//! Requests in flight.

use std::mem::MaybeUninit;
use std::ptr;

use wsk_sys::*;

use super::memory::PoolAddress;

/// A request in flight: its IRP, and the event that its completion routine sets.
///
/// # Invariants
///
/// The value owns the IRP and the event, and frees them after the completion routine has set the event.
pub struct Request {
    /// The IRP.
    pub irp: PIRP,
    event: PRKEVENT,
    /// The status that the call returned.
    pub returned: NTSTATUS,
    address: Option<PoolAddress>,
}

// SAFETY: the value owns the IRP and the event (Invariants), which may be used and freed on any thread.
unsafe impl Send for Request {}

/// The completion routine: sets the event in `event`, unless that is null, and keeps the IRP.
///
/// # Safety
///
/// `event` is null or points to an initialized event.
pub unsafe extern "C" fn completed(_device: PDEVICE_OBJECT, _irp: PIRP, event: PVOID) -> NTSTATUS {
    if !event.is_null() {
        // SAFETY: it points to an initialized event: the caller's contract.
        unsafe { KeSetEvent(event.cast(), 0, FALSE) };
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

/// A new IRP with a completion routine for every outcome.
pub fn irp(routine: PIO_COMPLETION_ROUTINE, context: PVOID) -> PIRP {
    // SAFETY: the IRP was allocated by the call before, and has a stack location.
    unsafe {
        let irp = IoAllocateIrp(1, FALSE);
        assert!(!irp.is_null());
        IoSetCompletionRoutine(irp, routine, context, TRUE, TRUE, TRUE);
        irp
    }
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

impl Request {
    /// An IRP that has not been handed to a call yet, and its event.
    pub fn new() -> Self {
        let event: PRKEVENT = Box::into_raw(Box::<KEVENT>::new_uninit()).cast();
        // SAFETY: there is room for the event.
        unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) };
        let irp = irp(Some(completed), event.cast());
        Self { irp, event, returned: STATUS_SUCCESS, address: None }
    }

    /// Keeps an address until the request has completed.
    pub fn keep(&mut self, address: Option<PoolAddress>) {
        self.address = address;
    }

    /// Whether the request has completed.
    pub fn is_complete(&self) -> bool {
        // SAFETY: the event is initialized.
        unsafe { KeReadStateEvent(self.event) != 0 }
    }

    /// Waits up to `milliseconds` ms. Returns whether the request has completed.
    pub fn completes_within(&self, milliseconds: i64) -> bool {
        let mut timeout = LARGE_INTEGER { QuadPart: -10_000 * milliseconds };
        // SAFETY: the event is initialized.
        let status = unsafe {
            let event = self.event.cast();
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &raw mut timeout)
        };
        status == STATUS_SUCCESS
    }

    /// `IoCancelIrp`.
    pub fn cancel(&self) {
        // SAFETY: only `wait`, which takes the request, frees the IRP.
        unsafe { IoCancelIrp(self.irp) };
    }

    /// Waits until it has completed, frees its IRP, and returns its status and information.
    pub fn wait(self) -> (NTSTATUS, usize) {
        // SAFETY: the completion routine sets the event, and touches neither it nor the IRP afterwards.
        unsafe {
            let event = self.event.cast();
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut());
            let result = (*self.irp).IoStatus;
            IoFreeIrp(self.irp);
            drop(Box::from_raw(self.event.cast::<MaybeUninit<KEVENT>>()));
            (result.Status, result.Information)
        }
    }

    /// Waits until it succeeds, and returns the IRP's information.
    #[track_caller]
    pub fn succeed(self) -> usize {
        let (status, information) = self.wait();
        assert_eq!(status, STATUS_SUCCESS, "{status:#x}");
        information
    }

    /// Waits until it fails with this status.
    #[track_caller]
    pub fn fail(self, expected: NTSTATUS) {
        let (status, _) = self.wait();
        assert_eq!(status, expected, "{status:#x}");
    }
}
