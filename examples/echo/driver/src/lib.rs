//! The echo server as a Windows kernel driver.
//!
//! The crate `driver-support` has the parts that all drivers share: messages, settings, the panic handler.
//!
//! Built by `cargo xtask driver echo`. On other systems than Windows the crate is empty.

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

/// The prefix of the driver's messages.
const NAME: &CStr = c"echo";

/// The pool tag of the driver's memory, as shown by `poolmon` and the debugger.
const POOL_TAG: [u8; 4] = *b"Echo";

/// The port of the echo service, unless the registry sets another.
const DEFAULT_PORT: u16 = 7;

/// The driver's state.
struct Service {
    runtime: Runtime,
    provider: Provider,
    registration: Registration,
}

impl Service {
    /// Ends everything, in the order that shutdown requires: first the tasks, then the provider, then the registration,
    /// which waits for the requests that the tasks left in flight.
    fn end(self, passive: Passive) {
        let Self { runtime, provider, registration } = self;
        runtime.shutdown(passive);
        drop(provider);
        registration.deregister(passive);
    }
}

/// The state between `DriverEntry` and `DriverUnload`.
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
    // Before the first allocation, which reads the parameters.
    if let Err(error) = wsk::pool::set_tag(POOL_TAG) {
        return error.status();
    }
    // SAFETY: the system passes the path of the driver's key. The IRQL is PASSIVE_LEVEL, and the value is dropped in
    // this function.
    let parameters = unsafe { Parameters::open(registry_path) };
    let parameters = parameters.as_ref();
    let port = parameters.and_then(|all| all.port("Port")).unwrap_or(DEFAULT_PORT);
    let host = parameters.and_then(|all| all.text("Host"));
    match start(passive, host.as_ref().map(Text::as_str), port) {
        Ok(service) => {
            // SAFETY: the system calls DriverEntry once, before DriverUnload; no other code accesses the slot.
            unsafe { SERVICE.put(service) };
            // SAFETY: the system passes the driver's object, which is valid and not accessed elsewhere meanwhile.
            unsafe { (*driver).DriverUnload = Some(unload) };
            log(format_args!("serving on port {port}"));
            STATUS_SUCCESS
        }
        Err(error) => {
            // After an error, the system unloads the driver without calling DriverUnload.
            wsk::unload(passive);
            log(format_args!("cannot serve on port {port}: {error}"));
            error.status()
        }
    }
}

/// The timeout for WSK to become ready, and for resolving the host name.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the server. On an error, everything started so far is dropped, and ends by itself.
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
    Ok(Service { runtime, provider, registration })
}

/// Listens on the addresses of `host`, or on every local address.
async fn listen(wsk: &Provider, host: Option<&str>, port: u16) -> wsk::Result<TcpListener> {
    match host {
        Some(host) => time::timeout(PATIENCE, net::listen_host(wsk, (host, port))).await?,
        None => TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

/// The driver's unload routine. No code of the driver may run after it returns.
///
/// # Safety
///
/// Called by the system, once, at `PASSIVE_LEVEL`, after `DriverEntry` succeeded.
unsafe extern "C" fn unload(_driver: PDRIVER_OBJECT) {
    // SAFETY: the system calls this at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // SAFETY: the system calls DriverUnload once, after DriverEntry; no other code accesses the slot.
    if let Some(service) = unsafe { SERVICE.take() } {
        service.end(passive);
    }
    // Waits until no code of the driver runs but this.
    wsk::unload(passive);
    driver_support::log_unloaded(NAME);
}

fn log(message: fmt::Arguments<'_>) {
    driver_support::log(NAME, message);
}
