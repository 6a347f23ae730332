//! The environment variables of a run, and the command that repeats it.

use std::ffi::OsStr;
use std::process::Command;

use crate::kernel::choices::Replay;

/// Selects a seed.
const SEED: &str = "WSK_HOST_SEED";
/// Replays a run: a line, or `@` and the path of a file with the line.
pub(super) const REPLAY: &str = "WSK_HOST_REPLAY";
/// Shrinks a failing run.
pub(super) const SHRINK: &str = "WSK_HOST_SHRINK";
/// The file that a process of the shrinking writes its choices to.
pub(super) const RECORD: &str = "WSK_HOST_RECORD";

/// The seed of the environment.
pub(super) fn given_seed() -> Option<u64> {
    let given = std::env::var(SEED).ok()?;
    match given.parse() {
        Ok(seed) => Some(seed),
        Err(error) => panic!("{SEED} is `{given}`, and must be the number of a seed: {error}"),
    }
}

/// The run of the environment.
pub(super) fn given_replay() -> Option<Replay> {
    let given = std::env::var(REPLAY).ok()?;
    let line = match given.strip_prefix('@') {
        None => given.clone(),
        Some(path) => match std::fs::read_to_string(path) {
            Ok(line) => line,
            Err(error) => panic!("{REPLAY} names the file `{path}`, which cannot be read: {error}"),
        },
    };
    match Replay::parse(&line) {
        Ok(replay) => Some(replay),
        Err(error) => panic!("{REPLAY} is `{given}`, which cannot be replayed: {error}"),
    }
}

/// Whether a variable is set, and not empty.
pub(super) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The name of the current thread's test, after which the harness names the thread.
fn test_name() -> Option<String> {
    let thread = std::thread::current();
    thread.name().filter(|name| *name != "main").map(str::to_owned)
}

/// The command that replays a run of the current thread's test.
pub(super) fn command_of(replay: &Replay) -> String {
    format!("{REPLAY}={replay} {}", this_command())
}

/// The command that runs the current thread's test with a seed.
#[cfg(feature = "world")]
pub(super) fn command_of_seed(seed: u64) -> String {
    format!("{SEED}={seed} {}", this_command())
}

/// The command that runs the current thread's test.
fn this_command() -> String {
    match test_name() {
        Some(test) => {
            let package = std::env::var("CARGO_PKG_NAME");
            let package = package.map_or_else(|_| String::new(), |name| format!(" -p {name}"));
            format!("cargo test{package} {test} -- --exact")
        }
        None => std::env::args().collect::<Vec<_>>().join(" "),
    }
}

/// The current program, with the current thread's test alone, not captured.
pub(super) fn this_test() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    match test_name() {
        Some(test) => {
            command.args([test.as_str(), "--exact", "--include-ignored", "--nocapture"]);
        }
        None => {
            command.args(std::env::args_os().skip(1).filter(|argument| argument != OsStr::new("")));
        }
    }
    Ok(command)
}
