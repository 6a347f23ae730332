//! The options with which a command reads a WDK.

use std::path::PathBuf;

use anyhow::Result;

use super::IncludeTree;
use super::discovery::KitLocation;
use super::machine::ThisMachine;
use super::selection::{list, select};

/// Options of every command that reads a WDK.
#[derive(clap::Args)]
pub(crate) struct WdkArgs {
    /// Read a WDK: an installed kit, an unpacked NuGet package or a folder of such packages, or a folder with
    /// `km` and `shared`. Twice, if those are in two packages. Without DIR, the WDK of this machine: by the
    /// variables `WDKContentRoot` and `WindowsSdkDir`, in the registry, or in NuGet's folder
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    wdk: Option<Vec<PathBuf>>,
    /// Read the WDK of this release, such as 10.0.22621, where there are several [default: the newest]
    #[arg(id = "wdk_release", long = "release", value_name = "RELEASE")]
    release: Option<String>,
}

impl WdkArgs {
    /// Whether the command reads a WDK.
    pub(crate) fn is_given(&self) -> bool {
        self.wdk.is_some() || self.release.is_some()
    }

    /// The requested release, if any.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// The headers of the WDK below the folders, or of this machine.
    pub(crate) fn tree(&self) -> Result<IncludeTree> {
        find(self.folders(), self.release())
    }

    fn folders(&self) -> &[PathBuf] {
        self.wdk.as_deref().unwrap_or_default()
    }
}

/// Options of commands that also work without a WDK.
#[derive(clap::Args)]
pub(crate) struct OptionalWdkArgs {
    #[command(flatten)]
    source: WdkArgs,
    /// Show the WDKs that are found, below DIR or on this machine, and do nothing else
    #[arg(long)]
    list: bool,
}

impl OptionalWdkArgs {
    /// Returns the output of `--list`, if that option is set.
    pub(crate) fn list(&self) -> Result<Option<String>> {
        if !self.list {
            return Ok(None);
        }
        Ok(Some(list(&places(self.source.folders())?, self.source.release())))
    }

    /// The headers of a WDK, if the options ask for one.
    pub(crate) fn tree(&self) -> Result<Option<IncludeTree>> {
        if self.source.is_given() { self.source.tree().map(Some) } else { Ok(None) }
    }
}

/// The headers of a WDK below these folders, or of this machine. If there are several, the selected one is printed.
pub(crate) fn find(folders: &[PathBuf], release: Option<&str>) -> Result<IncludeTree> {
    let places = places(folders)?;
    let selection = select(&places, release)?;
    if let Some(note) = selection.note(&places) {
        // Printed to standard error: another program may read standard output.
        eprintln!("note: {note}");
    }
    IncludeTree::selected(&selection, release)
}

fn places(folders: &[PathBuf]) -> Result<Vec<KitLocation>> {
    if folders.is_empty() {
        Ok(KitLocation::of(&ThisMachine))
    } else {
        Ok(vec![KitLocation::given(folders)?])
    }
}
