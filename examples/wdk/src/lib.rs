//! A driver that uses `wdk`, `wdk-sys` and `wsk`, with one set of types.
//!
//! | file | contents |
//! |---|---|
//! | `lib.rs` | `DriverEntry`, `DriverUnload`, and a server with `wsk` |
//! | `names.rs` | a look-up without `wsk`: WSK's function, with an IRP, an event and a string of `wdk-sys` |
//!
//! The server implements the discard protocol (RFC 863). Built by `cargo build`, on Windows with a WDK.

#![no_std]

mod names;

use core::cell::UnsafeCell;
use core::net::Ipv4Addr;
use core::panic::PanicInfo;
use core::time::Duration;

use wdk_sys::ntddk::KeBugCheckEx;
use wdk_sys::{DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, STATUS_SUCCESS};
use wsk::irql::Passive;
use wsk::{Buffer, Provider, Registration, Result, Runtime, Spawner, TcpListener, TcpStream, rt};

/// The port of the discard service.
const PORT: u16 = 9;

/// The timeout for WSK to become ready.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// Storage for the state between `DriverEntry` and `DriverUnload`.
///
/// # Invariants
///
/// Only `DriverEntry` and `DriverUnload` access the value.
struct Slot(UnsafeCell<Option<Service>>);

// SAFETY: by the invariant, only `DriverEntry` and `DriverUnload` access the value. The system calls each of them once, one
// after the other; `Service` is `Send`.
unsafe impl Sync for Slot {}

static SERVICE: Slot = Slot(UnsafeCell::new(None));

/// The driver's entry point.
///
/// # Safety
///
/// Called by the system, once, at `PASSIVE_LEVEL`.
// SAFETY: no other symbol has this name.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the system calls this at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    match start(passive) {
        Ok(service) => {
            // SAFETY: by the invariant of Slot, only DriverUnload also accesses it, after this function.
            unsafe { *SERVICE.0.get() = Some(service) };
            driver.DriverUnload = Some(unload);
            wdk::println!("discarding data on port {PORT}");
            STATUS_SUCCESS
        }
        Err(error) => {
            // After an error, the system unloads the driver without calling DriverUnload.
            wsk::unload(passive);
            wdk::println!("cannot start: {error}");
            error.status()
        }
    }
}

/// Starts the server. On an error, everything started so far is dropped, and ends by itself.
fn start(passive: Passive) -> Result<Service> {
    let registration = Registration::register(passive)?;
    let provider = registration.capture(passive, PATIENCE)?;
    let addresses = names::count_addresses(&provider, passive);
    if wdk::nt_success(addresses.status) {
        wdk::println!("localhost has {} addresses", addresses.count);
    } else {
        wdk::println!("cannot resolve localhost: {:#010X}", addresses.status);
    }
    let listener = TcpListener::bind(&provider, (Ipv4Addr::UNSPECIFIED, PORT));
    let listener = rt::block_on(passive, listener)??;
    let runtime = Runtime::new(passive, 1)?;
    let spawner = runtime.spawner();
    runtime.spawner().spawn(async move {
        if let Err(error) = serve(listener, &spawner).await {
            wdk::println!("no more connections can be accepted: {error}");
        }
    })?;
    Ok(Service { runtime, provider, registration })
}

/// Serves connections until the listener fails or a task cannot be spawned (during shutdown, or if allocation fails).
async fn serve(listener: TcpListener, spawner: &Spawner) -> Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        spawner.spawn(async move {
            if let Err(error) = discard(&stream).await {
                wdk::println!("the connection of {peer} failed: {error}");
            }
        })?;
    }
}

/// Receives until the peer finishes sending.
async fn discard(stream: &TcpStream) -> Result<()> {
    let mut buffer = Buffer::new(0x1000)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            return stream.shutdown().await;
        }
        buffer = filled;
    }
}

/// The driver's unload routine. No code of the driver may run after it returns.
unsafe extern "C" fn unload(_driver: *mut DRIVER_OBJECT) {
    // SAFETY: the system calls this at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // SAFETY: by the invariant of Slot, only DriverEntry also accesses it, before this function.
    if let Some(service) = unsafe { (*SERVICE.0.get()).take() } {
        service.end(passive);
    }
    // Waits until no code of the driver runs but this.
    wsk::unload(passive);
}

/// For dependencies that use `alloc`.
#[global_allocator]
static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;

/// The bug check code of a Rust panic: `Rust` in ASCII with its top four bits set to 0xE, a range that Windows leaves to drivers.
const BUG_CHECK_CODE: u32 = 0xE275_7374;

/// Brings the system down. A panic is a bug in the driver.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, |location| location.line().into());
    // SAFETY: KeBugCheckEx may be called at any IRQL, in any state.
    unsafe { KeBugCheckEx(BUG_CHECK_CODE, 0, line, 0, 0) }
}
