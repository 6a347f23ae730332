//! Sources that must not compile, and the messages that the compiler has for them.
//!
//! Each source `NAME.rs` is compiled by itself, with the dependencies of the test, and the messages are compared with
//! `NAME.stderr` beside it. With `BLESS=1` the test writes these files.

mod normalize;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use self::normalize::normalize;

/// Compiles each source of a folder of the package, and compares the messages: `mistakes!("tests/mistakes")`. A source can
/// use what the test depends on.
#[macro_export]
macro_rules! mistakes {
    ($folder:literal) => {
        $crate::mistakes::check(
            env!("CARGO_MANIFEST_DIR").as_ref(),
            $folder,
            $crate::mistakes::compiler!(),
        )
    };
}

pub use test_support_macros::compiler;

/// Compiles each source of a folder of a package, and compares the messages.
///
/// `compiler` is the compiler's path and its arguments, from [`compiler!`].
#[track_caller]
pub fn check(package: &Path, folder: &str, compiler: &[&str]) {
    let sources = sources(&package.join(folder));
    let mut failures = String::new();
    for name in &sources {
        let source = format!("{folder}/{name}.rs");
        let expected = package.join(folder).join(format!("{name}.stderr"));
        if let Err(failure) = check_one(package, &source, &expected, compiler) {
            writeln!(failures, "{source}: {failure}").expect("a string can be written");
        }
    }
    assert!(
        failures.is_empty(),
        "{failures}\nIf the messages are right, run this test with BLESS=1, and review the changed files."
    );
}

/// The names of the sources of a folder, without `.rs`. Each file of expected messages must have its source.
fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder);
    let entries =
        entries.unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let with = |extension: &str| {
        let is_one = |path: &&PathBuf| path.extension() == Some(OsStr::new(extension));
        let names = paths.iter().filter(is_one).map(|path| path.file_stem().unwrap());
        let mut names: Vec<String> =
            names.map(|name| name.to_str().expect("the name is UTF-8").to_owned()).collect();
        names.sort();
        names
    };
    let sources = with("rs");
    assert!(!sources.is_empty(), "{} has no sources", folder.display());
    for name in with("stderr") {
        assert!(sources.contains(&name), "{}: {name}.stderr has no source", folder.display());
    }
    sources
}

/// The first line of a source that is compiled with its tests.
const AS_TEST: &str = "// Compiled with its tests.\n";

/// Compiles one source, and compares the messages, or writes them.
fn check_one(
    package: &Path,
    source: &str,
    expected: &Path,
    compiler: &[&str],
) -> Result<(), String> {
    let (rustc, arguments) = compiler.split_first().expect("the first is the compiler");
    let workspace = package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .ok_or_else(|| format!("{} is in no workspace", package.display()))?;
    let text = fs::read_to_string(package.join(source))
        .map_err(|error| format!("cannot read it: {error}"))?;
    let harness = text.starts_with(AS_TEST).then_some("--test");
    let package = package.strip_prefix(workspace).expect("an ancestor is a prefix");
    let output = Command::new(rustc)
        // As for the libraries: the compiler finds their sources, to quote them.
        .current_dir(workspace)
        .args(arguments)
        .args(["--emit=metadata=-", "--crate-type=bin", "--diagnostic-width=140", "--verbose"])
        .args(["--color=never", "--allow=dead_code"])
        .args(harness)
        .arg(package.join(source))
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {rustc}: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Err(format!("it compiles, but should not\n{messages}"));
    }
    if output.status.code() != Some(1) {
        return Err(format!("{rustc} ended with {}\n{messages}", output.status));
    }
    let package = package.to_str().expect("the path is UTF-8").replace('\\', "/");
    let messages = normalize(&messages, &package);
    if env::var_os("BLESS").is_some() {
        return fs::write(expected, messages)
            .map_err(|error| format!("cannot write {}: {error}", expected.display()));
    }
    let known = fs::read_to_string(expected)
        .map_err(|error| format!("cannot read {}: {error}\n{messages}", expected.display()))?;
    if known == messages {
        return Ok(());
    }
    Err(format!("the messages differ. Expected:\n{known}\nFound:\n{messages}"))
}
