//! `Io…Device`: devices, their names, and the symbolic links to them.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{
    APC_LEVEL, BOOLEAN, CSHORT, FALSE, NTSTATUS, NonPagedPoolNx, PASSIVE_LEVEL, PDRIVER_OBJECT,
    PUNICODE_STRING, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    ULONG, USHORT, fields,
};

use crate::kernel::current;
use crate::kernel::ex::pool::{ExAllocatePoolWithTag, ExFreePoolWithTag};
use crate::kernel::io::device_table::{
    DO_DEVICE_INITIALIZING, DO_EXCLUSIVE, Device, DeviceObject, PathTarget, key,
};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::rtl::strings::counted_units;
use crate::verifier::{Origin, kernel_violation};

pub(crate) const STATUS_OBJECT_NAME_NOT_FOUND: NTSTATUS = crate::kernel::status(0xC000_0034);
const STATUS_OBJECT_NAME_COLLISION: NTSTATUS = crate::kernel::status(0xC000_0035);
const STATUS_OBJECT_PATH_SYNTAX_BAD: NTSTATUS = crate::kernel::status(0xC000_003B);

/// The type of a device among the I/O manager's objects.
const IO_TYPE_DEVICE: CSHORT = 3;

/// The tag of devices.
const TAG: ULONG = u32::from_le_bytes(*b"Devi");

/// A client's path.
///
/// # Safety
///
/// The string is null or valid.
unsafe fn path(name: PUNICODE_STRING) -> Option<String> {
    // SAFETY: the pointer is null, or to a string whose buffer has its length (this function's contract).
    let name = unsafe { name.as_ref() }?;
    // SAFETY: the string's buffer has its length (this function's contract).
    let units = unsafe { counted_units(name) };
    (!units.is_empty()).then(|| String::from_utf16_lossy(units))
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoCreateDevice(
    driver: PDRIVER_OBJECT,
    extension: ULONG,
    name: PUNICODE_STRING,
    device_type: ULONG,
    characteristics: ULONG,
    is_exclusive: BOOLEAN,
    created: *mut *mut DeviceObject,
) -> NTSTATUS {
    require_at_most(APC_LEVEL, "IoCreateDevice");
    if driver.is_null() {
        kernel_violation("IoCreateDevice: DriverObject is null");
    }
    // SAFETY: the caller passes a name, or null.
    let name = unsafe { path(name) };
    let kernel = current();
    if let Some(name) = &name {
        if !name.starts_with('\\') {
            return STATUS_OBJECT_PATH_SYNTAX_BAD;
        }
        if kernel.devices().names.contains_key(&key(name)) {
            return STATUS_OBJECT_NAME_COLLISION;
        }
    }
    let size = size_of::<DeviceObject>() + extension as usize;
    // A device counts its size in 16 bits.
    let Ok(counted) = USHORT::try_from(size) else { return STATUS_INSUFFICIENT_RESOURCES };
    let device: *mut DeviceObject =
        ExAllocatePoolWithTag(NonPagedPoolNx, fields::size_t(size), TAG).cast();
    if device.is_null() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // SAFETY: the memory has this size, and zeroes are a device.
    unsafe { device.cast::<u8>().write_bytes(0, size) };
    // SAFETY: the memory was just initialized, and nothing else uses it.
    let object = unsafe { &mut *device };
    object.kind = IO_TYPE_DEVICE;
    object.size = counted;
    object.driver = driver;
    object.kind_of_device = device_type;
    object.characteristics = characteristics;
    object.stack_size = 1;
    object.flags = DO_DEVICE_INITIALIZING;
    if is_exclusive != FALSE {
        object.flags |= DO_EXCLUSIVE;
    }
    if extension > 0 {
        object.extension = device.wrapping_add(1).cast();
    }
    // SAFETY: the caller passes a driver object of its own, whose first device is one of its, or null.
    unsafe {
        object.next = (*driver).DeviceObject.cast();
        (*driver).DeviceObject = device.cast();
    }
    let origin = Origin::here("IoCreateDevice");
    let mut devices = kernel.devices();
    if let Some(name) = &name {
        devices.names.insert(key(name), PathTarget::Device(device.expose_provenance()));
    }
    let entry = Device {
        name,
        driver: driver.addr(),
        open: 0,
        references: 0,
        held: 0,
        is_deleted: false,
        origin,
    };
    devices.by_address.insert(device.expose_provenance(), entry);
    drop(devices);
    // SAFETY: the caller passes room for a pointer.
    unsafe { created.write(device) };
    STATUS_SUCCESS
}

/// Takes a device out of its driver's list.
///
/// # Safety
///
/// The device is valid, and its driver's list is of valid devices.
unsafe fn unlink(device: *mut DeviceObject) {
    // SAFETY: the pointer is to a device (this function's contract), and a driver is valid as long as it has devices.
    let (driver, next) = unsafe { ((*device).driver, (*device).next) };
    // SAFETY: the driver is valid as long as it has a device.
    let mut place: *mut *mut DeviceObject = unsafe { (&raw mut (*driver).DeviceObject).cast() };
    // SAFETY: the list is of valid devices, and ends with null.
    unsafe {
        while !(*place).is_null() && *place != device {
            place = &raw mut (**place).next;
        }
        if *place == device {
            *place = next;
        }
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoDeleteDevice(device: *mut DeviceObject) {
    require_at_most(APC_LEVEL, "IoDeleteDevice");
    let kernel = current();
    let mut devices = kernel.devices();
    let found = devices.by_address.get_mut(&device.addr()).filter(|found| !found.is_deleted);
    let Some(found) = found else {
        drop(devices);
        kernel_violation("IoDeleteDevice: the device is not of this host, or is already deleted");
    };
    found.is_deleted = true;
    let (is_used, name) = (!found.is_unused(), found.name.clone());
    if let Some(name) = name {
        devices.names.remove(&key(&name));
    }
    if !is_used {
        devices.by_address.remove(&device.addr());
    }
    drop(devices);
    // SAFETY: the device is valid, as was just checked.
    unsafe { unlink(device) };
    if !is_used {
        free(device);
    }
}

/// Frees a device's memory.
pub(super) fn free(device: *mut DeviceObject) {
    ExFreePoolWithTag(device.cast(), TAG);
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoCreateSymbolicLink(
    link: PUNICODE_STRING,
    target: PUNICODE_STRING,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "IoCreateSymbolicLink");
    // SAFETY: the caller passes two names.
    let (Some(path), Some(target)) = (unsafe { path(link) }, unsafe { path(target) }) else {
        return STATUS_INVALID_PARAMETER;
    };
    if !path.starts_with('\\') || !target.starts_with('\\') {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    let kernel = current();
    if !kernel.may_allocate() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    let mut devices = kernel.devices();
    let key = key(&path);
    if devices.names.contains_key(&key) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    let origin = Origin::here("IoCreateSymbolicLink");
    devices.names.insert(key, PathTarget::Link { path, target, origin });
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoDeleteSymbolicLink(link: PUNICODE_STRING) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "IoDeleteSymbolicLink");
    // SAFETY: the caller passes a name.
    let Some(path) = (unsafe { path(link) }) else { return STATUS_INVALID_PARAMETER };
    let kernel = current();
    let mut devices = kernel.devices();
    let key = key(&path);
    if !matches!(devices.names.get(&key), Some(PathTarget::Link { .. })) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    devices.names.remove(&key);
    STATUS_SUCCESS
}
