//! Inspections of connections: INV-41, INV-51 and INV-61.

use std::net::SocketAddr;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use test_support::raw::*;
use wsk_sys::*;

use crate::events::{CONNECTION, LISTEN, keep};
use crate::stops::breaks;

/// A listener that inspects its connections, and where it listens.
pub(crate) fn inspecting(
    client: &Client,
    table: WSK_CLIENT_LISTEN_DISPATCH,
) -> (PWSK_SOCKET, SocketAddr) {
    let table: *const WSK_CLIENT_LISTEN_DISPATCH = keep(table);
    let listener = client.socket_with(WSK_FLAG_LISTEN_SOCKET, ptr::null_mut(), table.cast());
    let set = set_option(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1);
    assert_eq!(set, STATUS_SUCCESS);
    bind(listener, ([127, 0, 0, 1], 0)).succeed();
    (listener, local_address(listener))
}

/// Begins to connect to an address, and does not wait.
pub(crate) fn connecting(client: &Client, address: SocketAddr) -> (PWSK_SOCKET, Request) {
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    (socket, connect(socket, address))
}

/// The last connection that was inspected, as an identification.
static SERIAL: AtomicU32 = AtomicU32::new(0);
static KEY: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

fn inspected() -> WSK_INSPECT_ID {
    WSK_INSPECT_ID {
        Key: KEY.load(Ordering::SeqCst).addr(),
        SerialNumber: SERIAL.load(Ordering::SeqCst),
    }
}

unsafe extern "C" fn inspects<const ACTION: WSK_INSPECT_ACTION>(
    _context: PVOID,
    _local: PSOCKADDR,
    _remote: PSOCKADDR,
    id: PWSK_INSPECT_ID,
) -> WSK_INSPECT_ACTION {
    // SAFETY: the identifier is valid until the callback returns.
    unsafe {
        KEY.store(ptr::without_provenance_mut((*id).Key), Ordering::SeqCst);
        SERIAL.store((*id).SerialNumber, Ordering::SeqCst);
    }
    ACTION
}

unsafe extern "C" fn is_aborted(_context: PVOID, _id: PWSK_INSPECT_ID) -> NTSTATUS {
    STATUS_SUCCESS
}

pub(crate) fn inspects_with(inspect: PFN_WSK_INSPECT_EVENT) -> WSK_CLIENT_LISTEN_DISPATCH {
    WSK_CLIENT_LISTEN_DISPATCH {
        WskAcceptEvent: None,
        WskInspectEvent: inspect,
        WskAbortEvent: Some(is_aborted),
    }
}

pub(crate) fn pends() -> WSK_CLIENT_LISTEN_DISPATCH {
    inspects_with(Some(inspects::<WskInspectPend>))
}

#[test]
fn connections_inspected_without_a_callback() {
    let found =
        "the socket inspects connections, but has no WskInspectEvent and WskAbortEvent callbacks";
    breaks(51, ["WskInspectEvent", found, "WskSocket"], |client| {
        let (_, address) = inspecting(&client, LISTEN);
        connecting(&client, address);
    });
}

#[test]
fn a_pended_connection_gone_without_a_callback() {
    let found =
        "the socket inspects connections, but has no WskInspectEvent and WskAbortEvent callbacks";
    breaks(51, ["WskAbortEvent", found, "WskSocket"], |client| {
        let table = WSK_CLIENT_LISTEN_DISPATCH { WskAbortEvent: None, ..pends() };
        let (_, address) = inspecting(&client, table);
        let (socket, _) = connecting(&client, address);
        test_support::raw::close(socket);
    });
}

#[test]
fn a_connection_pended_by_a_stream_socket() {
    let found = "a stream socket has no WskInspectComplete to complete the inspection";
    breaks(41, ["WskInspectEvent", found, "WskSocket"], |client| {
        let table =
            keep(WSK_CLIENT_STREAM_DISPATCH { Listen: keep(pends()), Connect: keep(CONNECTION) });
        let table: *const WSK_CLIENT_STREAM_DISPATCH = table;
        let kind = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
        let created = client.create(WSK_FLAG_STREAM_SOCKET, kind, ptr::null_mut(), table.cast());
        let socket = socket_of(created.succeed());
        let set = set_option(socket, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1);
        assert_eq!(set, STATUS_SUCCESS);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let address = PoolAddress::empty();
        // SAFETY: the socket is bound.
        call(|irp| unsafe { stream(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) })
            .succeed();
        // SAFETY: the socket is bound.
        call(|irp| unsafe { stream(socket).WskListen.unwrap()(socket, irp) }).succeed();
        connecting(&client, address.get());
    });
}

#[test]
fn an_unknown_inspect_action() {
    breaks(61, ["WskInspectEvent", "the action is 9", "WskSocket"], |client| {
        let (_, address) = inspecting(&client, inspects_with(Some(inspects::<9>)));
        connecting(&client, address);
    });
}

fn complete(listener: PWSK_SOCKET, id: PWSK_INSPECT_ID, action: WSK_INSPECT_ACTION) -> Request {
    // SAFETY: the socket listens.
    call(|irp| unsafe { listen(listener).WskInspectComplete.unwrap()(listener, id, action, irp) })
}

/// A listener with a pended connection, and how to identify that.
fn pending(client: &Client) -> (PWSK_SOCKET, WSK_INSPECT_ID) {
    let (listener, address) = inspecting(client, pends());
    connecting(client, address);
    (listener, inspected())
}

#[test]
fn a_pended_connection_that_is_pended_again() {
    let found = format!("the action is {WskInspectPend}");
    breaks(61, ["WskInspectComplete", &found, "WskSocket"], |client| {
        let (listener, mut id) = pending(&client);
        complete(listener, &raw mut id, WskInspectPend);
    });
}

#[test]
fn a_pended_connection_that_is_accepted_twice() {
    let found = "no connection with this WSK_INSPECT_ID waits for a decision";
    breaks(61, ["WskInspectComplete", found, "WskSocket"], |client| {
        let (listener, mut id) = pending(&client);
        complete(listener, &raw mut id, WskInspectAccept).succeed();
        complete(listener, &raw mut id, WskInspectAccept);
    });
}

#[test]
fn no_connection_to_accept() {
    let says = ["WskInspectComplete", "the WSK_INSPECT_ID is null", "WskSocket"];
    breaks(61, says, |client| {
        let (listener, _) = pending(&client);
        complete(listener, ptr::null_mut(), WskInspectAccept);
    });
}
