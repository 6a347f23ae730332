//! `WskControlClient`.

use std::ptr;

use test_support::hosts::{everywhere, on, simulated};
use test_support::raw::datagrams::unbound;
use test_support::raw::{Client, PoolBuffer, Request, call, close, control, npi};
use wsk_sys::*;

/// `WSK_TRANSPORT_LIST_CHANGE`.
fn list_change(client: &Client) -> Request {
    let none = ptr::null_mut;
    // SAFETY: the provider is captured.
    call(|irp| unsafe {
        (*client.provider.Dispatch).WskControlClient.unwrap()(
            client.provider.Client,
            WSK_TRANSPORT_LIST_CHANGE,
            0,
            none(),
            0,
            none(),
            ptr::null_mut(),
            irp,
        )
    })
}

/// A cached security descriptor.
pub(crate) fn cache(client: &Client) -> PSECURITY_DESCRIPTOR {
    let descriptor = PoolBuffer::new(64);
    let uncached: PSECURITY_DESCRIPTOR = descriptor.bytes.cast();
    let mut output = [0; size_of::<PSECURITY_DESCRIPTOR>()];
    let (status, _) = client.control(WSK_CACHE_SD, &uncached, &mut output);
    assert_eq!(status, STATUS_SUCCESS);
    ptr::with_exposed_provenance_mut(usize::from_ne_bytes(output))
}

pub(crate) fn release(client: &Client, cached: PSECURITY_DESCRIPTOR) {
    assert_eq!(client.control(WSK_RELEASE_SD, &cached, &mut []).0, STATUS_SUCCESS);
}

#[test]
fn the_transports_are_listed_if_they_fit() {
    everywhere(|client| {
        let query = |room: &mut [u8]| client.control(WSK_TRANSPORT_LIST_QUERY, &(), room);
        let (status, size) = query(&mut []);
        assert_eq!(status, STATUS_BUFFER_OVERFLOW);
        assert_eq!(size % size_of::<WSK_TRANSPORT>(), 0);
        let mut room = vec![0xFF; size - 1];
        assert_eq!(query(&mut room), (STATUS_BUFFER_OVERFLOW, size));
        assert!(room.iter().all(|byte| *byte == 0xFF));
        let mut room = vec![0; size];
        assert_eq!(query(&mut room), (STATUS_SUCCESS, size));
        let transports: Vec<_> = room
            .chunks(size_of::<WSK_TRANSPORT>())
            .map(|bytes| {
                // SAFETY: the bytes are a transport's.
                let transport = unsafe { bytes.as_ptr().cast::<WSK_TRANSPORT>().read_unaligned() };
                assert_eq!(transport.Version, MAKE_WSK_VERSION(1, 0));
                (transport.AddressFamily, transport.SocketType, transport.Protocol)
            })
            .collect();
        for family in [AF_INET, AF_INET6] {
            for (kind, protocol) in [(SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP)] {
                assert!(transports.contains(&(family, kind, protocol)));
            }
        }
    });
}

#[test]
fn a_change_of_the_transports_completes_its_request() {
    everywhere(|client| {
        let changes = [(); 3].map(|()| list_change(client));
        client.host.settle();
        assert!(changes.iter().all(|change| !change.is_complete()));
        changes[1].cancel();
        client.host.change_network();
        let [first, cancelled, last] = changes;
        first.succeed();
        cancelled.fail(STATUS_CANCELLED);
        last.succeed();
        // The next waits for the next.
        let next = list_change(client);
        client.host.settle();
        assert!(!next.is_complete());
        client.host.change_network();
        next.succeed();
        client.host.change_network();
    });
}

#[test]
fn a_deregistration_cancels_waits_for_changes() {
    for config in simulated().into_iter().chain(test_support::hosts::real()) {
        let mut client = Client::new(config);
        let changes = [(); 2].map(|()| list_change(&client));
        // SAFETY: the block is registered, and the provider captured.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskDeregister(&raw mut *client.registration);
        }
        for change in changes {
            assert!(change.is_complete(), "a registration ends after its requests");
            change.fail(STATUS_CANCELLED);
        }
    }
}

#[test]
fn security_descriptors_are_cached_set_and_released() {
    on(simulated().into_iter().take(8), |client| {
        let cached = cache(client);
        let another = cache(client);
        assert_ne!(cached, another);
        let option = |kind| (kind, SO_WSK_SECURITY, SOL_SOCKET);
        let pointer = PoolBuffer::new(size_of::<PSECURITY_DESCRIPTOR>());
        let socket = unbound(client, AF_INET);
        control(socket, option(WskGetOption), None, Some(&pointer)).fail(STATUS_NOT_FOUND);
        for descriptor in [another, cached] {
            let input = PoolBuffer::with(&descriptor.addr().to_ne_bytes());
            control(socket, option(WskSetOption), Some(&input), None).succeed();
        }
        let small = PoolBuffer::new(4);
        let get = |room| control(socket, option(WskGetOption), None, Some(room));
        get(&small).fail(STATUS_BUFFER_TOO_SMALL);
        assert_eq!(get(&pointer).succeed(), pointer.size);
        assert_eq!(pointer.read(8), cached.addr().to_ne_bytes());
        test_support::raw::bind(socket, test_support::raw::datagrams::any_port(AF_INET)).succeed();
        let late = control(socket, option(WskSetOption), Some(&pointer), None);
        late.fail(STATUS_INVALID_DEVICE_STATE);
        close(socket);
        // Once for the cache, and once for having got it.
        for descriptor in [cached, cached, another] {
            release(client, descriptor);
        }
        let basic = client.socket(WSK_FLAG_BASIC_SOCKET);
        let input = PoolBuffer::with(&0_usize.to_ne_bytes());
        control(basic, option(WskSetOption), Some(&input), None).fail(STATUS_NOT_SUPPORTED);
        close(basic);
    });
}

#[test]
fn caching_needs_a_descriptor_and_an_output() {
    on(simulated().into_iter().take(2), |client| {
        let none: PSECURITY_DESCRIPTOR = ptr::null_mut();
        let mut room = [0; size_of::<PSECURITY_DESCRIPTOR>()];
        let cache = |room: &mut [u8]| client.control(WSK_CACHE_SD, &none, room).0;
        assert_eq!(cache(&mut room), STATUS_INVALID_PARAMETER);
        let uncached: PSECURITY_DESCRIPTOR = ptr::without_provenance_mut(8);
        let small = &mut room[..4];
        assert_eq!(client.control(WSK_CACHE_SD, &uncached, small).0, STATUS_INVALID_PARAMETER);
        assert_eq!(client.control(WSK_CACHE_SD, &(), &mut room).0, STATUS_INVALID_PARAMETER);
        assert_eq!(client.control(WSK_RELEASE_SD, &(), &mut []).0, STATUS_INVALID_PARAMETER);
    });
}

#[test]
fn unknown_static_events_are_refused() {
    on(simulated().into_iter().take(2), |client| {
        assert_eq!(client.set_static_events(0), STATUS_INVALID_PARAMETER);
        assert_eq!(client.set_static_events(WSK_EVENT_DISABLE), STATUS_INVALID_PARAMETER);
        assert_eq!(client.set_static_events(1), STATUS_INVALID_PARAMETER);
        let mixed = WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT;
        assert_eq!(client.set_static_events(mixed | WSK_EVENT_SEND_BACKLOG), STATUS_SUCCESS);
        let code = WSK_SET_STATIC_EVENT_CALLBACKS;
        assert_eq!(client.control(code, &0_u32, &mut []).0, STATUS_INVALID_PARAMETER);
        // SAFETY: the identification is static.
        let mut other = unsafe { *npi() };
        other.Data1 += 1;
        let control = WSK_EVENT_CALLBACK_CONTROL { NpiId: &raw mut other, EventMask: mixed };
        assert_eq!(client.control(code, &control, &mut []).0, STATUS_NOT_SUPPORTED);
        // They are of no socket that has no callbacks for them.
        close(unbound(client, AF_INET));
        close(client.socket(WSK_FLAG_BASIC_SOCKET));
    });
}

#[test]
fn tdi_behavior_is_set_before_the_first_socket() {
    on(simulated().into_iter().take(2), |client| {
        let set = |value: ULONG| client.control(WSK_TDI_BEHAVIOR, &value, &mut []).0;
        assert_eq!(set(WSK_TDI_BEHAVIOR_BYPASS_TDI), STATUS_SUCCESS);
        assert_eq!(client.control(WSK_TDI_BEHAVIOR, &(), &mut []).0, STATUS_INVALID_PARAMETER);
        assert_eq!(client.control(WSK_TDI_BEHAVIOR, &1_u8, &mut []).0, STATUS_INVALID_PARAMETER);
        let map = WSK_TDI_MAP_INFO { ElementCount: 0, Map: ptr::null() };
        let code = WSK_TDI_DEVICENAME_MAPPING;
        assert_eq!(client.control(code, &map, &mut []).0, STATUS_SUCCESS);
        assert_eq!(client.control(code, &0_u32, &mut []).0, STATUS_INVALID_PARAMETER);
    });
}

#[test]
fn unknown_codes_are_not_supported() {
    everywhere(|client| {
        for code in [0, 1, 9, ULONG::MAX] {
            assert_eq!(client.control(code, &(), &mut [0; 8]), (STATUS_NOT_SUPPORTED, 0));
        }
    });
}
