//! Names and addresses, on the simulated network.

mod answers;
mod hosts;
mod lifetimes;
mod memory;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use test_support::scenario::{on_host, timings};
use wsk::{Provider, Result};
use wsk_host::{Config, Host};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1));

/// Runs a scenario with every timing, on hosts that know some names.
fn everywhere(scenario: impl AsyncFn(Provider, Host) -> Result<()>) {
    for timing in timings() {
        with(Config { timing, ..Config::default() }, &scenario);
    }
}

fn with(config: Config, scenario: impl AsyncFnOnce(Provider, Host) -> Result<()>) {
    let host = host(config);
    let result = on_host(&host, async |wsk| scenario(wsk, host.clone()).await);
    result.unwrap_or_else(|error| panic!("{config:?}: {error}"));
    assert_eq!(host.outstanding_allocations(), 0, "{config:?}: not all memory was freed");
}

/// A host with two addresses for one name.
fn host(config: Config) -> Host {
    let host = Host::new(config);
    host.add_name("server.example", V4);
    host.add_name("server.example", V6);
    host
}

fn calls(host: &Host, function: &str) -> usize {
    host.trace().iter().filter(|line| line.contains(function)).count()
}
