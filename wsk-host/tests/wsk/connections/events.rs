//! Enabling and disabling events, and the disconnect and backlog events.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use test_support::hosts::{both_networks, on};
use test_support::raw::streams::*;
use test_support::raw::watcher::{self, RecordedCall, Take, Watcher};
use test_support::raw::*;
use wsk_sys::*;

use super::{close_all, watched};

#[test]
fn an_abort_by_the_peer_is_indicated_once() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_DISCONNECT);
        disconnect_with(sockets[1], None, WSK_FLAG_ABORTIVE).succeed();
        let end = RecordedCall::Disconnect { flags: WSK_FLAG_ABORTIVE };
        watcher.wait_for(1);
        let buffer = PoolBuffer::new(1);
        receive(sockets[2], &buffer, 0).fail(STATUS_CONNECTION_RESET);
        client.host.settle();
        assert_eq!(watcher.seen(), [end]);
        close_all(sockets);
    });
}

#[test]
fn a_disconnect_is_indicated_after_all_data_was_received() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_DISCONNECT);
        send_all(sockets[1], b"hello");
        disconnect(sockets[1]).succeed();
        receive_nothing(sockets[2]);
        client.host.settle();
        assert_eq!(watcher.seen(), []);
        assert_eq!(receive_exactly(sockets[2], 5), b"hello");
        assert_eq!(watcher.wait_for(1), [RecordedCall::Disconnect { flags: 0 }]);
        close_all(sockets);
    });
}

#[test]
fn the_backlog_event_reports_a_larger_ideal_size() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_SEND_BACKLOG);
        let empty = PoolBuffer::new(0);
        let drain = receive(sockets[1], &empty, WSK_FLAG_DRAIN);
        for _ in 0..10 {
            send_all(sockets[2], &pattern(50_000));
        }
        let seen = watcher.wait_for(2);
        let sizes = seen.iter().map(|event| match event {
            RecordedCall::SendBacklog(size) => *size,
            other => panic!("{other:?}"),
        });
        assert!(sizes.is_sorted_by(|one, next| one != next));
        drain.cancel();
        drain.fail(STATUS_CANCELLED);
        close_all(sockets);
    });
}

#[test]
fn only_the_disabled_event_stops() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let all = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_SEND_BACKLOG;
        let sockets = watched(client, &watcher, all);
        send_all(sockets[1], b"hello");
        watcher.wait_for_bytes(5);
        // Both may be pending: the callback has recorded its call, and has not returned.
        let (disabled, _input) =
            set_events_with_irp(sockets[2], WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE);
        disabled.succeed();
        let (again, _input) =
            set_events_with_irp(sockets[2], WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE);
        again.succeed();
        let status = set_events(sockets[2], WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE);
        assert_eq!(status, STATUS_SUCCESS);
        let before = watcher.seen().len();
        send_all(sockets[1], b"more");
        receive_nothing(sockets[2]);
        assert_eq!(watcher.seen().len(), before);
        assert_eq!(receive_exactly(sockets[2], 4), b"more");
        assert_eq!(set_events(sockets[2], WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        send_all(sockets[1], b"again");
        assert_eq!(watcher.wait_for_bytes(10), b"helloagain");
        disconnect(sockets[1]).succeed();
        watcher.wait_until(|seen| seen.contains(&RecordedCall::Disconnect { flags: 0 }));
        close_all(sockets);
    });
}

/// A callback's calls on its own socket, whose close must wait for the callback.
fn from_within(act: fn(PWSK_SOCKET) -> Vec<(Request, Option<PoolBuffer>)>, closes: bool) {
    on(both_networks(), |client| {
        let (own, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
        let (of_callback, to) = (Arc::clone(&own), Arc::clone(&made));
        let watcher = Watcher::new().on_receive(move |_| {
            let socket = of_callback.swap(0, Ordering::SeqCst);
            if socket != 0 {
                let requests = act(socket_of(socket));
                assert!(requests.iter().all(|(request, _)| !request.is_complete()));
                *to.lock().unwrap() = Some(requests);
            }
            Take::All
        });
        let sockets = watched(client, &watcher, 0);
        own.store(sockets[2].expose_provenance(), Ordering::SeqCst);
        assert_eq!(set_events(sockets[2], WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        send_all(sockets[1], b"x");
        watcher.wait_for(1);
        let requests = made.lock().unwrap().take().unwrap();
        for (request, _buffer) in requests {
            request.succeed();
        }
        close(sockets[0]);
        close(sockets[1]);
        if !closes {
            close(sockets[2]);
        }
    });
}

#[test]
fn a_close_in_a_callback_completes_after_its_return() {
    from_within(
        |socket| {
            // SAFETY: the socket is open.
            vec![(call(|irp| unsafe { basic(socket).WskCloseSocket.unwrap()(socket, irp) }), None)]
        },
        true,
    );
}

#[test]
fn a_disable_in_a_callback_completes_after_its_return() {
    from_within(
        |socket| {
            let mask = WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE;
            let both = [0, 1].map(|_| set_events_with_irp(socket, mask));
            assert_eq!(set_events(socket, mask), STATUS_EVENT_PENDING);
            both.map(|(request, input)| (request, Some(input))).into()
        },
        false,
    );
}

#[test]
fn static_events_are_enabled_from_creation_to_close() {
    on(both_networks(), |client| {
        let all = WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT;
        assert_eq!(client.set_static_events(all), STATUS_SUCCESS);
        let [one, other] = [Watcher::new(), Watcher::new()];
        let context = other.context().expose_provenance();
        let accepting = Watcher::new().on_accept(move |_| {
            Some((ptr::with_exposed_provenance_mut(context), &raw const watcher::CONNECTION))
        });
        let (listener, address) = client.listener(accepting.context(), &raw const watcher::LISTEN);
        let socket = client.connected_to(address, one.context(), &raw const watcher::CONNECTION);
        let RecordedCall::Accept { socket: accepted, local, remote } =
            accepting.wait_for(1).remove(0)
        else {
            panic!("{:?}", accepting.seen());
        };
        let accepted = socket_of(accepted);
        assert_eq!(addresses(accepted), [Ok(local), Ok(remote)]);
        for (from, to, watcher) in [(socket, accepted, &other), (accepted, socket, &one)] {
            send_all(from, b"hello");
            assert_eq!(watcher.wait_for_bytes(5), b"hello");
            let mask = WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE;
            assert_eq!(set_events(to, mask), STATUS_INVALID_PARAMETER);
            disconnect(from).succeed();
            watcher.wait_until(|seen| seen.contains(&RecordedCall::Disconnect { flags: 0 }));
        }
        let mask = WSK_EVENT_ACCEPT | WSK_EVENT_DISABLE;
        assert_eq!(set_events(listener, mask), STATUS_INVALID_PARAMETER);
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn events_need_a_bound_or_connected_socket() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let dispatch = (&raw const watcher::CONNECTION).cast();
        let socket = client.socket_with(WSK_FLAG_CONNECTION_SOCKET, watcher.context(), dispatch);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_INVALID_DEVICE_STATE);
        let dispatch = (&raw const watcher::LISTEN).cast();
        let listener = client.socket_with(WSK_FLAG_LISTEN_SOCKET, watcher.context(), dispatch);
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_INVALID_DEVICE_STATE);
        close(socket);
        close(listener);
    });
}
