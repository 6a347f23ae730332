//! Runs a driver in Wine, on Linux.
//!
//! Wine loads a real `.sys` and links it with Wine's ntoskrnl.exe and netio.sys. This project wrote neither, so this
//! shows that a driver loads, links and talks. It does not show IRQL, paging, callbacks, UDP, IPv6, options or
//! cancellation: Wine has none of them.

mod log;
pub mod netio;
mod prefix;
mod service;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use anyhow::{Context, Result};

pub use self::log::WineLog;
pub use self::prefix::{Channels, NEEDS, Prefix};
pub use self::service::{DriverService, RegistryValue, ServiceParameter};

/// A driver that runs until Ctrl-C.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The name of its service.
    pub name: &'a str,
    /// The values below its key `Parameters` in the registry.
    pub parameters: &'a [ServiceParameter],
}

impl Run<'_> {
    /// Builds the driver, loads it in a separate Wine below `scratch`, calls `loaded`, waits for Ctrl-C, unloads the
    /// driver, and removes that Wine. Prints the driver's messages.
    ///
    /// # Errors
    ///
    /// If the driver cannot be built, loaded or unloaded: the error has Wine's log.
    pub fn until_interrupted(
        &self,
        scratch: &Path,
        build: impl FnOnce() -> Result<PathBuf>,
        loaded: impl FnOnce(),
    ) -> Result<()> {
        // Set before the first process starts: if this fails, no process has to be stopped.
        let (interrupt, interrupted) = mpsc::channel();
        ctrlc::set_handler(move || {
            // Once is enough; a second Ctrl-C finds the receiver dropped, or the first still unread.
            let _ = interrupt.send(());
        })?;
        let image = build()?;
        println!("starting Wine");
        let log = WineLog::streaming();
        let prefix = Prefix::create(scratch, &log, Channels::Messages)?;
        let service = DriverService::start(&prefix, self.name, &image, self.parameters)
            .with_context(|| format!("the driver does not start\n{}", log.text()))?;
        loaded();
        interrupted.recv().context("nothing can interrupt this any more")?;
        println!();
        service.stop().with_context(|| format!("the driver does not stop\n{}", log.text()))?;
        prefix.remove()
    }
}
