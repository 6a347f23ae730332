//! `cargo xtask wdk-sys`: generates the crate that replaces wdk-sys where no WDK is installed, from the bindings that
//! wdk-sys has generated from a real WDK. It contains the items that wsk-sys uses.

mod reduce;
mod source;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use syn::UseTree;

use self::reduce::Reduction;
use self::source::WdkSysItems;
use crate::project;
use crate::regen::BindingsConfig;
use crate::unified_diff::unified_diff;

/// The path of the stand-in, relative to the project's root.
const STAND_IN: &str = "cargo-wsk/stand-in/wdk-sys";

/// Options of `cargo xtask wdk-sys`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder that wdk-sys's build script wrote `types.rs` and `ntddk.rs` to: `out` in the target
    /// folder's `build/wdk-sys-…`
    #[arg(value_name = "DIR")]
    generated: PathBuf,
    /// Write nothing, and fail with a diff if the stand-in does not match wdk-sys
    #[arg(long)]
    check: bool,
}

/// Writes the crate that replaces wdk-sys in tests.
///
/// # Errors
///
/// If a type or a function is missing, or with `--check` the crate is another.
pub fn run(args: &Args) -> Result<()> {
    let config = BindingsConfig::load(&project::root().join("headers"))?;
    let source = WdkSysItems::read(&args.generated)?;
    let mut reduction = Reduction::new(&source);
    for name in shared()? {
        reduction.name(&name)?;
    }
    for name in config.layout.structs.keys() {
        if source.has_type(name) {
            reduction.whole(name)?;
        }
    }
    // The hand-written functions of wsk-sys are inline code, with types of their own.
    let functions = config.kernel.iter().filter(|(_, item)| !item.by_hand).map(|(name, _)| name);
    let functions: Vec<&String> =
        functions.filter(|name| source.functions.contains_key(*name)).collect();
    for function in &functions {
        reduction.function(function)?;
    }
    let files = [
        ("types.rs", reduction.types(&config.release)?),
        ("ntddk.rs", reduction.functions(&functions, &config.release)?),
    ];
    let mut changed = false;
    for (name, text) in files {
        let path = project::root().join(STAND_IN).join(name);
        let old = fs::read_to_string(&path).unwrap_or_default();
        if old == text {
            continue;
        }
        changed = true;
        if args.check {
            print!("{}", unified_diff("recorded", "wdk-sys", name, &old, &text));
        } else {
            fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{name} changed");
        }
    }
    if args.check && changed {
        bail!(
            "the stand-in for wdk-sys differs from {}.\nRun `cargo xtask wdk-sys` and commit the result, \
             and look what it means for wsk-sys/src/fields.rs.",
            args.generated.display()
        );
    }
    println!(
        "{} types and {} functions of wdk-sys are as recorded",
        reduction.len(),
        functions.len()
    );
    Ok(())
}

/// The names that wsk-sys imports from wdk-sys.
fn shared() -> Result<Vec<String>> {
    let path = project::root().join("wsk-sys/src/types/wdk_sys.rs");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut names = Vec::new();
    for item in syn::parse_file(&text)?.items {
        if let syn::Item::Use(item) = item
            && let UseTree::Path(path) = item.tree
            && let UseTree::Group(group) = *path.tree
        {
            for tree in group.items {
                names.push(match tree {
                    UseTree::Name(name) => name.ident.to_string(),
                    UseTree::Rename(rename) => rename.ident.to_string(),
                    _ => bail!("types/wdk_sys.rs should list one type after another"),
                });
            }
        }
    }
    ensure!(names.len() > 50, "types/wdk_sys.rs lists only {} types of wdk-sys", names.len());
    Ok(names)
}
