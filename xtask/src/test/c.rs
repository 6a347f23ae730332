//! That a client in C runs on hosts: compiled with two compilers, and linked with the library for C.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use wait_timeout::ChildExt;
use xshell::{Shell, cmd};

use crate::project;

const COMPILERS: [&str; 2] = ["gcc", "clang"];

/// Warnings are for the example what they are for the headers.
const STRICT: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// Where the kernel's headers are, and the library's.
const HEADERS: [&str; 2] = ["-Iheaders/km", "-Iheaders/shared"];
const LIBRARY_HEADER: &str = "-Iwsk-host/c/include";

const CLIENT: &str = "wsk-host/c/examples/echo.c";
const PROGRAM: &str = "wsk-host/c/examples/main.c";

/// How long a program may run, which takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(100);

pub(super) fn run() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    fs::create_dir_all(project::scratch())?;
    let library = Library::build(&shell)?;
    println!("{}, {}", library.path.display(), library.needs.join(" "));
    compile_alone(&shell)?;
    for compiler in COMPILERS {
        let program = project::scratch().join(format!("echo-{compiler}"));
        cmd!(shell, "{compiler}")
            .args(STRICT)
            .args(HEADERS)
            .args([LIBRARY_HEADER, CLIENT, PROGRAM])
            .arg(&library.path)
            .args(&library.needs)
            .arg("-o")
            .arg(&program)
            .quiet()
            .run()
            .with_context(|| format!("{compiler} does not build {PROGRAM}"))?;
        check(&program).with_context(|| program.display().to_string())?;
        println!("{compiler}: runs on both networks, and is stopped where it breaks a rule");
    }
    Ok(())
}

/// The static library, and the system's libraries that it needs.
struct Library {
    path: PathBuf,
    needs: Vec<String>,
}

impl Library {
    /// Builds it, and lets cargo and rustc say where it is and what it needs.
    fn build(shell: &Shell) -> Result<Self> {
        const NEEDS: &str = "native-static-libs: ";
        let output = cmd!(shell, "cargo rustc --quiet --package wsk-host-c --profile c")
            .arg("--message-format=json-render-diagnostics")
            .args(["--", "--print", "native-static-libs"])
            .ignore_status()
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "wsk-host-c does not build:\n{said}");
        let needs = said.lines().find_map(|line| Some(line.split_once(NEEDS)?.1));
        let needs = needs.with_context(|| format!("rustc names no libraries in:\n{said}"))?;
        let messages = String::from_utf8_lossy(&output.stdout);
        let path = messages.lines().find_map(static_library).with_context(|| {
            format!("cargo has made no static library, as it seems:\n{messages}")
        })?;
        Ok(Self { path, needs: needs.split_whitespace().map(str::to_owned).collect() })
    }
}

/// The library's path, if this is the message that tells it.
fn static_library(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != "wsk_host_c" {
        return None;
    }
    message["filenames"][0].as_str().map(PathBuf::from)
}

/// The client is C for Windows, too, with nothing but the kernel's headers; and the library's header is C
/// and C++, with nothing at all.
fn compile_alone(shell: &Shell) -> Result<()> {
    for target in crate::setup::TARGETS {
        cmd!(shell, "clang --target={target} -nostdinc -fsyntax-only")
            .args(STRICT)
            .args(HEADERS)
            .arg(CLIENT)
            .quiet()
            .run()
            .with_context(|| format!("{CLIENT} for {target}"))?;
    }
    let header = "wsk-host/c/include/wsk_host.h";
    for (compiler, language) in [("gcc", "c"), ("g++", "c++"), ("clang", "c"), ("clang", "c++")] {
        cmd!(shell, "{compiler} -x {language} -fsyntax-only -Wall -Wextra -Wpedantic -Werror")
            .arg(header)
            .quiet()
            .run()
            .with_context(|| format!("{compiler} -x {language} {header}"))?;
    }
    Ok(())
}

/// The program does what it says, on both networks; and is stopped where it breaks a rule.
fn check(program: &Path) -> Result<()> {
    for network in ["--simulated", "--real"] {
        let Ended { status, out, err } = execute(program, network)?;
        let expected = "the message has come back in 32 runs\n";
        ensure!(
            status.success() && out == expected && err.is_empty(),
            "`{network}` should end with 0 and print only `{}`, but it ended with {status}:\n{out}{err}",
            expected.trim_end()
        );
    }
    let Ended { status, err, .. } = execute(program, "--close-twice")?;
    let report = "wsk-host: INV-44 is broken: ";
    // A program that has aborted has no code.
    ensure!(
        status.code().is_none() && err.starts_with(report),
        "`--close-twice` should be aborted with `{report}…`, but it ended with {status}:\n{err}"
    );
    Ok(())
}

/// A program that has run.
struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

/// Runs a program, whose output goes to files: they cannot fill up.
fn execute(program: &Path, argument: &str) -> Result<Ended> {
    let [out, err] = ["out", "err"].map(|name| program.with_extension(name));
    let mut child = Command::new(program)
        .arg(argument)
        .env_remove("RUST_BACKTRACE")
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()?;
    let Some(status) = child.wait_timeout(PATIENCE)? else {
        child.kill()?;
        child.wait()?;
        bail!("no end within {} s:\n{}", PATIENCE.as_secs(), fs::read_to_string(&err)?);
    };
    Ok(Ended { status, out: fs::read_to_string(&out)?, err: fs::read_to_string(&err)? })
}
