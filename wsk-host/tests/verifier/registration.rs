//! Registrations and captures: INV-1 to INV-9.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use test_support::raw::{Client, PoolBuffer, TAG, call, connection, datagram};
use wsk_host::{Config, Host, Readiness, Windows, testing};
use wsk_sys::*;

use crate::stops::{breaks, breaks_on, breaks_without_client, deferred, inline};

fn table() -> WSK_CLIENT_DISPATCH {
    WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None }
}

fn register(table: *const WSK_CLIENT_DISPATCH, block: PWSK_REGISTRATION) {
    let mut npi = WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: table };
    // SAFETY: the block and the table outlive the registration.
    assert_eq!(unsafe { WskRegister(&raw mut npi, block) }, STATUS_SUCCESS);
}

/// A block that is never freed.
fn block() -> PWSK_REGISTRATION {
    // SAFETY: zeroes are a block that is not registered.
    Box::into_raw(Box::new(unsafe { MaybeUninit::zeroed().assume_init() }))
}

/// A table that is never freed.
fn leaked_table() -> *mut WSK_CLIENT_DISPATCH {
    Box::into_raw(Box::new(table()))
}

/// Pool that is never freed, but by the test.
fn pool(size: usize) -> PVOID {
    // SAFETY: nothing is asked of the arguments.
    unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG) }
}

fn capture(block: PWSK_REGISTRATION, timeout: ULONG) -> NTSTATUS {
    let mut provider = MaybeUninit::uninit();
    // SAFETY: the block is registered, unless the scenario breaks that.
    unsafe { WskCaptureProviderNPI(block, timeout, provider.as_mut_ptr()) }
}

#[test]
fn a_table_on_the_stack() {
    let says = ["WskRegister", "the client's table is on the stack", ""];
    breaks(1, says, |_| {
        let table = table();
        register(&raw const table, block());
    });
}

#[test]
fn a_table_that_changes() {
    let found = "the client's table has changed since WskRegister";
    breaks(1, ["WskCaptureProviderNPI", found, "WskRegister"], |_| {
        let (table, block) = (leaked_table(), block());
        register(table, block);
        // SAFETY: breaks INV-1.
        unsafe { (*table).Version = 7 };
        capture(block, WSK_NO_WAIT);
    });
}

#[test]
fn a_table_freed_before_the_registration_ends() {
    let found = "the memory is the client's table of a client that is still registered";
    breaks(1, ["ExFreePoolWithTag", found, "WskRegister"], |_| {
        let memory = pool(size_of::<WSK_CLIENT_DISPATCH>());
        // SAFETY: the memory has room for it; breaks INV-1.
        unsafe {
            memory.cast::<WSK_CLIENT_DISPATCH>().write(table());
            register(memory.cast(), block());
            ExFreePoolWithTag(memory, TAG);
        }
    });
}

#[test]
fn a_block_on_the_stack() {
    let says = ["WskRegister", "the registration block is on the stack", ""];
    breaks(2, says, |_| {
        // SAFETY: zeroes are a block that is not registered.
        let mut block: WSK_REGISTRATION = unsafe { MaybeUninit::zeroed().assume_init() };
        register(leaked_table(), &raw mut block);
    });
}

#[test]
fn a_block_that_is_too_small() {
    let found = "the registration block has 8 bytes, 24 are required";
    breaks(2, ["WskRegister", found, ""], |_| register(leaked_table(), pool(8).cast()));
}

#[test]
fn a_block_freed_before_the_registration_ends() {
    let found = "the memory is the block of a client that is still registered";
    breaks(2, ["ExFreePoolWithTag", found, "WskRegister"], |_| {
        let block = pool(size_of::<WSK_REGISTRATION>());
        register(leaked_table(), block.cast());
        // SAFETY: breaks INV-2.
        unsafe { ExFreePoolWithTag(block, TAG) };
    });
}

#[test]
fn a_block_registered_twice() {
    let says = ["WskRegister", "the registration block is already registered", "WskRegister"];
    breaks(2, says, |_| {
        let block = block();
        register(leaked_table(), block);
        register(leaked_table(), block);
    });
}

#[test]
fn a_block_that_is_not_registered() {
    let says = ["WskReleaseProviderNPI", "the registration block is not registered", ""];
    breaks(2, says, |mut client| {
        // SAFETY: breaks INV-2.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskDeregister(&raw mut *client.registration);
            WskReleaseProviderNPI(&raw mut *client.registration);
        }
    });
}

/// INV-7: as the page of `WskCaptureProviderNPI` says, while the block is not freed or overwritten.
#[test]
fn a_capture_after_the_end() {
    let _entered = Host::new(inline()).enter();
    let block = block();
    register(leaked_table(), block);
    // SAFETY: it is registered.
    unsafe { WskDeregister(block) };
    for timeout in [WSK_NO_WAIT, 10, WSK_INFINITE_WAIT] {
        assert_eq!(capture(block, timeout), STATUS_DEVICE_NOT_READY);
    }
    register(leaked_table(), block);
    assert_eq!(capture(block, WSK_NO_WAIT), STATUS_SUCCESS);
    // SAFETY: it is captured, and registered.
    unsafe { WskReleaseProviderNPI(block) };
    // SAFETY: it is registered.
    unsafe { WskDeregister(block) };
}

/// INV-7: a capture that waits is ended by the end of its registration, as the page of `WskCaptureProviderNPI` says.
#[test]
fn a_capture_that_waits_at_the_end() {
    static BLOCK: AtomicPtr<WSK_REGISTRATION> = AtomicPtr::new(ptr::null_mut());
    unsafe extern "C" fn captures(_: PVOID) {
        assert_eq!(capture(BLOCK.load(Ordering::Relaxed), 60_000), STATUS_DEVICE_NOT_READY);
    }
    let host = Host::new(deferred().readiness(Readiness::After(Duration::from_secs(50))));
    let entered = host.enter();
    BLOCK.store(block(), Ordering::Relaxed);
    register(leaked_table(), BLOCK.load(Ordering::Relaxed));
    let (mut handle, none): (HANDLE, PVOID) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the thread uses the block, which stays.
    let created = unsafe {
        PsCreateSystemThread(
            &raw mut handle,
            0,
            none.cast(),
            none,
            none.cast(),
            Some(captures),
            none,
        )
    };
    assert_eq!(created, STATUS_SUCCESS);
    let mut interval = LARGE_INTEGER { QuadPart: -10_000_000 };
    // SAFETY: the interval is one second.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut interval) };
    // SAFETY: it is registered.
    unsafe { WskDeregister(BLOCK.load(Ordering::Relaxed)) };
    // SAFETY: the handle is open, and closed once.
    unsafe { ZwWaitForSingleObject(handle, FALSE, ptr::null_mut()) };
    // SAFETY: the handle is open, and closed once.
    unsafe { ZwClose(handle) };
    // It has not waited until WSK is ready.
    assert!(host.elapsed() < Duration::from_secs(2), "{:?}", host.elapsed());
    drop(entered);
}

#[test]
fn a_registration_that_is_never_ended() {
    let says = ["the end of the test", "a client is still registered", "WskRegister"];
    breaks_without_client(3, says, || {
        testing::run(inline(), 0..1, |host| {
            let entered = host.enter();
            register(leaked_table(), block());
            drop(entered);
        });
    });
}

#[test]
fn a_registration_ended_twice() {
    let says = ["WskDeregister", "the registration block is not registered", ""];
    breaks(3, says, |_| {
        let block = block();
        register(leaked_table(), block);
        // SAFETY: breaks INV-3.
        unsafe {
            WskDeregister(block);
            WskDeregister(block);
        }
    });
}

#[test]
fn a_provider_released_twice() {
    let says = ["WskReleaseProviderNPI", "the provider is not captured", "WskRegister"];
    breaks(4, says, |mut client| {
        // SAFETY: breaks INV-4.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskReleaseProviderNPI(&raw mut *client.registration);
        }
    });
}

#[test]
fn a_provider_used_after_its_release() {
    let says = ["WskSocket", "the provider was released", "WskRegister"];
    breaks(4, says, |mut client| {
        // SAFETY: breaks INV-4 with what follows.
        unsafe { WskReleaseProviderNPI(&raw mut *client.registration) };
        client.socket(WSK_FLAG_LISTEN_SOCKET);
    });
}

#[test]
fn a_provider_that_was_never_captured() {
    let says = ["WskSocket", "the provider is not captured", ""];
    breaks(4, says, |mut client| {
        client.provider.Client = ptr::without_provenance_mut(64);
        client.socket(WSK_FLAG_LISTEN_SOCKET);
    });
}

#[test]
fn a_socket_left_over() {
    let found = "waits forever: captures: 0, requests: 0, sockets: 1 (1 by WskSocket)";
    breaks(5, ["WskDeregister", found, "WskSocket"], |client| {
        client.socket(WSK_FLAG_LISTEN_SOCKET);
        client.end();
    });
}

/// How an accept that was abandoned is seen (INV-20).
#[test]
fn a_socket_left_over_by_an_abandoned_accept() {
    let found = "waits forever: captures: 0, requests: 0, sockets: 1 (3 by WskAccept)";
    breaks(5, ["WskDeregister", found, "WskAccept"], |client| {
        let [listener, socket, _accepted] = client.connections();
        test_support::raw::close(listener);
        test_support::raw::close(socket);
        client.end();
    });
}

#[test]
fn a_capture_left_over() {
    let found = "waits forever: captures: 1, requests: 0, sockets: 0 (none)";
    breaks(5, ["WskDeregister", found, "WskCaptureProviderNPI"], |mut client| {
        // SAFETY: breaks INV-5.
        unsafe { WskDeregister(&raw mut *client.registration) };
    });
}

#[test]
fn a_capture_that_waits_for_ever() {
    let says = [
        "WskCaptureProviderNPI",
        "the wait has no timeout, and WSK never becomes ready",
        "WskRegister",
    ];
    breaks_without_client(6, says, || {
        let _entered = Host::new(inline().readiness(Readiness::Never)).enter();
        let block = block();
        register(leaked_table(), block);
        capture(block, WSK_INFINITE_WAIT);
    });
}

fn on(windows: Windows) -> Config {
    inline().windows(windows)
}

#[test]
fn name_resolution_before_windows_7() {
    let found = "Windows 6.0.6002 lacks this function: the dispatch table ends before it";
    breaks_on(on(Windows::VISTA), 8, ["WskFreeAddressInfo", found, ""], |client| {
        let provider = client.provider;
        // SAFETY: breaks INV-8.
        unsafe {
            (*provider.Dispatch).WskFreeAddressInfo.unwrap()(provider.Client, ptr::null_mut());
        }
    });
}

#[test]
fn lists_of_datagrams_before_windows_8() {
    let found = "Windows 6.1.7601 lacks this function: the dispatch table ends before it";
    breaks_on(on(Windows::SEVEN), 8, ["WskSendMessages", found, ""], |client| {
        let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        let none = ptr::null_mut();
        let (list, control) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: breaks INV-8.
        call(|irp| unsafe {
            datagram(socket).WskSendMessages.unwrap()(socket, list, 0, none, 0, control, irp)
        });
    });
}

#[test]
fn connecting_with_data_before_windows_10_1703() {
    let found = "Windows 10.0.10240 lacks this function: the dispatch table ends before it";
    breaks_on(on(Windows::TEN), 8, ["WskConnectEx", found, ""], |client| {
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        let (to, buffer) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: breaks INV-8.
        call(|irp| unsafe { connection(socket).WskConnectEx.unwrap()(socket, to, buffer, 0, irp) });
    });
}

#[test]
fn sending_with_control_data_before_windows_10_1803() {
    let found = "Windows 10.0.15063 lacks this function: the dispatch table ends before it";
    breaks_on(on(Windows::TEN_1703), 8, ["WskSendEx", found, ""], |client| {
        let socket = client.connections()[1];
        let (buffer, control) = (PoolBuffer::new(1), ptr::null_mut());
        // SAFETY: breaks INV-8.
        call(|irp| unsafe {
            connection(socket).WskSendEx.unwrap()(socket, buffer.buffer, 0, 0, control, irp)
        });
    });
}

#[test]
fn static_events_after_a_socket() {
    let says = ["WskControlClient", "the client has already created a socket", ""];
    breaks(9, says, |client| {
        client.socket(WSK_FLAG_LISTEN_SOCKET);
        client.set_static_events(WSK_EVENT_ACCEPT);
    });
}

#[test]
fn tdi_after_a_socket() {
    let says = ["WskControlClient", "the client has already created a socket", ""];
    breaks(9, says, |client| {
        client.socket(WSK_FLAG_LISTEN_SOCKET);
        client.control(WSK_TDI_BEHAVIOR, &0_u32, &mut []);
    });
}

/// INV-7: what will be there later is another answer than what will never be.
#[test]
fn captures_without_a_ready_provider_or_a_known_version() {
    let _entered = Host::new(inline().readiness(Readiness::Never)).enter();
    let block = block();
    register(leaked_table(), block);
    assert_eq!(capture(block, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
    // SAFETY: it is registered.
    unsafe { WskDeregister(block) };

    let _entered = Host::new(inline()).enter();
    let table = leaked_table();
    // SAFETY: no other code has a pointer to the table yet.
    unsafe { (*table).Version = MAKE_WSK_VERSION(9, 0) };
    register(table, block);
    assert_eq!(capture(block, WSK_NO_WAIT), STATUS_NOINTERFACE);
    // SAFETY: it is registered.
    unsafe { WskDeregister(block) };
}

#[test]
fn a_client_that_keeps_the_rules_is_not_stopped() {
    let client = Client::new(inline());
    let sockets = client.connections();
    let buffer = PoolBuffer::new(10);
    let request = test_support::raw::receive(sockets[1], &buffer, 0);
    request.cancel();
    request.fail(STATUS_CANCELLED);
    drop(buffer);
    sockets.into_iter().for_each(test_support::raw::close);
    client.end();
}
