//! Programs that the crates talk to.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// The maximum time for the start of a program.
const START: Duration = Duration::from_secs(20);

/// Held while a process forks, and while a socket exists that must not be copied into a child. Until it executes its
/// program, a child has all sockets of its parent.
static FORK: Mutex<()> = Mutex::new(());

/// Starts a program of a Debian package.
fn spawn(
    folder: &Path,
    program: &str,
    package: &str,
    arguments: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Result<Child> {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let _lock = FORK.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().with_context(|| format!("{program}, of Debian's package {package}"))
}

/// A running program, which is killed at the end.
pub(crate) struct Peer {
    process: Child,
    lines: Receiver<io::Result<String>>,
}

impl Peer {
    /// Starts a program of a Debian package.
    pub(crate) fn start(
        program: &str,
        package: &str,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Self> {
        Self::start_in(Path::new("."), program, package, arguments)
    }

    /// Like [`start`](Self::start), in a folder.
    pub(crate) fn start_in(
        folder: &Path,
        program: &str,
        package: &str,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<Self> {
        let mut process = spawn(folder, program, package, arguments)?;
        let (sender, lines) = mpsc::channel();
        let output = process.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let errors = process.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        for pipe in [output, errors].into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines() {
                    // The pipe must not fill up after its receiver is dropped.
                    let _ = sender.send(line);
                }
            });
        }
        Ok(Self { process, lines })
    }

    /// Waits for the line of output that says that the program is serving.
    pub(crate) fn wait_for(&self, serves: impl Fn(&str) -> bool) -> Result<String> {
        let mut before = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(START) else {
                bail!("the program does not serve:\n{before}");
            };
            let line = line?;
            if serves(&line) {
                return Ok(line);
            }
            before.push_str(&line);
            before.push('\n');
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An unused address of this machine, different in each call, for programs that cannot choose a port themselves.
///
/// Linux chooses the ports of connections from 32768 on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let _lock = FORK.lock().unwrap_or_else(PoisonError::into_inner);
    let first = u16::try_from(process::id() % 10_000)?;
    for _ in 0..10_000 {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

/// Runs a program to its end, and returns its output.
pub(crate) fn output(
    program: &str,
    package: &str,
    arguments: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Result<String> {
    output_in(Path::new("."), program, package, arguments)
}

/// Like [`output`], in a folder.
pub(crate) fn output_in(
    folder: &Path,
    program: &str,
    package: &str,
    arguments: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Result<String> {
    let output = spawn(folder, program, package, arguments)?.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}: {error}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
