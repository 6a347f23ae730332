//! Connections of raw clients: requests and callbacks.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

mod conditional_accept;
mod events;
mod faults;
mod listening;
mod receive_events;
mod requests;
mod stream;
mod windows;

#[path = "../raw/mod.rs"]
mod raw;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use raw::{Client, PoolBuffer, close, receive_exactly, send};
use wsk_host::{Config, Host, Timing};

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
