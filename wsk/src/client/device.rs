//! The driver's device, for completion routines that keep the driver loaded.
//!
//! # Safety
//!
//! A reference keeps the device's memory, also after the driver has deleted the device.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{ObDereferenceObject, ObReferenceObject, PDEVICE_OBJECT};

/// A reference to a device of the driver.
///
/// # Invariants
///
/// It has one reference to the device, which is not null.
pub(crate) struct DeviceRef(PDEVICE_OBJECT);

// SAFETY: the object manager counts references of all threads.
unsafe impl Send for DeviceRef {}
// SAFETY: the object manager counts references of all threads; the pointer is only copied.
unsafe impl Sync for DeviceRef {}

impl DeviceRef {
    /// Takes a reference. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The pointer is to a device of the driver that is not deleted.
    pub(crate) unsafe fn new(device: PDEVICE_OBJECT) -> Self {
        // INVARIANT: the reference is taken here.
        // SAFETY: the device exists, by this function's contract.
        unsafe { ObReferenceObject(device.cast()) };
        Self(device)
    }

    pub(crate) const fn as_ptr(&self) -> PDEVICE_OBJECT {
        self.0
    }
}

impl Drop for DeviceRef {
    /// IRQL: <= `DISPATCH_LEVEL`.
    fn drop(&mut self) {
        // SAFETY: this value's reference is released once.
        unsafe { ObDereferenceObject(self.0.cast()) };
    }
}
