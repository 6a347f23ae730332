//! Safe code that tries to break the crate: owners dropped at bad moments, forgotten futures and guards, wakers that call back or
//! poll in place, exchanged contents, retained data, panics, and sizes at the ends of their ranges.

mod exchanged;
mod forgotten;
mod guards;
mod in_place;
mod owners;
mod panics;
mod retained;
mod sizes;
mod wakers;

use test_support::scenario::{passive, unload};
use test_support::seeds::seeds;
use wsk::rt::{self, DpcExecutor};
use wsk::{Provider, Result, Runtime};
use wsk_host::{Config, Host, Timing};

use crate::unload::register;

/// What a scenario uses.
struct Driver {
    wsk: Provider,
    runtime: Runtime,
    dpcs: DpcExecutor,
}

/// Runs a scenario with some seeds, ends everything in order, and unloads the driver. Returns the number of allocations that
/// each run has left.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
fn driver(scenario: impl AsyncFn(&Driver) -> Result<()>) -> Vec<usize> {
    let run = |seed| {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        let (registration, wsk) = register();
        let runtime = Runtime::new(passive(), 2).unwrap();
        let dpcs = DpcExecutor::new(passive(), 1).unwrap();
        let driver = Driver { wsk, runtime, dpcs };
        let result = rt::block_on(passive(), scenario(&driver)).unwrap();
        result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let Driver { wsk, runtime, dpcs } = driver;
        drop(wsk);
        runtime.shutdown(passive());
        dpcs.shutdown(passive());
        registration.deregister(passive());
        unload(&host);
        host.outstanding_allocations()
    };
    (0..seeds(20, 1)).map(run).collect()
}

/// As [`driver`], for a scenario that leaves nothing.
fn with_driver(scenario: impl AsyncFn(&Driver) -> Result<()>) {
    for (seed, left) in driver(scenario).into_iter().enumerate() {
        assert_eq!(left, 0, "seed {seed}");
    }
}
