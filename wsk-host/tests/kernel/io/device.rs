//! References by pointer to devices and files.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use test_support::device::{IoCreateDevice, IoDeleteDevice};
use wsk_host::{Driver, File};
use wsk_sys::*;

use crate::host;

static FILE: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(ptr::null_mut());
static CLOSED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn answers(_: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    // SAFETY: the I/O manager passes an IRP at this driver's location.
    unsafe {
        let location = IoGetCurrentIrpStackLocation(irp);
        match (*location).MajorFunction {
            0 => {
                let file: PVOID = (*location).FileObject.cast();
                assert_eq!(ObReferenceObject(file), 2);
                FILE.store(file, Ordering::SeqCst);
            }
            2 => _ = CLOSED.fetch_add(1, Ordering::SeqCst),
            _ => {}
        }
        (*irp).IoStatus = IO_STATUS_BLOCK { Status: STATUS_SUCCESS, Information: 0 };
        IofCompleteRequest(irp, 0);
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn unload(driver: PDRIVER_OBJECT) {
    // SAFETY: the device is the driver's only one.
    unsafe {
        let device = (*driver).DeviceObject;
        assert_eq!(ObReferenceObject(device.cast()), 2);
        IoDeleteDevice(device);
        // The reference keeps its memory.
        assert_eq!(ObDereferenceObject(device.cast()), 0);
    }
}

unsafe extern "C" fn entry(driver: PDRIVER_OBJECT, _: PUNICODE_STRING) -> NTSTATUS {
    let mut name: Vec<u16> = r"\Device\Referenced".encode_utf16().collect();
    let bytes = u16::try_from(name.len() * 2).unwrap();
    let mut name =
        UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: name.as_mut_ptr() };
    let mut device = ptr::null_mut();
    // SAFETY: the system passes the driver's own object.
    unsafe {
        (*driver).MajorFunction.fill(Some(answers));
        (*driver).DriverUnload = Some(unload);
        IoCreateDevice(driver, 0, &raw mut name, 0x22, 0, FALSE, &raw mut device)
    }
}

/// The driver gets `IRP_MJ_CLOSE` also if no memory is left, for else it would keep what belongs to the file.
#[test]
fn a_file_is_closed_without_memory() {
    static CLEANED_UP: AtomicUsize = AtomicUsize::new(0);
    static ENDED: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn counts(_: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
        // SAFETY: the I/O manager passes an IRP at this driver's location.
        unsafe {
            match (*IoGetCurrentIrpStackLocation(irp)).MajorFunction {
                2 => _ = ENDED.fetch_add(1, Ordering::SeqCst),
                0x12 => _ = CLEANED_UP.fetch_add(1, Ordering::SeqCst),
                _ => {}
            }
            (*irp).IoStatus = IO_STATUS_BLOCK { Status: STATUS_SUCCESS, Information: 0 };
            IofCompleteRequest(irp, 0);
        }
        STATUS_SUCCESS
    }

    unsafe extern "C" fn counting(driver: PDRIVER_OBJECT, path: PUNICODE_STRING) -> NTSTATUS {
        // SAFETY: the system passes the driver's own object and path.
        unsafe {
            let status = entry(driver, path);
            (*driver).MajorFunction.fill(Some(counts));
            status
        }
    }

    let (host, _entered) = host();
    // SAFETY: the entry point is a driver's.
    let driver = unsafe { Driver::load("referenced", Some(counting)) }.unwrap();
    let mut file = File::open(r"\Device\Referenced").unwrap();
    host.fail_allocations_from(1);
    assert_eq!(file.read(&mut [0]).unwrap_err(), STATUS_INSUFFICIENT_RESOURCES);
    file.close();
    assert_eq!((CLEANED_UP.load(Ordering::SeqCst), ENDED.load(Ordering::SeqCst)), (1, 1));
    driver.unload();
    assert_eq!(host.outstanding_allocations(), 0);
}

/// A file that its driver references outlives its handle, and the driver gets `IRP_MJ_CLOSE` after its last reference.
#[test]
fn references_keep_devices_and_files() {
    let (host, _entered) = host();
    // SAFETY: the entry point is a driver's.
    let driver = unsafe { Driver::load("referenced", Some(entry)) }.unwrap();
    for raised in [false, true] {
        CLOSED.store(0, Ordering::SeqCst);
        File::open(r"\Device\Referenced").unwrap().close();
        assert_eq!(CLOSED.load(Ordering::SeqCst), 0);
        let file = FILE.load(Ordering::SeqCst);
        // SAFETY: the driver has a reference to the file.
        unsafe {
            let irql = if raised { KfRaiseIrql(DISPATCH_LEVEL) } else { PASSIVE_LEVEL };
            assert_eq!(ObDereferenceObject(file), 0);
            KeLowerIrql(irql);
        }
        host.settle();
        assert_eq!(CLOSED.load(Ordering::SeqCst), 1);
    }
    driver.unload();
    assert_eq!(host.outstanding_allocations(), 0);
}
