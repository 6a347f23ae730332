//! Checks that wsk-sys compiles with new bindings. Their assertions compare each layout with C.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::GeneratedFile;
use crate::project;

/// Compiles wsk-sys with these files in place of the committed ones.
pub(super) fn check(files: &[GeneratedFile]) -> Result<()> {
    let shell = Shell::new()?;
    let folder = shell.create_temp_dir()?;
    let source = folder.path().join("src");
    copy(&project::root().join("wsk-sys").join("src"), &source)?;
    for file in files {
        fs::write(source.join("generated").join(file.name), &file.text)?;
    }
    // Runs in the project folder, whose rust-toolchain.toml selects the compiler.
    shell.change_dir(project::root());
    let (library, out) = (source.join("lib.rs"), folder.path());
    let compile = cmd!(
        shell,
        "rustc --edition 2024 --crate-name wsk_sys --crate-type lib --emit metadata --cap-lints allow
         --out-dir {out} {library}"
    );
    let output = compile.ignore_status().quiet().output().context("cannot start rustc")?;
    if !output.status.success() {
        bail!(
            "wsk-sys does not compile with the bindings of these headers, or has another layout than C; nothing is \
             written.\nrustc said:\n{}",
            String::from_utf8_lossy(&output.stderr)
                .replace(&*folder.path().to_string_lossy(), "wsk-sys")
        );
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}
