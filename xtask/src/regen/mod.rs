//! `cargo xtask regen`: from the headers to `wsk-sys/src/generated`.

mod bindings;
mod catalogue;
mod check;
mod clang;
mod evaluate;
pub(crate) mod report;
mod since;
mod surface;

use std::env;
use std::fs;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

pub(crate) use self::surface::Surface;
use crate::diff::{Report, Side};
use crate::headers::{IncludeTree, Processor, libclang, wdk};
use crate::{output, project};

/// Options of `cargo xtask regen`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing, and fail with a diff if the bindings are not what the headers give
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    wdk: wdk::Options,
    /// Install libclang first, if it is missing (Debian)
    #[arg(long)]
    setup: bool,
}

/// What bindgen adds to clang's arguments by itself.
const EXTRA: &str = "BINDGEN_EXTRA_CLANG_ARGS";

/// A file below `wsk-sys/src/generated`.
#[derive(Debug, PartialEq, Eq)]
struct GeneratedFile {
    name: &'static str,
    text: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(list) = args.wdk.list()? {
        return output::print(&list);
    }
    if env::var_os(EXTRA).is_some_and(|arguments| !arguments.is_empty()) {
        bail!(
            "{EXTRA} is set, for `wdk-sys` perhaps: bindgen would read the headers in another way than this \
             command describes. Unset it."
        );
    }
    let libclang = libclang::load(args.setup)?;
    let headers = project::root().join("headers");
    let surface = Surface::load(&headers)?;
    let Some(tree) = args.wdk.tree()? else {
        let tree = IncludeTree::own(&headers)?;
        return write(&tree, &surface, args.check, &libclang);
    };
    // Compared with the bindings as they were.
    let changes = changes(&tree, &surface);
    let written = write(&tree, &surface, args.check, &libclang);
    match changes {
        Ok(changes) => print!("\n{changes}"),
        // Headers that cannot be read were refused already.
        Err(_) if written.is_err() => {}
        Err(error) => return Err(error),
    }
    written
}

/// What a WDK's wsk.h has otherwise than the bindings, and what that leaves to be done.
fn changes(tree: &IncludeTree, surface: &Surface) -> Result<String> {
    let new = Side::wdk(tree, surface)?;
    Ok(Report::new(&Side::bindings(surface)?, &new, surface)?.text())
}

/// Writes the files, or compares them with those that are there.
fn write(tree: &IncludeTree, surface: &Surface, check: bool, libclang: &str) -> Result<()> {
    let started = Instant::now();
    let files = generate(tree, surface)?;
    let folder = project::root().join("wsk-sys").join("src").join("generated");
    let mut changes = report::Changes::default();
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
        if !check && old != file.text {
            fs::create_dir_all(&folder)?;
            fs::write(&path, &file.text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if check && changes.any() {
        print!("{}", changes.diff());
        bail!(
            "the bindings are not what {} gives.\nRun `cargo xtask regen` and commit the result.",
            tree.name
        );
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
fn generate(tree: &IncludeTree, surface: &Surface) -> Result<Vec<GeneratedFile>> {
    let inline = &evaluate::check(tree, surface)?;
    let results = thread::scope(|scope| {
        let runs = Processor::ALL.map(|processor| {
            scope.spawn(move || {
                bindings::files(clang::read(tree, surface, processor, inline)?, surface)
                    .with_context(|| format!("{} for {}", tree.name, processor.name()))
            })
        });
        runs.map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let [x64, arm64] = results;
    let (x64, arm64) = (x64?, arm64?);
    for (one, other) in x64.iter().zip(&arm64) {
        if one != other {
            bail!(
                "{} gives different bindings for x64 and for arm64:\n{}",
                tree.name,
                report::diff("x64", "arm64", one.name, &one.text, &other.text)
            );
        }
    }
    Ok(x64)
}
