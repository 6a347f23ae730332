//! Runs every test of the workspace, even after a failure, and lists the failed tests at the end.

use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::linted;
use crate::project;

/// The crate whose tests are a step of their own.
const BINDGEN: &str = "wsk-bindgen";

/// The example whose tests are a step of their own.
const WEB: [&str; 2] = ["web", "web-driver"];

/// All other crates.
pub(super) const DEFAULT: [&str; 7] =
    ["--workspace", "--exclude", BINDGEN, "--exclude", WEB[0], "--exclude", WEB[1]];

/// The tests of every crate and its documentation.
pub(super) fn run() -> Result<()> {
    report(&cargo_test(&DEFAULT, &[])?)
}

/// The tests of the web example, including those that talk to other programs.
pub(super) fn web() -> Result<()> {
    lint(&WEB.map(|name| ["--package", name]).concat())?;
    let package = ["--package", WEB[0]];
    let ignored = ["--test", "real", "--", "--ignored"];
    let failed = [cargo_test(&package, &[])?, cargo_test(&[&package[..], &ignored].concat(), &[])?];
    report(&failed.concat())
}

/// The tests of captures of packets that run tshark.
pub(super) fn packets() -> Result<()> {
    report(&cargo_test(&["--package", "wsk-host", "--test", "packets", "--", "--ignored"], &[])?)
}

/// The tests of the metrics example that run Prometheus.
pub(super) fn metrics() -> Result<()> {
    report(&cargo_test(&["--package", "metrics", "--test", "prometheus", "--", "--ignored"], &[])?)
}

/// The tests of the nbd example that run servers of others.
pub(super) fn nbd() -> Result<()> {
    report(&cargo_test(&["--package", "nbd", "--test", "servers", "--", "--ignored"], &[])?)
}

/// The tests on the simulated network with all of their seeds. By default they run with an eighth, because most defects
/// that depend on the seed occur with several seeds.
pub(super) fn seeds() -> Result<()> {
    let tests = ["--test", "host", "--test", "events", "--test", "wsk"];
    report(&cargo_test(&[&DEFAULT[..], &tests].concat(), &[("WSK_ALL_SEEDS", "1")])?)
}

/// The tests of the generator of the bindings.
pub(super) fn bindgen() -> Result<()> {
    // They run bindgen a hundred times, and bindgen matches every name in the headers against its lists.
    let arguments = [
        ["--config", "profile.dev.package.bindgen.opt-level=1"],
        ["--config", "profile.dev.package.regex-automata.opt-level=2"],
        ["--package", BINDGEN],
        // Its fuzz target.
        ["--package", "wsk-fuzz"],
        ["--features", "wsk-fuzz/headers"],
    ]
    .concat();
    lint(&arguments)?;
    report(&cargo_test(&arguments, &[])?)
}

/// Compiles all targets with clippy.
fn lint(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(project::root())
        .args(["build", "--quiet", "--all-targets"])
        .args(linted::WITHOUT_LINES)
        .args(arguments);
    let status = command.envs(linted::variables()?).status().context("cannot run cargo")?;
    ensure!(status.success(), "a lint of rustc or clippy, or an error: cargo has named it");
    Ok(())
}

fn report(failed: &[String]) -> Result<()> {
    match failed {
        [] => Ok(()),
        failed => bail!("{} failed:\n  {}", failed.len(), failed.join("\n  ")),
    }
}

/// Runs `cargo test`, with its output in the terminal. Returns the names of the failed tests.
fn cargo_test(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Vec<String>> {
    let mut command = Command::new("cargo");
    command
        .current_dir(project::root())
        // A failure in one crate does not hide failures in the others.
        .args(["test", "--quiet", "--no-fail-fast"])
        .args(linted::WITHOUT_LINES)
        .args(arguments)
        .envs(linted::variables()?)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo")?;
    let output = child.stdout.take().context("the output of cargo is a pipe")?;
    let mut failures = Failures::default();
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    // What tests print is not always UTF-8.
    while output.read_until(b'\n', &mut line).context("cannot read the output of cargo")? != 0 {
        stdout().write_all(&line)?;
        failures.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() && failures.names.is_empty() {
        // A crate does not compile, or a process ended during its tests. Cargo has printed its name.
        failures.names.push(format!("`cargo test {}` ended with {status}", arguments.join(" ")));
    }
    Ok(failures.names)
}

/// The names that test programs list below their last `failures:`.
#[derive(Default)]
struct Failures {
    names: Vec<String>,
    is_list: bool,
}

impl Failures {
    fn read(&mut self, line: &str) {
        let line = line.trim_end();
        match line.strip_prefix("    ") {
            Some(name) if self.is_list => self.names.push(name.to_owned()),
            _ => self.is_list = line == "failures:",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use cargo_metadata::Target;

    use super::{DEFAULT, Failures};
    use crate::project;

    /// A test in a library whose manifest has `test = false` would never run.
    #[test]
    fn libraries_that_are_not_tested_have_no_tests() {
        let (mut untested, mut without_examples) = (0, 0);
        for package in project::packages().unwrap() {
            let is_library = |target: &&Target| {
                target.is_lib()
                    || target.is_cdylib()
                    || target.is_staticlib()
                    || target.is_proc_macro()
            };
            let Some(library) = package.targets.iter().find(is_library) else { continue };
            let folder = package.manifest_path.parent().unwrap();
            let sources = sources(folder.join("src").as_std_path());
            let lines = || sources.lines().map(str::trim_start);
            let member = &package.name;
            if !library.test {
                untested += 1;
                let attributes = lines().filter(|line| line.starts_with("#["));
                let tests = attributes.filter(|it| *it == "#[test]" || it.contains("::test"));
                assert_eq!(tests.count(), 0, "{member} has `test = false`, and tests");
            }
            if !library.doctest {
                without_examples += 1;
                assert_eq!(examples(lines()), 0, "the examples of {member} do not run");
            }
        }
        assert!(untested > 0 && without_examples > 0, "no manifest was understood");
    }

    /// The number of examples in Rust that documentation tests would run.
    fn examples<'a>(lines: impl Iterator<Item = &'a str>) -> usize {
        const OTHERS: [&str; 5] = ["c", "sh", "text", "toml", "console"];
        let of_documentation =
            |line: &'a str| line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let fences =
            lines.filter_map(|line| of_documentation(line)?.trim_start().strip_prefix("```"));
        // Every second one ends an example.
        fences.step_by(2).filter(|language| !OTHERS.contains(&language.trim())).count()
    }

    #[test]
    fn examples_in_other_languages_do_not_count() {
        let lines = ["//! ```c", "//! int a;", "//! ```", "/// ```no_run", "/// ```", "let a;"];
        assert_eq!(examples(lines.into_iter()), 1);
    }

    /// With other features or another version, a crate would be compiled once for `cargo xtask` or the library for C,
    /// and again for the tests.
    #[test]
    fn dependencies_of_xtask_and_c_are_those_of_the_tests() {
        let all = dependencies(&DEFAULT);
        for package in ["xtask", "wsk-host-c"] {
            let own = dependencies(&["--package", package]);
            assert!(own.len() > 10, "cargo lists only {own:?}");
            let twice: Vec<&String> = own.difference(&all).collect();
            assert!(twice.is_empty(), "{package}: not with these features elsewhere: {twice:#?}");
        }
    }

    /// The third-party crates that packages depend on, with their features.
    fn dependencies(packages: &[&str]) -> BTreeSet<String> {
        let output = Command::new("cargo")
            .current_dir(project::root())
            .args(["tree", "--quiet", "--locked", "--prefix", "none", "--no-dedupe"])
            .args(["--format", "{p} [{f}]"])
            .args(packages)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let root = project::root().display().to_string();
        text.lines().filter(|line| !line.contains(&root)).map(str::to_owned).collect()
    }

    /// All Rust files below a folder.
    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                text += &sources(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(&path).unwrap();
            }
        }
        text
    }

    fn names(output: &str) -> Vec<String> {
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.read(line));
        failures.names
    }

    #[test]
    fn failed_tests_of_several_programs_are_named() {
        let output = "\nrunning 2 tests\n.F\nfailures:\n\n---- a::b stdout ----\n    indented\nassertion \
                      failed\n\n\nfailures:\n    a::b\n    a::c\n\ntest result: FAILED. 1 passed\n\n\
                      running 1 test\nF\nfailures:\n    src/lib.rs - d (line 3)\n\ntest result: FAILED.\n";
        assert_eq!(names(output), ["a::b", "a::c", "src/lib.rs - d (line 3)"]);
    }

    #[test]
    fn a_run_without_failures_names_none() {
        assert!(names("\nrunning 1 test\n.\ntest result: ok. 1 passed\n    indented\n").is_empty());
    }
}
