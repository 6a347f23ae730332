//! Scenarios that end their process: a test starts its own binary again to run one.

use std::any::type_name;
use std::env;
use std::process::Command;

/// Set in the process that runs the scenario. Its value is the scenario's argument.
const SCENARIO: &str = "WSK_HOST_SCENARIO";

/// The path of the test that `F`, a closure, is written in.
pub fn test_of<F>() -> String {
    let name = type_name::<F>().trim_end_matches("::{{closure}}");
    name.split_once("::").map_or(name, |(_, path)| path).to_owned()
}

/// Runs `scenario` in a separate process, which must fail. Returns what the process wrote to standard error.
///
/// `test` is the path of the calling test; the new process runs it, and only it. There, `scenario` is called with
/// `argument`, and this returns `None`.
#[track_caller]
pub fn run_failing(test: &str, argument: &str, scenario: impl FnOnce(&str)) -> Option<String> {
    if let Ok(argument) = env::var(SCENARIO) {
        scenario(&argument);
        eprintln!("the scenario ended without a report");
        return None;
    }
    let output = Command::new(env::current_exe().expect("the test binary has a path"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, argument)
        // Looking the client's places up takes a good part of a second.
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the test binary starts");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "`{test}` passed:\n{report}");
    Some(report)
}
