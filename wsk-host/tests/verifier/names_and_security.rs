//! Name resolution and security descriptors: INV-65 and INV-66.

use std::net::Ipv4Addr;
use std::ptr;

use test_support::raw::{Client, PoolAddress, PoolBuffer, Request, TAG, call, control};
use wsk_sys::*;

use crate::stops::{Says, breaks, breaks_on, deferred, inline};

/// Caches a descriptor, whose contents are never read.
fn cache(client: &Client) -> usize {
    let mut cached = [0; size_of::<usize>()];
    let descriptor = 0x1000_usize;
    let (status, _) = client.control(WSK_CACHE_SD, &descriptor, &mut cached);
    assert_eq!(status, STATUS_SUCCESS);
    usize::from_ne_bytes(cached)
}

fn release(client: &Client, cached: usize) {
    assert_eq!(client.control(WSK_RELEASE_SD, &cached, &mut []).0, STATUS_SUCCESS);
}

/// `WskSocket` with a security descriptor.
fn create(client: &Client, descriptor: usize) -> Request {
    let provider = client.provider;
    let (process, thread) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the provider is captured.
    call(|irp| unsafe {
        (*provider.Dispatch).WskSocket.unwrap()(
            provider.Client,
            AF_INET,
            SOCK_STREAM,
            IPPROTO_TCP,
            WSK_FLAG_LISTEN_SOCKET,
            ptr::null_mut(),
            ptr::null(),
            process,
            thread,
            ptr::without_provenance_mut(descriptor),
            irp,
        )
    })
}

#[test]
fn a_descriptor_that_is_not_cached() {
    let says = ["WskSocket", "the security descriptor is not cached", ""];
    breaks(65, says, |client| {
        create(&client, 0x1000);
    });
}

#[test]
fn a_descriptor_used_after_its_release() {
    let says = ["WskSocket", "the security descriptor was released", "WskControlClient"];
    breaks(65, says, |client| {
        let cached = cache(&client);
        release(&client, cached);
        create(&client, cached);
    });
}

#[test]
fn a_descriptor_released_twice() {
    let found = "the security descriptor is already released";
    breaks(65, ["WskControlClient", found, "WskControlClient"], |client| {
        let cached = cache(&client);
        release(&client, cached);
        release(&client, cached);
    });
}

#[test]
fn a_descriptor_released_that_was_never_cached() {
    let says = ["WskControlClient", "the security descriptor is not cached", ""];
    breaks(65, says, |client| release(&client, 0x1000));
}

#[test]
fn a_descriptor_released_in_flight() {
    let found = "the memory is the security descriptor of a request in flight";
    breaks_on(deferred(), 65, ["WskControlClient", found, "WskSocket"], |client| {
        let cached = cache(&client);
        create(&client, cached);
        release(&client, cached);
    });
}

const NOT_RELEASED: Says<'_> =
    ["WskDeregister", "a cached security descriptor was not released", "WskControlClient"];

/// Also how a query that was abandoned is seen (INV-20).
#[test]
fn a_descriptor_that_is_not_released() {
    breaks(65, NOT_RELEASED, |client| {
        cache(&client);
        client.end();
    });
}

/// Only the most recently released descriptors are kept, to recognize their use.
#[test]
fn a_descriptor_released_long_ago() {
    let says = ["WskSocket", "the security descriptor is not cached", ""];
    breaks(65, says, |client| {
        let first = cache(&client);
        release(&client, first);
        for _ in 0..64 {
            let other = cache(&client);
            release(&client, other);
        }
        create(&client, first);
    });
}

/// Gets a socket's descriptor, which must be released as if it were cached once more.
fn get(socket: PWSK_SOCKET) -> usize {
    let output = PoolBuffer::new(size_of::<usize>());
    let option = (WskGetOption, SO_WSK_SECURITY, SOL_SOCKET);
    assert_eq!(control(socket, option, None, Some(&output)).succeed(), size_of::<usize>());
    usize::from_ne_bytes(output.read(size_of::<usize>()).try_into().unwrap())
}

#[test]
fn a_descriptor_from_a_socket_that_is_not_released() {
    breaks(65, NOT_RELEASED, |client| {
        let cached = cache(&client);
        let socket = test_support::raw::socket_of(create(&client, cached).succeed());
        release(&client, cached);
        get(socket);
        test_support::raw::close(socket);
        client.end();
    });
}

/// INV-65 is kept: the descriptor is released once.
#[test]
fn a_socket_keeps_its_descriptor_when_the_client_releases_it() {
    let client = Client::new(inline());
    let cached = cache(&client);
    let socket = test_support::raw::socket_of(create(&client, cached).succeed());
    release(&client, cached);
    for _ in 0..200 {
        let other = cache(&client);
        assert_ne!(other, cached);
        release(&client, other);
    }
    assert_eq!(get(socket), cached);
    release(&client, cached);
    test_support::raw::close(socket);
    client.end();
}

/// Pool that is never freed, but by the test.
fn pool(size: usize) -> PVOID {
    // SAFETY: nothing is asked of the arguments.
    unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG) }
}

/// A string in pool, with room for `room` units.
fn string(text: &str, room: usize) -> PUNICODE_STRING {
    let units: Vec<u16> = text.encode_utf16().collect();
    let [string, buffer] = [size_of::<UNICODE_STRING>(), room.max(1) * 2].map(pool);
    let sizes = [text.len(), room].map(|units| USHORT::try_from(units * 2).unwrap());
    // SAFETY: there is room for everything.
    unsafe {
        buffer.cast::<u16>().write_bytes(0, room);
        buffer.cast::<u16>().copy_from_nonoverlapping(units.as_ptr(), units.len());
        let string: PUNICODE_STRING = string.cast();
        string.write(UNICODE_STRING {
            Length: sizes[0],
            MaximumLength: sizes[1],
            Buffer: buffer.cast(),
        });
        string
    }
}

/// `WskGetAddressInfo`, and where its result is.
fn look_up(client: &Client, node: PUNICODE_STRING) -> (Request, *mut PADDRINFOEXW) {
    let place: *mut PADDRINFOEXW = pool(size_of::<PADDRINFOEXW>()).cast();
    (look_up_for(client, node, place, ptr::null_mut()), place)
}

fn look_up_for(
    client: &Client,
    node: PUNICODE_STRING,
    place: *mut PADDRINFOEXW,
    thread: PETHREAD,
) -> Request {
    let provider = client.provider;
    let (service, hints) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the provider is captured.
    call(|irp| unsafe {
        (*provider.Dispatch).WskGetAddressInfo.unwrap()(
            provider.Client,
            node,
            service,
            NS_ALL,
            ptr::null_mut(),
            hints,
            place,
            ptr::null_mut(),
            thread,
            irp,
        )
    })
}

fn free(client: &Client, list: PADDRINFOEXW) {
    let provider = client.provider;
    // SAFETY: the list is the client's, unless the scenario breaks that.
    unsafe { (*provider.Dispatch).WskFreeAddressInfo.unwrap()(provider.Client, list) };
}

fn list(client: &Client) -> PADDRINFOEXW {
    let (request, place) = look_up(client, string("localhost", 10));
    request.wait();
    // SAFETY: the look-up has succeeded.
    unsafe { *place }
}

const NO_NUL: &str = "a name does not end with a NUL";

#[test]
fn a_name_without_a_nul() {
    breaks(66, ["WskGetAddressInfo", NO_NUL, ""], |client| {
        let name = string("localhost", 10);
        // SAFETY: the unit is the one after the name.
        unsafe { (*name).Buffer.add(9).write(b'x'.into()) };
        look_up(&client, name);
    });
}

#[test]
fn a_name_without_room_for_a_nul() {
    breaks(66, ["WskGetAddressInfo", NO_NUL, ""], |client| {
        look_up(&client, string("localhost", 9));
    });
}

#[test]
fn a_name_freed_in_flight() {
    let found = "the memory is the string of a request in flight";
    breaks_on(deferred(), 66, ["ExFreePoolWithTag", found, "WskGetAddressInfo"], |client| {
        let name = string("localhost", 10);
        look_up(&client, name);
        // SAFETY: breaks INV-66.
        unsafe { ExFreePoolWithTag((*name).Buffer.cast(), TAG) };
    });
}

#[test]
fn room_for_a_result_freed_in_flight() {
    let found = "the memory is the result of a request in flight";
    breaks_on(deferred(), 66, ["ExFreePoolWithTag", found, "WskGetAddressInfo"], |client| {
        let (_, place) = look_up(&client, string("localhost", 10));
        // SAFETY: breaks INV-66.
        unsafe { ExFreePoolWithTag(place.cast(), TAG) };
    });
}

#[test]
fn room_for_a_name_freed_in_flight() {
    let found = "the memory is the string of a request in flight";
    breaks_on(deferred(), 66, ["ExFreePoolWithTag", found, "WskGetNameInfo"], |client| {
        let address = PoolAddress::new((Ipv4Addr::LOCALHOST, 0));
        let (name, provider) = (string("", 100), client.provider);
        let length = ULONG::try_from(size_of::<SOCKADDR_IN>()).unwrap();
        // SAFETY: the provider is captured; breaks INV-66.
        unsafe {
            call(|irp| {
                (*provider.Dispatch).WskGetNameInfo.unwrap()(
                    provider.Client,
                    address.0,
                    length,
                    name,
                    ptr::null_mut(),
                    NI_NUMERICHOST,
                    ptr::null_mut(),
                    ptr::null_mut(),
                    irp,
                )
            });
            ExFreePoolWithTag((*name).Buffer.cast(), TAG);
        }
    });
}

#[test]
fn a_list_of_addresses_freed_twice() {
    let found = "the list is not from WskGetAddressInfo, or is already freed";
    breaks(66, ["WskFreeAddressInfo", found, ""], |client| {
        let list = list(&client);
        free(&client, list);
        free(&client, list);
    });
}

/// Also how a look-up that was abandoned is seen (INV-20).
#[test]
fn a_list_of_addresses_that_is_not_freed() {
    let found = "lists of addresses not freed: 1";
    breaks(66, ["WskDeregister", found, "WskGetAddressInfo"], |client| {
        list(&client);
        client.end();
    });
}

#[test]
fn a_list_of_addresses_freed_after_the_providers_release() {
    let says = ["WskFreeAddressInfo", "the provider was released", "WskRegister"];
    breaks(4, says, |mut client| {
        let list = list(&client);
        // SAFETY: breaks INV-66.
        unsafe { WskReleaseProviderNPI(&raw mut *client.registration) };
        free(&client, list);
    });
}

#[test]
fn a_look_up_at_dispatch_level() {
    let says = ["WskGetAddressInfo", "called at IRQL 2, requires PASSIVE_LEVEL", ""];
    breaks(66, says, |client| {
        // SAFETY: breaks INV-66.
        unsafe { KfRaiseIrql(DISPATCH_LEVEL) };
        look_up(&client, string("localhost", 10));
    });
}

/// INV-66: a thread is passed with its process only.
#[test]
fn a_thread_without_its_process() {
    let client = Client::new(inline());
    // The host does not read it.
    let thread = ptr::without_provenance_mut(8);
    let name = string("localhost", 10);
    let place = PoolBuffer::new(size_of::<PADDRINFOEXW>());
    let request = look_up_for(&client, name, place.bytes.cast(), thread);
    request.fail(STATUS_INVALID_PARAMETER);
    drop(place);
    // SAFETY: `string` made them.
    unsafe {
        ExFreePoolWithTag((*name).Buffer.cast(), TAG);
        ExFreePoolWithTag(name.cast(), TAG);
    }
    client.end();
}
