//! `cargo wsk`: builds a driver, audits its image, and runs it in Wine.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use cargo_wsk::audit::Report;
use cargo_wsk::build::{Arch, Build};
use cargo_wsk::wine::{self, RegistryValue};
use cargo_wsk::{Workspace, setup};
use clap::{Args, Parser, Subcommand};

/// Cargo passes the name of the subcommand as the first argument.
#[derive(Parser)]
#[command(name = "cargo", bin_name = "cargo")]
enum Cargo {
    #[command(about, version)]
    Wsk {
        #[command(subcommand)]
        command: Command,
    },
}

#[derive(Subcommand)]
enum Command {
    /// Build a driver for x64 and arm64, without a WDK
    Build(BuildArgs),
    /// Check a driver's image for panics and pageable parts, and find its deepest stack
    Audit {
        /// The image, linked with /DEBUG:SYMTAB
        #[arg(value_name = "FILE.sys")]
        driver: PathBuf,
    },
    /// Run a driver in its own Wine prefix, until Ctrl-C (Linux)
    Wine(WineArgs),
}

#[derive(Args)]
struct Driver {
    /// The driver's package [default: the only one whose library is a `cdylib`]
    #[arg(short, long)]
    package: Option<String>,
    /// The Cargo.toml of the workspace or of the driver
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
    /// The profile to build with
    #[arg(long, default_value = "release")]
    profile: String,
    /// Features of the package
    #[arg(short = 'F', long, value_delimiter = ',')]
    features: Vec<String>,
    /// Install missing tools first: the Rust target, and Wine where it is needed (Debian)
    #[arg(long)]
    setup: bool,
}

impl Driver {
    fn build(&self, workspace: &Workspace, arch: Arch) -> Result<PathBuf> {
        let features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        let package = workspace.driver(self.package.as_deref())?;
        Build { package, features: &features, profile: &self.profile, config: &[], arch }
            .run(workspace)
    }
}

#[derive(Args)]
struct BuildArgs {
    #[command(flatten)]
    driver: Driver,
    /// The processor that the driver is for [default: both]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
}

#[derive(Args)]
struct WineArgs {
    #[command(flatten)]
    driver: Driver,
    /// A value below the driver's key `Parameters` in the registry: a number, or else a text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, RegistryValue)>,
}

fn parameter(text: &str) -> Result<(String, RegistryValue)> {
    let (name, value) = text.split_once('=').context("expected NAME=VALUE")?;
    ensure!(!name.is_empty(), "expected a name before `=`");
    let value =
        value.parse().map_or_else(|_| RegistryValue::Text(value.to_owned()), RegistryValue::Number);
    Ok((name.to_owned(), value))
}

fn main() -> ExitCode {
    let Cargo::Wsk { command } = Cargo::parse();
    let result = match command {
        Command::Build(args) => build(&args),
        Command::Audit { driver } => audit(&driver),
        Command::Wine(args) => wine(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build(args: &BuildArgs) -> Result<()> {
    let workspace = Workspace::find(args.driver.manifest_path.as_deref())?;
    let archs = args.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch]);
    let targets: Vec<&str> = archs.iter().map(|arch| arch.target()).collect();
    setup::require_targets(
        workspace.root(),
        &targets,
        args.driver.setup,
        "cargo wsk build --setup",
    )?;
    for arch in archs {
        let driver = args.driver.build(&workspace, arch)?;
        print!("{}", cargo_wsk::audit::Summary::of(&driver)?);
    }
    Ok(())
}

fn audit(driver: &std::path::Path) -> Result<()> {
    let report = Report::of(driver)?;
    print!("{}", report.summary);
    if let Some((bytes, path)) = &report.deepest {
        println!("deepest stack: {bytes} bytes: {path}");
    }
    match &report.problems[..] {
        [] => {
            println!("no panic, nothing pageable, no recursion");
            Ok(())
        }
        problems => bail!("{} problems:\n  {}", problems.len(), problems.join("\n  ")),
    }
}

fn wine(args: &WineArgs) -> Result<()> {
    const FLAG: &str = "cargo wsk wine --setup";
    let workspace = Workspace::find(args.driver.manifest_path.as_deref())?;
    setup::require(&wine::NEEDS.each_ref(), args.driver.setup, FLAG)?;
    setup::require_targets(workspace.root(), &[Arch::X64.target()], args.driver.setup, FLAG)?;
    let package = workspace.driver(args.driver.package.as_deref())?;
    let name = package.strip_suffix("-driver").unwrap_or(package).to_owned();
    let run = wine::Run { name: &name, parameters: &args.parameters };
    run.until_interrupted(
        &workspace.scratch(),
        || args.driver.build(&workspace, Arch::X64),
        || println!("{name} is loaded. Ctrl-C unloads it."),
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_have_consistent_options() {
        Cargo::command().debug_assert();
    }

    #[test]
    fn a_parameter_is_a_number_or_a_text() {
        assert_eq!(parameter("Port=7").unwrap(), ("Port".to_owned(), RegistryValue::Number(7)));
        let url = RegistryValue::Text("http://a/?b=c".to_owned());
        assert_eq!(parameter("Url=http://a/?b=c").unwrap(), ("Url".to_owned(), url));
        assert!(parameter("Port").is_err());
        assert!(parameter("=7").is_err());
    }
}
