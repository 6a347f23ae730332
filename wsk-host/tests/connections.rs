//! Connections of raw clients: requests and callbacks.

mod raw;

use raw::{Client, PoolBuffer, close, disconnect, receive, receive_exactly, send};
use wsk_host::{Config, Network, Timing};

/// The hosts that a scenario runs on: both networks, and all timings.
fn hosts() -> Vec<Config> {
    let seeds = if cfg!(miri) { 2 } else { 40 };
    let mut configs =
        vec![Config::default().timing(Timing::Inline), Config::default().timing(Timing::Deferred)];
    configs.extend((0..seeds).map(|seed| Config::default().seed(seed)));
    if !cfg!(miri) {
        configs.push(Config { network: Network::Real, ..Config::default() });
        configs.push(Config::real().timing(Timing::Inline));
    }
    configs
}

#[test]
fn bytes_go_both_ways_and_then_an_end() {
    for config in hosts() {
        let client = Client::new(config);
        let [listener, socket, accepted] = client.connections();
        for (from, to) in [(socket, accepted), (accepted, socket)] {
            let buffer = PoolBuffer::with(b"hello");
            assert_eq!(send(from, &buffer).succeed(), 5);
            assert_eq!(receive_exactly(to, 5), b"hello");
            disconnect(from).succeed();
            let buffer = PoolBuffer::new(5);
            assert_eq!(receive(to, &buffer, 0).succeed(), 0);
        }
        for socket in [listener, socket, accepted] {
            close(socket);
        }
        client.end();
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
