//! Calls out of order, which are answered with a status: INV-33 to INV-36, INV-40, INV-42 and INV-43.

use std::ptr;

use test_support::raw::{
    Client, PoolAddress, PoolBuffer, bind, call, close, connect, connection, control, datagram,
    disconnect, receive, send, set_events, set_option, socket_of, stream,
};
use wsk_sys::*;

use crate::stops::inline;

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// INV-33: a socket is bound first.
#[test]
fn a_socket_that_is_not_bound() {
    let client = Client::new(inline());
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    connect(socket, address).fail(STATUS_INVALID_DEVICE_STATE);
    let unbound = client.socket(WSK_FLAG_LISTEN_SOCKET);
    test_support::raw::accept(unbound, ptr::null_mut(), ptr::null())
        .fail(STATUS_INVALID_DEVICE_STATE);
    let datagrams = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    let (buffer, to, none) = (PoolBuffer::new(4), PoolAddress::new(address), ptr::null_mut());
    // SAFETY: the socket is open.
    let sent = call(|irp| unsafe {
        datagram(datagrams).WskSendTo.unwrap()(datagrams, buffer.buffer, 0, to.0, 0, none, irp)
    });
    sent.fail(STATUS_INVALID_DEVICE_STATE);
    let (nowhere, length, flags) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the socket is open.
    let received = call(|irp| unsafe {
        let receive_from = datagram(datagrams).WskReceiveFrom.unwrap();
        receive_from(datagrams, buffer.buffer, 0, nowhere, length, none, flags, irp)
    });
    received.fail(STATUS_INVALID_DEVICE_STATE);
    // SAFETY: the socket is open.
    let address =
        call(|irp| unsafe { connection(socket).WskGetLocalAddress.unwrap()(socket, to.0, irp) });
    address.fail(STATUS_INVALID_DEVICE_STATE);
    drop((buffer, to));
    [datagrams, unbound, socket, listener].into_iter().for_each(close);
    client.end();
}

/// INV-33: a socket is bound once.
#[test]
fn a_socket_that_is_bound_already() {
    let client = Client::new(inline());
    let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
    bind(listener, LOOPBACK).fail(STATUS_INVALID_DEVICE_STATE);
    close(listener);
    client.end();
}

/// INV-34: some options are for before.
#[test]
fn options_that_are_set_too_late() {
    let client = Client::new(inline());
    let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
    for option in [SO_CONDITIONAL_ACCEPT, SO_REUSEADDR, SO_EXCLUSIVEADDRUSE] {
        let status = set_option(listener, SOL_SOCKET, option, 1);
        assert_eq!(status, STATUS_INVALID_DEVICE_STATE);
    }
    let input = PoolBuffer::with(&0_usize.to_ne_bytes());
    let option = (WskSetOption, SO_WSK_SECURITY, SOL_SOCKET);
    control(listener, option, Some(&input), None).fail(STATUS_INVALID_DEVICE_STATE);
    drop(input);
    close(listener);
    client.end();
}

/// INV-35: some options and requests are for later.
#[test]
fn a_query_before_the_bind_or_connect() {
    let client = Client::new(inline());
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_INVALID_DEVICE_STATE);
    let output = PoolBuffer::new(size_of::<SIZE_T>());
    for code in [SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, SIO_WSK_QUERY_RECEIVE_BACKLOG] {
        let answer = control(socket, (WskIoctl, code, 0), None, Some(&output));
        answer.fail(STATUS_INVALID_DEVICE_STATE);
    }
    let datagrams = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    assert_eq!(set_events(datagrams, WSK_EVENT_RECEIVE_FROM), STATUS_INVALID_DEVICE_STATE);
    for code in [SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS] {
        control(datagrams, (WskIoctl, code, 0), None, None).fail(STATUS_INVALID_DEVICE_STATE);
    }
    drop(output);
    [datagrams, socket].into_iter().for_each(close);
    client.end();
}

/// Everything that a connection does.
fn uses(socket: PWSK_SOCKET, status: NTSTATUS) {
    let (buffer, address) = (PoolBuffer::new(4), PoolAddress::empty());
    send(socket, &buffer).fail(status);
    receive(socket, &buffer, 0).fail(status);
    disconnect(socket).fail(status);
    // SAFETY: the socket is open.
    let remote = call(|irp| unsafe {
        connection(socket).WskGetRemoteAddress.unwrap()(socket, address.0, irp)
    });
    remote.fail(status);
}

/// INV-36: a connection is needed.
#[test]
fn a_socket_that_is_not_connected() {
    let client = Client::new(inline());
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    uses(socket, STATUS_INVALID_DEVICE_STATE);
    bind(socket, LOOPBACK).succeed();
    uses(socket, STATUS_INVALID_DEVICE_STATE);
    close(socket);
    client.end();
}

/// INV-40: a stream socket is one or the other.
#[test]
fn a_stream_socket_with_a_role() {
    let client = Client::new(inline());
    let new = || {
        let kind = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
        let created = client.create(WSK_FLAG_STREAM_SOCKET, kind, ptr::null_mut(), ptr::null());
        let socket = socket_of(created.succeed());
        bind(socket, LOOPBACK).succeed();
        socket
    };
    // SAFETY: the socket is bound.
    let listen = |socket| call(|irp| unsafe { stream(socket).WskListen.unwrap()(socket, irp) });
    let connect = |socket, address| {
        let address = PoolAddress::new(address);
        // SAFETY: the socket is bound.
        call(|irp| unsafe { stream(socket).WskConnect.unwrap()(socket, address.0, 0, irp) })
    };
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let (one, other) = (new(), new());
    listen(one).succeed();
    connect(one, address).fail(STATUS_INVALID_DEVICE_STATE);
    connect(other, address).succeed();
    listen(other).fail(STATUS_INVALID_DEVICE_STATE);
    let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the socket is bound.
    let accepted = call(|irp| unsafe {
        let accept = stream(other).WskAccept.unwrap();
        accept(other, 0, none, ptr::null(), nowhere, nowhere, irp)
    });
    accepted.fail(STATUS_INVALID_DEVICE_STATE);
    [one, other, listener].into_iter().for_each(close);
    client.end();
}

/// INV-42: a socket that is no longer functional is only closed.
#[test]
fn a_socket_that_is_dead() {
    let client = Client::new(inline());
    let sockets = client.connections();
    client.host.withdraw();
    uses(sockets[1], STATUS_FILE_FORCED_CLOSED);
    let events = set_events(sockets[1], WSK_EVENT_RECEIVE);
    assert_eq!(events, STATUS_FILE_FORCED_CLOSED);
    // SAFETY: the address is the loopback's.
    let address = PoolAddress::empty();
    // SAFETY: the socket is open.
    let local = call(|irp| unsafe {
        connection(sockets[1]).WskGetLocalAddress.unwrap()(sockets[1], address.0, irp)
    });
    local.fail(STATUS_FILE_FORCED_CLOSED);
    drop(address);
    sockets.into_iter().for_each(close);
    client.end();
}

const SILENCE: (WSK_CONTROL_SOCKET_TYPE, ULONG, ULONG) = (WskIoctl, SIO_WSK_SET_TCP_SILENT_MODE, 0);

/// INV-43: a connection is needed, and one to another machine.
#[test]
fn a_connection_that_cannot_fall_silent() {
    let client = Client::new(inline());
    let sockets = client.connections();
    control(sockets[1], SILENCE, None, None).fail(STATUS_INVALID_DEVICE_STATE);
    sockets.into_iter().for_each(close);
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    bind(socket, LOOPBACK).succeed();
    control(socket, SILENCE, None, None).fail(STATUS_INVALID_DEVICE_STATE);
    close(socket);
    client.end();
}

/// INV-43: a connection becomes silent when no send is pending, and stays silent.
#[test]
fn a_connection_that_falls_silent() {
    let client = Client::new(inline().window(16));
    let listener = client.socket(WSK_FLAG_LISTEN_SOCKET);
    client.host.add_address([192, 0, 2, 1]);
    bind(listener, ([192, 0, 2, 1], 7)).succeed();
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    bind(socket, ([192, 0, 2, 1], 0)).succeed();
    connect(socket, ([192, 0, 2, 1], 7).into()).succeed();
    // It is not sent before the peer receives.
    let buffer = PoolBuffer::new(100);
    let sent = send(socket, &buffer);
    control(socket, SILENCE, None, None).fail(STATUS_INVALID_DEVICE_STATE);
    sent.cancel();
    sent.wait();
    drop(buffer);
    control(socket, SILENCE, None, None).succeed();
    uses(socket, STATUS_INVALID_DEVICE_STATE);
    [socket, listener].into_iter().for_each(close);
    client.end();
}
