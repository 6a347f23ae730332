//! A user-mode NT kernel with Windows Kernel Sockets (WSK): link it instead of the kernel, and a WSK client runs
//! under `cargo test`, on any system.
//!
//! A client reaches this crate through the C ABI alone: it defines the functions that `wsk-sys` declares
//! (`WskRegister`, `IoInitializeIrp`, …) under their C names, and the provider's tables behind them. So it
//! depends on no client, and a client may be written in any language. To link it, name it once:
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
//! - **Three networks** ([`Network`]):
//!   - *Simulated*, in memory. The seed of [`Timing::Mixed`] decides when and where requests complete, delays, partial
//!     receives, and the order of threads; one thread runs at a time. Time advances while all threads wait, and by a
//!     millisecond for every thousand steps that they take without a wait. So a failing seed fails every time, with the
//!     same [trace](Host::trace).
//!   - *Real*, the machine's own: any program can be the peer.
//!   - *Null*, without peers, to measure the cost of a client.
//! - **Faults** ([`Faults`]): losses, resets, forced closes, requests that hang; allocations that fail,
//!   [one](Host::fail_allocation) or [every one from a number on](Host::fail_allocations_from); WSK
//!   [withdrawn](Host::withdraw) or [not ready](Readiness).
//! - **A verifier**, always on: when a client breaks a rule that it can see, it stops the process and reports the
//!   rule, the call, the finding, the origin of the object, and the last events. [`rules`] lists all of WSK's
//!   rules, the effect of breaking each on a host, and the tests that show it. The kernel's own rules are
//!   verified, too: the IRQL of each call, and memory that is freed twice, with another tag, or used afterwards.
//!   On Linux on x64, IRPs of `IoAllocateIrp` and whole pages of larger blocks are protected after their free: a read
//!   is reported as well, at the instruction that reads. Elsewhere, and for other memory, a use after the free is found
//!   by a call with the object, or by a change of the bytes `0xDD` that fill it.
//! - **Reports of hangs**: if every thread of a host waits and nothing can end a wait, the process ends within
//!   seconds. The report names the call that each thread waits in, the open sockets, the requests in flight and the
//!   likely mistake. If something outside the process could end a wait (a peer on the machine's network, a thread in
//!   [`Host::blocking`]), a test writes the report once and continues. The environment variable `WSK_HOST_PATIENCE`
//!   sets the time before the report, in seconds: 5 by default, and 0 disables the report.
//!
//! [`guide`] has three complete clients: raw, async, and with callbacks.
//!
//! # Limits
//!
//! A process has one address space, no paging and no interrupts: all memory is resident, and a deferred procedure
//! call (DPC) runs when a thread calls the kernel or waits. Where WSK's documentation is silent, the behavior was not
//! compared with Windows. The host runs on Linux. The build for Windows is type-checked only; macOS is untested.
//!
//! # Features
//!
//! | feature | effect |
//! |---|---|
//! | `world` | worlds of several machines in one test, with the links between them (`World`). TCP is the crate smoltcp's, which needs Rust 1.91 |
//!
//! # Hosts
//!
//! Each [`Host`] has its own network and counts its own memory. A thread belongs to the host that it has
//! [entered](Host::enter). A system thread belongs to the host of its creator. Every other thread belongs to the
//! process's default host, which uses the machine's network.

#![deny(unsafe_code)]
// The functions defined for C keep their C names. `wsk-sys` documents the contracts of their arguments.
#![allow(
    non_snake_case,
    non_upper_case_globals,
    reason = "defined for C, under C's names, and matched by them"
)]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "a field behind a pointer is one access")]

mod call_stack;
mod config;
mod driver;
pub mod guide;
mod host;
#[cfg(images)]
#[doc(hidden)]
pub mod images;
pub mod kernel;
#[doc = include_str!("../RULES.md")]
pub mod rules {
    pub use crate::verifier::{Level, Levels, Outcome, Rule};
}
#[doc(hidden)]
pub mod testing;
mod verifier;
#[cfg(feature = "world")]
mod world;
mod wsk;

pub use config::Config;
pub use driver::{Driver, File};
pub use host::Host;
pub use kernel::choices::Schedule;
pub use kernel::registry::RegistryValue;
pub use kernel::usage::PassedMemory;
pub use kernel::{Entered, Timing, Windows, current_irql};
#[cfg(feature = "world")]
pub use testing::run_world;
pub use testing::{TestError, block_on, run, run_bytes};
#[cfg(feature = "world")]
pub use world::{LinkChange, Machine, Scope, World, WorldError};
pub use wsk::config::{CallStatus, Faults, Indications, Network, Readiness, Stripping};
#[cfg(feature = "world")]
pub use wsk::link::Link;

/// Makes a function, `async` or not, a test that runs on hosts.
///
/// The test runs once for each of 32 seeds, each time on a new [`Host`], which the function may take as its argument.
/// The function's thread belongs to that host. After the function has returned, the client is
/// [unloaded](Host::unload).
///
/// The test fails if the function panics, returns an error, or leaves behind a registration, a set timer, a device,
/// locked pages or memory in the pool; or if code of the client runs after the unload. The failure ends with the
/// command that replays it: [`run`](fn@run) describes the environment variables that replay and shrink a run.
///
/// # Arguments
///
/// - `seeds = …` is another range of seeds.
/// - `schedule = …` is the [`Schedule`] of the runs.
/// - `config = …` is a [`Config`]. With [`Timing::Inline`] or [`Timing::Deferred`], which use no seed, the test runs
///   once.
/// - `crate = path` is the path of this crate, for a crate that does not depend on it directly. The default is its name
///   in `Cargo.toml`.
///
/// ```
/// use wsk_host::{Config, Host, Network, Schedule, Timing};
///
/// #[wsk_host::test]
/// async fn nothing_is_left(host: Host) {
///     assert_eq!(host.outstanding_allocations(), 0);
/// }
///
/// #[wsk_host::test(seeds = 7..8)]
/// fn again_with_the_seed_that_failed() {}
///
/// #[wsk_host::test(schedule = Schedule::Exhaustive { differences: 1, choices: 50 })]
/// fn each_run_with_one_unusual_choice() {}
///
/// #[wsk_host::test(config = Config { network: Network::Real, ..Config::default() })]
/// fn with_programs_of_this_machine() -> std::io::Result<()> {
///     Ok(())
/// }
/// ```
pub use wsk_host_macros::test;
