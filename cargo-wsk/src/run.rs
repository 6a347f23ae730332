//! Runs the image of a driver in this process, on an emulated kernel with WSK (Linux on x64).
//!
//! # Safety
//!
//! The user has named the driver, or its source, to be run: the command's help says that it runs with the user's
//! rights.

#![expect(unsafe_code, reason = "a driver's code is run")]

use std::path::Path;
use std::sync::mpsc::Receiver;

use anyhow::{Context, Result, bail, ensure};
use wsk_host::{Config, Faults, Host, Timing, Windows};
use wsk_loader::Options;

use crate::wine::{RegistryValue, ServiceParameter};

/// A driver's image, and the options for running it.
#[derive(Clone, Copy, Debug)]
pub struct ImageRun<'a> {
    /// The name of the driver: the name of its registry key.
    pub name: &'a str,
    /// The file.
    pub image: &'a Path,
    /// The values below its key `Parameters` in the registry.
    pub parameters: &'a [ServiceParameter],
    /// The emulated version of Windows.
    pub windows: Windows,
    /// The faults that the network and WSK have.
    pub faults: Faults,
    /// Load the driver even if the host lacks some of its imports.
    pub allows_missing: bool,
    /// The file for the packets of its sockets.
    pub capture: Option<&'a Path>,
}

impl ImageRun<'_> {
    /// Loads the driver, which serves on the machine's network; calls `loaded`, waits for `interrupted`, and unloads
    /// it.
    ///
    /// # Errors
    ///
    /// If the driver is not loaded, or leaves memory allocated. The process ends with a report if the driver breaks a
    /// rule.
    pub fn until_interrupted(
        &self,
        interrupted: &Receiver<()>,
        loaded: impl FnOnce(),
    ) -> Result<()> {
        self.run(Config::real(), |host| {
            loaded();
            host.blocking(|| interrupted.recv()).context("nothing can interrupt this any more")
        })
    }

    /// Loads and unloads the driver on the simulated network, once for each of `seeds` seeds.
    ///
    /// # Errors
    ///
    /// If the driver is not loaded, or leaves memory allocated. The process ends with a report if the driver breaks a
    /// rule.
    pub fn with_seeds(&self, seeds: u64) -> Result<()> {
        for seed in 0..seeds {
            let config = Config::default().timing(Timing::Mixed(seed));
            self.run(config, |host| {
                host.settle();
                Ok(())
            })
            .with_context(|| format!("with the seed {seed}"))?;
        }
        Ok(())
    }

    fn run(&self, config: Config, while_loaded: impl FnOnce(&Host) -> Result<()>) -> Result<()> {
        let host = Host::new(Config { faults: self.faults, ..config }.windows(self.windows));
        if let Some(file) = self.capture {
            let captured = host.capture_packets(file);
            captured.with_context(|| format!("cannot create {}", file.display()))?;
        }
        let entered = host.enter();
        for (name, value) in self.parameters {
            let value = match value {
                RegistryValue::Number(number) => wsk_host::RegistryValue::Dword(*number),
                RegistryValue::Text(text) => wsk_host::RegistryValue::String(text.clone()),
            };
            host.set_parameter(self.name, name, value);
        }
        let options = Options::new().name(self.name);
        let options = if self.allows_missing { options.allow_missing() } else { options };
        // SAFETY: the user runs this driver, and trusts it like a program.
        let driver = unsafe { options.load(self.image) }?;
        let result = while_loaded(&host);
        driver.unload();
        let outstanding = host.outstanding_by_tag();
        let left: Vec<String> = outstanding
            .iter()
            .map(|(tag, (count, bytes))| {
                format!("{count} of {bytes} bytes with the tag {}", tag.escape_ascii())
            })
            .collect();
        drop(entered);
        result?;
        ensure!(left.is_empty(), "the driver left allocations behind: {}", left.join(", "));
        Ok(())
    }
}

/// Parses a version of Windows: `10.0.26100`, or the name of a release that brought a part of WSK.
///
/// # Errors
///
/// If the text is neither a name nor three numbers.
pub fn windows(text: &str) -> Result<Windows> {
    const NAMES: [(&str, Windows); 8] = [
        ("vista", Windows::VISTA),
        ("7", Windows::SEVEN),
        ("8", Windows::EIGHT),
        ("10", Windows::TEN),
        ("1703", Windows::TEN_1703),
        ("1803", Windows::TEN_1803),
        ("2004", Windows::TEN_2004),
        ("11", Windows::ELEVEN),
    ];
    if let Some((_, windows)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(*windows);
    }
    let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([major @ (6 | 10), minor, build]) => {
            Ok(Windows { major: *major, minor: *minor, build: *build })
        }
        _ => bail!(
            "expected a version with WSK such as 10.0.26100, or one of {}",
            NAMES.map(|(name, _)| name).join(", ")
        ),
    }
}

/// Parses faults with their probabilities in thousandths: `reset=5,hold=10`.
///
/// # Errors
///
/// If a name is unknown, or a number is not between 0 and 1000.
pub fn faults(text: &str) -> Result<Faults> {
    let mut faults = Faults::default();
    for fault in text.split(',') {
        let (name, number) = fault.split_once('=').unwrap_or((fault, ""));
        let field = match name {
            "loss" => &mut faults.loss,
            "duplication" => &mut faults.duplication,
            "reset" => &mut faults.reset,
            "accept" => &mut faults.accept,
            "forced-close" => &mut faults.forced_close,
            "hold" => &mut faults.hold,
            _ => bail!(
                "expected loss, duplication, reset, accept, forced-close or hold, each with `=` and its thousandths"
            ),
        };
        match number.parse() {
            Ok(number @ 0..=1000) => *field = number,
            _ => {
                bail!("expected `{name}=` and a number from 0 to 1000, the thousandths of `{name}`")
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_names_with_thousandths() {
        let expected = Faults { reset: 5, forced_close: 1000, ..Faults::default() };
        assert_eq!(faults("reset=5,forced-close=1000").unwrap(), expected);
        for wrong in ["", "loss", "loss=", "loss=1001", "loss=-1", "delay=1", "loss=1,,hold=2"] {
            assert!(faults(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_version_of_windows_is_a_name_or_three_numbers() {
        assert_eq!(windows("11").unwrap(), Windows::ELEVEN);
        assert_eq!(windows("10.0.17134").unwrap(), Windows::TEN_1803);
        for wrong in ["", "xp", "10.0", "5.1.2600", "10.0.x", "10.0.1.2"] {
            assert!(windows(wrong).is_err(), "{wrong}");
        }
    }
}
