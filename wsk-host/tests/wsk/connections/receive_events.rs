//! Data indicated to callbacks.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::hosts::{both_networks, on};
use test_support::raw::streams::*;
use test_support::raw::watcher::{self, RecordedCall, Take, Watcher, bytes_of};
use test_support::raw::*;
use wsk_sys::*;

use super::{close_all, watched};

#[test]
fn accepted_data_is_indicated_in_order() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE);
        let bytes = pattern(300_000);
        for part in bytes.chunks(70_000) {
            send_all(sockets[1], part);
        }
        assert_eq!(watcher.wait_for_bytes(bytes.len()), bytes);
        close_all(sockets);
    });
}

#[test]
fn data_that_arrived_before_the_enable_is_indicated() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, 0);
        send_all(sockets[1], b"hello");
        receive_nothing(sockets[2]);
        assert_eq!(watcher.seen(), []);
        assert_eq!(set_events(sockets[2], WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        assert_eq!(watcher.wait_for_bytes(5), b"hello");
        close_all(sockets);
    });
}

/// After data was left, there is no event until something is received.
fn pauses(first: Take, kept: usize) {
    on(both_networks(), |client| {
        let mut calls = 0;
        let watcher = Watcher::new().on_receive(move |_| {
            calls += 1;
            if calls == 1 { first } else { Take::All }
        });
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE);
        let [_, from, to] = sockets;
        send_all(from, b"a");
        // One byte may be all that it gets.
        let seen = bytes_of(&watcher.wait_for(1)).len();
        assert!(seen <= kept);
        send_all(from, b"bcdefgh");
        client.host.settle();
        assert_eq!(watcher.seen().len(), 1, "{:?}", watcher.seen());
        receive_nothing(to);
        assert_eq!(watcher.wait_for_bytes(8), b"abcdefgh");
        send_all(from, b"ij");
        assert_eq!(watcher.wait_for_bytes(10), b"abcdefghij");
        close_all(sockets);
    });
}

#[test]
fn after_a_refusal_an_empty_receive_enables_the_next_indication() {
    pauses(Take::Refuse, 0);
}

#[test]
fn after_a_partial_accept_an_empty_receive_enables_the_next_indication() {
    pauses(Take::Some(0), 0);
}

#[test]
fn a_request_receives_the_rest_of_an_indication() {
    on(both_networks(), |client| {
        let mut calls = 0;
        let watcher = Watcher::new().on_receive(move |bytes| {
            calls += 1;
            if calls % 2 == 1 { Take::Some(bytes.len() / 2) } else { Take::Refuse }
        });
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE);
        let [_, from, to] = sockets;
        let bytes = pattern(2000);
        send_all(from, &bytes);
        disconnect(from).succeed();
        let mut all = Vec::new();
        let mut events = 0;
        while all.len() < bytes.len() {
            let seen = watcher.wait_for(events + 1);
            all.extend(bytes_of(&seen[events..]));
            events = seen.len();
            // Indications pause: this request is the only receiver until it completes.
            let (status, some) = receive_some(to, 5);
            assert_eq!(status, STATUS_SUCCESS);
            all.extend(some);
            if all.len() >= bytes.len() {
                break;
            }
        }
        assert_eq!(all, bytes);
        close_all(sockets);
    });
}

#[test]
fn retained_data_stays_until_its_release() {
    on(both_networks(), |client| {
        let watcher = Watcher::new().on_receive(|_| Take::Retain);
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE);
        let bytes = pattern(5000);
        for part in bytes.chunks(1000) {
            send_all(sockets[1], part);
        }
        // Retaining does not pause.
        assert_eq!(watcher.wait_for_bytes(bytes.len()), bytes);
        disconnect(sockets[1]).succeed();
        let lists = watcher.take_retained();
        // SAFETY: the lists are retained.
        let read: Vec<_> = lists.iter().map(|list| unsafe { watcher::read_list(*list) }).collect();
        assert_eq!(read.concat(), bytes);
        for list in lists.into_iter().rev() {
            assert_eq!(release(sockets[2], list), STATUS_SUCCESS);
        }
        close_all(sockets);
    });
}

#[test]
fn requests_and_events_share_the_bytes_in_order() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE);
        let [_, from, to] = sockets;
        let buffer = PoolBuffer::new(10);
        let mut expected: Vec<u8> = Vec::new();
        for round in 0..20_u8 {
            let request = receive(to, &buffer, WSK_FLAG_WAITALL);
            let part: Vec<u8> = (0..10).map(|index| round * 10 + index).collect();
            // The event may be faster, and get some or all of it.
            send_all(from, &part[..5]);
            send_all(from, &part[5..]);
            client.host.settle();
            if !request.is_complete() {
                request.cancel();
            }
            match request.wait() {
                (STATUS_SUCCESS, count) => expected.extend(buffer.read(count)),
                (status, _) => assert_eq!(status, STATUS_CANCELLED),
            }
            let received = expected.len();
            let indicated = watcher
                .wait_until(|seen| bytes_of(seen).len() + received >= usize::from(round + 1) * 10);
            let mut all = [expected.clone(), bytes_of(&indicated)].concat();
            all.sort_unstable();
            assert_eq!(all, (0..(round + 1) * 10).collect::<Vec<u8>>());
            assert!(expected.is_sorted());
            assert!(bytes_of(&indicated).is_sorted());
        }
        close_all(sockets);
    });
}

/// The socket that echoes.
static ECHO: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_callback_may_send() {
    on(both_networks(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let (sender, sent) = std::sync::mpsc::channel();
        let watcher = Watcher::new().on_receive(move |bytes| {
            let buffer = PoolBuffer::with(bytes);
            let socket = socket_of(ECHO.load(Ordering::SeqCst));
            let request = send(socket, &buffer);
            sender.send((request, buffer)).unwrap();
            Take::All
        });
        let dispatch = &raw const watcher::CONNECTION;
        let echo = client.connected_to(address, watcher.context(), dispatch);
        ECHO.store(echo.expose_provenance(), Ordering::SeqCst);
        let socket = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        assert_eq!(set_events(echo, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        let bytes = pattern(3000);
        send_all(socket, &bytes);
        assert_eq!(receive_exactly(socket, 3000), bytes);
        assert_eq!(watcher.wait_for_bytes(3000).len(), 3000);
        let mut count = 0;
        for (request, _buffer) in sent.try_iter() {
            count += request.succeed();
        }
        assert_eq!(count, 3000);
        close_all([listener, socket, echo]);
    });
}

#[test]
fn the_extended_callback_replaces_the_plain_one() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let socket = client.connected_to(address, watcher.context(), ptr::null());
        let peer = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        assert_eq!(set_receive_ex(socket, Some(watcher::receive_ex)), STATUS_SUCCESS);
        send_all(peer, b"hello");
        assert_eq!(watcher.wait_for_bytes(5), b"hello");
        // Data may be on its way to the callback when it is taken away.
        send_all(peer, b"more");
        assert_eq!(set_receive_ex(socket, None), STATUS_SUCCESS);
        client.host.settle();
        let seen = bytes_of(&watcher.seen());
        send_all(peer, b"end");
        assert_eq!(
            [seen.clone(), receive_exactly(socket, 12 - seen.len())].concat(),
            b"hellomoreend"
        );
        assert_eq!(bytes_of(&watcher.seen()), seen);
        close_all([listener, socket, peer]);
    });
}

#[test]
fn the_last_data_is_indicated_before_the_disconnect() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
        let bytes = pattern(100_000);
        send_all(sockets[1], &bytes);
        let last = PoolBuffer::with(b"last");
        disconnect_with(sockets[1], Some(&last), 0).succeed();
        let end = RecordedCall::Disconnect { flags: 0 };
        let seen = watcher.wait_until(|seen| seen.contains(&end));
        assert_eq!(bytes_of(&seen), [bytes.as_slice(), b"last"].concat());
        assert_eq!(seen.last(), Some(&end));
        // Sending is still allowed.
        send_all(sockets[2], b"answer");
        assert_eq!(receive_exactly(sockets[1], 6), b"answer");
        client.host.settle();
        assert_eq!(watcher.seen().len(), seen.len());
        close_all(sockets);
    });
}

/// The end of the stream, which is not indicated as data, completes the request.
#[test]
fn the_end_is_received_repeatedly_with_events_enabled() {
    on(both_networks(), |client| {
        let watcher = Watcher::new();
        let sockets = watched(client, &watcher, WSK_EVENT_RECEIVE);
        disconnect(sockets[1]).succeed();
        let buffer = PoolBuffer::new(4);
        for _ in 0..20 {
            assert_eq!(receive(sockets[2], &buffer, 0).succeed(), 0);
        }
        drop(buffer);
        close_all(sockets);
    });
}
