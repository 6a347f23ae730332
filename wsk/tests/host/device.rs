//! A registration with the driver's device: the kernel keeps the driver loaded until completion routines have returned.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::connection::{receive_all, streams};
use test_support::device::{IoCreateDevice, IoDeleteDevice};
use test_support::events::Signal;
use test_support::scenario::{each_allocation, last_under_miri, on_host_as, timings};
use wsk::events::{ConnectionEvents, Data, EventMask, Receipt};
use wsk::socket::{BasicSocket, ConnectionSocket, Family, ListenSocket};
use wsk::sys::{FALSE, NTSTATUS, PDEVICE_OBJECT, PDRIVER_OBJECT, PUNICODE_STRING};
use wsk::{
    BufResult, Buffer, ErrorKind, Provider, Registration, RegistrationBuilder, Result, UdpSocket,
};
use wsk_host::{Config, Driver, Host, Timing};

thread_local! {
    static DEVICE: Cell<PDEVICE_OBJECT> = const { Cell::new(ptr::null_mut()) };
}

unsafe extern "C" fn entry(driver: PDRIVER_OBJECT, _: PUNICODE_STRING) -> NTSTATUS {
    let mut device = ptr::null_mut();
    // SAFETY: the system passes the driver's own object.
    unsafe { (*driver).DriverUnload = Some(unload) };
    // SAFETY: the system passes the driver's own object, and there is room for a pointer.
    let status =
        unsafe { IoCreateDevice(driver, 0, ptr::null_mut(), 0x22, 0, FALSE, &raw mut device) };
    DEVICE.set(device);
    status
}

unsafe extern "C" fn unload(_: PDRIVER_OBJECT) {
    // SAFETY: the device is the driver's, and is deleted once.
    unsafe { IoDeleteDevice(DEVICE.get()) };
}

/// Runs a scenario of a driver with a device. Its registration has the only reference to the device.
fn with_device(host: &Host, scenario: impl AsyncFnOnce(Provider) -> Result<()>) -> Result<()> {
    with_device_as(host, Registration::builder(), scenario)
}

/// As [`with_device`], with a registration of the caller's.
fn with_device_as(
    host: &Host,
    builder: RegistrationBuilder,
    scenario: impl AsyncFnOnce(Provider) -> Result<()>,
) -> Result<()> {
    let _entered = host.enter();
    // SAFETY: the entry point is a driver's.
    let driver = unsafe { Driver::load("with a device", Some(entry)) }.unwrap();
    // SAFETY: the driver has created the device, and deletes it when it is unloaded.
    let builder = unsafe { builder.device_object(DEVICE.get()) };
    let result = on_host_as(host, builder, scenario);
    driver.unload();
    assert_eq!(host.outstanding_allocations(), 0);
    result
}

async fn transfer(wsk: Provider) -> Result<()> {
    let (client, server) = streams(&wsk).await?;
    client.send_all(Buffer::try_from(b"hello".as_slice())?).await.into_result()?;
    client.shutdown().await?;
    assert_eq!(receive_all(&server).await?, b"hello");
    server.shutdown().await
}

#[test]
fn a_driver_with_a_device_transfers() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        with_device(&host, transfer).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// The first allocation of a warm send is the kernel's, for its completion routine.
#[test]
fn a_request_fails_before_it_is_issued_if_its_routine_needs_memory() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(0)]) {
        let host = Host::new(Config::default().timing(timing));
        let sends = || host.trace().iter().filter(|line| line.contains("WskSendTo")).count();
        with_device(&host, async |wsk| {
            let receiver = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let to = receiver.local_addr().await?;
            let sender = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let (_, buffer) = sender.send_to(Buffer::new(1)?, to).await.into_result()?;
            let before = (host.allocations(), sends());
            let (_, buffer) = sender.send_to(buffer, to).await.into_result()?;
            assert_eq!((host.allocations(), sends()), (before.0 + 1, before.1 + 1));
            host.fail_allocation(1);
            let BufResult(result, buffer) = sender.send_to(buffer, to).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::OutOfMemory);
            assert_eq!(sends(), before.1 + 1);
            sender.send_to(buffer, to).await.into_result()?;
            Ok(())
        })
        .unwrap();
    }
}

/// Whatever fails, nothing is left: neither memory nor the device.
#[test]
fn every_allocation_of_a_driver_with_a_device_may_fail() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        for number in each_allocation() {
            assert!(number < 1000, "the scenario never succeeds");
            let host = Host::new(Config::default().timing(timing));
            // The driver's device is not what may fail.
            let result = with_device(&host, async |wsk| {
                host.fail_allocation(number);
                transfer(wsk).await
            });
            match result {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{number}: {error}"),
            }
        }
    }
}

/// Wine refuses requests without completing them. The kernel's memory and reference of each are released with its target.
#[test]
fn a_refused_request_leaves_neither_memory_nor_the_device() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(0)]) {
        let host = Host::new(Config { timing, refuse_control: true, ..Config::default() });
        with_device(&host, async |wsk| {
            let error = wsk.transports_changed().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
            std::mem::forget(socket.local_addresses_changed());
            assert!(host.outstanding_allocations() > 0);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[derive(Default)]
struct Counter {
    count: AtomicUsize,
    signal: Signal,
}

#[wsk::events]
impl ConnectionEvents for Counter {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.count.fetch_add(data.len(), Ordering::SeqCst);
        self.signal.set();
        Receipt::All
    }
}

/// Data that came before the handler is indicated to it, if it is attached at all, whichever allocation fails.
#[test]
fn a_handler_that_is_attached_receives_earlier_data_without_memory() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(0)]) {
        let mut attached = 0;
        for number in each_allocation() {
            let host = Host::new(Config::default().timing(timing));
            let builder = Registration::builder().static_events(EventMask::RECEIVE);
            let mut has_failed = true;
            with_device_as(&host, builder, async |wsk| {
                let listener =
                    ListenSocket::builder(&wsk, Family::INET).bind(([127, 0, 0, 1], 0)).await?;
                let address = listener.local_addr().await?;
                let client = ConnectionSocket::builder(&wsk, Family::INET).connect(address).await?;
                let (socket, _) = listener.accept().await?;
                client.send_all(Buffer::try_from(b"hello".as_slice())?).await.into_result()?;
                host.settle();
                let before = host.allocations();
                host.fail_allocation(number);
                let result = socket.events(Counter::default());
                has_failed = host.allocations() - before >= number;
                let Ok(socket) = result else {
                    return Ok(());
                };
                if has_failed {
                    attached += 1;
                    let counter = socket.handler();
                    let all = || counter.count.load(Ordering::SeqCst) == 5;
                    counter.signal.wait_until(all).await;
                }
                Ok(())
            })
            .unwrap();
            if !has_failed {
                break;
            }
        }
        assert!(cfg!(miri) || attached > 0, "no allocation of a request has failed");
    }
}
