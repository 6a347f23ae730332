//! Runs in worlds of several machines.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::check_end;
use super::command::{command_of_seed, given_seed};
#[cfg(all(unix, not(miri)))]
use crate::kernel::last_words;
use crate::kernel::panics::caught;
use crate::world::World;

/// Runs a scenario in a new [`World`] for each seed.
///
/// The calling thread belongs to the world, and to none of its machines, while the scenario runs. Afterwards, each machine
/// that is up is checked as [`run`](super::run) checks a host. The environment variable `WSK_HOST_SEED` replaces `seeds` by one seed.
///
/// ```
/// use wsk_host::Config;
///
/// wsk_host::run_world(0..4, |world| {
///     let machine = world.add("server", Config::default(), ["10.0.0.1".parse().unwrap()]).unwrap();
///     world.block_on(machine.host().scope(async { /* the driver's code */ }));
/// });
/// ```
///
/// # Panics
///
/// As [`run`](super::run).
pub fn run_world(seeds: Range<u64>, scenario: impl Fn(World)) {
    let seeds = given_seed().map_or(seeds, |seed| seed..seed.saturating_add(1));
    assert!(!seeds.is_empty(), "a test needs at least one seed");
    #[cfg(all(unix, not(miri)))]
    last_words::install();
    for seed in seeds {
        let world = World::new(seed);
        let result = catch_unwind(AssertUnwindSafe(|| {
            caught(|| {
                let entered = world.enter();
                scenario(world.clone());
                for host in world.hosts() {
                    check_end(&host);
                }
                drop(entered);
            });
        }));
        if let Err(panic) = result {
            for host in world.hosts() {
                let trace = host.kernel().trace_tail(40);
                eprintln!("wsk-host: {}\nlast calls:{trace}", host.kernel().description());
            }
            eprintln!("wsk-host: failed in {world:?}; to repeat it:\n{}", command_of_seed(seed));
            resume_unwind(panic);
        }
    }
}
