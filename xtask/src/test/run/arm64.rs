//! Runs images for arm64: qemu-user emulates the processor for a process with the host, which is compiled for it.

use std::path::PathBuf;

use anyhow::Result;
use cargo_wsk::build::Arch;
use xshell::{Shell, cmd};

use crate::{driver, project};

/// The target of the process.
pub(crate) const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The tests of `wsk-loader`, each with the variable that names its image, the image's driver, and the names of the tests
/// to run. Failing allocations take minutes here, and do not depend on the processor.
const TESTS: [(&str, &str, &str, &[&str]); 2] = [
    ("echo", "WSK_LOADER_IMAGE", "echo", &[]),
    ("scenarios", "WSK_LOADER_SCENARIOS", "scenarios", &["timing", "busy"]),
];

pub(crate) fn run() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    for (test, variable, name, tests) in TESTS {
        let image: PathBuf = driver::build(name, Arch::Arm64)?;
        println!("{}", image.display());
        cmd!(shell, "cargo test --quiet --package wsk-loader --target {TARGET} --test {test}")
            .args(["--", "--ignored"])
            .args(tests)
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
                "qemu-aarch64 -L /usr/aarch64-linux-gnu",
            )
            .env(variable, &image)
            .run()?;
    }
    Ok(())
}
