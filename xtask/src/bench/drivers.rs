//! Compares the size of the echo driver in C with the size of the one in Rust.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_wsk::build::Arch;
use object::read::pe::PeFile64;
use object::{Object as _, ObjectSection as _};
use xshell::Shell;

use crate::c_driver::CDriver;
use crate::driver;

/// The echo driver in C.
pub(crate) const ECHO: CDriver<'_> = CDriver {
    name: "echo",
    folder: "wsk/cost/c/echo",
    sources: &["driver", "server", "worker"],
    output: "cost/echo",
};

/// The size of a driver in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) file: usize,
    /// Its section `.text`.
    pub(crate) code: usize,
}

impl Size {
    pub(crate) fn of(driver: &Path) -> Result<Self> {
        let data = fs::read(driver).with_context(|| format!("cannot read {}", driver.display()))?;
        let file = PeFile64::parse(&*data)
            .with_context(|| format!("{} is not a 64-bit image", driver.display()))?;
        let code = file.section_by_name(".text").context("the image has no .text")?;
        let code = usize::try_from(code.size()).context("the image is too large")?;
        Ok(Self { file: data.len(), code })
    }
}

/// The echo driver in Rust, for x64.
pub(crate) fn build_rust() -> Result<PathBuf> {
    driver::build("echo", Arch::X64)
}

/// The size of the echo driver in Rust with the functions of the one in C: it resolves no names.
pub(crate) fn size_without_names() -> Result<Size> {
    Size::of(&driver::build_with("echo", Arch::X64, false)?)
}

/// The echo driver in C, for x64.
pub(crate) fn build_c(shell: &Shell) -> Result<PathBuf> {
    ECHO.build(shell)
}
