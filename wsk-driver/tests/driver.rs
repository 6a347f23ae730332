//! Drivers of `driver!`, loaded and unloaded on a host.

#![cfg(not(windows))]

use std::sync::{Mutex, MutexGuard, PoisonError};

use wsk_host::{Config, Driver as Loaded, Host, RegistryValue, Timing};
use wsk_sys::{NTSTATUS, PDRIVER_INITIALIZE};

/// The steps that a driver of a test has made.
struct Steps(Mutex<Vec<&'static str>>);

impl Steps {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, step: &'static str) {
        self.lock().push(step);
    }
}

/// Adds a step when it is dropped.
struct Dropped(&'static Steps, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// Loads a driver with these parameters, and unloads it. Nothing may be left.
fn load(entry: PDRIVER_INITIALIZE, parameters: &[(&str, RegistryValue)]) -> Result<(), NTSTATUS> {
    let mut results = Vec::new();
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)] {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        for (name, value) in parameters {
            host.set_parameter("test", name, value.clone());
        }
        // SAFETY: the tests pass the entry points of `driver!`.
        let driver = unsafe { Loaded::load("test", entry) };
        results.push(driver.map(Loaded::unload));
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
        host.unload();
    }
    results.dedup();
    assert_eq!(results.len(), 1, "the timing decides: {results:?}");
    results[0]
}

/// A driver with a task, whose `start` is async.
mod keeps {
    use std::net::Ipv4Addr;

    use wsk::TcpListener;
    use wsk_driver::{Driver, Result};

    use super::{Dropped, Steps};

    pub(super) static STEPS: Steps = Steps::new();

    wsk_driver::driver! {
        name: "keeps",
        pool_tag: b"Keep",
        threads: 2,
        start: start,
    }

    async fn start(driver: &Driver) -> Result<(Dropped, TcpListener)> {
        let wsk = driver.wsk()?;
        let listener = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, 1)).await?;
        let kept = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, 2)).await?;
        let task = Dropped(&STEPS, "the task is dropped");
        driver.spawn(async move {
            let _task = task;
            let _ = listener.accept().await;
        })?;
        Ok((Dropped(&STEPS, "the kept value is dropped"), kept))
    }
}

#[test]
fn the_tasks_end_before_the_kept_value() {
    load(Some(keeps::DriverEntry), &[]).unwrap();
    let steps = keeps::STEPS.lock();
    assert_eq!(steps.len(), 8);
    for steps in steps.chunks(2) {
        assert_eq!(steps, ["the task is dropped", "the kept value is dropped"]);
    }
}

/// A driver whose `start` is a plain function, and whose `stop` is async.
mod stops {
    use wsk::Spawner;
    use wsk::irql::Passive;
    use wsk_driver::Driver;

    use super::{Dropped, Steps};

    pub(super) static STEPS: Steps = Steps::new();

    wsk_driver::driver! {
        name: "stops",
        pool_tag: b"Stop",
        start: start,
        stop: stop,
    }

    // With an error of `wsk`.
    fn start(driver: &Driver) -> wsk::Result<Spawner> {
        driver.spawner().map_err(|_| wsk::Error::from_status(-1).unwrap())
    }

    async fn stop(spawner: Spawner, _passive: Passive) {
        // The runtime still has threads.
        let task = spawner.spawn(async { STEPS.add("a task of `stop` runs") });
        let _dropped = Dropped(&STEPS, "`stop` ends");
        task.unwrap().await.unwrap();
    }
}

#[test]
fn stop_runs_while_the_tasks_do() {
    load(Some(stops::DriverEntry), &[]).unwrap();
    let steps = stops::STEPS.lock();
    for steps in steps.chunks(2) {
        assert_eq!(steps, ["a task of `stop` runs", "`stop` ends"]);
    }
    assert_eq!(steps.len(), 8);
}

/// A driver with its own runtime, registration and provider, and a plain `stop`.
mod owns {
    use wsk::irql::Passive;
    use wsk::{Provider, Registration, Runtime, rt};
    use wsk_driver::{Driver, Result};

    wsk_driver::driver! { name: "owns", pool_tag: b"Owns", start: start, stop: stop }

    struct RuntimeObjects {
        // Dropped in an order that would be wrong if a drop waited.
        registration: Registration,
        _wsk: Provider,
        _runtime: Runtime,
        _sleep: wsk::time::Sleep,
    }

    fn start(driver: &Driver) -> Result<RuntimeObjects> {
        let registration = Registration::register(driver.passive())?;
        let wsk = registration.try_capture()?;
        let runtime = Runtime::new(driver.passive(), 1)?;
        runtime.spawner().spawn(std::future::pending::<()>())?;
        let sleep = wsk::time::Sleep::new(std::time::Duration::from_millis(1))?;
        driver.spawn(std::future::pending())?;
        Ok(RuntimeObjects { registration, _wsk: wsk, _runtime: runtime, _sleep: sleep })
    }

    fn stop(kept: RuntimeObjects, passive: Passive) {
        rt::block_on(passive, rt::yield_now()).unwrap();
        let RuntimeObjects { registration, .. } = kept;
        drop(registration);
    }
}

#[test]
fn objects_that_the_driver_keeps_end_at_unload() {
    load(Some(owns::DriverEntry), &[]).unwrap();
}

/// A driver that does not start, after it has started much.
mod fails {
    use std::net::Ipv4Addr;

    use wsk::TcpListener;
    use wsk_driver::{Context as _, Driver, Result};

    wsk_driver::driver! { name: "fails", pool_tag: b"Fail", start: start }

    async fn start(driver: &Driver) -> Result<()> {
        let wsk = driver.wsk()?.clone();
        let address = (Ipv4Addr::LOCALHOST, 1);
        let listener = TcpListener::bind(&wsk, address).await?;
        driver.spawn(async move {
            let _ = listener.accept().await;
        })?;
        TcpListener::bind(&wsk, address).await.context("the second listener")?;
        Ok(())
    }
}

#[test]
fn an_error_is_returned_and_everything_ends() {
    const STATUS_ADDRESS_ALREADY_EXISTS: NTSTATUS =
        i32::from_ne_bytes(0xC000_020A_u32.to_ne_bytes());
    assert_eq!(load(Some(fails::DriverEntry), &[]), Err(STATUS_ADDRESS_ALREADY_EXISTS));
}

#[test]
fn memory_may_run_out_at_any_point_of_the_start() {
    let mut failures = 0_usize;
    for number in 1.. {
        let host = Host::new(Config::default());
        let _entered = host.enter();
        host.fail_allocation(number);
        // SAFETY: an entry point of `driver!`.
        let driver = unsafe { Loaded::load("test", Some(keeps_nothing::DriverEntry)) };
        let is_loaded = driver.map(Loaded::unload).is_ok();
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "allocation {number} failed");
        host.unload();
        if is_loaded && host.allocations() < number {
            break;
        }
        failures += usize::from(!is_loaded);
    }
    assert!(failures > 5, "only {failures} allocations were made to fail");
}

mod keeps_nothing {
    use std::net::Ipv4Addr;

    use wsk::UdpSocket;
    use wsk_driver::{Driver, Result};

    wsk_driver::driver! { name: "nothing", pool_tag: b"None", start: start }

    async fn start(driver: &Driver) -> Result<()> {
        let socket = UdpSocket::bind(driver.wsk()?, (Ipv4Addr::LOCALHOST, 0)).await?;
        driver.spawn(async move {
            std::future::pending::<()>().await;
            drop(socket);
        })
    }
}

/// A driver that reads its parameters.
mod parameters {
    use wsk_driver::{Driver, Error, Result, Text};
    use wsk_sys::STATUS_NOT_SUPPORTED;

    use super::Steps;

    pub(super) static STEPS: Steps = Steps::new();

    wsk_driver::driver! { name: "parameters", pool_tag: b"Para", start: start }

    fn start(driver: &Driver) -> Result<()> {
        let all = driver.parameters();
        let text = all.text("Text")?;
        let text = text.as_ref().map(Text::as_str);
        let address = all.address("Address")?;
        match (all.number("Number")?, all.port("Port")?, text, address) {
            (None, None, None, None) => STEPS.add("none"),
            (Some(70_000), Some(65_535), Some("a\u{e9}\u{1F600}"), Some(address)) => {
                assert_eq!(address, ([192, 0, 2, 1], 514).into());
                STEPS.add("all");
            }
            other => {
                return Err(Error::new(STATUS_NOT_SUPPORTED, format_args!("{other:?}")));
            }
        }
        Ok(())
    }
}

#[test]
fn parameters_are_read() {
    let text = |text: &str| RegistryValue::String(text.to_owned());
    let number = RegistryValue::Dword;
    load(Some(parameters::DriverEntry), &[]).unwrap();
    let all = [
        ("number", number(70_000)),
        ("PORT", number(65_535)),
        ("Text", text("a\u{e9}\u{1F600}")),
        ("Address", text("192.0.2.1:514")),
    ];
    load(Some(parameters::DriverEntry), &all).unwrap();
    assert_eq!(*parameters::STEPS.lock(), [["none"; 4], ["all"; 4]].concat());

    // A value that is set but cannot be meant is an error.
    for (name, value, status) in [
        ("Port", number(65_536), 0xC000_000D_u32),
        ("Port", text("7"), 0xC000_0024),
        ("Number", text("7"), 0xC000_0024),
        ("Address", text("192.0.2.1"), 0xC000_000D),
        ("Address", number(1), 0xC000_0024),
        // In a buffer with space for it.
        ("Text", number(7), 0xC000_0024),
        // One code unit, with its NUL, too many.
        ("Text", text(&"a".repeat(256)), 0x8000_0005),
    ] {
        let result = load(Some(parameters::DriverEntry), &[(name, value.clone())]);
        // A warning is not a success status, and `Error` keeps it.
        assert_eq!(result, Err(status.cast_signed()), "{name}: {value:?}");
    }
}

/// A driver with a device, which its WSK registration references.
mod device {
    use std::ptr;

    use test_support::device::{IoCreateDevice, IoDeleteDevice};
    use wsk::Registration;
    use wsk_driver::{Driver, Error, Result};
    use wsk_sys::{FALSE, NT_SUCCESS, PDEVICE_OBJECT, unicode_string};

    wsk_driver::driver! { name: "device", pool_tag: b"Devi", start: start }

    struct Device(PDEVICE_OBJECT);

    // SAFETY: the pointer is passed to the kernel only.
    unsafe impl Send for Device {}

    impl Drop for Device {
        fn drop(&mut self) {
            // SAFETY: the device was created by this driver, and is deleted once.
            unsafe { IoDeleteDevice(self.0) };
        }
    }

    fn start(driver: &Driver) -> Result<Device> {
        let name: Vec<u16> = r"\Device\Test".encode_utf16().collect();
        let mut name = unicode_string(&name).unwrap();
        let mut device = ptr::null_mut();
        // SAFETY: the object is this driver's, and the other arguments are valid.
        let status = unsafe {
            IoCreateDevice(driver.object(), 0, &raw mut name, 0x22, 0, FALSE, &raw mut device)
        };
        if !NT_SUCCESS(status) {
            return Err(Error::new(status, format_args!("no device")));
        }
        let kept = Device(device);
        // SAFETY: the device is this driver's, and not deleted.
        driver.register(unsafe { Registration::builder().device_object(device) })?;
        let again = driver.register(Registration::builder()).unwrap_err();
        assert_eq!(again.status(), wsk_sys::STATUS_INVALID_DEVICE_REQUEST);
        driver.wsk()?;
        Ok(kept)
    }
}

#[test]
fn a_device_of_the_driver_is_kept_until_unload() {
    load(Some(device::DriverEntry), &[]).unwrap();
}

#[test]
fn a_message_allocates_nothing_and_may_be_longer_than_the_debugger_takes() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let before = host.allocations();
    wsk_driver::println!("{}", "long ".repeat(200));
    assert_eq!(host.allocations(), before);
}

#[test]
fn a_panic_is_a_bug_check_with_message_file_and_line() {
    let test = "a_panic_is_a_bug_check_with_message_file_and_line";
    let report = test_support::process::run_failing(test, "", |_| {
        let host = Host::new(Config::default());
        let _entered = host.enter();
        let location = std::panic::Location::caller();
        eprintln!("line {:#x} of {:#x} bytes", location.line(), location.file().len());
        wsk_driver::panic::bug_check(format_args!("no {}", 7), Some(location));
    });
    let Some(report) = report else { return };
    assert!(report.contains("wsk-driver: panic at wsk-driver/tests/driver.rs:"), "{report}");
    assert!(report.contains(": no 7\n"), "{report}");
    let (_, line) = report.split_once("line ").unwrap();
    let (line, rest) = line.split_once(" of ").unwrap();
    let (length, _) = rest.split_once(' ').unwrap();
    assert!(report.contains("bug check 0xE2757374 ("), "{report}");
    assert!(report.contains(&format!(", {length}, {line})")), "{report}");
}

/// As a Plug and Play driver with two devices, whose lives overlap.
#[test]
fn every_device_has_a_client_of_its_own() {
    use std::net::Ipv4Addr;

    use wsk::irql::Passive;
    use wsk::{TcpListener, TcpStream};
    use wsk_driver::{Context as _, DeviceClient, Result};
    use wsk_sys::STATUS_ADDRESS_ALREADY_EXISTS;

    static STEPS: Steps = Steps::new();

    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let start = |port: u16, kept: &'static str| {
        DeviceClient::start(passive, 1, async |wsk, spawner| -> Result<Dropped> {
            let listener = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, port))
                .await
                .context(format_args!("cannot serve on port {port}"))?;
            let task = Dropped(&STEPS, "a task is dropped");
            spawner.spawn(async move {
                let _task = task;
                while listener.accept().await.is_ok() {}
            })?;
            Ok(Dropped(&STEPS, kept))
        })
    };
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1)] {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        let first = start(7, "the first").unwrap();
        let second = start(8, "the second").unwrap();
        assert_eq!(first.kept().1, "the first");

        // The port of another device: everything that was started ends.
        let error = start(7, "the third").err().unwrap();
        assert_eq!(error.status(), STATUS_ADDRESS_ALREADY_EXISTS);
        assert!(error.to_string().starts_with("cannot serve on port 7: "), "{error}");

        first.stop(passive);
        assert_eq!(*STEPS.lock(), ["a task is dropped", "the first"]);
        // The other serves on.
        DeviceClient::start(passive, 1, async |wsk, _| {
            TcpStream::connect(wsk, (Ipv4Addr::LOCALHOST, 8)).await?.shutdown().await
        })
        .unwrap()
        .stop(passive);
        second.stop(passive);
        wsk::unload(passive);
        assert_eq!(std::mem::take(&mut *STEPS.lock())[2..], ["a task is dropped", "the second"]);
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}
