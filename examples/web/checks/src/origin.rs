//! The server that pages are fetched from.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// Python's `http.server`, with one page. Terminated on drop.
pub struct Origin {
    process: Child,
    port: u16,
    folder: PathBuf,
}

/// The page: larger than every buffer on the way, and with every byte value.
pub(crate) fn page() -> Vec<u8> {
    (0..100_000_u32).map(|n| (n.wrapping_mul(0x9E37_79B1) >> 24).to_le_bytes()[0]).collect()
}

impl Origin {
    /// Starts the server, and returns once it accepts connections. The page is written to a new folder below `scratch`,
    /// which is removed on drop.
    ///
    /// # Errors
    ///
    /// If the page cannot be written, Python cannot be started, or it does not print its port.
    pub fn start(scratch: &Path) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = scratch.join(format!("web-origin-{}-{number}", id()));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        fs::write(folder.join("page.bin"), page())?;
        let mut process = Command::new("python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(&folder)
            .arg("0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run python3")?;
        let output = process.stdout.take();
        // From here on, dropping this value terminates the process and removes the folder.
        let mut origin = Self { process, port: 0, folder };
        let mut line = String::new();
        BufReader::new(output.context("no output")?).read_line(&mut line)?;
        // Serving HTTP on 127.0.0.1 port 41235 (http://127.0.0.1:41235/) ...
        let (_, rest) = line.split_once(" port ").with_context(|| format!("no port: {line}"))?;
        let port = rest.split_whitespace().next().unwrap_or_default();
        origin.port = port.parse().with_context(|| format!("no port: {line}"))?;
        Ok(origin)
    }

    /// Returns the URL of the page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/page.bin", self.port)
    }

    /// Returns a URL without a page.
    #[must_use]
    pub fn url_without_page(&self) -> String {
        format!("http://127.0.0.1:{}/nothing", self.port)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // Errors are ignored: the process has no state to lose, and `cargo clean` also removes the folder.
        let _ = self.process.kill().and_then(|()| self.process.wait());
        let _ = fs::remove_dir_all(&self.folder);
    }
}
