//! Reports of tests that hang, panic, or break a rule: each in a separate process, whose harness captures the
//! output as it does in plain `cargo test`.

#![cfg(not(miri))] // Miri starts no processes.

mod failures;
mod hangs;
mod places;
mod replays;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Set in the process that runs the scenario.
const SCENARIO: &str = "WSK_HOST_REPORTED";

/// More than any report takes, on a machine that is busy with other tests.
const LONG: Duration = Duration::from_secs(60);

/// Whether this is the process that runs the scenario.
fn is_scenario() -> bool {
    std::env::var_os(SCENARIO).is_some()
}

/// The output of a process: standard error and standard output.
struct ProcessOutput {
    error: String,
    output: String,
    time: Duration,
}

/// This test binary, with only the current test.
fn current_test() -> Command {
    let thread = std::thread::current();
    let test = thread.name().expect("a test's thread has its name");
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command.args([test, "--exact"]).env(SCENARIO, "1").env_remove("RUST_BACKTRACE");
    command
}

/// Runs this test binary again, with only the current test, which must fail.
#[track_caller]
fn run_failing() -> ProcessOutput {
    let start = Instant::now();
    let run = current_test().output().expect("the test binary starts");
    let said = ProcessOutput {
        error: String::from_utf8_lossy(&run.stderr).into_owned(),
        output: String::from_utf8_lossy(&run.stdout).into_owned(),
        time: start.elapsed(),
    };
    assert!(!run.status.success(), "the scenario passed:\n{}\n{}", said.error, said.output);
    said
}

/// Runs this test binary again, with only the current test, which never ends. Ends it as soon as it has written all
/// texts to standard error.
#[track_caller]
fn run_until_said(texts: &[&str]) {
    let mut run = current_test()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary starts");
    let error = run.stderr.take().expect("standard error is a pipe");
    let (sender, lines) = mpsc::channel();
    // Ends with the process.
    std::thread::spawn(move || {
        for line in BufReader::new(error).lines() {
            let Ok(line) = line else { return };
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + LONG;
    let mut said = String::new();
    while !texts.iter().all(|text| said.contains(text)) {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = lines.recv_timeout(left) else { break };
        said.push('\n');
        said.push_str(&line);
    }
    let _ = run.kill();
    run.wait().expect("the process can be waited for");
    require(&said, texts);
}

#[track_caller]
fn require(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "`{text}` is missing in:\n{said}");
    }
}
