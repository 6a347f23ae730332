//! IRPs: allocation, completion routines, failed allocations.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::*;

use crate::host;

static COMPLETIONS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn completed(_device: PDEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    COMPLETIONS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
    // SAFETY: the IRP is completed.
    assert_eq!(unsafe { (*irp).IoStatus.Information }, 7);
    STATUS_MORE_PROCESSING_REQUIRED
}

#[test]
fn an_irp_is_allocated_completed_and_freed() {
    let (host, _entered) = host();
    let mut event = MaybeUninit::<KEVENT>::uninit();
    // SAFETY: each call gets what the one before has made.
    unsafe {
        KeInitializeEvent(event.as_mut_ptr(), NotificationEvent, FALSE);
        let irp = IoAllocateIrp(1, FALSE);
        assert_eq!((*irp).StackCount, 1);
        let status = IoSetCompletionRoutineEx(
            ptr::null_mut(),
            irp,
            Some(completed),
            event.as_mut_ptr().cast(),
            TRUE,
            TRUE,
            TRUE,
        );
        assert_eq!(status, STATUS_SUCCESS);
        IoSetNextIrpStackLocation(irp);
        (*irp).IoStatus = IO_STATUS_BLOCK { Status: STATUS_SUCCESS, Information: 7 };
        IofCompleteRequest(irp, 0);
        assert_eq!(COMPLETIONS.load(Ordering::SeqCst), 1);
        assert_ne!(KeReadStateEvent(event.as_mut_ptr()), 0);
        assert_eq!(host.outstanding_allocations(), 1);
        IoFreeIrp(irp);
    }
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn irps_and_mdls_survive_failed_allocations() {
    let (host, _entered) = host();
    host.fail_allocation(1);
    // SAFETY: no pointers are passed that would have to be valid.
    assert!(unsafe { IoAllocateIrp(1, FALSE) }.is_null());
    host.fail_allocation(1);
    // SAFETY: no pointers are passed that would have to be valid.
    let mdl = unsafe { IoAllocateMdl(0x1000 as _, 10, FALSE, FALSE, ptr::null_mut()) };
    assert!(mdl.is_null());
    assert_eq!(host.outstanding_allocations(), 0);
}
