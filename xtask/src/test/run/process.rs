//! `cargo wsk run` as a process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Lines};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use wait_timeout::ChildExt as _;
use xshell::{Shell, cmd};

use crate::{project, wine};

/// The maximum time for unloading the driver.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command `cargo wsk run`, without arguments.
pub(super) fn command() -> Result<Command> {
    let mut command = Command::new(project::target()?.join("debug").join("cargo-wsk"));
    command.args(["wsk", "run"]);
    Ok(command)
}

/// A driver that `cargo wsk run` has loaded on the machine's network. Dropping this value ends the process.
pub(super) struct RunningDriver {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// The file with the driver's messages: standard error.
    messages: PathBuf,
    /// The address that the driver serves on.
    pub(super) server: SocketAddr,
}

impl RunningDriver {
    /// Loads an image with these parameters and a free port.
    pub(super) fn load(image: &Path, parameters: &[&str]) -> Result<Self> {
        let mut command = command()?;
        command.arg(image);
        Self::start(command, parameters)
    }

    /// As [`load`](Self::load), with a command that names an image or builds one.
    pub(super) fn start(mut command: Command, parameters: &[&str]) -> Result<Self> {
        let port = wine::free_port()?;
        let messages = project::scratch()?.join("cargo-wsk-run.err");
        let mut process = command
            .args(parameters.iter().map(|parameter| format!("--param={parameter}")))
            .arg(format!("--param=Port={port}"))
            .stdout(Stdio::piped())
            .stderr(File::create(&messages)?)
            .spawn()
            .context("cargo-wsk does not start")?;
        let output = process.stdout.take().context("its output is piped")?;
        let lines = BufReader::new(output).lines();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // From here on, dropping this value ends the process.
        let mut driver = Self { process, lines, messages, server };
        let Some(first) = driver.lines.next().transpose()? else {
            anyhow::bail!("the driver was not loaded:\n{}", driver.messages()?);
        };
        ensure!(first.ends_with("is loaded. Ctrl-C unloads it."), "the first line is: {first}");
        Ok(driver)
    }

    /// The driver's messages so far.
    fn messages(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.messages)?)
    }

    /// Ends the process as Ctrl-C does. It must unload the driver, which must leave nothing behind. Returns the driver's
    /// messages.
    pub(super) fn unload(mut self) -> Result<String> {
        let id = self.process.id().to_string();
        let shell = Shell::new()?;
        cmd!(shell, "kill -INT {id}").quiet().run()?;
        let status = self.process.wait_timeout(PATIENCE)?.context("the driver is not unloaded")?;
        let messages = self.messages()?;
        ensure!(status.success(), "`cargo wsk run` has ended with {status}:\n{messages}");
        let last = self.lines.by_ref().last().context("there is no line about the end")??;
        ensure!(last.ends_with("It left nothing behind."), "the last line is: {last}");
        Ok(messages)
    }
}

impl Drop for RunningDriver {
    fn drop(&mut self) {
        // Errors are ignored: the process may have ended, and the check that dropped this value reports its own error.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
