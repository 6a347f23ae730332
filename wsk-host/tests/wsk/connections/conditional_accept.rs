//! Connections that the client inspects before they are made.

use std::ptr;

use test_support::hosts::{both_networks, on};
use test_support::raw::streams::*;
use test_support::raw::watcher::{self, RecordedCall, Watcher};
use test_support::raw::*;
use wsk_sys::*;

/// A conditional listener at a port of the loopback address.
fn inspecting(client: &Client, watcher: &Watcher) -> (PWSK_SOCKET, std::net::SocketAddr) {
    let dispatch = (&raw const watcher::LISTEN).cast();
    let listener = client.socket_with(WSK_FLAG_LISTEN_SOCKET, watcher.context(), dispatch);
    assert_eq!(set_option(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1), STATUS_SUCCESS);
    bind(listener, ([127, 0, 0, 1], 0)).succeed();
    (listener, local_address(listener))
}

/// A socket that asks for a connection, and its request.
fn asking(client: &Client, address: std::net::SocketAddr) -> (PWSK_SOCKET, Request) {
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    (socket, connect(socket, address))
}

fn inspected(watcher: &Watcher) -> WSK_INSPECT_ID {
    match watcher.wait_for(1).remove(0) {
        RecordedCall::Inspect { id: (key, serial), .. } => {
            WSK_INSPECT_ID { Key: key, SerialNumber: serial }
        }
        other => panic!("{other:?}"),
    }
}

/// That a connection was not let in: the simulated network says so at once, the machine's lets it in and
/// resets it.
#[track_caller]
fn is_refused(socket: PWSK_SOCKET, request: Request) {
    match request.wait().0 {
        STATUS_SUCCESS => assert_eq!(receive_some(socket, 1).0, STATUS_CONNECTION_RESET),
        status => assert!(
            matches!(status, STATUS_CONNECTION_REFUSED | STATUS_CONNECTION_RESET),
            "{status:#x}"
        ),
    }
}

#[test]
fn conditional_accept_is_set_before_the_bind() {
    on(both_networks(), |client| {
        let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
        let status = set_option(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1);
        assert_eq!(status, STATUS_INVALID_DEVICE_STATE);
        let id = WSK_INSPECT_ID { Key: 1, SerialNumber: 1 };
        inspect_complete(listener, id, WskInspectAccept).fail(STATUS_NOT_SUPPORTED);
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        let status = set_option(socket, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1);
        assert_eq!(status, STATUS_NOT_SUPPORTED);
        close(socket);
        close(listener);
    });
}

#[test]
fn an_inspected_connection_has_its_inspect_id() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let (listener, address) = inspecting(client, &watcher);
        let (socket, request) = asking(client, address);
        // It is inspected before any accept.
        let id = inspected(&watcher);
        request.succeed();
        let accepted = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        let known: WSK_INSPECT_ID = control_now(accepted, SIO_WSK_QUERY_INSPECT_ID).unwrap();
        assert_eq!((known.Key, known.SerialNumber), (id.Key, id.SerialNumber));
        let none = control_now::<WSK_INSPECT_ID>(socket, SIO_WSK_QUERY_INSPECT_ID);
        assert_eq!(none.err(), Some(STATUS_INVALID_DEVICE_REQUEST));
        send_all(socket, b"hello");
        assert_eq!(receive_exactly(accepted, 5), b"hello");
        [listener, socket, accepted].into_iter().for_each(close);
    });
}

#[test]
fn a_rejected_connection_causes_no_further_callback() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_inspect(|_| WskInspectReject);
        let (listener, address) = inspecting(client, &watcher);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let (socket, request) = asking(client, address);
        inspected(&watcher);
        is_refused(socket, request);
        client.host.settle();
        assert_eq!(watcher.seen().len(), 1);
        close(socket);
        close(listener);
    });
}

#[test]
fn a_pended_connection_can_be_accepted_later() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_inspect(|_| WskInspectPend);
        let (listener, address) = inspecting(client, &watcher);
        let waiting = accept(listener, ptr::null_mut(), ptr::null());
        let (socket, request) = asking(client, address);
        let id = inspected(&watcher);
        client.host.settle();
        assert!(!waiting.is_complete());
        inspect_complete(listener, id, WskInspectAccept).succeed();
        let accepted = socket_of(waiting.succeed());
        request.succeed();
        send_all(accepted, b"hello");
        assert_eq!(receive_exactly(socket, 5), b"hello");
        [listener, socket, accepted].into_iter().for_each(close);
    });
}

#[test]
fn a_pended_connection_can_be_rejected_by_the_client() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_inspect(|_| WskInspectPend);
        let (listener, address) = inspecting(client, &watcher);
        let (socket, request) = asking(client, address);
        let id = inspected(&watcher);
        inspect_complete(listener, id, WskInspectReject).succeed();
        is_refused(socket, request);
        close(socket);
        close(listener);
    });
}

#[test]
fn an_aborted_pended_connection_needs_no_decision_and_ignores_one() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_inspect(|_| WskInspectPend);
        let (listener, address) = inspecting(client, &watcher);
        let (socket, request) = asking(client, address);
        let id = inspected(&watcher);
        close(socket);
        let _ = request.wait();
        let gone = RecordedCall::Abort { id: (id.Key, id.SerialNumber) };
        watcher.wait_until(|seen| seen.contains(&gone));
        inspect_complete(listener, id, WskInspectAccept).succeed();
        let waiting = accept(listener, ptr::null_mut(), ptr::null());
        client.host.settle();
        assert!(!waiting.is_complete());
        waiting.cancel();
        waiting.fail(STATUS_CANCELLED);
        close(listener);
    });
}

#[test]
fn a_listener_can_close_while_connections_wait_for_an_answer() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_inspect(|_| WskInspectPend);
        let (listener, address) = inspecting(client, &watcher);
        let (socket, request) = asking(client, address);
        inspected(&watcher);
        close(listener);
        is_refused(socket, request);
        close(socket);
    });
}
