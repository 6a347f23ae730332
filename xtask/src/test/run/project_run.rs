//! A new project of `cargo wsk new`: `cargo wsk run` in its folder builds the driver, and runs it.

use anyhow::{Context, Result};
use cargo_wsk::project::ProjectKind;

use super::process::{self, RunningDriver};
use super::serving;
use crate::test::template;

pub(super) fn run() -> Result<()> {
    const NAME: &str = "hello-run";
    let workspace = template::create(NAME, ProjectKind::Wdm)?;
    let mut command = process::command()?;
    command.current_dir(workspace.root());
    println!("a new project, without the name of a file");
    let driver = RunningDriver::start(command, &[]).context("`cargo wsk run` in a new project")?;
    serving::all(&driver, &echo_checks::CHECKS)?;
    driver.unload()?;
    Ok(())
}
