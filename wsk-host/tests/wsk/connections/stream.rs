//! Stream sockets, which listen or connect.

use std::ptr;

use test_support::hosts::{both_networks, on};
use test_support::raw::streams::*;
use test_support::raw::watcher::{self, RecordedCall, Watcher};
use test_support::raw::*;
use wsk_sys::*;

#[repr(transparent)]
struct Tables(WSK_CLIENT_STREAM_DISPATCH);

// SAFETY: the tables are statics.
unsafe impl Sync for Tables {}

static BOTH: Tables = Tables(WSK_CLIENT_STREAM_DISPATCH {
    Listen: &raw const watcher::LISTEN,
    Connect: &raw const watcher::CONNECTION,
});

fn stream_socket(client: &Client, watcher: &Watcher) -> PWSK_SOCKET {
    let dispatch = (&raw const BOTH).cast();
    let socket = client.socket_with(WSK_FLAG_STREAM_SOCKET, watcher.context(), dispatch);
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    socket
}

#[test]
fn a_stream_socket_has_the_callbacks_of_its_role() {
    on(both_networks(), |client| {
        let [listening, connecting] = [Watcher::new(), Watcher::new()];
        let listener = stream_socket(client, &listening);
        stream_listen(listener).succeed();
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let socket = stream_socket(client, &connecting);
        stream_connect(socket, stream_address(listener)).succeed();
        let events = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT;
        assert_eq!(set_events(socket, events), STATUS_SUCCESS);
        let RecordedCall::Accept { socket: accepted, remote, .. } = listening.wait_for(1).remove(0)
        else {
            panic!("{:?}", listening.seen());
        };
        assert_eq!(remote, stream_address(socket));
        // The option belongs to connections.
        let accepted = socket_of(accepted);
        assert_eq!(addresses(accepted)[1], Ok(remote));
        send_all(accepted, b"hello");
        assert_eq!(connecting.wait_for_bytes(5), b"hello");
        send_all(socket, b"answer");
        assert_eq!(receive_exactly(accepted, 6), b"answer");
        disconnect(accepted).succeed();
        connecting.wait_until(|seen| seen.contains(&RecordedCall::Disconnect { flags: 0 }));
        [socket, accepted, listener].into_iter().for_each(close);
    });
}

#[test]
fn a_stream_listener_accepts_by_request() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let listener = stream_socket(client, &watcher);
        stream_listen(listener).succeed();
        let socket = client.connected_to(stream_address(listener), ptr::null_mut(), ptr::null());
        let accepted = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        send_all(socket, b"hello");
        assert_eq!(receive_exactly(accepted, 5), b"hello");
        [socket, accepted, listener].into_iter().for_each(close);
    });
}

#[test]
fn a_stream_socket_never_changes_its_role() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let unbound = client.socket(WSK_FLAG_STREAM_SOCKET);
        stream_listen(unbound).fail(STATUS_INVALID_DEVICE_STATE);
        stream_connect(unbound, ([127, 0, 0, 1], 9).into()).fail(STATUS_INVALID_DEVICE_STATE);
        accept(unbound, ptr::null_mut(), ptr::null()).fail(STATUS_INVALID_DEVICE_STATE);

        let listener = stream_socket(client, &watcher);
        accept(listener, ptr::null_mut(), ptr::null()).fail(STATUS_INVALID_DEVICE_STATE);
        stream_listen(listener).succeed();
        let address = stream_address(listener);
        stream_listen(listener).fail(STATUS_INVALID_DEVICE_STATE);
        stream_connect(listener, address).fail(STATUS_INVALID_DEVICE_STATE);
        let buffer = PoolBuffer::new(1);
        send(listener, &buffer).fail(STATUS_INVALID_DEVICE_STATE);
        receive(listener, &buffer, 0).fail(STATUS_INVALID_DEVICE_STATE);
        disconnect(listener).fail(STATUS_INVALID_DEVICE_STATE);

        let socket = stream_socket(client, &watcher);
        stream_connect(socket, address).succeed();
        stream_listen(socket).fail(STATUS_INVALID_DEVICE_STATE);
        accept(socket, ptr::null_mut(), ptr::null()).fail(STATUS_INVALID_DEVICE_STATE);
        [socket, listener, unbound].into_iter().for_each(close);
    });
}

#[test]
fn static_events_start_with_the_role() {
    on(both_networks(), |client| {
        assert_eq!(client.set_static_events(WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        let [listening, connecting, theirs] = [Watcher::new(), Watcher::new(), Watcher::new()];
        let context = theirs.context().expose_provenance();
        let listening = listening.on_accept(move |_| {
            Some((ptr::with_exposed_provenance_mut(context), &raw const watcher::CONNECTION))
        });
        let listener = stream_socket(client, &listening);
        stream_listen(listener).succeed();
        let socket = stream_socket(client, &connecting);
        stream_connect(socket, stream_address(listener)).succeed();
        let RecordedCall::Accept { socket: accepted, .. } = listening.wait_for(1).remove(0) else {
            panic!("{:?}", listening.seen());
        };
        let accepted = socket_of(accepted);
        send_all(accepted, b"hello");
        assert_eq!(connecting.wait_for_bytes(5), b"hello");
        send_all(socket, b"answer");
        assert_eq!(theirs.wait_for_bytes(6), b"answer");
        [socket, accepted, listener].into_iter().for_each(close);
    });
}
