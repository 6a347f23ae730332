//! Planted bugs, and the schedules that find them. `cargo xtask bench --schedules` writes docs/schedules.md with the
//! ignored test of this file.

#![cfg(not(miri))] // Thousands of runs.

mod bugs;
mod threads;

use std::cell::Cell;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use bugs::{Client, OF_SOCKETS, OF_THREADS};
use wsk_host::{Config, Host, Schedule, testing};

/// The calls that the threads of a client make before their mistake.
const CALLS: [usize; 3] = [0, 8, 64];

const SCHEDULES: [(&str, Schedule); 5] = [
    ("uniform", Schedule::Uniform),
    ("PCT 2", Schedule::Pct { depth: 2 }),
    ("PCT 3", Schedule::Pct { depth: 3 }),
    ("PCT 5", Schedule::Pct { depth: 5 }),
    ("alternate 3", Schedule::Alternate { depth: 3 }),
];

/// The name of a bug, its client, and the calls before its mistake.
fn all() -> Vec<(String, Client, usize)> {
    let of_threads = OF_THREADS.into_iter().flat_map(|(name, client)| {
        CALLS.map(|calls| (format!("{name}, after {calls} calls"), client, calls))
    });
    let of_sockets = OF_SOCKETS.into_iter().map(|(name, client)| (name.to_owned(), client, 0));
    of_threads.chain(of_sockets).collect()
}

/// Whether a run of a client works.
fn works(schedule: Schedule, seed: u64, client: Client, calls: usize) -> bool {
    let host = Host::new(Config::default().schedule(schedule).seed(seed));
    let entered = host.enter();
    let works = client(&host, calls);
    drop(entered);
    works
}

#[test]
fn every_planted_bug_is_found() {
    let bugs = all();
    assert!(bugs.len() >= 30, "{}", bugs.len());
    // The same bug after more calls needs more runs: see the table.
    for (name, client, calls) in bugs.into_iter().filter(|(.., calls)| *calls == 0) {
        let finds =
            |seed| SCHEDULES.iter().any(|(_, schedule)| !works(*schedule, seed, client, calls));
        assert!((0..400).any(finds), "{name}");
    }
}

/// Each bug needs unusual choices: the search of no differences does not find it.
#[test]
fn the_plainest_run_finds_none() {
    let plainest = Schedule::Exhaustive { differences: 0, choices: 0 };
    for (name, client, calls) in all() {
        let run = || {
            testing::run(Config::default().schedule(plainest), 0..1, |host| {
                assert!(client(&host, calls));
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "{name}");
    }
}

/// The number of seeds for each bug and schedule.
const SEEDS: u64 = 200;

/// What a schedule finds of a bug.
struct Found {
    /// The seeds that find it.
    count: u64,
    /// The median number of runs to the first that finds it, from each seed on.
    median: Option<u64>,
    time: Duration,
}

fn measure(schedule: Schedule, client: Client, calls: usize) -> Found {
    let start = Instant::now();
    let found: Vec<u64> =
        (0..SEEDS).filter(|seed| !works(schedule, *seed, client, calls)).collect();
    let time = start.elapsed();
    let from = |seed: u64| found.iter().find(|found| **found >= seed).map(|found| found - seed + 1);
    let mut runs: Vec<u64> = (0..SEEDS).map(|seed| from(seed).unwrap_or(u64::MAX)).collect();
    runs.sort_unstable();
    let median = Some(runs[runs.len() / 2]).filter(|median| *median != u64::MAX);
    Found { count: found.len() as u64, median, time }
}

/// The most runs of a search.
const MOST_RUNS: u64 = 2000;

/// The runs that a bounded exhaustive search makes until one fails, if that is at most [`MOST_RUNS`].
fn search(client: Client, calls: usize) -> Option<u64> {
    let schedule = Schedule::Exhaustive { differences: 2, choices: 400 };
    let (runs, has_failed) = (Cell::new(0), Cell::new(false));
    let run = || {
        testing::run(Config::default().schedule(schedule), 0..1, |host| {
            runs.set(runs.get() + 1);
            has_failed.set(!client(&host, calls));
            assert!(!has_failed.get() && runs.get() < MOST_RUNS, "this run ends the search");
        });
    };
    let is_ended = catch_unwind(AssertUnwindSafe(run)).is_err();
    (is_ended && has_failed.get()).then(|| runs.get())
}

const INTRODUCTION: &str = "\
# Schedules and planted bugs

How often the runs of each [schedule](../wsk-host/src/kernel/choices/schedule.rs) find a planted bug, in percent of 200 seeds,
and behind the slash the median number of runs to the first find. The clients are in `wsk-host/tests/planted/bugs.rs`: each
has one mistake, and passes in the plainest run. The bugs of threads come after 0, 8 and 64 kernel calls of each thread.
The last column is the number of runs of the bounded exhaustive search (at most 2 differences in the first 400 choices) until
one fails, of at most 2000. `cargo xtask bench --schedules` writes this page. The counts are those of the seeds, and the same on every machine; the time is
not.

Uniform is the default: it finds the most of these bugs, in about the same time. PCT finds a use after the unload more often,
and the search finds most bugs of two events, also after many calls. The bugs are short windows between few threads, in which
a preemption at one call in four is likely to help.

";

#[test]
#[ignore = "writes docs/schedules.md: cargo xtask bench --schedules"]
fn table() {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| bug |");
    for (name, _) in SCHEDULES {
        let _ = write!(page, " {name} |");
    }
    let _ = writeln!(page, " exhaustive |\n| --- |{}", " ---: |".repeat(SCHEDULES.len() + 1));
    let mut sums = [(0, 0, Duration::ZERO); SCHEDULES.len()];
    for (name, client, calls) in all() {
        let _ = write!(page, "| {name} |");
        for (sum, (_, schedule)) in sums.iter_mut().zip(SCHEDULES) {
            let found = measure(schedule, client, calls);
            let median = found.median.map_or_else(|| "-".to_owned(), |median| median.to_string());
            let _ = write!(page, " {} / {median} |", found.count * 100 / SEEDS);
            // A test has 32 seeds by default.
            let is_found = found.median.is_some_and(|median| median <= 32);
            *sum = (sum.0 + found.count, sum.1 + u64::from(is_found), sum.2 + found.time);
        }
        let runs = search(client, calls).map_or_else(|| "-".to_owned(), |runs| runs.to_string());
        let _ = writeln!(page, " {runs} |");
    }
    let bugs = all().len() as u64;
    let rates = sums.map(|(count, ..)| format!(" {} |", count * 100 / (SEEDS * bugs)));
    let within = sums.map(|(_, within, _)| format!(" {within} |"));
    let times = sums.map(|(.., time)| format!(" {:.1} |", time.as_secs_f64()));
    let _ = writeln!(page, "| **percent of all runs** |{} |", rates.concat());
    let _ = writeln!(page, "| **bugs with a median of at most 32 runs** |{} |", within.concat());
    let _ = writeln!(page, "| **seconds, all runs** |{} |", times.concat());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schedules.md");
    std::fs::write(path, page).expect("docs/schedules.md can be written");
}
