//! `cargo xtask test`: runs every check, step by step.

mod c;
mod callback_cost;
mod fuzz;
mod headers;
#[cfg(test)]
mod kmdf;
mod linted;
#[cfg(test)]
mod manifests;
mod miri;
mod release;
mod run;
mod steps;
mod template;
mod time;
mod units;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cargo_wsk::setup::{self, Dependency};
use cargo_wsk::wine::NEEDS as WINE;

use self::steps::STEPS;
use crate::c_driver;
use crate::wine::WEB_NEEDS;
use crate::{bindgen, project, tool, toolchain};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The steps to run [default: all but those for releases]
    #[arg(value_name = "STEP", value_parser = step_names())]
    steps: Vec<String>,
    /// Install missing tools first: Debian packages, and parts of the Rust toolchain
    #[arg(long)]
    setup: bool,
    /// Also run the steps for releases
    #[arg(long, conflicts_with = "steps")]
    all: bool,
    /// List the steps
    #[arg(long)]
    list: bool,
}

/// One thing to check.
pub(crate) struct Step {
    name: &'static str,
    about: &'static str,
    /// A long step that seldom finds a defect: it runs by name, and before a release.
    is_for_releases: bool,
    /// The programs that must be installed, besides the toolchain.
    needs: fn() -> Vec<&'static Dependency>,
    run: fn() -> Result<()>,
}

fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        for step in &STEPS {
            let when = if step.is_for_releases { " (for releases)" } else { "" };
            println!("{:<14} {}{when}", step.name, step.about);
        }
        return Ok(());
    }
    let is_wanted = |step: &&Step| match &args.steps[..] {
        [] => args.all || !step.is_for_releases,
        names => names.iter().any(|name| name == step.name),
    };
    let steps: Vec<&Step> = STEPS.iter().filter(is_wanted).collect();
    let started = Stopwatch::start();
    require(&steps, args.setup)?;

    let mut results = Vec::new();
    for step in steps {
        println!("\n=== {}: {}", step.name, step.about);
        let started = Stopwatch::start();
        let result = (step.run)();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        let taken = started.taken();
        println!("{}: {}", step.name, taken.describe());
        results.push((step.name, result.is_ok(), taken));
    }
    let all = started.taken();

    println!("\n{:<14} {:>8} {:>10}", "step", "seconds", "processor");
    for (name, passed, taken) in &results {
        let state = if *passed { "" } else { "   FAILED" };
        println!("{name:<14} {}{state}", taken.columns());
    }
    println!("{:<14} {}", "all", all.columns());
    let failed: Vec<&str> =
        results.iter().filter(|result| !result.1).map(|result| result.0).collect();
    if !failed.is_empty() {
        bail!(
            "failed: {}. To run a step again: `cargo xtask test {}`",
            failed.join(", "),
            failed[0]
        );
    }
    Ok(())
}

/// The start of a step: by the clock, and in processor time.
struct Stopwatch {
    wall: Instant,
    processor: Option<Duration>,
}

/// The time that a step took.
struct Taken {
    wall: Duration,
    processor: Option<Duration>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { wall: Instant::now(), processor: time::processor_time() }
    }

    fn taken(&self) -> Taken {
        let now = time::processor_time();
        let processor = now.zip(self.processor).map(|(now, then)| now.saturating_sub(then));
        Taken { wall: self.wall.elapsed(), processor }
    }
}

impl Taken {
    /// Seconds, right-aligned below the head of the table.
    fn columns(&self) -> String {
        let processor = self.processor.map(|time| format!("{:.1}", time.as_secs_f32()));
        format!(
            "{:>8.1} {:>10}",
            self.wall.as_secs_f32(),
            processor.as_deref().unwrap_or("unknown")
        )
    }

    fn describe(&self) -> String {
        let processor = self.processor.map_or_else(String::new, |time| {
            format!(", {:.1} s of processor time", time.as_secs_f32())
        });
        format!("{:.1} s{processor}", self.wall.as_secs_f32())
    }
}

/// Checks for the tools of all steps before the first step, so a missing tool does not interrupt the run.
fn require(steps: &[&Step], setup: bool) -> Result<()> {
    const FLAG: &str = "cargo xtask test --setup";
    let mut needs: Vec<&Dependency> = Vec::new();
    for need in steps.iter().flat_map(|step| (step.needs)()) {
        if !needs.iter().any(|known| known.package == need.package) {
            needs.push(need);
        }
    }
    setup::require(&needs, setup, FLAG)?;
    toolchain::require_components(&["rustfmt", "clippy"], setup, FLAG)?;
    setup::require_targets(&project::root(), &setup::TARGETS, setup, FLAG)?;
    if steps.iter().any(|step| step.name == steps::MINIMUM) {
        toolchain::require_toolchain(&project::minimum_rust()?, setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::SYSTEMS) {
        setup::require_targets(&project::root(), &[steps::MACOS], setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::RUN_ARM64) {
        setup::require_targets(&project::root(), &[run::ARM64_TARGET], setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::MIRI) {
        miri::require(setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::FUZZ) {
        fuzz::require(setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::LICENSES) {
        tool::DENY.require(setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::SEMVER) && release::has_version()? {
        tool::SEMVER_CHECKS.require(setup, FLAG)?;
    }
    Ok(())
}

static GCC: Dependency =
    Dependency { name: "gcc", package: "gcc", is_there: || setup::on_path("gcc") };
/// For Windows, with its linker and `dlltool`.
static MINGW: Dependency = Dependency {
    name: "gcc of mingw-w64",
    package: "gcc-mingw-w64-x86-64",
    is_there: || setup::on_path(c_driver::GCC),
};
static GXX: Dependency =
    Dependency { name: "g++", package: "g++", is_there: || setup::on_path("g++") };
pub(crate) static CLANG: Dependency =
    Dependency { name: "clang", package: "clang", is_there: || setup::on_path("clang") };

static ARM64: [Dependency; 2] = [
    Dependency {
        name: "gcc for arm64",
        package: "gcc-aarch64-linux-gnu",
        is_there: || setup::on_path("aarch64-linux-gnu-gcc"),
    },
    Dependency {
        name: "qemu-aarch64",
        package: "qemu-user",
        is_there: || setup::on_path("qemu-aarch64"),
    },
];

static OPENSSL: Dependency =
    Dependency { name: "openssl", package: "openssl", is_there: || setup::on_path("openssl") };

static TSHARK: Dependency =
    Dependency { name: "tshark", package: "tshark", is_there: || setup::on_path("tshark") };

static PROMETHEUS: Dependency = Dependency {
    name: "Prometheus",
    package: "prometheus",
    is_there: || setup::on_path("prometheus") && setup::on_path("promtool"),
};

static NBD_SERVERS: [Dependency; 2] = [
    Dependency {
        name: "nbd-server",
        package: "nbd-server",
        is_there: || setup::on_path("nbd-server"),
    },
    Dependency { name: "qemu-nbd", package: "qemu-utils", is_there: || setup::on_path("qemu-nbd") },
];

static SERVERS: [Dependency; 4] = [
    Dependency {
        name: "mosquitto",
        package: "mosquitto",
        is_there: || setup::on_path("mosquitto"),
    },
    Dependency {
        name: "mosquitto_pub",
        package: "mosquitto-clients",
        is_there: || setup::on_path("mosquitto_pub"),
    },
    Dependency { name: "chronyd", package: "chrony", is_there: || setup::on_path("chronyd") },
    Dependency { name: "dnsmasq", package: "dnsmasq-base", is_there: || setup::on_path("dnsmasq") },
];

fn nothing() -> Vec<&'static Dependency> {
    Vec::new()
}

fn compilers() -> Vec<&'static Dependency> {
    vec![&GCC, &GXX, &CLANG]
}

/// The compilers of drivers in C, and of the same drivers linked with the host.
fn driver_compilers() -> Vec<&'static Dependency> {
    vec![&GCC, &CLANG, &MINGW]
}

/// The compilers of the drivers that run in a process, and the peers of the web driver.
fn image_needs() -> Vec<&'static Dependency> {
    driver_compilers().into_iter().chain(&WEB_NEEDS).collect()
}

/// The linker and the emulator of processes for arm64.
fn arm64() -> Vec<&'static Dependency> {
    ARM64.iter().collect()
}

/// The server that the HTTPS client is tested with.
fn openssl() -> Vec<&'static Dependency> {
    vec![&OPENSSL]
}

/// The reader that captures of packets are tested with.
fn tshark() -> Vec<&'static Dependency> {
    vec![&TSHARK]
}

/// The scraper that the metrics example is tested with.
fn prometheus() -> Vec<&'static Dependency> {
    vec![&PROMETHEUS]
}

/// The servers that the nbd example is tested with.
fn nbd_servers() -> Vec<&'static Dependency> {
    NBD_SERVERS.iter().collect()
}

/// The servers and clients that the crates example is tested with.
fn servers() -> Vec<&'static Dependency> {
    SERVERS.iter().chain(&WEB_NEEDS).chain([&OPENSSL]).collect()
}

fn libclang() -> Vec<&'static Dependency> {
    vec![&bindgen::LIBCLANG]
}

/// The programs that the web server is tested with.
fn web_needs() -> Vec<&'static Dependency> {
    WEB_NEEDS.iter().collect()
}

fn wine() -> Vec<&'static Dependency> {
    WINE.iter().collect()
}

fn wine_web() -> Vec<&'static Dependency> {
    WINE.iter().chain(&WEB_NEEDS).collect()
}
