//! A driver as a service of Wine's service manager.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::prefix::Prefix;

/// The time that the service manager may take for any request, `DriverUnload` included.
const PATIENCE: Duration = Duration::from_secs(30);

/// A value below the key `Parameters` of a driver, with its name.
pub type ServiceParameter = (String, RegistryValue);

/// A value of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryValue {
    /// `REG_DWORD`.
    Number(u32),
    /// `REG_SZ`.
    Text(String),
}

/// A driver that is loaded.
pub struct DriverService<'a> {
    prefix: &'a Prefix,
    name: String,
}

impl<'a> DriverService<'a> {
    /// Loads a driver with these parameters in the registry, and no others.
    ///
    /// # Errors
    ///
    /// If the registry cannot be written, or the driver is not loaded.
    pub fn start(
        prefix: &'a Prefix,
        name: &str,
        image: &Path,
        parameters: &[ServiceParameter],
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
        // Removes the parameters of an earlier start. This fails if there was none.
        prefix.run(&["reg", "delete", &key, "/f"], PATIENCE)?;
        for (value, data) in parameters {
            let (kind, data) = match data {
                RegistryValue::Number(number) => ("REG_DWORD", number.to_string()),
                RegistryValue::Text(text) => ("REG_SZ", text.clone()),
            };
            let add = ["reg", "add", &key, "/v", value, "/t", kind, "/d", &data, "/f"];
            let ended = prefix.run(&add, PATIENCE)?;
            ensure!(ended.success, "the registry cannot be written: {}", ended.output.trim());
        }
        service.sc(&["start", name])?;
        Ok(service)
    }

    /// Unloads the driver: returns when `DriverUnload` has.
    ///
    /// # Errors
    ///
    /// If the service manager does not stop it in time.
    pub fn stop(self) -> Result<()> {
        self.sc(&["stop", &self.name])
    }

    fn sc(&self, arguments: &[&str]) -> Result<()> {
        let ended = self.prefix.run(&[&["sc"], arguments].concat(), PATIENCE)?;
        if !ended.success {
            bail!("`sc {}` failed: {}", arguments.join(" "), ended.output.trim());
        }
        Ok(())
    }
}
