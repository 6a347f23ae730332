//! Connections of raw clients: requests and callbacks.

mod conditional_accept;
mod events;
mod faults;
mod listening;
mod null;
mod receive_events;
mod requests;
mod stream;
mod time;
mod windows;

use std::ptr;

use test_support::raw::watcher::{self, Watcher};
use test_support::raw::{
    Client, PoolBuffer, accept, close, receive_exactly, send, set_events, socket_of,
};
use wsk_host::Config;
use wsk_sys::{PWSK_SOCKET, STATUS_SUCCESS, ULONG};

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let client = Client::new(Config::default().seed(seed));
        let [listener, socket, accepted] = client.connections();
        let buffer = PoolBuffer::with(&[7; 300]);
        for _ in 0..10 {
            let sent = send(socket, &buffer);
            assert_eq!(receive_exactly(accepted, 300), [7; 300]);
            sent.succeed();
        }
        drop(buffer);
        for socket in [listener, socket, accepted] {
            close(socket);
        }
        let trace = client.host.trace();
        client.end();
        trace
    };
    let seeds = if cfg!(miri) { 2 } else { 20 };
    let first: Vec<_> = (0..seeds).map(run).collect();
    let second: Vec<_> = (0..seeds).map(run).collect();
    assert_eq!(first, second);
    assert!(first.iter().any(|trace| *trace != first[0]), "all seeds give the same run");
}

/// A listener, a socket without callbacks, and its peer with those of a watcher.
fn watched(client: &Client, watcher: &Watcher, events: ULONG) -> [PWSK_SOCKET; 3] {
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let own = client.connected_to(address, watcher.context(), &raw const watcher::CONNECTION);
    let socket = accept(listener, ptr::null_mut(), ptr::null()).succeed();
    if events != 0 {
        assert_eq!(set_events(own, events), STATUS_SUCCESS);
    }
    [listener, socket_of(socket), own]
}

fn close_all(sockets: impl IntoIterator<Item = PWSK_SOCKET>) {
    for socket in sockets {
        close(socket);
    }
}
