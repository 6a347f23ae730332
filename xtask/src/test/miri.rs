//! The tests of `wsk` in Miri, which finds undefined behavior. They run on the simulated network, with few seeds:
//! `cfg!(miri)` in the tests selects them.
//!
//! Miri runs all threads of a process in one thread, so one process is started for each processor.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::project;

const TOOLCHAIN: &str = "nightly";

/// Memory that is lent to C passes through integers. The host never frees some of its own memory: its default kernel,
/// its closed sockets, and the threads of those that have ended theirs. It reads the machine's clock.
const FLAGS: &str = "-Zmiri-permissive-provenance -Zmiri-ignore-leaks -Zmiri-disable-isolation";

/// Turns off the checks that Miri makes itself, and the warnings about code that only the other tests use.
const RUSTFLAGS: &str = "-Zub-checks=no --allow=unused";

/// The test binaries, by Cargo's names.
const TARGETS: [&[&str]; 4] =
    [&["--lib"], &["--test", "events"], &["--test", "host"], &["--test", "pitfalls"]];

/// The number of tests that a process runs. It is small enough to keep all processors busy until the end, and large
/// enough for the start of a process, which takes a few seconds, not to matter.
const TESTS: usize = 4;

/// Tests of one target.
struct TestRun {
    target: &'static [&'static str],
    names: Vec<String>,
}

/// Checks that Miri is installed, or installs it.
pub(super) fn require(setup: bool, flag: &str) -> Result<()> {
    let shell = Shell::new()?;
    let version = cmd!(shell, "rustup run {TOOLCHAIN} cargo miri --version");
    let has_miri = version.quiet().ignore_stdout().ignore_stderr().run().is_ok();
    let sysroot = cmd!(shell, "rustup run {TOOLCHAIN} rustc --print sysroot");
    let has_sources = sysroot
        .quiet()
        .ignore_stderr()
        .read()
        .is_ok_and(|root| std::path::Path::new(&root).join("lib/rustlib/src/rust").is_dir());
    if has_miri && has_sources {
        return Ok(());
    }
    let install =
        "toolchain install nightly --profile minimal --component miri --component rust-src";
    if !setup {
        bail!("Miri is missing.\nInstall it with `{flag}`, or with `rustup {install}`.");
    }
    cmd!(shell, "rustup")
        .args(install.split(' '))
        .arg("--no-self-update")
        .run()
        .context("cannot install Miri")
}

pub(super) fn run() -> Result<()> {
    let mut jobs = Vec::new();
    for target in TARGETS {
        let names = names(target)?;
        ensure!(!names.is_empty(), "there are no tests in {}", target.join(" "));
        jobs.extend(names.chunks(TESTS).map(|names| TestRun { target, names: names.to_vec() }));
    }
    let jobs = Mutex::new(jobs.into_iter());
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next else { break };
            if let Err(error) = job.run() {
                eprintln!("{error:#}");
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(job);
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(failed.is_empty(), "Miri has stopped {} processes, see above", failed.len());
    Ok(())
}

impl TestRun {
    /// Runs the tests, and prints each result when its test ends.
    fn run(&self) -> Result<()> {
        let names = self.names.iter().map(String::as_str);
        let arguments = ["--exact", "--test-threads", "1", "-Zunstable-options", "--report-time"];
        let mut child = miri(self.target, arguments.into_iter().chain(names))
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run rustup")?;
        let mut text = String::new();
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                if line.starts_with("test ") && !line.starts_with("test result") {
                    println!("{line}");
                }
                text.push_str(&line);
                text.push('\n');
            }
        }
        let all = format!("{} passed", self.names.len());
        let passed = child.wait()?.success() && text.contains(&all);
        ensure!(
            passed,
            "{text}\nMiri has stopped one of these, see above: {}",
            self.names.join(", ")
        );
        Ok(())
    }
}

/// The tests of a target.
fn names(target: &'static [&'static str]) -> Result<Vec<String>> {
    let output = miri(target, ["--list", "--format", "terse"].into_iter())
        .stderr(Stdio::piped())
        .output()
        .context("cannot run rustup")?;
    ensure!(
        output.status.success(),
        "Miri does not list the tests:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

fn miri<'a>(target: &[&str], arguments: impl Iterator<Item = &'a str>) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", TOOLCHAIN, "cargo", "miri", "test", "--package", "wsk"])
        .args(["--target-dir", "target/miri"])
        .args(target)
        .arg("--")
        .args(arguments)
        .current_dir(project::root())
        .env("MIRIFLAGS", FLAGS)
        .env("RUSTFLAGS", RUSTFLAGS)
        // The host can record the origins of objects, which takes long in Miri.
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_LIB_BACKTRACE");
    command
}
