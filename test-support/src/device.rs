//! A driver's devices: host functions that neither `wsk` nor `wsk-sys` needs.

use wsk_sys::{BOOLEAN, NTSTATUS, PDEVICE_OBJECT, PDRIVER_OBJECT, PUNICODE_STRING, ULONG};

unsafe extern "C" {
    /// Creates a device of the driver.
    pub fn IoCreateDevice(
        driver: PDRIVER_OBJECT,
        extension: ULONG,
        name: PUNICODE_STRING,
        kind: ULONG,
        characteristics: ULONG,
        exclusive: BOOLEAN,
        device: *mut PDEVICE_OBJECT,
    ) -> NTSTATUS;
    /// Deletes a device that has no more references.
    pub fn IoDeleteDevice(device: PDEVICE_OBJECT);
}
