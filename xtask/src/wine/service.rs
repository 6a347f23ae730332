//! A driver as a service of Wine's service manager.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::prefix::Prefix;

/// How long the service manager may take for anything, `DriverUnload` included.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a driver finds in the registry.
#[derive(Clone, Copy, Default)]
pub(crate) struct Parameters<'a> {
    pub(crate) port: u16,
    /// The host to serve at.
    pub(crate) host: Option<&'a str>,
    /// The page of another server.
    pub(crate) url: Option<&'a str>,
}

/// A driver that is loaded.
pub(crate) struct Service<'a> {
    prefix: &'a Prefix,
    name: String,
}

impl<'a> Service<'a> {
    /// Loads a driver that takes the port to serve on, and what else it serves, from its parameters.
    pub(crate) fn start(
        prefix: &'a Prefix,
        name: &str,
        image: &Path,
        parameters: Parameters<'_>,
    ) -> Result<Self> {
        let service = Self { prefix, name: name.to_owned() };
        let file = prefix.drive_c().join(format!("{name}.sys"));
        if !file.exists() {
            let path = format!(r"C:\{name}.sys");
            service
                .sc(&["create", name, "binPath=", &path, "type=", "kernel", "start=", "demand"])?;
        }
        fs::copy(image, &file).with_context(|| format!("cannot copy {}", image.display()))?;
        let key = format!(r"HKLM\System\CurrentControlSet\Services\{name}\Parameters");
        let port = parameters.port.to_string();
        let values = [
            ("Port", "REG_DWORD", Some(&*port)),
            ("Host", "REG_SZ", parameters.host),
            ("Url", "REG_SZ", parameters.url),
        ];
        for (value, kind, data) in values {
            let set = match data {
                Some(data) => {
                    vec!["reg", "add", &key, "/v", value, "/t", kind, "/d", data, "/f"]
                }
                // It may be left over, and fails if it is not.
                None => vec!["reg", "delete", &key, "/v", value, "/f"],
            };
            let ended = prefix.run(&set, PATIENCE)?;
            let is_needed = data.is_some();
            ensure!(
                ended.success || !is_needed,
                "the registry cannot be written: {}",
                ended.said.trim()
            );
        }
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
