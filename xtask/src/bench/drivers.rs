//! The echo driver in C, and how large it is beside the one in Rust.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_wsk::build::{Arch, LINKER};
use object::read::pe::PeFile64;
use object::{Object as _, ObjectSection as _};
use xshell::{Shell, cmd};

use crate::driver;
use crate::project;

const FOLDER: &str = "wsk/cost/c/echo";
const SOURCES: [&str; 3] = ["driver", "server", "worker"];
const TARGET: &str = "x86_64-pc-windows-msvc";

/// As the drivers in Rust are linked; see `build.rs` there.
const LINK: [&str; 7] = [
    "/DRIVER",
    "/SUBSYSTEM:NATIVE,6.02",
    "/RELEASE",
    "/ENTRY:DriverEntry",
    "/NODEFAULTLIB",
    "/OPT:REF,ICF",
    "/MACHINE:X64",
];

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

/// The echo driver in C, for x64. Fails if the kernel would not load it.
pub(crate) fn build_c(shell: &Shell) -> Result<PathBuf> {
    let folder = project::scratch()?.join("cost").join("echo");
    fs::create_dir_all(&folder)?;
    let linker = linker(shell)?;
    let mut inputs = Vec::new();
    for source in SOURCES {
        let object = folder.join(source).with_extension("obj");
        cmd!(shell, "clang --target={TARGET} -nostdinc -c {FOLDER}/{source}.c -o {object}")
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .args(["-Iheaders/km", "-Iheaders/shared"])
            .quiet()
            .run()
            .with_context(|| format!("{FOLDER}/{source}.c does not compile"))?;
        inputs.push(object);
    }
    for image in ["netio", "ntoskrnl"] {
        let library = folder.join(image).with_extension("lib");
        cmd!(shell, "{linker} -flavor link /lib /machine:x64")
            .arg(format!("/def:{FOLDER}/{image}.def"))
            .arg(format!("/out:{}", library.display()))
            .quiet()
            .run()
            .with_context(|| format!("{FOLDER}/{image}.def gives no import library"))?;
        inputs.push(library);
    }
    let driver = folder.join("echo.sys");
    cmd!(shell, "{linker} -flavor link /nologo")
        .args(LINK)
        .arg(format!("/out:{}", driver.display()))
        .args(&inputs)
        .quiet()
        .run()
        .context("the echo driver in C cannot be linked")?;
    driver::describe(&driver)?;
    Ok(driver)
}

/// LLVM's linker, which the toolchain brings but does not put on the path.
fn linker(shell: &Shell) -> Result<PathBuf> {
    let libraries = cmd!(shell, "rustc --print target-libdir").quiet().read()?;
    let linker = Path::new(&libraries).with_file_name("bin").join(LINKER);
    Ok(linker)
}
