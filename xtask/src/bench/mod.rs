//! `cargo xtask bench`: what `wsk` costs beside a client in C, and what the host costs at scale.
//!
//! Counts instructions, which hardly vary between runs, and also measures times for the host. Fails if a count exceeds
//! its limit, if docs/cost.md had other numbers, or, with `--host=check`, if the host's page does not have the current
//! counts.

mod callgrind;
mod drivers;
mod host_scale;
mod programs;
mod report;

use std::fs;

use anyhow::{Result, bail, ensure};
use cargo_wsk::setup::{self, Dependency};
use cargo_wsk::wine::NEEDS as WINE;
use xshell::Shell;

use self::callgrind::InstructionCounts;
pub(crate) use self::drivers::ECHO as ECHO_IN_C;
use self::drivers::Size;
use self::programs::{ClientLanguage, CompletionTiming, Programs, Rounds};
use self::report::Report;
use crate::test::CLANG;
use crate::{driver, project, wine};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install missing tools first: clang, valgrind and the Rust target
    #[arg(long)]
    setup: bool,
    /// Run the checks of the echo example against the driver in C first, in Wine: that it does the same
    #[arg(long)]
    wine: bool,
    /// Only the host at scale: write docs/host-scale.md, or check that the page has the current counts
    #[arg(long, num_args = 0..=1, default_missing_value = "write")]
    host: Option<HostPage>,
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

pub(crate) fn run(args: &Args) -> Result<()> {
    const FLAG: &str = "cargo xtask bench --setup";
    setup::require(&[&CLANG, &VALGRIND], args.setup, FLAG)?;
    setup::require_targets(&project::root(), &["x86_64-pc-windows-msvc"], args.setup, FLAG)?;
    if args.wine {
        setup::require(&WINE.each_ref(), args.setup, FLAG)?;
    }

    let shell = Shell::new()?;
    shell.change_dir(project::root());
    match args.host {
        Some(HostPage::Write) => return host_scale::measure(&shell),
        Some(HostPage::Check) => return host_scale::check(&shell),
        None => {}
    }
    let host = host_scale::measure(&shell);
    let driver_in_c = drivers::build_c(&shell)?;
    if args.wine {
        wine::test_image(&driver_in_c)?;
    }
    let programs = Programs::build(&shell, "release", driver::PROFILE)?;
    let mut costs = Vec::new();
    for timing in CompletionTiming::ALL {
        for client in ClientLanguage::ALL {
            println!("counting: {client:?}, {}", timing.name());
            costs.push((timing, client, count(&programs, client, timing)?));
        }
    }
    let sizes = [Size::of(&driver_in_c)?, Size::of(&drivers::build_rust()?)?];
    let report = Report::new(costs, sizes, &shell)?;
    let docs = project::root().join("docs");
    fs::create_dir_all(&docs)?;
    let page = docs.join("cost.md");
    // A missing page has no numbers.
    let is_fresh = fs::read_to_string(&page).is_ok_and(|page| report.is_on(&page));
    fs::write(&page, report.page())?;
    print!("\n{}", report.tables());
    println!("\nwritten: docs/cost.md");
    match report.exceeded().as_slice() {
        [] => {}
        all => bail!("too much:\n{}", all.join("\n")),
    }
    ensure!(
        is_fresh,
        "docs/cost.md was stale: its numbers were from other sources. It is updated now; commit it"
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
        let (allocations, file) = programs.count(client, timing, rounds)?;
        let counts = InstructionCounts::read(&file, &programs.image(client), &programs.kernel())?;
        Ok::<_, anyhow::Error>((allocations, counts))
    });
    let ((_, fewer), (allocations, more)) = (fewer?, more?);
    Ok(Cost { allocations, each: more.of_each(&fewer, ROUNDS[1] - ROUNDS[0]) })
}

/// Checks that the measured programs build, run, and allocate nothing; without valgrind, and not optimized.
pub(crate) fn check() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    // Other steps have already built the host in this profile.
    let programs = Programs::build(&shell, "dev", "dev")?;
    for client in ClientLanguage::ALL {
        for timing in CompletionTiming::ALL {
            let rounds = Rounds { warm_up: 10, counted: 100 };
            let allocations = programs.run(client, timing, rounds)?;
            ensure!(
                allocations == 0,
                "{client:?}, {}: {allocations} allocations in {} rounds",
                timing.name(),
                rounds.counted
            );
        }
    }
    println!("both clients run, and allocate nothing");
    let size = Size::of(&drivers::build_c(&shell)?)?;
    println!("the echo driver in C has {} bytes", size.file);
    Ok(())
}
