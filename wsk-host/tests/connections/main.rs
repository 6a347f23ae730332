//! Connections of raw clients: requests and callbacks.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

mod conditional_accept;
mod events;
mod faults;
mod listening;
mod null;
mod receive_events;
mod requests;
mod stream;
mod windows;

#[path = "../raw/mod.rs"]
mod raw;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use raw::watcher::{self, Watcher};
use raw::{Client, PoolBuffer, accept, close, receive_exactly, send, set_events, socket_of};
use wsk_host::{Config, Host, Timing};
use wsk_sys::{PWSK_SOCKET, STATUS_SUCCESS, ULONG};

/// The hosts that a scenario runs on: both networks, and all timings.
fn hosts() -> Vec<Config> {
    let mut configs = simulated();
    if !cfg!(miri) {
        configs.push(Config::real());
        configs.push(Config::real().seed(1));
        configs.push(Config::real().timing(Timing::Inline));
        configs.push(Config::real().timing(Timing::Deferred));
    }
    configs
}

/// As [`hosts`], without the machine's network.
fn simulated() -> Vec<Config> {
    let seeds = if cfg!(miri) { 2 } else { 40 };
    let mut configs =
        vec![Config::default().timing(Timing::Inline), Config::default().timing(Timing::Deferred)];
    configs.extend((0..seeds).map(|seed| Config::default().seed(seed)));
    configs
}

/// Runs a scenario on hosts, each with a client that has nothing left at its end. What fails says where.
fn on(configs: Vec<Config>, scenario: impl Fn(&Client)) {
    for config in configs {
        let host = Host::new(config);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let client = Client::on(&host);
            scenario(&client);
            client.end();
        }));
        if let Err(panic) = result {
            let trace = host.trace();
            let tail = trace[trace.len().saturating_sub(60)..].join("\n  ");
            eprintln!("this happened with {config:?}\nafter this:\n  {tail}");
            resume_unwind(panic);
        }
    }
}

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
