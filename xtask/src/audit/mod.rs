//! The audit of wsk in a driver: no function of wsk panics, allocates infallibly, is pageable, or uses much stack.
//!
//! It inspects the image of one driver, `wsk/tests/audit-driver`, which contains every public function of wsk and no
//! other code. It is built like every driver, for both processors.

mod coverage;
#[cfg(test)]
mod releases;
mod stack;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use cargo_wsk::audit::{pageable, panics, registers};
use cargo_wsk::build::{Arch, Build};
use cargo_wsk::image::Image;
use cargo_wsk::setup;

use self::stack::Measures;
use crate::{driver, project};

/// Options of `cargo xtask stack`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show the deepest path of calls from each function with this in its name, instead
    #[arg(long, value_name = "NAME")]
    path: Option<String>,
    /// Install the Rust targets first, if they are missing
    #[arg(long)]
    setup: bool,
}

/// `cargo xtask stack`: writes the table.
pub(crate) fn write_stack(args: &Args) -> Result<()> {
    setup::require_targets(
        &project::root(),
        &setup::TARGETS,
        args.setup,
        "cargo xtask stack --setup",
    )?;
    let images = images(&Arch::ALL)?;
    if let Some(name) = &args.path {
        for (arch, image) in &images {
            stack::print_paths(*arch, image, name);
        }
        return Ok(());
    }
    let measures = images.iter().map(|(arch, image)| Measures::of(*arch, image));
    table::write(&measures.collect::<Vec<_>>())
}

/// `cargo xtask test audit`: for x64.
pub(crate) fn test() -> Result<()> {
    has_no_faults(Arch::X64)?;
    no_allocator_no_allocation()
}

/// `cargo xtask test audit-all`: also for arm64, and the checks can fail for both.
pub(crate) fn test_all() -> Result<()> {
    test()?;
    has_no_faults(Arch::Arm64)?;
    Arch::ALL.into_iter().try_for_each(deliberate_faults_are_found)
}

fn has_no_faults(arch: Arch) -> Result<()> {
    let images = images(&[arch])?;
    let problems = problems(&images)?;
    ensure!(problems.is_empty(), "a driver with all of wsk:\n  {}", problems.join("\n  "));
    for (arch, image) in &images {
        let count = image.exports.len();
        println!("{}: {count} functions of wsk: no panic, nothing pageable", arch.name());
        println!("{}", Measures::of(*arch, image).summary());
    }
    Ok(())
}

fn images(archs: &[Arch]) -> Result<Vec<(Arch, Image)>> {
    let build = |&arch| Ok((arch, Image::read(&compile(&[], arch)?)?));
    archs.iter().map(build).collect()
}

/// Builds the audit driver.
fn compile(features: &[&str], arch: Arch) -> Result<PathBuf> {
    Build { features, profile: driver::PROFILE, ..Build::release("audit-driver", arch) }
        .compile(project::workspace()?)
}

/// The faults of an image that no driver may have.
fn faults(arch: Arch, image: &Image, measures: &Measures) -> Result<Vec<String>> {
    let findings =
        [panics::findings(image)?, pageable(&image.sections, &image.imports), registers(image)]
            .concat();
    let found = findings.iter().map(ToString::to_string).chain(measures.problems.clone());
    Ok(found.map(|problem| format!("{}: {problem}", arch.name())).collect())
}

/// The faults of the audit driver, and the functions that it lacks.
fn problems(images: &[(Arch, Image)]) -> Result<Vec<String>> {
    let (mut problems, mut all) = (Vec::new(), Vec::new());
    for (arch, image) in images {
        let measures = Measures::of(*arch, image);
        problems.extend(faults(*arch, image, &measures)?);
        problems.extend(coverage::missing(image)?);
        all.push(measures);
    }
    // A missing function is missing for every processor.
    problems.sort();
    problems.dedup();
    problems.extend(table::exceeding(&all)?);
    Ok(problems)
}

/// Shows that the checks can fail: they find each fault in a driver that contains all of them.
fn deliberate_faults_are_found(arch: Arch) -> Result<()> {
    /// The expected reports of the deliberate faults in `wsk/tests/audit-driver/src/deliberate.rs`.
    const FAULTS: [&str; 6] = [
        "`deliberate::panic` can panic",
        "the section `PAGE` is pageable",
        "`MmPageEntireDriver` makes the driver pageable",
        "`deliberate::frame` uses",
        "functions call each other in a circle: deliberate::circle",
        "`audit_driver::deliberate::faults::pointer` can be called through a pointer",
    ];
    /// A fault that exists on x64 only.
    const REGISTERS: &str = "`audit_driver::deliberate::faults::registers` changes registers";
    let image = Image::read(&compile(&["deliberate"], arch)?)?;
    let problems = faults(arch, &image, &Measures::of(arch, &image))?;
    let of_x64 = (arch == Arch::X64).then_some(REGISTERS);
    let expected: Vec<&str> = FAULTS.into_iter().chain(of_x64).collect();
    for fault in &expected {
        let prefix = format!("{}: {fault}", arch.name());
        if !problems.iter().any(|problem| problem.starts_with(&prefix)) {
            bail!(
                "a deliberate fault was not found: {prefix}. Found:\n  {}",
                problems.join("\n  ")
            );
        }
    }
    println!("{}: {} deliberate faults are found", arch.name(), expected.len());
    Ok(())
}

/// Checks that a driver without an allocator cannot use the `alloc` crate, and so cannot allocate infallibly.
fn no_allocator_no_allocation() -> Result<()> {
    let error = match compile(&["deliberate-allocation"], Arch::X64) {
        Ok(_) => bail!("a driver without an allocator links, although it uses `alloc::boxed::Box`"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(
        error.contains("no global memory allocator found"),
        "the link of a driver that uses `alloc` without an allocator should fail with `no global memory allocator \
         found`, but cargo reported:\n{error}"
    );
    println!("no allocator, and no code that would need one");
    Ok(())
}
