//! Running programs that may hang.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use wait_timeout::ChildExt;

/// A program that has run.
pub(crate) struct ProgramOutput {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end. Its output goes to files beside `output`, because pipes could fill up.
pub(crate) fn execute(
    command: &mut Command,
    output: &Path,
    patience: Duration,
) -> Result<ProgramOutput> {
    let [out, err] = ["out", "err"].map(|name| output.with_extension(name));
    let mut child = command
        .env_remove("RUST_BACKTRACE")
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let Some(status) = child.wait_timeout(patience)? else {
        child.kill()?;
        child.wait()?;
        bail!("no end within {} s:\n{}", patience.as_secs(), fs::read_to_string(&err)?);
    };
    Ok(ProgramOutput { status, out: fs::read_to_string(&out)?, err: fs::read_to_string(&err)? })
}
