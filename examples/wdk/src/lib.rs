//! A driver that uses `wdk`, `wdk-sys` and `wsk`, with one set of types.
//!
//! | file | what |
//! |---|---|
//! | `lib.rs` | `DriverEntry` and `DriverUnload`, and a server with `wsk` |
//! | `names.rs` | a look-up that `wsk` has no part in: WSK's function, with an IRP, an event and strings of `wdk-sys` |
//!
//! The server is RFC 863's: it discards what it receives. Built on Windows, where a WDK is, by `cargo build`.

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

/// How long WSK may take to be ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that the driver has running, in the order in which it must end.
struct Service {
    _runtime: Runtime,
    _provider: Provider,
    _registration: Registration,
}

/// What `DriverEntry` leaves to `DriverUnload`.
struct Slot(UnsafeCell<Option<Service>>);

// SAFETY: the system calls `DriverEntry` and `DriverUnload` once each, one after the other.
unsafe impl Sync for Slot {}

static SERVICE: Slot = Slot(UnsafeCell::new(None));

/// The driver's entry point.
///
/// # Safety
///
/// Called by the system, once, at `PASSIVE_LEVEL`.
// SAFETY: nothing else has this name.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the system calls this at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    match start(passive) {
        Ok(service) => {
            // SAFETY: nobody else uses the slot while this function runs.
            unsafe { *SERVICE.0.get() = Some(service) };
            driver.DriverUnload = Some(unload);
            wdk::println!("discarding what comes to port {PORT}");
            STATUS_SUCCESS
        }
        Err(error) => {
            wdk::println!("cannot start: {error}");
            error.status()
        }
    }
}

/// On an error, what was started ends in the opposite order.
fn start(passive: Passive) -> Result<Service> {
    let registration = Registration::register(passive)?;
    let provider = registration.capture(passive, PATIENCE)?;
    let addresses = names::count_addresses(&provider, passive);
    if wdk::nt_success(addresses.status) {
        wdk::println!("localhost has {} addresses", addresses.count);
    } else {
        wdk::println!("localhost has no address: {:#010X}", addresses.status);
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
    Ok(Service { _runtime: runtime, _provider: provider, _registration: registration })
}

/// Serves connections until the listener fails, or a task cannot be spawned: the runtime is shutting down, or
/// there is no memory.
async fn serve(mut listener: TcpListener, spawner: &Spawner) -> Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        spawner.spawn(async move {
            if let Err(error) = discard(&stream).await {
                wdk::println!("the connection of {peer} failed: {error}");
            }
        })?;
    }
}

/// Receives until the peer has finished sending.
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

/// The driver's unload routine. When it returns, nothing of the driver may run any more.
unsafe extern "C" fn unload(_driver: *mut DRIVER_OBJECT) {
    // SAFETY: nobody else uses the slot while this function runs.
    drop(unsafe { (*SERVICE.0.get()).take() });
}

/// For crates that use `alloc`.
#[global_allocator]
static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;

/// The bug check of a Rust panic: `Rust` as a number, in the range that is free for drivers.
const BUG_CHECK_CODE: u32 = 0xE275_7374;

/// A panic is a bug of the driver, and there is no way on.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, |location| location.line().into());
    // SAFETY: the system may be stopped at any time, in any state.
    unsafe { KeBugCheckEx(BUG_CHECK_CODE, 0, line, 0, 0) }
}
