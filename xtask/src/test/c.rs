//! That a client in C runs on hosts: compiled with two compilers, and linked with the library for C.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::library::Library;
use crate::program::{Ended, execute};
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
    fs::create_dir_all(project::scratch()?)?;
    let library = Library::build(&shell, "dev")?;
    println!("{}, {}", library.path.display(), library.needs.join(" "));
    compile_alone(&shell)?;
    for compiler in COMPILERS {
        let program = project::scratch()?.join(format!("echo-{compiler}"));
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

/// The client is C for Windows, too, with nothing but the kernel's headers; and the library's header is C
/// and C++, with nothing at all.
fn compile_alone(shell: &Shell) -> Result<()> {
    for target in cargo_wsk::setup::TARGETS {
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
        let Ended { status, out, err } = run_with(program, network)?;
        let expected = "the message has come back in 32 runs\n";
        ensure!(
            status.success() && out == expected && err.is_empty(),
            "`{network}` should end with 0 and print only `{}`, but it ended with {status}:\n{out}{err}",
            expected.trim_end()
        );
    }
    let Ended { status, err, .. } = run_with(program, "--close-twice")?;
    let report = "wsk-host: INV-44 is broken: ";
    // A program that has aborted has no code.
    ensure!(
        status.code().is_none() && err.starts_with(report),
        "`--close-twice` should be aborted with `{report}…`, but it ended with {status}:\n{err}"
    );
    Ok(())
}

fn run_with(program: &Path, argument: &str) -> Result<Ended> {
    execute(Command::new(program).arg(argument), program, PATIENCE)
}
