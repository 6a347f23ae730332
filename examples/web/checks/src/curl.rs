//! Running curl.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The output of curl.
pub(crate) struct Answer {
    /// All response bodies, concatenated.
    pub(crate) bodies: Vec<u8>,
    /// The output of `--write-out`: by default the status.
    pub(crate) written: String,
}

/// Requests paths from a server.
pub(crate) fn curl(server: SocketAddr, paths: &[&str], options: &[&str]) -> Result<Answer> {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--noproxy", "*", "--max-time", "30", "--globoff"]);
    if !options.contains(&"--write-out") && !options.contains(&"--parallel") {
        command.args(["--write-out", "%{stderr}%{http_code}"]);
    }
    command.args(options);
    command.args(paths.iter().map(|path| format!("http://{server}{path}")));
    let output = command.stdin(Stdio::null()).output().context("cannot run curl")?;
    let written = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "curl failed with {}: {written}", output.status);
    Ok(Answer { bodies: output.stdout, written })
}
