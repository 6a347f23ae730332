//! A user-mode NT kernel with Windows Kernel Sockets (WSK): link it instead of the kernel, and a WSK client runs
//! under `cargo test`, on any system.
//!
//! A client reaches this crate through the C ABI alone: it defines the functions that `wsk-sys` declares
//! (`WskRegister`, `IoInitializeIrp`, …) under their C names, and the provider's tables behind them. So it
//! depends on nothing of the client, which may be in any language. To link it, name it once:
//!
//! ```
//! extern crate wsk_host;
//! ```
//!
//! # Contents
//!
//! - **The kernel** ([`kernel`]): every call that `wsk-sys` declares, except `DbgPrint`, whose number of arguments
//!   varies: IRPs, MDLs, pool, events and waits, threads, work items, timers, the IRQL of each thread. A driver
//!   without sockets can be tested on it alone.
//! - **WSK**: the five categories of sockets with every function and callback, the control codes, name
//!   resolution, and tables as long as those of a chosen [`Windows`]. Where documentation is silent (options of
//!   stream sockets, `WskReceiveEx`, …), calls are allowed rather than refused.
//! - **Two networks** ([`Network`]). In memory, the seed of [`Timing::Mixed`] decides everything: when and
//!   where requests complete, delays, partial receives, and the order of threads, of which one runs at a time.
//!   Time advances while all threads wait, and by a millisecond for every thousand steps that they take without a wait.
//!   So the same seed gives the same run, which [`Host::trace`] shows. Or the machine's own network, so that any program can be the peer. A third one carries nothing, for
//!   measurements.
//! - **[`Faults`]**: losses, resets, forced closes, requests that hang; allocations that fail,
//!   [one](Host::fail_allocation) or [all that follow](Host::fail_allocations_from); WSK
//!   [withdrawn](Host::withdraw) or [not ready](Readiness).
//! - **A verifier**, always on: when a client breaks a rule that it can see, it stops the process and reports the
//!   rule, the call, the finding, the origin of the object, and the last events. [`rules`] lists all of WSK's
//!   rules, the effect of breaking each on a host, and the tests that show it. The kernel's own rules are
//!   verified, too: the IRQL of each call, and memory that is freed twice or with another tag.
//!
//! - **Reports of hangs**: if all threads of a host wait for something that never comes, the process ends within
//!   seconds. The report has the call in which each thread waits, the open sockets, the requests in flight and the likely
//!   mistake. If something outside of the process could end a wait (a peer on the machine's network, a thread in
//!   [`Host::blocking`]), a test reports the same, once, and goes on. The environment variable `WSK_HOST_PATIENCE`
//!   is the number of seconds, by default 5; 0 means never.
//!
//! [`guide`] has three complete clients: raw, async, and with callbacks.
//!
//! # Limits
//!
//! A process has one address space, no paging and no interrupts: all memory is resident, and a deferred procedure
//! call runs where a thread calls the kernel or waits. Where WSK's documentation is silent, the behavior was not
//! compared with Windows. It runs on Linux; for Windows it was type-checked, and for macOS not even that.
//!
//! # Hosts
//!
//! Each [`Host`] has its own network and counts its own memory. A thread belongs to the host that it has
//! [entered](Host::enter), or else to one that the process has from the beginning; system threads belong
//! to their creator's.

#![deny(unsafe_code)]
// Functions of C have C's names; what their arguments must be is documented in wsk-sys.
#![allow(
    non_snake_case,
    non_upper_case_globals,
    reason = "defined for C, under C's names, and matched by them"
)]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "a field behind a pointer is one access")]

mod config;
mod driver;
pub mod guide;
mod host;
pub mod kernel;
#[doc = include_str!("../RULES.md")]
pub mod rules {
    pub use crate::verifier::{Level, Levels, Outcome, Rule};
}
#[doc(hidden)]
pub mod testing;
mod verifier;
mod wsk;

pub use config::Config;
pub use driver::{Driver, File};
pub use host::Host;
pub use kernel::{Entered, Timing, Windows, current_irql};
pub use testing::{TestError, block_on, run};
pub use wsk::config::{Faults, Network, Readiness, Stripping};

/// Makes a function, `async` or not, a test that runs on hosts.
///
/// The test runs once for each of 32 seeds, each time on a new [`Host`], which the function may take as its argument.
/// The function's thread belongs to that host. The test fails if the function panics, returns an error, or leaves
/// behind a registration, an armed timer or memory in the pool. The failure ends with the command that repeats it: the
/// environment variable `WSK_HOST_SEED` runs one seed.
///
/// # Arguments
///
/// - `seeds = …` is another range of seeds.
/// - `config = …` is a [`Config`]. The test runs once if its [`Timing`] leaves nothing to a seed.
/// - `crate = path` is the path of this crate, for a crate that does not depend on it directly. By default it is the
///   name in `Cargo.toml`.
///
/// ```
/// use wsk_host::{Config, Host, Network, Timing};
///
/// #[wsk_host::test]
/// async fn nothing_is_left(host: Host) {
///     assert_eq!(host.outstanding_allocations(), 0);
/// }
///
/// #[wsk_host::test(seeds = 7..8)]
/// fn again_with_the_seed_that_failed() {}
///
/// #[wsk_host::test(config = Config { network: Network::Real, ..Config::default() })]
/// fn with_programs_of_this_machine() -> std::io::Result<()> {
///     Ok(())
/// }
/// ```
pub use wsk_host_macros::test;
