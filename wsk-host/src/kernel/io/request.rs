//! Requests to devices: `IofCallDriver`, and the I/O manager's part of a program's request.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wsk_sys::{
    DISPATCH_LEVEL, FALSE, IRP, IoSetCompletionRoutine, NTSTATUS, PASSIVE_LEVEL, PDEVICE_OBJECT,
    PIRP, PVOID, STATUS_ACCESS_DENIED, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_MORE_PROCESSING_REQUIRED, STATUS_PENDING, TRUE, ULONG, fields,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::io::device::{STATUS_OBJECT_NAME_NOT_FOUND, free};
use crate::kernel::io::device_table::{
    ClosedFile, DO_DEVICE_INITIALIZING, DO_EXCLUSIVE, Device, DeviceObject, ReleasedObject,
};
use crate::kernel::io::irp::{IoAllocateIrp, IoFreeIrp, allocate_certain_irp};
use crate::kernel::io::work_item::in_worker_thread;
use crate::kernel::ke::dispatcher::Signal;
use crate::kernel::ke::irql::{current_irql, require_at_most};
use crate::kernel::mm::{IoAllocateMdl, IoFreeMdl, MmProbeAndLockPages, MmUnlockPages};
use crate::kernel::{Kernel, current};
use crate::verifier::kernel_violation;

const STATUS_NO_SUCH_DEVICE: NTSTATUS = crate::kernel::status(0xC000_000E);

const IRP_MJ_CREATE: u8 = 0x00;
const IRP_MJ_CLOSE: u8 = 0x02;
const IRP_MJ_READ: u8 = 0x03;
const IRP_MJ_WRITE: u8 = 0x04;
const IRP_MJ_DEVICE_CONTROL: u8 = 0x0E;
const IRP_MJ_CLEANUP: u8 = 0x12;

const DO_BUFFERED_IO: ULONG = 0x4;
const DO_DIRECT_IO: ULONG = 0x10;

/// Sends a request to a device: makes the next stack location the current one, and calls the driver.
#[wsk_host_macros::export]
unsafe extern "C" fn IofCallDriver(device: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, "IofCallDriver");
    // SAFETY: the caller passes an IRP of its own.
    let packet = unsafe { &mut *irp };
    if packet.CurrentLocation <= 1 {
        kernel_violation("IofCallDriver: the IRP has no stack location left");
    }
    packet.CurrentLocation -= 1;
    // SAFETY: the IRP is valid, and its tail in use as an overlay.
    let place = unsafe { fields::current_stack_location(packet) };
    // SAFETY: the IRP has a location left, which is next to the current one.
    let location = unsafe { place.read().sub(1) };
    // SAFETY: the place and the location are the IRP's.
    unsafe {
        place.write(location);
        (*location).DeviceObject = device;
    }
    let device: *mut DeviceObject = device.cast();
    // SAFETY: the caller passes a device.
    let driver = unsafe { (*device).driver };
    // SAFETY: a device has a driver, and the location a kind of request.
    let (routine, major) = unsafe {
        let major = usize::from((*location).MajorFunction);
        ((*driver).MajorFunction.get(major).copied().flatten(), major)
    };
    let Some(routine) = routine else {
        kernel_violation(&format!(
            "IofCallDriver: the driver has no routine for the major function {major:#x}"
        ))
    };
    // SAFETY: the driver gave this routine for requests of this kind to its devices.
    unsafe { routine.invoke((device.cast(), irp)) }
}

/// The routine for requests that a driver does not handle.
pub(super) unsafe extern "C" fn refuse(_device: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    // SAFETY: the I/O manager passes an IRP, which is this routine's.
    unsafe {
        (*irp).IoStatus = fields::io_status_block(wsk_sys::STATUS_INVALID_DEVICE_REQUEST, 0);
        crate::kernel::io::irp::IofCompleteRequest(irp, 0);
    }
    wsk_sys::STATUS_INVALID_DEVICE_REQUEST
}

/// `FILE_OBJECT`. The host uses the named members.
///
/// # Invariants
///
/// `device` is the device on which the file was opened, and is valid until the file is freed.
#[repr(C)]
struct FileObject {
    kind: i16,
    size: i16,
    device: *mut DeviceObject,
    /// The driver's fields, including `FsContext` and `FsContext2`.
    rest: [u64; 25],
}

const _: () = assert!(size_of::<FileObject>() == 0xD8);

/// The type of a file among the I/O manager's objects.
const IO_TYPE_FILE: i16 = 5;

/// The end of a request, which its sender waits for.
struct RequestEnd {
    signal: Signal,
    has_ended: AtomicBool,
    was_pending: AtomicBool,
}

unsafe extern "C" fn completed(_: PDEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    current().image().end_guard(context.addr());
    // SAFETY: `send` passes a completion, with a reference to it.
    let completion = unsafe { Arc::from_raw(context.cast::<RequestEnd>().cast_const()) };
    // SAFETY: the IRP is valid until the signal is set.
    let was_pending = unsafe { (*irp).PendingReturned } != FALSE;
    completion.was_pending.store(was_pending, Ordering::Release);
    completion.has_ended.store(true, Ordering::Release);
    completion.signal.set();
    STATUS_MORE_PROCESSING_REQUIRED
}

/// An open file of a device.
///
/// # Invariants
///
/// `device` is valid while the file is open. `file` is an allocation of [`OpenFile::open`] that this value owns until
/// the file is closed.
pub(crate) struct OpenFile {
    device: *mut DeviceObject,
    /// Allocated in `open` and freed in `leave`, because drivers have pointers to it.
    file: *mut FileObject,
}

// SAFETY: the device is valid while the file is open, and the value owns the file object (Invariants); any thread may
// use both.
unsafe impl Send for OpenFile {}

/// A result of a request: its status, and its information.
pub(crate) type IoStatus = (NTSTATUS, usize);

impl OpenFile {
    /// Opens the device that a path leads to.
    pub(crate) fn open(path: &str) -> Result<Self, NTSTATUS> {
        require_at_most(PASSIVE_LEVEL, "opening a device");
        let kernel = current();
        let mut devices = kernel.devices();
        let device = devices.resolve(path).ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
        // SAFETY: a device that has a name is not deleted.
        let (flags, driver, references) =
            unsafe { ((*device).flags, (*device).driver, (*device).reference_count) };
        if flags & DO_DEVICE_INITIALIZING != 0 && devices.drivers.contains_key(&driver.addr()) {
            return Err(STATUS_NO_SUCH_DEVICE);
        }
        if flags & DO_EXCLUSIVE != 0 && references > 0 {
            return Err(STATUS_ACCESS_DENIED);
        }
        devices.open(device);
        // SAFETY: the device stays while it is open.
        unsafe { (*device).reference_count += 1 };
        drop(devices);
        let size = i16::try_from(size_of::<FileObject>()).unwrap_or(i16::MAX);
        let file = FileObject { kind: IO_TYPE_FILE, size, device, rest: [0; 25] };
        let file = Box::into_raw(Box::new(file));
        kernel.devices().files.insert(file.expose_provenance(), 0);
        let mut open = Self { device, file };
        let (status, _) = open.send(IRP_MJ_CREATE, [0; 4], |_| {});
        if status < 0 {
            open.leave();
            return Err(status);
        }
        Ok(open)
    }

    /// Closes the file: the driver is asked to clean up, and to close as soon as it has no reference to the file.
    pub(crate) fn close(mut self) {
        self.send(IRP_MJ_CLEANUP, [0; 4], |_| {});
        let kernel = current();
        let mut devices = kernel.devices();
        let address = self.file.addr();
        if devices.files.get(&address).is_some_and(|references| *references > 0) {
            let device = devices.by_address.get(&self.device.addr()).map(Device::describe);
            let device = device.unwrap_or_else(|| "a device".to_owned());
            let end = Box::new(move || self.end());
            devices.closed.insert(address, ClosedFile { device, end });
            return;
        }
        drop(devices);
        self.end();
    }

    /// Ends a file that was closed, and that nothing references.
    fn end(mut self) {
        self.send(IRP_MJ_CLOSE, [0; 4], |_| {});
        self.leave();
    }

    fn leave(&mut self) {
        current().devices().files.remove(&self.file.addr());
        // SAFETY: `open` allocated it, and the driver has no reference to it.
        drop(unsafe { Box::from_raw(self.file) });
        // SAFETY: the device stays while it is open.
        unsafe { (*self.device).reference_count -= 1 };
        let is_last = current().devices().close(self.device);
        if is_last {
            free(self.device);
        }
    }

    /// Sends a request and waits for its end.
    fn send(
        &mut self,
        major: u8,
        parameters: [u64; 4],
        prepare: impl FnOnce(&mut IRP),
    ) -> IoStatus {
        require_at_most(PASSIVE_LEVEL, "a request to a device");
        // SAFETY: the device stays while it is open.
        let locations = unsafe { (*self.device).stack_size };
        // Windows ends a file without memory, too: a driver that missed it would keep what belongs to the file.
        let irp = if matches!(major, IRP_MJ_CLEANUP | IRP_MJ_CLOSE) {
            allocate_certain_irp(locations)
        } else {
            IoAllocateIrp(locations, FALSE)
        };
        if irp.is_null() {
            return (STATUS_INSUFFICIENT_RESOURCES, 0);
        }
        let completion = Arc::new(RequestEnd {
            signal: Signal::new(),
            has_ended: AtomicBool::new(false),
            was_pending: AtomicBool::new(false),
        });
        let context: PVOID = Arc::into_raw(Arc::clone(&completion)).cast_mut().cast();
        // The routine is not the driver's code.
        current().image().guard(context.addr());
        // SAFETY: the IRP was just allocated, with a location left; the routine is for this context.
        unsafe {
            prepare(&mut *irp);
            (*irp).RequestorMode = 1;
            let location = wsk_sys::IoGetNextIrpStackLocation(irp);
            (*location).MajorFunction = major;
            (*location).FileObject = self.file.cast();
            (&raw mut (*location).Parameters).cast::<[u64; 4]>().write(parameters);
            IoSetCompletionRoutine(irp, Some(completed), context, TRUE, TRUE, TRUE);
        }
        // SAFETY: the device stays while it is open, and the IRP is this function's.
        let returned = unsafe { IofCallDriver(self.device.cast(), irp) };
        if returned != STATUS_PENDING && !completion.has_ended.load(Ordering::Acquire) {
            kernel_violation(&format!(
                "the dispatch routine for the major function {major:#x} has returned {returned:#010x} \
                 without completing its IRP: complete it, or mark it pending and return STATUS_PENDING"
            ));
        }
        completion.signal.wait("a request to a device", None);
        let was_pending = completion.was_pending.load(Ordering::Acquire);
        if was_pending != (returned == STATUS_PENDING) {
            kernel_violation(&format!(
                "the dispatch routine for the major function {major:#x} has returned {returned:#010x}, and \
                 its IRP {} marked pending: both go together",
                if was_pending { "was" } else { "was not" }
            ));
        }
        // SAFETY: the request has ended, so the IRP is this function's.
        let status = unsafe { &(*irp).IoStatus };
        let ended = (fields::status(status), fields::information(status));
        IoFreeIrp(irp);
        ended
    }

    /// Sends a control code, with buffers according to its method.
    pub(crate) fn control(&mut self, code: ULONG, input: &mut [u8], output: &mut [u8]) -> IoStatus {
        const BUFFERED: ULONG = 0;
        const NEITHER: ULONG = 3;
        let method = code & 3;
        let mut parameters = [output.len() as u64, input.len() as u64, u64::from(code), 0];
        if method == NEITHER {
            parameters[3] = input.as_mut_ptr().expose_provenance() as u64;
            let target: PVOID = output.as_mut_ptr().cast();
            return self.send(IRP_MJ_DEVICE_CONTROL, parameters, |irp| irp.UserBuffer = target);
        }
        let is_buffered = method == BUFFERED;
        let size = if is_buffered { input.len().max(output.len()) } else { input.len() };
        let mut system = AlignedBytes::new(size);
        system.bytes()[..input.len()].copy_from_slice(input);
        let system_buffer = system.pointer();
        if is_buffered {
            let set = |irp: &mut IRP| irp.AssociatedIrp.SystemBuffer = system_buffer;
            let ended = self.send(IRP_MJ_DEVICE_CONTROL, parameters, set);
            copy_back(ended, &system.bytes()[..], output, "IRP_MJ_DEVICE_CONTROL");
            return ended;
        }
        let Ok(locked) = LockedMdl::new(output) else { return (STATUS_INSUFFICIENT_RESOURCES, 0) };
        self.send(IRP_MJ_DEVICE_CONTROL, parameters, |irp| {
            irp.AssociatedIrp.SystemBuffer = system_buffer;
            irp.MdlAddress = locked.0;
        })
    }

    pub(crate) fn read(&mut self, target: &mut [u8]) -> IoStatus {
        self.transfer(IRP_MJ_READ, target)
    }

    pub(crate) fn write(&mut self, source: &mut [u8]) -> IoStatus {
        self.transfer(IRP_MJ_WRITE, source)
    }

    fn transfer(&mut self, major: u8, buffer: &mut [u8]) -> IoStatus {
        let parameters = [buffer.len() as u64, 0, 0, 0];
        // SAFETY: the device stays while it is open.
        let flags = unsafe { (*self.device).flags };
        if flags & DO_BUFFERED_IO != 0 {
            let mut system = AlignedBytes::new(buffer.len());
            if major == IRP_MJ_WRITE {
                system.bytes().copy_from_slice(buffer);
            }
            let system_buffer = system.pointer();
            let set = |irp: &mut IRP| irp.AssociatedIrp.SystemBuffer = system_buffer;
            let ended = self.send(major, parameters, set);
            if major == IRP_MJ_READ {
                copy_back(ended, &system.bytes()[..], buffer, "IRP_MJ_READ");
            }
            ended
        } else if flags & DO_DIRECT_IO != 0 {
            let Ok(locked) = LockedMdl::new(buffer) else {
                return (STATUS_INSUFFICIENT_RESOURCES, 0);
            };
            self.send(major, parameters, |irp| irp.MdlAddress = locked.0)
        } else {
            let target: PVOID = buffer.as_mut_ptr().cast();
            self.send(major, parameters, |irp| irp.UserBuffer = target)
        }
    }
}

/// Ends an unused object: in this thread, or in a system thread if the IRQL is too high.
pub(crate) fn close_unreferenced(kernel: &Kernel, unused: Option<ReleasedObject>) {
    match unused {
        None => {}
        Some(ReleasedObject::Device(device)) => free(ptr::with_exposed_provenance_mut(device)),
        Some(ReleasedObject::File(file)) if current_irql() == PASSIVE_LEVEL => (file.end)(),
        Some(ReleasedObject::File(file)) => in_worker_thread(kernel, file.end),
    }
}

/// Copies the driver's output from the system's buffer, unless the request has failed.
fn copy_back((status, information): IoStatus, system: &[u8], target: &mut [u8], request: &str) {
    if crate::kernel::is_error(status) || target.is_empty() {
        return;
    }
    if information > target.len() {
        kernel_violation(&format!(
            "{request} completed with Information {information}, but the output buffer has {} bytes",
            target.len()
        ));
    }
    target[..information].copy_from_slice(&system[..information]);
}

/// Bytes that are aligned as the pool aligns them.
struct AlignedBytes {
    memory: Vec<u128>,
    size: usize,
}

impl AlignedBytes {
    fn new(size: usize) -> Self {
        Self { memory: vec![0; size.div_ceil(size_of::<u128>())], size }
    }

    /// Null if there are none.
    fn pointer(&mut self) -> PVOID {
        if self.size == 0 { ptr::null_mut() } else { self.memory.as_mut_ptr().cast() }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the memory has at least this size, and every byte is initialized.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), self.size) }
    }
}

/// The MDL of a locked buffer; null if the buffer is empty.
///
/// # Invariants
///
/// The MDL is null, or allocated, with locked pages, and owned by this value.
struct LockedMdl(wsk_sys::PMDL);

impl LockedMdl {
    fn new(buffer: &mut [u8]) -> Result<Self, ()> {
        if buffer.is_empty() {
            return Ok(Self(ptr::null_mut()));
        }
        let size = ULONG::try_from(buffer.len()).map_err(|_| ())?;
        // SAFETY: the buffer stays where it is while its MDL exists, see `OpenFile::control`.
        let mdl = unsafe {
            IoAllocateMdl(buffer.as_mut_ptr().cast(), size, FALSE, FALSE, ptr::null_mut())
        };
        if mdl.is_null() {
            return Err(());
        }
        // SAFETY: the MDL was just allocated.
        unsafe { MmProbeAndLockPages(mdl, 1, wsk_sys::IoWriteAccess) };
        Ok(Self(mdl))
    }
}

impl Drop for LockedMdl {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the MDL is this one's, and was locked; the request has ended.
            unsafe {
                MmUnlockPages(self.0);
                IoFreeMdl(self.0);
            }
        }
    }
}
