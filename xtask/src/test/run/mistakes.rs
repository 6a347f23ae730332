//! Runs a driver that makes mistakes. The report about its image must equal the report about the same driver linked
//! with the host. The name and the line of the function come from the PDB.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::c_driver::CDriver;
use crate::library::Library;
use crate::program::{ProgramOutput, execute};
use crate::project;
use crate::test::linted;

const DRIVER: CDriver<'_> = CDriver {
    name: "mistakes",
    folder: "wsk-loader/tests/drivers",
    sources: &["mistakes"],
    output: "mistakes",
};

/// The maximum run time of a program. It usually takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(100);

/// Each mistake: the end of the driver's name, a part of the report, and the function that the report names.
const MISTAKES: [(char, &str, &str); 11] = [
    (
        '0',
        "ExFreePoolWithTag: the block of 4096 bytes with the tag `Mtak` was freed",
        "MistakesFreeTwice",
    ),
    (
        '1',
        "a read of freed memory, at the offset 0 of it: the block of 4096 bytes with the tag `Mtak` was freed",
        "MistakesReadFreed",
    ),
    (
        '2',
        "ExFreePoolWithTag: the block of 4096 bytes with the tag `Mtak` was written beyond its end, 0 bytes behind it",
        "MistakesWriteBehind",
    ),
    ('3', "KeWaitForSingleObject: called at IRQL 2, the maximum is 1", "MistakesWaitRaised"),
    ('4', "INV-18 violated: ", "MistakesLeaveTimer"),
    ('5', "INV-44 violated: ", "MistakesClose"),
    ('6', "INV-5 violated: ", "MistakesWithSocket"),
    ('7', "INV-14 violated: ", "MistakesWithSocket"),
    ('8', "INV-21 violated: ", "MistakesWithSocket"),
    ('9', "INV-10 violated: ", "MistakesWithSocket"),
    ('a', "the end of DriverEntry: called at IRQL 2, the maximum is 0", ""),
];

/// The statics of a linked driver stay in memory, so a timer that is still set is found at the end of the run.
const TIMER_OF_LINKED: &str = "timers are still set: 1";

pub(super) fn run(shell: &Shell) -> Result<()> {
    let image = DRIVER.build_with_pdb(shell)?;
    let linked = link(shell)?;
    for (mistake, first, function) in MISTAKES {
        let name = format!("mistake{mistake}");
        let copy = image.with_file_name(&name).with_extension("sys");
        fs::copy(&image, &copy)?;
        fs::copy(image.with_extension("pdb"), copy.with_extension("pdb"))?;
        let mut command = Command::new(&linked);
        let of_linked = if mistake == '4' { TIMER_OF_LINKED } else { first };
        is_reported(command.arg(&name), &linked, of_linked, "")?;
        let mut command = Command::new(project::target()?.join("debug").join("cargo-wsk"));
        command.args(["wsk", "run"]).arg(&copy).args(["--seeds", "1"]);
        let place = format!("{function} at {name}.sys+0x");
        let report = is_reported(&mut command, &copy, first, function)?;
        let line = report.lines().find(|line| line.trim_start().starts_with(&place));
        ensure!(
            function.is_empty() || line.is_some_and(|line| line.contains("/mistakes.c:")),
            "no line has `{place}` and the source:\n{report}"
        );
    }
    println!("{} mistakes of an image are reported as those of a linked client", MISTAKES.len());
    Ok(())
}

/// The same driver, linked with the host.
fn link(shell: &Shell) -> Result<std::path::PathBuf> {
    for (name, value) in linted::variables()? {
        shell.set_var(name, value);
    }
    let Library { path, needs, .. } = Library::build(shell, "dev")?;
    let program = project::scratch()?.join("mistakes-linked");
    cmd!(shell, "gcc -std=c11 -fshort-wchar -g -O1 -Wall -Wextra -Wpedantic -Werror")
        .args(["-Iheaders/km", "-Iheaders/shared", "-Iwsk-host/c/include"])
        .args(["mistakes", "linked"].map(|source| format!("{}/{source}.c", DRIVER.folder)))
        .arg(path)
        .args(needs)
        .arg("-o")
        .arg(&program)
        .quiet()
        .run()?;
    Ok(program)
}

/// Runs a program that the host must stop with a report that contains this text and names a function. Returns the
/// report.
fn is_reported(
    command: &mut Command,
    output: &Path,
    first: &str,
    function: &str,
) -> Result<String> {
    let ProgramOutput { status, out, err } = execute(command, output, PATIENCE)?;
    ensure!(
        !status.success() && err.contains(first) && err.contains(function),
        "{command:?} should be stopped with `{first}`, but it ended with {status}:\n{out}{err}"
    );
    Ok(err)
}
