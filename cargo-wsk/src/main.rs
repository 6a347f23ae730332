//! `cargo wsk`: creates a driver's project, builds and signs the driver, audits its image, and runs it in a process or
//! in Wine.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use anyhow::{Context, Result, ensure};
use cargo_wsk::audit::{Report, Summary};
use cargo_wsk::build::{Arch, Build, driver_name};
use cargo_wsk::project::{Project, ProjectKind, shell_word};
use cargo_wsk::run::{ImageRun, faults, windows};
use cargo_wsk::wine::{self, RegistryValue};
use cargo_wsk::{Workspace, setup, sign};
use clap::{Args, Parser, Subcommand};
use wsk_host::{Faults, Windows};

/// Cargo passes the name of the subcommand as the first argument.
#[derive(Parser)]
#[command(name = "cargo", bin_name = "cargo")]
enum Cargo {
    #[command(about, version, after_help = EXIT_CODES)]
    Wsk {
        #[command(subcommand)]
        command: Command,
    },
}

const EXIT_CODES: &str =
    "Exit codes: 0 success, 1 failure, 2 wrong arguments, 3 findings of an audit";

#[derive(Subcommand)]
enum Command {
    /// Create a project: a driver, with tests that run on an emulated kernel
    New(NewArgs),
    /// Build a driver for x64 and arm64, without a WDK
    Build(BuildArgs),
    /// Compile a driver with wdk-sys, such as that of `new --kind kmdf`, without a WDK, and without linking it
    Check(CheckArgs),
    /// Check a driver's image: panics, pageable parts, stack, imports, headers
    Audit(AuditArgs),
    /// Create a test certificate for `build --sign`: FILE.pfx, and FILE.cer for the test machine
    Certificate(CertificateArgs),
    /// Run a driver's image in this process, on an emulated kernel under a verifier, until Ctrl-C (Linux on x64)
    Run(RunArgs),
    /// Run a driver in its own Wine prefix, until Ctrl-C (Linux)
    Wine(WineArgs),
}

#[derive(Args)]
struct NewArgs {
    /// The folder to create; its name is that of the driver
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// What to create
    #[arg(long, value_enum, default_value = "wdm")]
    kind: ProjectKind,
    /// Take the crates of wsk from a clone of its repository, instead of the registry
    #[arg(long, value_name = "CLONE")]
    wsk: Option<PathBuf>,
}

#[derive(Args)]
struct DriverArgs {
    /// The driver's package [default: the only one whose library is a `cdylib`]
    #[arg(short, long)]
    package: Option<String>,
    /// The Cargo.toml of the workspace or of the driver
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
    /// Build optimized, with the profile `release`
    #[arg(short, long, conflicts_with = "profile")]
    release: bool,
    /// The profile to build with
    #[arg(long, default_value = "dev")]
    profile: String,
    /// Features of the package
    #[arg(short = 'F', long, value_delimiter = ',')]
    features: Vec<String>,
    /// Install missing tools first: the Rust target, and Debian packages for Wine and signing
    #[arg(long)]
    setup: bool,
}

impl DriverArgs {
    fn build(&self, workspace: &Workspace, arch: Arch) -> Result<PathBuf> {
        let features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        let package = workspace.driver(self.package.as_deref())?;
        let profile = if self.release { "release" } else { &self.profile };
        Build { features: &features, profile, ..Build::release(package, arch) }.run(workspace)
    }
}

#[derive(Args)]
struct BuildArgs {
    #[command(flatten)]
    driver: DriverArgs,
    /// The processor that the driver is for [default: both]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// The processor, as the name of a Rust target
    #[arg(long, value_name = "TRIPLE", conflicts_with = "arch", value_parser = str::parse::<Arch>)]
    target: Option<Arch>,
    /// Sign the driver with this certificate and its key, without a password, and verify the signature
    #[arg(long, value_name = "CERT.pfx")]
    sign: Option<PathBuf>,
}

#[derive(Args)]
struct CheckArgs {
    /// The driver's package [default: the only one whose library is a `cdylib`]
    #[arg(short, long)]
    package: Option<String>,
    /// The Cargo.toml of the driver [default: that of this folder, or below it in `driver`]
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
    /// The processor that the driver is for [default: both]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Install missing Rust targets first
    #[arg(long)]
    setup: bool,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
struct AuditArgs {
    /// The image. The names of functions come from its symbol table (/DEBUG:SYMTAB) or from its map beside it (/MAP)
    #[arg(value_name = "FILE.sys")]
    driver: PathBuf,
    /// The stack that a call may use, functions of the kernel and calls through pointers excluded
    #[arg(long, value_name = "BYTES")]
    budget: Option<u32>,
    /// The form of the report
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Args)]
struct CertificateArgs {
    /// The file to create; the certificate is named after it
    #[arg(value_name = "FILE.pfx")]
    file: PathBuf,
    /// Install missing tools first (Debian)
    #[arg(long)]
    setup: bool,
}

#[derive(Args)]
#[command(after_help = RUN_HELP)]
struct RunArgs {
    /// The image to run [default: the driver of the current folder, which is built first]
    #[arg(value_name = "FILE.sys")]
    image: Option<PathBuf>,
    #[command(flatten)]
    driver: DriverArgs,
    /// Serve on the machine's network until Ctrl-C. This is the default
    #[arg(long, conflicts_with = "seeds")]
    real: bool,
    /// Load and unload the driver on the simulated network, once for each of N seeds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// A value below the driver's key `Parameters` in the registry: a number, or else a text
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, RegistryValue)>,
    /// The emulated version of Windows, for instance 10.0.17763 or 11
    #[arg(long, value_name = "VERSION", default_value = "11", value_parser = windows)]
    windows: Windows,
    /// Faults with their probabilities in thousandths, for instance reset=5,hold=10: loss, duplication, reset (each on
    /// the simulated network), forced-close and hold
    #[arg(long, value_name = "FAULT=N,...", value_parser = faults, default_value = "loss=0")]
    faults: Faults,
    /// Run the driver even if the host lacks some of its imports; a call of one ends it
    #[arg(long)]
    allow_missing: bool,
    /// Write the packets of the driver's sockets to a file that Wireshark opens
    #[arg(long, value_name = "FILE.pcapng", conflicts_with = "seeds")]
    capture: Option<PathBuf>,
}

const RUN_HELP: &str = "This is no sandbox: the driver runs with your rights. Never run one that you do not trust.\n\n\
    The process ends with a report if the driver breaks a rule.";

#[derive(Args)]
struct WineArgs {
    #[command(flatten)]
    driver: DriverArgs,
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

/// The exit code of an audit that has findings.
const FINDINGS: u8 = 3;

fn main() -> ExitCode {
    // A defect of this program is also reported as a sentence, with its location.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("error: cargo-wsk has failed, which is a defect of it: {info}");
    }));
    let Cargo::Wsk { command } = Cargo::parse();
    let success = |()| ExitCode::SUCCESS;
    let result = match command {
        Command::New(args) => new(&args).map(success),
        Command::Build(args) => build(&args).map(success),
        Command::Check(args) => check(&args).map(success),
        Command::Audit(args) => audit(&args),
        Command::Certificate(args) => certificate(&args).map(success),
        Command::Run(args) => run(&args).map(success),
        Command::Wine(args) => wine(&args).map(success),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn new(args: &NewArgs) -> Result<()> {
    let folder = std::path::absolute(&args.folder)
        .with_context(|| format!("cannot find {}", args.folder.display()))?;
    Project { folder: &folder, kind: args.kind, wsk: args.wsk.as_deref() }.create()?;
    println!(
        "created {}. Next:\n  cd {}\n  cargo test",
        args.folder.display(),
        shell_word(&args.folder)
    );
    match args.kind {
        ProjectKind::Wdm => println!("  cargo wsk build --release\n  cargo wsk wine"),
        ProjectKind::Kmdf => println!("  cargo wsk check"),
        ProjectKind::Lib => {}
    }
    Ok(())
}

fn build(args: &BuildArgs) -> Result<()> {
    const FLAG: &str = "cargo wsk build --setup";
    let workspace = Workspace::find(args.driver.manifest_path.as_deref())?;
    let archs = args.arch.or(args.target).map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch]);
    let targets: Vec<&str> = archs.iter().map(|arch| arch.target()).collect();
    setup::require_targets(workspace.root(), &targets, args.driver.setup, FLAG)?;
    if args.sign.is_some() && !cfg!(windows) {
        setup::require(&sign::NEEDS.each_ref(), args.driver.setup, FLAG)?;
    }
    for arch in archs {
        let driver = args.driver.build(&workspace, arch)?;
        if let Some(pfx) = &args.sign {
            sign::sign(&driver, pfx)?;
        }
        // This fails for an image that Windows would not load.
        print!("{}", Summary::of(&driver)?);
    }
    Ok(())
}

fn check(args: &CheckArgs) -> Result<()> {
    // In a KMDF project, the driver is a separate workspace.
    let below = PathBuf::from("driver/Cargo.toml");
    let manifest = args.manifest_path.clone().or_else(|| below.is_file().then_some(below));
    let workspace = Workspace::find(manifest.as_deref())?;
    let archs = args.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch]);
    let targets: Vec<&str> = archs.iter().map(|arch| arch.target()).collect();
    setup::require_targets(workspace.root(), &targets, args.setup, "cargo wsk check --setup")?;
    cargo_wsk::check::check(&workspace, args.package.as_deref(), &archs)
}

fn audit(args: &AuditArgs) -> Result<ExitCode> {
    let report = Report::of(&args.driver, args.budget)?;
    match args.format {
        Format::Text => print!("{report}"),
        Format::Json => println!("{:#}", report.to_json()),
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

fn certificate(args: &CertificateArgs) -> Result<()> {
    if !cfg!(windows) {
        setup::require(&sign::NEEDS.each_ref(), args.setup, "cargo wsk certificate --setup")?;
    }
    let name = args.file.file_stem().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} has no name", args.file.display()))?;
    let certificate = sign::create_certificate(&args.file, name)?;
    println!(
        "created {} (keep it secret) and {} (for the test machine). Next:\n  cargo wsk build --release --sign {0}",
        args.file.display(),
        certificate.display()
    );
    Ok(())
}

fn run(args: &RunArgs) -> Result<()> {
    const FLAG: &str = "cargo wsk run --setup";
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "`cargo wsk run` needs Linux on x64; `cargo test` runs the driver's source on this system"
    );
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // The receiver is dropped when the driver is unloaded.
        let _ = interrupt.send(());
    })?;
    let (image, name) = if let Some(image) = &args.image {
        let name = image.file_stem().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name", image.display()))?;
        (image.clone(), name.to_owned())
    } else {
        let workspace = Workspace::find(args.driver.manifest_path.as_deref())?;
        let x64 = [Arch::X64.target()];
        setup::require_targets(workspace.root(), &x64, args.driver.setup, FLAG)?;
        let name = driver_name(workspace.driver(args.driver.package.as_deref())?).to_owned();
        (args.driver.build(&workspace, Arch::X64)?, name)
    };
    let run = ImageRun {
        name: &name,
        image: &image,
        parameters: &args.parameters,
        windows: args.windows,
        faults: args.faults,
        allows_missing: args.allow_missing,
        capture: args.capture.as_deref(),
    };
    if let Some(seeds) = args.seeds {
        run.with_seeds(seeds)?;
        println!("{name} was loaded and unloaded with {seeds} seeds.");
        return Ok(());
    }
    run.until_interrupted(&interrupted, || println!("{name} is loaded. Ctrl-C unloads it."))?;
    println!("{name} was unloaded. It left nothing behind.");
    Ok(())
}

fn wine(args: &WineArgs) -> Result<()> {
    const FLAG: &str = "cargo wsk wine --setup";
    let workspace = Workspace::find(args.driver.manifest_path.as_deref())?;
    setup::require(&wine::NEEDS.each_ref(), args.driver.setup, FLAG)?;
    setup::require_targets(workspace.root(), &[Arch::X64.target()], args.driver.setup, FLAG)?;
    let name = driver_name(workspace.driver(args.driver.package.as_deref())?);
    let run = wine::Run { name, parameters: &args.parameters };
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
    fn other_targets_are_wrong_arguments() {
        let build = |target| Cargo::try_parse_from(["cargo", "wsk", "build", "--target", target]);
        assert!(build("aarch64-pc-windows-msvc").is_ok());
        let error = build("x86_64-pc-windows-gnu").err().unwrap().to_string();
        assert!(error.contains("its C library has no place in a kernel"), "{error}");
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
