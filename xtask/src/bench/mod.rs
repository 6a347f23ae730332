//! `cargo xtask bench`: what `wsk` costs beside a client in C, and what the host costs at scale.
//!
//! Counts instructions, which hardly vary between runs, and also measures times for the host. Fails if a count exceeds
//! its limit, if docs/cost.md had other numbers, or, with `--host=check`, if the host's page does not have the current
//! counts.

mod callgrind;
mod drivers;
mod fairness;
mod host_scale;
mod image_cost;
mod memory;
mod null;
mod programs;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use cargo_wsk::setup::{self, Dependency};
use cargo_wsk::wine::NEEDS as WINE;
use xshell::{Shell, cmd};

use self::callgrind::InstructionCounts;
pub(crate) use self::drivers::ECHO as ECHO_IN_C;
use self::drivers::Size;
use self::memory::ConnectionMemory;
use self::null::NullTimes;
use self::programs::{ClientLanguage, CompletionTiming, Programs, RequestProvider, Rounds};
use self::report::{Measured, Report};
use crate::test::CLANG;
use crate::{driver, project, wine};

/// Options of `cargo xtask bench`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install missing tools first: clang, valgrind and the Rust target
    #[arg(long)]
    setup: bool,
    /// Run the checks of the echo example against the driver in C first, in Wine: that it does the same
    #[arg(long)]
    wine: bool,
    /// Only docs/cost.md, without the host at scale
    #[arg(long)]
    cost: bool,
    /// Only the latency of 16 busy connections to images of the echo driver, in Wine
    #[arg(long, value_name = "IMAGE", num_args = 1..)]
    fairness: Vec<PathBuf>,
    /// Only the host at scale: write docs/host-scale.md, or check that the page has the current counts
    #[arg(long, num_args = 0..=1, default_missing_value = "write")]
    host: Option<HostPage>,
    /// Only the images of the echo drivers, as they ship: write docs/cost-images.md
    #[arg(long, conflicts_with = "host")]
    images: bool,
    /// Only the planted bugs that each schedule of the host finds: write docs/schedules.md
    #[arg(long, conflicts_with = "host")]
    schedules: bool,
}

/// Whether to write or check `docs/host-scale.md`.
#[derive(Clone, Copy, clap::ValueEnum)]
enum HostPage {
    Write,
    Check,
}

static VALGRIND: Dependency =
    Dependency { name: "valgrind", package: "valgrind", is_there: || setup::on_path("valgrind") };

/// Enough rounds for all of the host's tables to reach their final size.
const WARM_UP: u32 = 1500;

/// The number of rounds by which two otherwise identical runs differ.
const ROUNDS: [u32; 2] = [1000, 2000];

/// Writes docs/schedules.md.
fn measure_schedules() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    cmd!(shell, "cargo test --package wsk-host --test planted -- --exact table --ignored")
        .run()
        .context("the schedules are not measured")
}

pub(crate) fn run(args: &Args) -> Result<()> {
    const FLAG: &str = "cargo xtask bench --setup";
    if args.schedules {
        return measure_schedules();
    }
    setup::require(&[&CLANG, &VALGRIND], args.setup, FLAG)?;
    setup::require_targets(&project::root(), &["x86_64-pc-windows-msvc"], args.setup, FLAG)?;
    if args.wine {
        setup::require(&WINE.each_ref(), args.setup, FLAG)?;
    }

    let shell = Shell::new()?;
    shell.change_dir(project::root());
    if !args.fairness.is_empty() {
        setup::require(&WINE.each_ref(), args.setup, FLAG)?;
        let images: Vec<&Path> = args.fairness.iter().map(PathBuf::as_path).collect();
        for (image, trips) in images.iter().zip(fairness::measure(&images)?) {
            println!("{}: {trips:?}", image.display());
        }
        return Ok(());
    }
    if args.images {
        return image_cost::measure(&shell);
    }
    match args.host {
        Some(HostPage::Write) => return host_scale::measure(&shell),
        Some(HostPage::Check) => return host_scale::check(&shell),
        None => {}
    }
    let driver_in_c = drivers::build_c(&shell)?;
    if args.wine {
        wine::test_image(&driver_in_c)?;
    }
    let programs = Programs::build(&shell, "release", driver::PROFILE)?;
    let count = |client: ClientLanguage, timing: CompletionTiming| {
        println!("counting: {client:?}, {}", timing.name());
        count(&programs, client, timing)
    };
    let of_both = |timing| {
        Ok::<_, anyhow::Error>([
            count(ClientLanguage::C, timing)?,
            count(ClientLanguage::Rust, timing)?,
        ])
    };
    // First, since both have the same path.
    let without_names = drivers::size_without_names()?;
    let drivers = [driver_in_c, drivers::build_rust()?];
    let of_drivers = |image: &PathBuf| {
        Ok::<_, anyhow::Error>((Size::of(image)?, ConnectionMemory::of(&shell, image)?))
    };
    let [(c, c_memory), (rust, rust_memory)] = [of_drivers(&drivers[0])?, of_drivers(&drivers[1])?];
    let measured = Measured {
        costs: [of_both(CompletionTiming::Inline)?, of_both(CompletionTiming::Later)?],
        in_dpcs: count(ClientLanguage::Rust, CompletionTiming::Dpc)?,
        null: NullTimes::measure(&programs)?,
        sizes: [c, rust],
        without_names,
        memory: [c_memory, rust_memory],
    };
    let report = Report::new(measured, &shell)?;
    let docs = project::root().join("docs");
    fs::create_dir_all(&docs)?;
    let page = docs.join("cost.md");
    // A missing page has no numbers.
    let stale = report.stale_rows(&fs::read_to_string(&page).unwrap_or_default());
    fs::write(&page, report.page())?;
    print!("\n{}", report.tables());
    println!("\nwritten: docs/cost.md");
    let host = if args.cost { Ok(()) } else { host_scale::measure(&shell) };
    match report.exceeded().as_slice() {
        [] => {}
        all => bail!("too much:\n{}\nthe host at scale: {host:?}", all.join("\n")),
    }
    ensure!(
        stale.is_empty(),
        "docs/cost.md was stale: its numbers were from other sources. It is updated now; commit it\n{}",
        stale.join("\n")
    );
    host
}

/// The cost of a client.
pub(crate) struct Cost {
    /// The number of requested allocations, in all rounds of a run.
    allocations: u64,
    /// Callgrind's counts for one round.
    each: InstructionCounts,
}

fn count(programs: &Programs, client: ClientLanguage, timing: CompletionTiming) -> Result<Cost> {
    let [fewer, more] = ROUNDS.map(|counted| {
        let rounds = Rounds { warm_up: WARM_UP, counted };
        let (costs, file) = programs.count(client, timing, rounds)?;
        let counts = InstructionCounts::read(&file, &programs.image(client), &programs.kernel())?;
        Ok::<_, anyhow::Error>((costs, counts))
    });
    let ((_, fewer), (costs, more)) = (fewer?, more?);
    let allocations = costs.allocations;
    Ok(Cost { allocations, each: more.of_each(&fewer, ROUNDS[1] - ROUNDS[0]) })
}

/// Everything that is measured.
const RUNS: [(ClientLanguage, RequestProvider, CompletionTiming); 7] = {
    use ClientLanguage::{C, Rust};
    use CompletionTiming::{Dpc, Inline, Later};
    use RequestProvider::{Host, Null};
    [
        (C, Host, Inline),
        (C, Host, Later),
        (C, Null, Inline),
        (Rust, Host, Inline),
        (Rust, Host, Later),
        (Rust, Host, Dpc),
        (Rust, Null, Inline),
    ]
};

/// Checks that the measured programs build, run, and allocate nothing; without valgrind, and not optimized.
pub(crate) fn check() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    // Other steps have already built the host in this profile.
    let programs = Programs::build(&shell, "dev", "dev")?;
    for (client, provider, timing) in RUNS {
        let rounds = Rounds { warm_up: 10, counted: 100 };
        let allocations = programs.run(client, provider, timing, rounds)?.allocations;
        ensure!(
            allocations == 0,
            "{client:?}, {provider:?}, {}: {allocations} allocations in {} rounds",
            timing.name(),
            rounds.counted
        );
    }
    println!("all clients run, and allocate nothing");
    let size = Size::of(&drivers::build_c(&shell)?)?;
    println!("the echo driver in C has {} bytes", size.file);
    Ok(())
}
