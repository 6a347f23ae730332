//! IRPs: allocation, completion routines, failed allocations.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use test_support::device::{IoCreateDevice, IoDeleteDevice};
use wsk_host::{Config, Driver, Host, Timing};
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

static DEVICE: AtomicPtr<DEVICE_OBJECT> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn entry(driver: PDRIVER_OBJECT, _: PUNICODE_STRING) -> NTSTATUS {
    let mut device = ptr::null_mut();
    // SAFETY: the system passes the driver's own object.
    let status = unsafe {
        (*driver).DriverUnload = Some(unload);
        IoCreateDevice(driver, 0, ptr::null_mut(), 0x22, 0, FALSE, &raw mut device)
    };
    DEVICE.store(device, Ordering::SeqCst);
    status
}

unsafe extern "C" fn unload(driver: PDRIVER_OBJECT) {
    // SAFETY: the device is the driver's only one.
    unsafe { IoDeleteDevice((*driver).DeviceObject) };
}

unsafe extern "C" fn signals(_: PDEVICE_OBJECT, _: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
    STATUS_MORE_PROCESSING_REQUIRED
}

/// The I/O manager's reference to the device keeps the driver's image while a routine of `IoSetCompletionRoutineEx` has
/// signalled its event and not returned.
#[test]
fn a_guarded_routine_keeps_its_driver_loaded() {
    let mut met = 0;
    for seed in 0..if cfg!(miri) { 1 } else { 300 } {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        // SAFETY: the entry point is a driver's.
        let driver = unsafe { Driver::load("guarded", Some(entry)) }.unwrap();
        let device = DEVICE.load(Ordering::SeqCst);
        let event = Box::into_raw(Box::<KEVENT>::new_uninit()).cast::<KEVENT>();
        // SAFETY: each call gets what the one before has made.
        let irp = unsafe {
            KeInitializeEvent(event, NotificationEvent, FALSE);
            let irp = IoAllocateIrp(1, FALSE);
            let routine = Some(signals as _);
            let status =
                IoSetCompletionRoutineEx(device, irp, routine, event.cast(), TRUE, TRUE, TRUE);
            assert_eq!(status, STATUS_SUCCESS);
            IoSetNextIrpStackLocation(irp);
            irp
        };
        let other = {
            let (host, irp) = (host.clone(), irp.expose_provenance());
            thread::spawn(move || {
                let _entered = host.enter();
                // SAFETY: the test gives the IRP to this thread.
                unsafe { IofCompleteRequest(ptr::with_exposed_provenance_mut(irp), 0) };
            })
        };
        // SAFETY: the event is never freed while it is used.
        unsafe {
            KeWaitForSingleObject(event.cast(), Executive, KernelMode, FALSE, ptr::null_mut())
        };
        driver.unload();
        host.unload();
        // The deleted device is left as long as the routine is.
        met += host.outstanding_allocations() - 1;
        host.blocking(|| other.join().unwrap());
        // SAFETY: the routine has kept the IRP, and nothing uses the event any more.
        unsafe {
            IoFreeIrp(irp);
            drop(Box::from_raw(event.cast::<std::mem::MaybeUninit<KEVENT>>()));
        }
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
    assert!(cfg!(miri) || met > 0, "no seed has met a routine that had not returned");
}
