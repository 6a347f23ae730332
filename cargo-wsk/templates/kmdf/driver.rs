//! The driver, for KMDF. Its parameter in the registry: `Port`, a DWORD below the service's key `Parameters`, the port to serve
//! on; 7007 by default.

#![no_std]

mod device;

use core::net::Ipv4Addr;
use core::ptr;
use core::sync::atomic::{AtomicU16, Ordering};

use wdk_sys::{
    DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, WDF_DRIVER_CONFIG, WDF_NO_HANDLE,
    WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, call_unsafe_wdf_function_binding,
};
use wsk::irql::Passive;
use wsk::{Provider, Spawner, TcpListener};
use wsk_driver::{Context as _, Parameters, Result};

wsk_driver::panic_handler!();

/// The port to serve on.
static PORT: AtomicU16 = AtomicU16::new(7007);

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
    wsk_driver::set_name(&"{{name}}");
    // SAFETY: the system calls DriverEntry at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // SAFETY: the system passes the path of the driver's key.
    let parameters = unsafe { Parameters::open(registry_path.cast_mut(), passive) };
    if let Err(error) = prepare(&parameters) {
        wsk_driver::println!("does not start: {error}");
        return error.status();
    }
    let mut config = WDF_DRIVER_CONFIG {
        Size: size(size_of::<WDF_DRIVER_CONFIG>()),
        EvtDriverDeviceAdd: Some(device::add),
        EvtDriverUnload: Some(unload),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are those of DriverEntry, and a configuration of the framework's size.
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

/// The steps before the first device.
fn prepare(parameters: &Parameters) -> Result<()> {
    if let Some(port) = parameters.port("Port")? {
        PORT.store(port, Ordering::Relaxed);
    }
    Ok(())
}

/// Starts the server of a device, which runs until the device is disabled or removed.
async fn start(wsk: &Provider, spawner: &Spawner) -> Result<()> {
    let port = PORT.load(Ordering::Relaxed);
    let listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.context(format_args!("cannot serve on port {port}"))?;
    let tasks = spawner.clone();
    spawner.spawn(async move {
        if let Err(error) = {{crate}}::serve(listener, tasks, wsk_driver::print).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("serving on port {port}");
    Ok(())
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
