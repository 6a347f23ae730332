//! The places that may have kits: the folders of `--wdk`, or the usual places of a machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::kits::{self, Kit};
use super::machine::Machine;

/// A place, and the kits in it.
#[derive(Debug)]
pub(crate) struct KitLocation {
    /// As in "the kits of …".
    pub(super) name: String,
    pub(super) folders: Vec<PathBuf>,
    pub(super) kits: Vec<Kit>,
    /// The reason why the place cannot be searched.
    pub(super) problem: Option<String>,
    /// The version that is selected if none is requested.
    pub(super) version: Option<String>,
    /// Whether the user named this kit, so that no other is accepted.
    pub(super) is_named: bool,
}

/// The variable with the folder of the kit, set by a user or by the prompt of an Enterprise WDK.
pub(super) const CONTENT_ROOT: &str = "WDKContentRoot";
/// The version, in the prompt of an Enterprise WDK.
const EWDK_VERSION: &str = "Version_Number";
/// Set by the prompts of Visual Studio.
const SDK_FOLDER: &str = "WindowsSdkDir";
/// The folder of NuGet's packages, if it is not in the home folder.
const PACKAGES: &str = "NUGET_PACKAGES";

/// The registry keys that the installers write to; which one depends on the installer's processor.
const KEYS: [&str; 2] = [
    r"SOFTWARE\Microsoft\Windows Kits\Installed Roots",
    r"SOFTWARE\WOW6432Node\Microsoft\Windows Kits\Installed Roots",
];
/// Of Windows 10 and later, of 8.1, and of 8.
const VALUES: [&str; 3] = ["KitsRoot10", "KitsRoot81", "KitsRoot"];

impl KitLocation {
    /// The folders of `--wdk`.
    pub(super) fn given(folders: &[PathBuf]) -> Result<Self> {
        for folder in folders {
            let path = folder.display();
            if folder.is_file() {
                bail!("{path} is not a folder, but a file: unpack a package or mount a disk first");
            }
            if !folder.is_dir() {
                bail!("{path} is not a folder");
            }
        }
        let mut given: Vec<PathBuf> = Vec::new();
        for folder in folders {
            let same = |other: &PathBuf| same_folder(other, folder);
            if !given.iter().any(same) {
                given.push(std::path::absolute(folder)?);
            }
        }
        let folders = given;
        let names: Vec<String> = folders.iter().map(|path| path.display().to_string()).collect();
        let name = names.join(" and ");
        let kits = kits::find(&folders)?;
        Ok(Self { name, folders, kits, problem: None, version: None, is_named: true })
    }

    /// All places of a machine, in the order of their precedence: the first place with a suitable kit is selected.
    pub(super) fn of(machine: &dyn Machine) -> Vec<Self> {
        let variable =
            |name: &str| Self::at(format!("the variable {name}"), machine.variable(name));
        let mut content_root = variable(CONTENT_ROOT);
        content_root.is_named = !content_root.folders.is_empty();
        content_root.version =
            machine.variable(EWDK_VERSION).and_then(|version| version.into_string().ok());
        let mut places = vec![content_root, variable(SDK_FOLDER)];
        if let Some(registry) = machine.registry() {
            for value in VALUES {
                let name = format!("the registry ({value})");
                let found = KEYS.iter().find_map(|key| registry.string(key, value).transpose());
                places.push(match found.transpose() {
                    Ok(folder) => Self::at(name, folder.map(OsString::from)),
                    Err(error) => Self::nothing(name, format!("{error:#}")),
                });
            }
        }
        let packages = machine.variable(PACKAGES).map(PathBuf::from).or_else(|| {
            let home = machine.variable("USERPROFILE").or_else(|| machine.variable("HOME"))?;
            Some(PathBuf::from(home).join(".nuget").join("packages"))
        });
        places.push(Self::at("NuGet's packages".to_owned(), packages.map(PathBuf::into_os_string)));
        without_repetition(&mut places);
        places
    }

    fn at(name: String, folder: Option<OsString>) -> Self {
        let Some(folder) = folder.map(PathBuf::from) else {
            return Self::nothing(name, "not set".to_owned());
        };
        let mut place = Self::nothing(name, String::new());
        place.folders = vec![folder.clone()];
        place.problem = if folder.is_dir() {
            match kits::find(&place.folders) {
                Ok(kits) => {
                    place.kits = kits;
                    None
                }
                Err(error) => Some(format!("{error:#}")),
            }
        } else {
            Some(format!("{} is not a folder", folder.display()))
        };
        place
    }

    fn nothing(name: String, problem: String) -> Self {
        let (folders, kits) = (Vec::new(), Vec::new());
        Self { name, folders, kits, problem: Some(problem), version: None, is_named: false }
    }

    /// The kits with all their parts.
    pub(super) fn whole(&self) -> impl Iterator<Item = &Kit> {
        self.kits.iter().filter(|kit| kit.is_whole())
    }
}

/// Searches each folder once, for the first place that names it.
fn without_repetition(places: &mut [KitLocation]) {
    for index in 1..places.len() {
        let (before, rest) = places.split_at_mut(index);
        let place = &mut rest[0];
        let same = |other: &&KitLocation| {
            !place.folders.is_empty()
                && place
                    .folders
                    .iter()
                    .zip(&other.folders)
                    .all(|(one, other)| same_folder(one, other))
        };
        let other = before.iter().filter(|other| !other.folders.is_empty()).find(same);
        if let Some(other) = other {
            let problem = format!("{}, as {}", place.folders[0].display(), other.name);
            place.problem = Some(problem);
            place.kits.clear();
        }
    }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| other == one))
}
