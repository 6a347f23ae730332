//! A KMDF driver that uses `wdk-sys` and `wsk`, with one set of types.
//!
//! | file | contents |
//! |---|---|
//! | `lib.rs` | `DriverEntry` and `EvtDriverUnload` |
//! | `device.rs` | the device: its WSK client, from `EvtDevicePrepareHardware` to `EvtDeviceReleaseHardware`, and its queue |
//! | `discard.rs` | the server: the discard protocol (RFC 863) |
//! | `names.rs` | a look-up without `wsk`: WSK's function, with an IRP, an event and a string of `wdk-sys` |
//!
//! The panic handler and the allocator are those of windows-drivers-rs, so wsk-driver's are off. Build it with `cargo
//! wdk build`, on Windows with a WDK.

#![no_std]

mod device;
mod discard;
mod names;

use core::ptr;

use wdk_sys::{
    DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, WDF_DRIVER_CONFIG, WDF_NO_HANDLE,
    WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, call_unsafe_wdf_function_binding,
};
use wsk::irql::Passive;

// The panic handler.
use wdk_panic as _;

/// For dependencies that use `alloc`.
#[global_allocator]
static ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;

/// The driver's entry point.
///
/// # Safety
///
/// Called by the system, once, at `PASSIVE_LEVEL`.
// SAFETY: no other symbol has this name.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    wsk_driver::set_name(&"wdk-driver");
    // Set before the first allocation, which fixes the tag.
    if let Err(error) = wsk::pool::set_tag(*b"Wdkd") {
        return error.status();
    }
    let mut config = WDF_DRIVER_CONFIG {
        Size: size(size_of::<WDF_DRIVER_CONFIG>()),
        EvtDriverDeviceAdd: Some(device::add),
        EvtDriverUnload: Some(unload),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are those of DriverEntry, and a configuration of the framework's size. The macro contains a
    // second unsafe operation, of the framework's table.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            ptr::from_mut(driver),
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            WDF_NO_HANDLE.cast::<WDFDRIVER>()
        )
    }
}

/// Ends the driver, after its last device. No code of the driver may run afterwards.
///
/// # Safety
///
/// Called by the framework, once, at `PASSIVE_LEVEL`.
unsafe extern "C" fn unload(_driver: WDFDRIVER) {
    // SAFETY: the framework calls EvtDriverUnload at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    wsk::unload(passive);
}

/// The size of a structure of the framework, as its first field.
const fn size(bytes: usize) -> u32 {
    assert!(bytes < 0x1000);
    bytes as u32
}
