//! What a test says that hangs, panics, or breaks a rule: each in a process of its own, whose harness captures the
//! output as it does in plain `cargo test`.

#![cfg(not(miri))] // Miri starts no processes.

mod failures;
mod hangs;
mod places;

use std::process::Command;
use std::time::{Duration, Instant};

/// Set in the process that runs the scenario.
const SCENARIO: &str = "WSK_HOST_REPORTED";

/// Whether this is the process that runs the scenario.
fn is_scenario() -> bool {
    std::env::var_os(SCENARIO).is_some()
}

/// What a process wrote to standard error, and to standard output.
struct Said {
    error: String,
    output: String,
    time: Duration,
}

/// Runs this test binary again, with only the current test, which must fail.
#[track_caller]
fn run_failing() -> Said {
    let thread = std::thread::current();
    let test = thread.name().expect("a test's thread has its name");
    let start = Instant::now();
    let run = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args([test, "--exact"])
        .env(SCENARIO, "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("the test binary starts");
    let said = Said {
        error: String::from_utf8_lossy(&run.stderr).into_owned(),
        output: String::from_utf8_lossy(&run.stdout).into_owned(),
        time: start.elapsed(),
    };
    assert!(!run.status.success(), "`{test}` passed:\n{}\n{}", said.error, said.output);
    said
}

#[track_caller]
fn require(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "`{text}` is missing in:\n{said}");
    }
}
