//! The libraries for programs in C that cargo builds: the host as a static library, and images.

mod names;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::project;

/// Options of `cargo xtask library`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Cargo's profile; `c` is `dev`, but a failed run returns to its program
    #[arg(long, default_value = "dev")]
    profile: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    let library = Library::build(&shell, &args.profile)?;
    println!("{}\n{}", library.path.display(), library.needs.join(" "));
    Ok(())
}

/// The host as a static library (`wsk-host/c`), and the system's libraries that it needs.
pub(crate) struct Library {
    pub(crate) path: PathBuf,
    /// The library as cargo built it.
    pub(crate) built: PathBuf,
    pub(crate) needs: Vec<String>,
}

impl Library {
    /// Builds the library in a cargo profile, and reads its path and its dependencies from the output of cargo and
    /// rustc. On Linux, it depends on no name that a program may define.
    pub(crate) fn build(shell: &Shell, profile: &str) -> Result<Self> {
        const NEEDS: &str = "native-static-libs: ";
        let arguments = ["--print", "native-static-libs"];
        let (built, said) = rustc(shell, "wsk-host-c", profile, &arguments)?;
        let needs = said.lines().find_map(|line| Some(line.split_once(NEEDS)?.1));
        let needs = needs.with_context(|| format!("rustc names no libraries in:\n{said}"))?;
        let path = built.with_file_name("libwsk_host.a");
        if cfg!(target_os = "linux") {
            names::isolate(shell, &built, &path)?;
        } else {
            fs::copy(&built, &path)?;
        }
        Ok(Self { path, built, needs: needs.split_whitespace().map(str::to_owned).collect() })
    }

    /// The C library's functions that the host calls, and that a program may define for itself.
    pub(crate) fn c_functions(&self) -> Result<Vec<String>> {
        names::redirected(&self.path)
    }
}

/// Builds the library of a package, and returns its path and rustc's messages.
pub(crate) fn rustc(
    shell: &Shell,
    package: &str,
    profile: &str,
    arguments: &[&str],
) -> Result<(PathBuf, String)> {
    let output = cmd!(shell, "cargo rustc --quiet --package {package} --lib --profile {profile}")
        .arg("--message-format=json-render-diagnostics")
        .arg("--")
        .args(arguments)
        .quiet()
        .ignore_status()
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{package} does not build:\n{said}");
    let messages = String::from_utf8_lossy(&output.stdout);
    let name = package.replace('-', "_");
    let path = messages.lines().find_map(|message| artifact(message, &name));
    let path =
        path.with_context(|| format!("cargo did not build a library of {package}:\n{messages}"))?;
    Ok((path, said))
}

/// The library's path, if the message contains it.
fn artifact(message: &str, name: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != name {
        return None;
    }
    message["filenames"][0].as_str().map(PathBuf::from)
}
