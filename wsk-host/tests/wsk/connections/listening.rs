//! Listeners: connections that callbacks and requests get.

use std::ptr;

use test_support::hosts::{both_networks, on};
use test_support::raw::streams::*;
use test_support::raw::watcher::{self, RecordedCall, Take, Watcher};
use test_support::raw::*;
use wsk_sys::*;

fn accepted_of(events: &[RecordedCall]) -> Vec<PWSK_SOCKET> {
    let sockets = events.iter().filter_map(|event| match event {
        RecordedCall::Accept { socket, .. } => Some(socket_of(*socket)),
        _ => None,
    });
    sockets.collect()
}

#[test]
fn an_accept_callback_gives_connections_their_callbacks() {
    on(both_networks(), |client| {
        let theirs = Watcher::new();
        let context = theirs.context().expose_provenance();
        let watcher = Watcher::new().on_accept(move |_| {
            let context = ptr::with_exposed_provenance_mut(context);
            Some((context, &raw const watcher::CONNECTION))
        });
        let (listener, address) = client.listener(watcher.context(), &raw const watcher::LISTEN);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let none = (ptr::null_mut(), ptr::null());
        let sockets = [0, 1, 2].map(|_| client.connected_to(address, none.0, none.1));
        let accepted = accepted_of(&watcher.wait_for(3));
        for socket in &accepted {
            // Nothing was inherited.
            assert_eq!(theirs.seen(), []);
            assert_eq!(addresses(*socket)[0], Ok(address));
        }
        assert_eq!(set_events(accepted[0], WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        let own = addresses(accepted[0])[1];
        let peer = sockets.iter().find(|socket| addresses(**socket)[0] == own).unwrap();
        send_all(*peer, b"hello");
        assert_eq!(theirs.wait_for_bytes(5), b"hello");
        sockets.into_iter().chain(accepted).chain([listener]).for_each(close);
    });
}

#[test]
fn a_rejected_connection_is_reset() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_accept(|_| None);
        let (listener, address) = client.listener(watcher.context(), &raw const watcher::LISTEN);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        // It may be rejected before this side has its answer.
        if connect(socket, address).wait().0 == STATUS_SUCCESS {
            assert_eq!(receive_some(socket, 1).0, STATUS_CONNECTION_RESET);
        }
        watcher.wait_for(1);
        close(socket);
        close(listener);
    });
}

static OFFERED: WSK_CLIENT_LISTEN_DISPATCH = WSK_CLIENT_LISTEN_DISPATCH {
    WskAcceptEvent: Some(offered),
    WskInspectEvent: None,
    WskAbortEvent: None,
};

/// Writes both, and then enables events.
unsafe extern "C" fn offered(
    context: PVOID,
    _flags: ULONG,
    _local: PSOCKADDR,
    _remote: PSOCKADDR,
    socket: PWSK_SOCKET,
    given: *mut PVOID,
    table: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> NTSTATUS {
    // SAFETY: there is room for both, and the context is a pair of this test's.
    let slot = unsafe {
        let (theirs, slot) = *context.cast::<(usize, *mut PWSK_SOCKET)>();
        given.write(ptr::with_exposed_provenance_mut(theirs));
        table.write(&raw const watcher::CONNECTION);
        slot
    };
    let events = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT;
    assert_eq!(set_events(socket, events), STATUS_SUCCESS);
    // SAFETY: the test reads it when the events have come.
    unsafe { slot.write(socket) };
    STATUS_SUCCESS
}

#[test]
fn events_can_be_enabled_in_the_accept_callback() {
    on(both_networks(), |client| {
        let theirs = Watcher::new();
        let context = theirs.context().expose_provenance();
        let slot = Box::into_raw(Box::new(ptr::null_mut::<WSK_SOCKET>()));
        let pair = Box::new((context, slot));
        let context: PVOID = ptr::from_ref(&*pair).cast_mut().cast();
        let (listener, address) = client.listener(context, &raw const OFFERED);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let socket = client.connected_to(address, ptr::null_mut(), ptr::null());
        send_all(socket, b"hello");
        disconnect(socket).succeed();
        theirs.wait_until(|seen| seen.contains(&RecordedCall::Disconnect { flags: 0 }));
        assert_eq!(theirs.wait_for_bytes(5), b"hello");
        close(listener);
        // SAFETY: the listener is closed, so that its callback has returned.
        close(*unsafe { Box::from_raw(slot) });
        close(socket);
    });
}

#[test]
fn only_sockets_accepted_by_callback_inherit_events() {
    on(both_networks(), |client| {
        let theirs = Watcher::new().on_receive(|_| Take::All);
        let context = theirs.context().expose_provenance();
        let watcher = Watcher::new().on_accept(move |_| {
            let context = ptr::with_exposed_provenance_mut(context);
            Some((context, &raw const watcher::CONNECTION))
        });
        let (listener, address) = client.listener(watcher.context(), &raw const watcher::LISTEN);
        let inherited = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_SEND_BACKLOG;
        assert_eq!(set_events(listener, inherited), STATUS_SUCCESS);
        let mask = WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE;
        assert_eq!(set_events(listener, mask), STATUS_INVALID_PARAMETER);

        // By a request: no events, though there is a table.
        let socket = client.connected_to(address, ptr::null_mut(), ptr::null());
        let (context, table) = (theirs.context(), &raw const watcher::CONNECTION);
        let accepted = socket_of(accept(listener, context, table).succeed());
        send_all(socket, b"hello");
        receive_nothing(accepted);
        assert_eq!(theirs.seen(), []);
        close(socket);
        close(accepted);

        // By the callback, which can be disabled and enabled in the meantime.
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT | WSK_EVENT_DISABLE), STATUS_SUCCESS);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let socket = client.connected_to(address, ptr::null_mut(), ptr::null());
        let accepted = accepted_of(&watcher.wait_for(1))[0];
        send_all(socket, b"hello");
        disconnect(socket).succeed();
        let seen = theirs.wait_until(|seen| seen.contains(&RecordedCall::Disconnect { flags: 0 }));
        assert_eq!(watcher::bytes_of(&seen), b"hello");
        assert_eq!(set_events(accepted, mask), STATUS_INVALID_PARAMETER);
        [socket, accepted, listener].into_iter().for_each(close);
    });
}

#[test]
fn requests_and_callbacks_share_the_connections() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let (listener, address) = client.listener(watcher.context(), &raw const watcher::LISTEN);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let requests: Vec<_> =
            (0..3).map(|_| accept(listener, ptr::null_mut(), ptr::null())).collect();
        let sockets: Vec<_> =
            (0..5).map(|_| client.connected_to(address, ptr::null_mut(), ptr::null())).collect();
        client.host.settle();
        for request in &requests {
            request.cancel();
        }
        let by_request: Vec<_> = requests
            .into_iter()
            .filter_map(|request| match request.wait() {
                (STATUS_SUCCESS, socket) => Some(socket_of(socket)),
                (status, _) => {
                    assert_eq!(status, STATUS_CANCELLED);
                    None
                }
            })
            .collect();
        let left = 5 - by_request.len();
        let by_event = accepted_of(&watcher.wait_until(|seen| seen.len() >= left));
        assert_eq!(by_event.len(), left);
        sockets.into_iter().chain(by_request).chain(by_event).chain([listener]).for_each(close);
    });
}

#[test]
fn a_closing_listener_resets_waiting_connections() {
    on(both_networks(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let sockets = [0, 1].map(|_| client.connected_to(address, ptr::null_mut(), ptr::null()));
        close(listener);
        for socket in sockets {
            assert_eq!(receive_some(socket, 1).0, STATUS_CONNECTION_RESET);
            close(socket);
        }
    });
}
