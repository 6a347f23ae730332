//! `cargo xtask diff`: compares wsk.h between two releases of the WDK, and explains each difference.

mod compare;
mod describe;
mod difference;
mod markdown;
mod project;
mod report;
mod representation;
mod side;
#[cfg(test)]
mod tests;
mod text;
mod to_do;

use anyhow::{Result, bail};

pub(crate) use self::report::Report;
pub(crate) use self::side::Side;
use self::side::SideOptions;
use crate::headers::wdk;
use crate::output;
use crate::project as workspace;
use crate::regen::BindingsConfig;

/// The end of `cargo xtask diff --help`.
pub const HELP: &str = "\
Each change has two effects:
  major, minor           The part of wsk-sys's version that it raises
  ABI kept, ABI break    Whether drivers that were compiled with the old header agree with the new one

A comparison with headers that are not older than the bindings ends with the steps that it leaves in this project.

A new WDK: `cargo xtask diff bindings wdk` first, then its steps. CONTRIBUTING.md has the whole recipe.

Exit code: 0 if the sides were compared, whether or not they differ; 1 if one of them cannot be read; 2 for wrong
options. For a program, `--format json` has `semver` and `abi` of the whole.";

/// Options of `cargo xtask diff`.
#[derive(clap::Args)]
pub struct Args {
    /// A recorded release, such as 10.0.16299 (`cargo xtask surface` lists them); `bindings`, for the
    /// committed bindings; the folder of a WDK; or `wdk`, for that of --wdk or of this machine
    old: String,
    /// The same as for OLD
    new: String,
    #[command(flatten)]
    source: wdk::WdkArgs,
    /// As what it is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// Text for a terminal
    #[default]
    Text,
    /// Markdown for the changelog
    Markdown,
    /// JSON for programs
    Json,
}

impl Args {
    /// How headers are read. These options must apply to one of the sides.
    fn options(&self) -> Result<SideOptions<'_>> {
        let headers = [&self.old, &self.new].into_iter().filter(|side| side::is_headers(side));
        match (headers.count(), self.source.release()) {
            (0, _) if self.source.is_given() => bail!(
                "neither side is headers that --wdk or --release could be about: give `wdk` as one of them, or \
                 the folder of a WDK"
            ),
            (2, Some(_)) => bail!(
                "both sides are headers, and --release cannot be about both: give the folder of a version, such \
                 as DIR/Include/10.0.22621.0"
            ),
            _ => Ok(SideOptions { source: &self.source }),
        }
    }
}

/// Prints the differences between two sides.
///
/// # Errors
///
/// If a side does not exist, or its headers cannot be read.
pub fn run(args: &Args) -> Result<()> {
    let config = BindingsConfig::load(&workspace::root().join("headers"))?;
    let options = args.options()?;
    let old = Side::find(&args.old, &config, &options)?;
    let new = Side::find(&args.new, &config, &options)?;
    let report = Report::new(&old, &new, &config)?;
    output::print(&match args.format {
        Format::Text => text::write(&report),
        Format::Markdown => markdown::write(&report),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    })
}

impl Report {
    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        text::write(self)
    }
}
