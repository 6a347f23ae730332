//! The runs of a test: one for each seed, one that is replayed, or all of a search.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::command::{self, RECORD, SHRINK, command_of, given_replay, given_seed, is_set};
use super::explore::Search;
use super::{run_on, shrink};
use crate::config::Config;
use crate::host::Host;
use crate::kernel::Timing;
use crate::kernel::choices::{Base, Differences, Replay, Run, RunEnd, Schedule};
#[cfg(all(unix, not(miri)))]
use crate::kernel::last_words;
use crate::kernel::panics::caught;

/// Runs a scenario on a new host for each seed; or once, if the configuration's [`Timing`] uses no seed; or as often as a
/// [search](Schedule::Exhaustive) has runs.
///
/// The calling thread belongs to the host while the scenario runs. Afterwards, the client is [unloaded](Host::unload).
///
/// A failing run ends with the command that replays it. Environment variables:
///
/// - `WSK_HOST_REPLAY` replays one run by its line, `seeds` aside;
/// - `WSK_HOST_SHRINK=1` looks for a run that fails in the same way with fewer choices that differ from the plainest, in
///   child processes, and prints its line and its story;
/// - `WSK_HOST_SEED` replaces `seeds` by one seed.
///
/// ```
/// wsk_host::run(wsk_host::Config::default(), 0..8, |host| {
///     assert_eq!(host.outstanding_allocations(), 0);
/// });
/// ```
///
/// # Panics
///
/// If the scenario panics, or leaves behind a device, locked pages, a set timer or memory in the pool. The line, the
/// configuration and the trace are written to standard error before. Also if `seeds` is empty, if `WSK_HOST_SEED` is not a
/// number, or if `WSK_HOST_REPLAY` is not a line of this version, or one of a run that does not fail any more. A
/// registration that is left behind, or code of the client that runs after the unload, ends the process with a report.
pub fn run(config: Config, seeds: Range<u64>, scenario: impl Fn(Host)) {
    #[cfg(all(unix, not(miri)))]
    last_words::install();
    let Timing::Mixed(_) = config.timing else {
        run_once(config, None, &scenario);
        return;
    };
    if is_set(SHRINK) {
        shrink::shrink();
    }
    if let Some(replay) = given_replay() {
        run_replay(config, &replay, &scenario);
        return;
    }
    let seeds = given_seed().map_or(seeds, |seed| seed..seed.saturating_add(1));
    if let Schedule::Exhaustive { differences, choices } = config.schedule {
        search(config, Search::new(differences, choices), &scenario);
        return;
    }
    assert!(!seeds.is_empty(), "a test needs at least one seed");
    for seed in seeds {
        let schedule = config.schedule.of_seed(seed);
        run_once(config, Some(&Replay::of(Base::Seed(schedule, seed))), &scenario);
    }
}

/// Runs a scenario on a new host whose choices are read from bytes, as a fuzzer provides them: each choice takes one byte, or
/// more if it has more than 256 values, and is the plainest one after the end of the bytes.
///
/// A target of cargo-fuzz for a test of one's own:
///
/// ```
/// # /*
/// fuzz_target!(|bytes: &[u8]| wsk_host::run_bytes(Config::default(), bytes, scenario));
/// # */
/// # use wsk_host::Config;
/// wsk_host::run_bytes(Config::default(), &[3, 0, 1], |host| {
///     assert_eq!(host.outstanding_allocations(), 0);
/// });
/// ```
///
/// # Panics
///
/// As [`run`]. The line of `WSK_HOST_REPLAY` that is printed replays the run in a test with the same configuration and scenario.
pub fn run_bytes(config: Config, bytes: &[u8], scenario: impl Fn(Host)) {
    #[cfg(all(unix, not(miri)))]
    last_words::install();
    let config = config.timing(Timing::Mixed(0)).schedule(Schedule::Uniform);
    let _ = run_once(config, Some(&Replay::of(Base::Bytes(bytes.to_vec()))), &scenario);
}

/// The configuration of a run: the schedule and the seed are those of its base.
fn config_of(config: Config, base: &Base) -> Config {
    match base {
        Base::Seed(schedule, seed) => config.schedule(*schedule).seed(*seed),
        // The seed and the schedule decide nothing.
        Base::Plain | Base::Bytes(_) => config.schedule(Schedule::Uniform).seed(0),
    }
}

/// The run behind a host; none if the seed decides everything, and nothing is recorded.
fn run_of(replay: &Replay) -> Option<Arc<Run>> {
    let path = std::env::var_os(RECORD).filter(|path| !path.is_empty());
    let is_of_seed = matches!(replay.base, Base::Seed(..)) && replay.differences.is_empty();
    if is_of_seed && path.is_none() {
        return None;
    }
    let run = Run::new(replay.clone());
    // A search makes many runs; the line of the failing one replays it with its story.
    let run = if is_set(command::REPLAY) { run } else { run.untold() };
    let Some(path) = path else { return Some(Arc::new(run)) };
    match File::create(&path) {
        Ok(file) => Some(Arc::new(run.lenient().writing_to(file))),
        Err(error) => panic!("{RECORD} is {}: {error}", path.to_string_lossy()),
    }
}

/// Runs a scenario once. Returns the run, if it is more than that of a seed.
fn run_once(config: Config, replay: Option<&Replay>, scenario: &impl Fn(Host)) -> Option<Arc<Run>> {
    let config = replay.map_or(config, |replay| config_of(config, &replay.base));
    let run = replay.and_then(run_of);
    let host = Host::of_run(config, run.clone());
    let again = replay.map(|replay| {
        format!("{}\n(with {SHRINK}=1 before it: to the choices that matter)", command_of(replay))
    });
    if let Some(again) = &again {
        host.kernel().set_again(again.clone());
    }
    let result = catch_unwind(AssertUnwindSafe(|| caught(|| run_on(&host, scenario))));
    if let Err(panic) = result {
        eprintln!("wsk-host: failed with {config:?}\nlast calls:{}", host.kernel().trace_tail(100));
        if let Some(again) = again {
            eprintln!("wsk-host: to repeat it:\n{again}");
        }
        resume_unwind(panic);
    }
    run
}

/// Replays a run, which is expected to fail.
fn run_replay(config: Config, replay: &Replay, scenario: &impl Fn(Host)) {
    let end = replay.end;
    let is_shrinking = is_set(RECORD);
    let run = run_once(config, Some(replay), scenario);
    let Some(end) = end.filter(|_| !is_shrinking) else { return };
    let record = run.map(|run| run.record()).unwrap_or_default();
    let now = RunEnd::of(record.get(..end.count).unwrap_or(&record));
    let variable = command::REPLAY;
    let found = if now == end {
        "it makes the same choices as the recorded run, and passes: the bug is fixed"
    } else {
        "it makes other choices than the recorded run: the line is stale, since the code has changed, or of another test"
    };
    panic!("the run of {variable}={replay} has not failed. {found}");
}

/// Makes all runs of a search.
fn search(config: Config, mut search: Search, scenario: &impl Fn(Host)) {
    let mut next = Some(Differences::new());
    while let Some(given) = next {
        let run = run_once(config, Some(&Replay::plain(given.clone())), scenario);
        let record = run.map(|run| run.record()).unwrap_or_default();
        search.passed(&record, &given);
        next = search.next();
    }
}
