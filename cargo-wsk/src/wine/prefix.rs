//! A separate Wine: a prefix, a server, and the programs that run in them.
//!
//! Wine's first program starts the service manager, which keeps that program's environment, output and
//! processor affinity for as long as the server runs. A program is therefore started for this purpose first,
//! with the log as its output. Before that, the server is made persistent: Debian's server ends with its last program,
//! and ends the driver, too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use wait_timeout::ChildExt;

use super::log::WineLog;
use crate::setup::Dependency;

const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver64";

/// The programs that run drivers.
pub static NEEDS: [Dependency; 1] = [Dependency {
    name: "Wine",
    package: "wine64",
    is_there: || Path::new(WINE).is_file() && Path::new(SERVER).is_file(),
}];

/// The contents of Wine's log.
#[derive(Clone, Copy)]
pub enum Channels {
    /// The driver's messages.
    Messages,
    /// The driver's messages, and every call of the driver to the kernel's allocator.
    Kernel,
}

/// A running Wine. Dropping this value ends and removes it.
pub struct Prefix {
    folder: PathBuf,
    debug: &'static str,
}

/// A program that has ended.
pub struct ProgramOutput {
    /// Whether its exit code was 0.
    pub success: bool,
    /// Its output.
    pub output: String,
}

/// The maximum time of a Wine program. Creating a prefix takes about 10 s on our test machine.
const PATIENCE: Duration = Duration::from_mins(2);

impl Prefix {
    /// Creates a prefix in a new folder below `scratch`, and starts Wine's services there. Their output is
    /// collected in the log.
    ///
    /// # Errors
    ///
    /// If Wine does not start.
    pub fn create(scratch: &Path, log: &WineLog, channels: Channels) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = scratch.join(format!("wine-{}-{number}", std::process::id()));
        for part in ["home", "prefix"] {
            fs::create_dir_all(folder.join(part))
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let debug = match channels {
            Channels::Messages => "-all,+debugstr",
            Channels::Kernel => "-all,+debugstr,+ntoskrnl",
        };
        let prefix = Self { folder, debug };

        prefix.run(&["wineboot", "--init"], PATIENCE).context("Wine cannot create its prefix")?;
        prefix.stop()?;

        let persistent = prefix.command(SERVER).arg("--persistent").status();
        ensure!(
            persistent.context("cannot start Wine's server")?.success(),
            "Wine's server failed"
        );
        let (reader, writer) = std::io::pipe()?;
        let mut first = prefix.command(WINE);
        first.args(["cmd", "/c", "exit", "0"]).stdin(Stdio::null());
        first.stdout(writer.try_clone()?).stderr(writer);
        let mut child = first.spawn().context("cannot start Wine")?;
        // The command holds the writing end, which must close here for the log to end with Wine.
        drop(first);
        log.collect(reader);
        wait(&mut child, PATIENCE).context("Wine cannot run its first program")?;
        Ok(prefix)
    }

    /// Drive C.
    #[must_use]
    pub fn drive_c(&self) -> PathBuf {
        self.folder.join("prefix").join("drive_c")
    }

    /// Runs a Wine program to its end.
    ///
    /// Its output is written to a file: the services that it starts continue writing after its end, and would block
    /// forever on a full pipe.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or does not end in time.
    pub fn run(&self, program: &[&str], patience: Duration) -> Result<ProgramOutput> {
        let path = self.folder.join("output");
        let file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut child = self
            .command(WINE)
            .args(program)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot start Wine")?;
        let output = || fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let ended = wait(&mut child, patience);
        let status = ended.with_context(|| {
            format!("`{}`, which wrote:\n{}", program.join(" "), output().unwrap_or_default())
        })?;
        Ok(ProgramOutput { success: status.success(), output: output()? })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("WINEPREFIX", self.folder.join("prefix"))
            .env("HOME", self.folder.join("home"))
            .env("WINELOADER", WINE)
            .env("WINESERVER", SERVER)
            .env("WINEDEBUG", self.debug)
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=;winemenubuilder.exe=d")
            .env_remove("DISPLAY");
        // Ctrl-C in the terminal is for us, not for Wine: the driver must be stopped in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    /// Ends Wine and removes the prefix.
    ///
    /// # Errors
    ///
    /// If Wine's server does not end, or the folder cannot be removed.
    pub fn remove(self) -> Result<()> {
        let result = self.end();
        std::mem::forget(self);
        result
    }

    /// Ends everything that runs in this prefix.
    fn stop(&self) -> Result<()> {
        for act in ["--kill", "--wait"] {
            let server = self.command(SERVER).arg(act).spawn();
            // The command fails if no server runs, which is the intended state.
            let ended =
                server.map_err(anyhow::Error::from).and_then(|mut s| wait(&mut s, PATIENCE));
            ended.with_context(|| format!("cannot end Wine with `wineserver {act}`"))?;
        }
        Ok(())
    }

    fn end(&self) -> Result<()> {
        self.stop()?;
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("warning: {error:#}");
        }
    }
}

fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus> {
    if let Some(status) = child.wait_timeout(patience)? {
        return Ok(status);
    }
    child.kill()?;
    child.wait()?;
    bail!("no end within {} s", patience.as_secs())
}
