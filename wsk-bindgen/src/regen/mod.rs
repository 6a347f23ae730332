//! `cargo xtask regen`: from the headers to `wsk-sys/src/generated`.

mod advice;
mod bindings;
mod bindings_config;
mod catalogue;
mod check;
mod clang;
mod compile;
mod evaluate;
mod expressible;
mod layout;
pub(crate) mod report;
mod since;
#[cfg(test)]
mod tests;

use std::env;
use std::fs;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::advice::Age;
pub(crate) use self::bindings_config::BindingsConfig;
use crate::deep_stack;
use crate::diff::{Report, Side};
use crate::headers::{IncludeTree, Processor, libclang, wdk};
use crate::unified_diff::unified_diff;
use crate::{output, project};

/// The end of `cargo xtask regen --help`.
pub const HELP: &str = "\
Without --wdk, the headers are those of this project, below headers/. headers/bindings.toml lists the items and
documents them.

A new WDK:
  1. `cargo xtask diff bindings wdk` reports the changes of its wsk.h, and the steps that they leave.
  2. Add the release to headers/windows.toml, and record it with `cargo xtask surface --wdk`.
  3. Set `release` in headers/bindings.toml, describe the new items there, and declare them in headers/km/wsk.h.
  4. `cargo xtask regen`, and then `cargo xtask regen --check --wdk`: both give the same bindings.
  5. Add the slots and callbacks that it lists, and the output of `cargo xtask diff OLD NEW --format markdown` to
     CHANGELOG.md.
CONTRIBUTING.md has the details. Headers older than the bindings are compared with them and never written.

Exit code: 0 if the bindings are written, or are as they should be; 1 for a difference with --check, or headers that
cannot be read or expressed; 2 for wrong options.";

/// Options of `cargo xtask regen`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing, and fail with a diff if the bindings differ from what the headers produce
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    wdk: wdk::OptionalWdkArgs,
}

/// The arguments that bindgen itself adds to clang's.
const EXTRA: &str = "BINDGEN_EXTRA_CLANG_ARGS";

/// A file below `wsk-sys/src/generated`.
#[derive(Debug, PartialEq, Eq)]
struct GeneratedFile {
    name: &'static str,
    text: String,
}

/// Generates the bindings, or compares them with the committed ones.
///
/// # Errors
///
/// If the headers cannot be read, lack an item that the bindings had, or with `--check` give other bindings.
pub fn run(args: &Args) -> Result<()> {
    if let Some(list) = args.wdk.list()? {
        return output::print(&list);
    }
    if env::var_os(EXTRA).is_some_and(|arguments| !arguments.is_empty()) {
        bail!(
            "{EXTRA} is set, for `wdk-sys` perhaps: bindgen would read the headers in another way than this \
             command describes. Unset it."
        );
    }
    let libclang = libclang::load()?;
    let headers = project::root().join("headers");
    let config = BindingsConfig::load(&headers)?;
    let Some(tree) = args.wdk.tree()? else {
        let tree = IncludeTree::own(&headers)?;
        return write(&tree, &config, args.check, Age::Current, &libclang);
    };
    let new = Side::wdk(&tree, &config);
    if let Ok(new) = &new {
        new.refuse_mixed(&config)?;
    }
    let old = Side::bindings(&config)?;
    // Compared with the bindings as they were.
    let changes = new.and_then(|new| Report::new(&old, &new, &config));
    let bindings = old.release.unwrap_or_default();
    let age = match &changes {
        Ok(report) if !report.is_ahead => Age::Older(&bindings),
        _ => Age::Current,
    };
    let written = write(&tree, &config, args.check, age, &libclang);
    match &changes {
        Ok(report) => print!("\n{}", report.text()),
        // Unreadable headers were rejected before.
        Err(_) if written.is_err() => {}
        Err(_) => return changes.map(drop),
    }
    written
}

/// Writes the files, or compares them with the existing ones. Files from older headers are not written.
fn write(
    tree: &IncludeTree,
    config: &BindingsConfig,
    check: bool,
    age: Age<'_>,
    libclang: &str,
) -> Result<()> {
    let started = Instant::now();
    let files = generate(tree, config, age)?;
    let folder = project::root().join("wsk-sys").join("src").join("generated");
    let mut changes = report::BindingsDiff::default();
    let mut changed = Vec::new();
    for file in &files {
        let path = folder.join(file.name);
        let old = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        changes.add(file.name, &old, &file.text)?;
        if old != file.text {
            changed.push((path, &file.text));
        }
    }
    if changes.any() && (check || matches!(age, Age::Older(_))) {
        print!("{}", changes.diff());
        bail!(
            "the bindings differ from the output for {}.\n{}",
            tree.name,
            age.advice("Run `cargo xtask regen` and commit the result.")
        );
    }
    if changes.any() {
        compile::check(&files)?;
    }
    for (path, text) in changed {
        fs::create_dir_all(&folder)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    print!("{}", changes.summary());
    println!(
        "from {} with {libclang}; x64 and arm64 agree; {:.1} s",
        tree.name,
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

/// The files, which are the same for every processor.
fn generate(
    tree: &IncludeTree,
    config: &BindingsConfig,
    age: Age<'_>,
) -> Result<Vec<GeneratedFile>> {
    let declared = &evaluate::check(tree, config, age)?;
    let results = thread::scope(|scope| {
        let runs = Processor::ALL.map(|processor| {
            deep_stack::spawn(scope, move || {
                bindings::files(clang::read(tree, config, processor, declared)?, config, age)
                    .with_context(|| format!("{} for {}", tree.name, processor.name()))
            })
        });
        runs.map(|run| {
            let run = run.context("cannot start a thread")?;
            run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    let [x64, arm64] = results;
    let (x64, arm64) = (x64?, arm64?);
    for (one, other) in x64.iter().zip(&arm64) {
        if one != other {
            bail!(
                "{} gives different bindings for x64 and for arm64:\n{}",
                tree.name,
                unified_diff("x64", "arm64", one.name, &one.text, &other.text)
            );
        }
    }
    Ok(x64)
}
