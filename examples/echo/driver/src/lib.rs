//! The echo server as a Windows kernel driver: what a driver needs around its logic.
//!
//! What does not differ from driver to driver is in the crate `driver-support`: messages, settings, panics.
//!
//! Built by `cargo xtask driver echo`. For other systems than Windows the crate is empty.

#![cfg(windows)]
#![no_std]

use core::ffi::CStr;
use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use driver_support::{Parameters, Slot, Text};
use wsk::irql::Passive;
use wsk::{Provider, Registration, Runtime, TcpListener, net, rt, time};
use wsk_sys::{NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING, STATUS_SUCCESS};

/// What the driver's messages begin with.
const NAME: &CStr = c"echo";

/// What the driver's memory is counted under, by `poolmon` and the debugger.
const POOL_TAG: [u8; 4] = *b"Echo";

/// The port of the echo service, unless the registry names another.
const DEFAULT_PORT: u16 = 7;

/// Everything that the driver has running, in the order in which it must end: the tasks, then the
/// provider, then the registration, which waits for what the tasks had in flight.
struct Service {
    _runtime: Runtime,
    _provider: Provider,
    _registration: Registration,
}

/// What `DriverEntry` leaves to `DriverUnload`.
static SERVICE: Slot<Service> = Slot::empty();

/// The driver's entry point.
///
/// # Safety
///
/// Called by the system, once, at `PASSIVE_LEVEL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn DriverEntry(
    driver: PDRIVER_OBJECT,
    registry_path: PUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the system calls this at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // Before anything is allocated, which reading the parameters does.
    if let Err(error) = wsk::pool::set_tag(POOL_TAG) {
        return error.status();
    }
    // SAFETY: the system passes the path of the driver's key, and the level is passive.
    let parameters = unsafe { Parameters::open(registry_path) };
    let parameters = parameters.as_ref();
    let port = parameters.and_then(|all| all.port("Port")).unwrap_or(DEFAULT_PORT);
    let host = parameters.and_then(|all| all.text("Host"));
    match start(passive, host.as_ref().map(Text::as_str), port) {
        Ok(service) => {
            // SAFETY: nobody else uses the slot while this function runs, which the system calls once.
            unsafe { SERVICE.put(service) };
            // SAFETY: the system passes its driver object.
            unsafe { (*driver).DriverUnload = Some(unload) };
            log(format_args!("serving on port {port}"));
            STATUS_SUCCESS
        }
        Err(error) => {
            log(format_args!("cannot serve on port {port}: {error}"));
            error.status()
        }
    }
}

/// How long a host may take to be found.
const PATIENCE: Duration = Duration::from_secs(5);

/// On an error, what was started ends in the opposite order.
fn start(passive: Passive, host: Option<&str>, port: u16) -> wsk::Result<Service> {
    let registration = Registration::register(passive)?;
    let provider = registration.capture(passive, PATIENCE)?;
    let listener = rt::block_on(passive, listen(&provider, host, port))??;
    let runtime = Runtime::new(passive, 2)?;
    let spawner = runtime.spawner();
    runtime.spawner().spawn(async move {
        if let Err(error) = echo::serve(listener, spawner, log).await {
            log(format_args!("no more connections can be accepted: {error}"));
        }
    })?;
    Ok(Service { _runtime: runtime, _provider: provider, _registration: registration })
}

/// Listens at the host, or at every address of this machine.
async fn listen(wsk: &Provider, host: Option<&str>, port: u16) -> wsk::Result<TcpListener> {
    match host {
        Some(host) => time::timeout(PATIENCE, net::listen_host(wsk, (host, port))).await?,
        None => TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

/// The driver's unload routine. When it returns, nothing of the driver may run any more.
unsafe extern "C" fn unload(_driver: PDRIVER_OBJECT) {
    // SAFETY: nobody else uses the slot while this function runs, which the system calls once.
    drop(unsafe { SERVICE.take() });
    driver_support::log_unloaded(NAME);
}

fn log(message: fmt::Arguments<'_>) {
    driver_support::log(NAME, message);
}
