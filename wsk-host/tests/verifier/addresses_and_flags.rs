//! Addresses and flags: INV-30 to INV-32, and INV-37.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ptr;

use test_support::raw::{
    Client, PoolAddress, PoolBuffer, bind, call, connection, datagram, disconnect, listen, receive,
};
use wsk_sys::*;

use crate::stops::{Says, breaks};

fn leaked(size: usize) -> &'static PoolBuffer {
    Box::leak(Box::new(PoolBuffer::new(size)))
}

#[test]
fn flags_of_a_bind() {
    breaks(30, ["WskBind", "the flags are 0x1", ""], |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        let address = PoolAddress::new((Ipv4Addr::LOCALHOST, 0));
        // SAFETY: breaks INV-30.
        call(|irp| unsafe { listen(socket).WskBind.unwrap()(socket, address.0, 1, irp) });
    });
}

#[test]
fn flags_of_an_accept() {
    breaks(30, ["WskAccept", "the flags are 0x1", ""], |client| {
        let (socket, _) = client.listener(ptr::null_mut(), ptr::null());
        let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: breaks INV-30.
        call(|irp| unsafe {
            listen(socket).WskAccept.unwrap()(socket, 1, none, ptr::null(), nowhere, nowhere, irp)
        });
    });
}

#[test]
fn flags_of_a_connect() {
    breaks(30, ["WskConnect", "the flags are 0x1", ""], |client| {
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        let address = PoolAddress::new((Ipv4Addr::LOCALHOST, 0));
        // SAFETY: breaks INV-30.
        call(|irp| unsafe { connection(socket).WskConnect.unwrap()(socket, address.0, 1, irp) });
    });
}

/// `WskSocketConnect` with everything.
fn socket_connect(client: &Client, local: &PoolAddress, remote: &PoolAddress, flags: ULONG) {
    let provider = client.provider;
    let (none, process, thread) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let security = ptr::null_mut();
    // SAFETY: the provider is captured.
    call(|irp| unsafe {
        (*provider.Dispatch).WskSocketConnect.unwrap()(
            provider.Client,
            SOCK_STREAM,
            IPPROTO_TCP,
            local.0,
            remote.0,
            flags,
            none,
            ptr::null(),
            process,
            thread,
            security,
            irp,
        )
    });
}

#[test]
fn flags_of_a_socket_that_connects() {
    breaks(30, ["WskSocketConnect", "the flags are 0x1", ""], |client| {
        let address = PoolAddress::new((Ipv4Addr::LOCALHOST, 0));
        socket_connect(&client, &address, &address, 1);
    });
}

/// `WskSendTo` of a socket that is bound to an address or to none.
fn sends_to(client: &Client, to: PSOCKADDR, flags: ULONG) {
    let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    bind(socket, (Ipv4Addr::LOCALHOST, 0)).succeed();
    let (buffer, control) = (leaked(4), ptr::null_mut());
    // SAFETY: the socket is bound.
    call(|irp| unsafe {
        let send_to = datagram(socket).WskSendTo.unwrap();
        send_to(socket, buffer.buffer, flags, to, 0, control, irp)
    });
}

#[test]
fn flags_of_a_datagram() {
    breaks(30, ["WskSendTo", "the flags are 0x1", ""], |client| {
        sends_to(&client, ptr::null_mut(), 1);
    });
}

#[test]
fn flags_of_a_datagram_that_is_received() {
    breaks(30, ["WskReceiveFrom", "the flags are 0x1", ""], |client| {
        let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        let (buffer, to, control) = (leaked(4), ptr::null_mut(), ptr::null_mut());
        let (length, flags) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: breaks INV-30.
        call(|irp| unsafe {
            let receive_from = datagram(socket).WskReceiveFrom.unwrap();
            receive_from(socket, buffer.buffer, 1, to, length, control, flags, irp)
        });
    });
}

#[test]
fn control_flags_of_a_connection() {
    breaks(30, ["WskReceiveEx", "ControlFlags is not null", ""], |client| {
        let (socket, buffer) = (client.connections()[1], leaked(4));
        let (length, control) = (ptr::null_mut(), ptr::null_mut());
        let flags = leaked(4).bytes.cast();
        // SAFETY: breaks INV-30.
        call(|irp| unsafe {
            let receive = connection(socket).WskReceiveEx.unwrap();
            receive(socket, buffer.buffer, 0, length, control, flags, irp)
        });
    });
}

#[test]
fn flags_that_are_not_those_of_a_send() {
    breaks(31, ["WskSend", "the flags 0x8 are not valid for a send", ""], |client| {
        let (socket, buffer) = (client.connections()[1], leaked(4));
        // SAFETY: breaks INV-31.
        call(|irp| unsafe { connection(socket).WskSend.unwrap()(socket, buffer.buffer, 8, irp) });
    });
}

fn receives(client: &Client, size: usize, flags: ULONG) {
    receive(client.connections()[1], leaked(size), flags);
}

#[test]
fn waiting_for_all_and_draining_at_once() {
    assert_eq!(WSK_FLAG_WAITALL | WSK_FLAG_DRAIN, 6);
    breaks(31, ["WskReceive", "the flags are 0x6, for 0 bytes", ""], |client| {
        receives(&client, 0, WSK_FLAG_WAITALL | WSK_FLAG_DRAIN);
    });
}

#[test]
fn draining_with_a_buffer() {
    assert_eq!(WSK_FLAG_DRAIN, 4);
    breaks(31, ["WskReceive", "the flags are 0x4, for 10 bytes", ""], |client| {
        receives(&client, 10, WSK_FLAG_DRAIN);
    });
}

#[test]
fn aborting_with_a_buffer() {
    breaks(31, ["WskDisconnect", "the flags are 0x1, with a buffer", ""], |client| {
        let (socket, buffer) = (client.connections()[1], leaked(4));
        // SAFETY: breaks INV-31.
        call(|irp| unsafe {
            let disconnect = connection(socket).WskDisconnect.unwrap();
            disconnect(socket, buffer.buffer, WSK_FLAG_ABORTIVE, irp)
        });
    });
}

#[test]
fn flags_that_are_not_those_of_a_disconnect() {
    breaks(31, ["WskDisconnect", "the flags are 0x10, with no buffer", ""], |client| {
        let (socket, none) = (client.connections()[1], ptr::null_mut());
        // SAFETY: breaks INV-31.
        call(|irp| unsafe { connection(socket).WskDisconnect.unwrap()(socket, none, 0x10, irp) });
    });
}

/// INV-31: a flag that exists, and that a transport does not have.
#[test]
fn urgent_data_is_not_supported() {
    let client = Client::new(crate::stops::inline());
    let sockets = client.connections();
    let (socket, buffer) = (sockets[1], PoolBuffer::new(4));
    // SAFETY: the socket is connected.
    let sent = call(|irp| unsafe {
        connection(socket).WskSend.unwrap()(socket, buffer.buffer, WSK_FLAG_OOB, irp)
    });
    sent.fail(STATUS_NOT_SUPPORTED);
    drop(buffer);
    disconnect(socket).succeed();
    sockets.into_iter().for_each(test_support::raw::close);
    client.end();
}

const ANOTHER: &str = "the address family is 23, the socket's is 2";

#[test]
fn a_local_address_of_another_family() {
    breaks(32, ["WskBind", ANOTHER, ""], |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        bind(socket, (Ipv6Addr::LOCALHOST, 0));
    });
}

#[test]
fn a_remote_address_of_another_family() {
    breaks(32, ["WskConnect", ANOTHER, ""], |client| {
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, (Ipv4Addr::LOCALHOST, 0)).succeed();
        test_support::raw::connect(socket, (Ipv6Addr::LOCALHOST, 1).into());
    });
}

#[test]
fn two_addresses_of_different_families() {
    breaks(32, ["WskSocketConnect", ANOTHER, ""], |client| {
        let local = PoolAddress::new((Ipv4Addr::LOCALHOST, 0));
        socket_connect(&client, &local, &PoolAddress::new((Ipv6Addr::LOCALHOST, 1)), 0);
    });
}

#[test]
fn a_destination_of_another_family() {
    breaks(32, ["WskSendTo", ANOTHER, ""], |client| {
        sends_to(&client, PoolAddress::new((Ipv6Addr::LOCALHOST, 1)).0, 0);
    });
}

#[test]
fn a_null_address() {
    breaks(32, ["WskBind", "the address is null", ""], |client| {
        let (socket, none) = (client.socket(WSK_FLAG_LISTEN_SOCKET), ptr::null_mut());
        // SAFETY: breaks INV-32.
        call(|irp| unsafe { listen(socket).WskBind.unwrap()(socket, none, 0, irp) });
    });
}

const NOWHERE: Says<'_> =
    ["WskSendTo", "neither the call nor the socket has a remote address", "WskSocket"];

#[test]
fn a_datagram_to_nowhere() {
    breaks(37, NOWHERE, |client| sends_to(&client, ptr::null_mut(), 0));
}
