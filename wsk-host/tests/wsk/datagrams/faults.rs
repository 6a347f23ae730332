//! Faults of datagrams on the simulated network, as a seed decides them.

use wsk_host::{Config, Faults, Timing};

use test_support::raw::datagrams::{Receive, any_port, bound, send_to};
use test_support::raw::{Client, close};
use test_support::seeds::seeds;
use wsk_sys::AF_INET;

/// Datagrams of one run.
const COUNT: u8 = 20;

/// Sends `COUNT` datagrams. Returns those that arrive, in their order, and the trace.
fn run(config: Config) -> (Vec<u8>, Vec<String>) {
    let client = Client::new(config);
    let (sender, _) = bound(&client, any_port(AF_INET));
    let (receiver, address) = bound(&client, any_port(AF_INET));
    for byte in 0..COUNT {
        send_to(sender, &[byte], address);
    }
    let mut all = Vec::new();
    loop {
        let next = Receive::new(receiver, 1, 0);
        // Time passes only while nothing else happens, so that this takes none.
        if !next.request.completes_within(1000) {
            next.request.cancel();
            assert!(next.wait().is_err());
            break;
        }
        all.push(next.wait().unwrap().bytes[0]);
    }
    close(sender);
    close(receiver);
    let trace = client.host.trace();
    client.end();
    (all, trace)
}

fn runs(config: Config) -> Vec<Vec<u8>> {
    (0..seeds(60, 4)).map(|seed| run(config.seed(seed)).0).collect()
}

fn sorted(mut all: Vec<u8>) -> Vec<u8> {
    all.sort_unstable();
    all
}

#[test]
fn without_faults_and_delay_everything_arrives_in_order() {
    let expected: Vec<u8> = (0..COUNT).collect();
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(3)] {
        let config = Config::default().timing(timing).delay(std::time::Duration::ZERO);
        assert_eq!(run(config).0, expected);
    }
}

#[test]
fn a_delay_changes_the_order_and_loses_nothing() {
    let expected: Vec<u8> = (0..COUNT).collect();
    let all = runs(Config::default());
    let changed = all.iter().filter(|run| **run != expected).count();
    assert!(changed * 2 > all.len(), "{changed} of {} runs", all.len());
    assert!(all.into_iter().all(|run| sorted(run) == expected));
}

#[test]
fn one_of_five_is_lost() {
    let all = runs(Config::default().faults(Faults { loss: 200, ..Faults::default() }));
    let expected = usize::from(COUNT) * all.len();
    let lost = expected - all.iter().map(Vec::len).sum::<usize>();
    assert!((expected / 10..expected / 3).contains(&lost), "{lost} of {expected}");
    for run in all {
        let distinct = sorted(run.clone());
        assert!(distinct.windows(2).all(|pair| pair[0] < pair[1]), "{run:?}");
    }
}

#[test]
fn one_of_five_arrives_twice() {
    let all = runs(Config::default().faults(Faults { duplication: 200, ..Faults::default() }));
    let expected = usize::from(COUNT) * all.len();
    let doubled = all.iter().map(Vec::len).sum::<usize>() - expected;
    assert!((expected / 10..expected / 3).contains(&doubled), "{doubled} of {expected}");
    for run in all {
        let mut distinct = sorted(run);
        distinct.dedup();
        assert_eq!(distinct, (0..COUNT).collect::<Vec<_>>());
    }
}

#[test]
fn a_certain_fault_always_happens() {
    let lost = run(Config::default().faults(Faults { loss: 1000, ..Faults::default() })).0;
    assert_eq!(lost, []);
    let doubled =
        run(Config::default().faults(Faults { duplication: 1000, ..Faults::default() })).0;
    assert_eq!(doubled.len(), 2 * usize::from(COUNT));
}

#[test]
fn the_same_seed_gives_the_same_faults_and_the_same_trace() {
    let faults = Faults { loss: 100, duplication: 100, ..Faults::default() };
    let all = || -> Vec<_> {
        let seeds = 0..seeds(30, 2);
        seeds.map(|seed| run(Config::default().faults(faults).seed(seed))).collect()
    };
    let first = all();
    assert_eq!(first, all());
    assert!(first.iter().any(|run| *run != first[0]), "all seeds give the same run");
}
