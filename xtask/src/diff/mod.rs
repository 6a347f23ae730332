//! `cargo xtask diff`: what one release of the WDK has in wsk.h that another has not, and what it means.

mod compare;
mod markdown;
mod project;
mod report;
mod side;
mod text;
mod to_do;

use anyhow::Result;

pub(crate) use self::report::Report;
pub(crate) use self::side::Side;
use crate::output;
use crate::project as workspace;
use crate::regen::Surface;

/// Options of `cargo xtask diff`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recorded release, such as 10.0.16299 (`cargo xtask surface` lists them); `bindings`, for the
    /// committed bindings; or the folder of a WDK
    old: String,
    /// As OLD
    new: String,
    /// As what it is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Install libclang first, if it is missing (Debian)
    #[arg(long)]
    setup: bool,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For the changelog
    Markdown,
    /// For programs
    Json,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let surface = Surface::load(&workspace::root().join("headers"))?;
    let old = Side::find(&args.old, &surface, args.setup)?;
    let new = Side::find(&args.new, &surface, args.setup)?;
    let report = Report::new(&old, &new, &surface)?;
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
