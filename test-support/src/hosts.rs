//! The hosts that tests of raw clients run on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use wsk_host::{Config, Host, Timing};

use crate::raw::Client;
use crate::seeds::seeds;

/// The simulated network: both timings without chance, and seeds that decide the timing.
pub fn simulated() -> Vec<Config> {
    let mut configs =
        vec![Config::default().timing(Timing::Inline), Config::default().timing(Timing::Deferred)];
    configs.extend((0..seeds(40, 2)).map(|seed| Config::default().seed(seed)));
    configs
}

/// The machine's network. Empty under Miri, which has no network.
pub fn real() -> Vec<Config> {
    if cfg!(miri) {
        return Vec::new();
    }
    let mut configs =
        vec![Config::real().timing(Timing::Inline), Config::real().timing(Timing::Deferred)];
    configs.extend((0..4).map(|seed| Config::real().seed(seed)));
    configs
}

/// Both networks, with all timings.
pub fn both_networks() -> Vec<Config> {
    let mut configs = simulated();
    configs.extend(real());
    configs
}

/// Runs a scenario once on each host. Its client must leave no memory allocated.
///
/// A failure prints the host's configuration and the last calls before it.
pub fn on(configs: impl IntoIterator<Item = Config>, scenario: impl Fn(&Client)) {
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
            eprintln!("failed with {config:?}\nafter these calls:\n  {tail}");
            resume_unwind(panic);
        }
    }
}

/// Runs a scenario once on each host of [`both_networks`].
pub fn everywhere(scenario: impl Fn(&Client)) {
    on(both_networks(), scenario);
}
