//! A driver as a service of Wine's service manager.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::prefix::Prefix;

/// How long the service manager may take for anything, `DriverUnload` included.
const PATIENCE: Duration = Duration::from_secs(30);

/// A driver that is loaded.
pub(crate) struct Service<'a> {
    prefix: &'a Prefix,
    name: String,
}

impl<'a> Service<'a> {
    /// Loads a driver that takes the port to serve on from its parameters.
    pub(crate) fn start(prefix: &'a Prefix, name: &str, image: &Path, port: u16) -> Result<Self> {
        let service = Self { prefix, name: name.to_owned() };
        let file = prefix.drive_c().join(format!("{name}.sys"));
        if !file.exists() {
            let path = format!(r"C:\{name}.sys");
            service
                .sc(&["create", name, "binPath=", &path, "type=", "kernel", "start=", "demand"])?;
        }
        fs::copy(image, &file).with_context(|| format!("cannot copy {}", image.display()))?;
        let key = format!(r"HKLM\System\CurrentControlSet\Services\{name}\Parameters");
        let port = port.to_string();
        let set = ["reg", "add", &key, "/v", "Port", "/t", "REG_DWORD", "/d", &port, "/f"];
        let ended = prefix.run(&set, PATIENCE)?;
        ensure!(ended.success, "the registry cannot be written: {}", ended.said.trim());
        service.sc(&["start", name])?;
        Ok(service)
    }

    /// Unloads the driver: returns when `DriverUnload` has.
    pub(crate) fn stop(self) -> Result<()> {
        self.sc(&["stop", &self.name])
    }

    fn sc(&self, arguments: &[&str]) -> Result<()> {
        let ended = self.prefix.run(&[&["sc"], arguments].concat(), PATIENCE)?;
        if !ended.success {
            bail!("`sc {}` failed: {}", arguments.join(" "), ended.said.trim());
        }
        Ok(())
    }
}
