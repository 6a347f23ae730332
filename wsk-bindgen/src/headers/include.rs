//! The headers to read: the project's own, or those of a WDK.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Processor;
use super::discovery::KitLocation;
use super::folder::{child, entries, utf8};
use super::kits::Kit;
use super::selection::Selection;

/// The folders that a kernel driver's compiler searches.
#[derive(Debug)]
pub(crate) struct IncludeTree {
    /// The name of these headers in a report.
    pub(crate) name: String,
    /// The version of their folder, such as `10.0.26100.0`, if it has one.
    pub(crate) version: Option<String>,
    /// The option that makes a command read the same headers again.
    pub(crate) origin: HeaderOrigin,
    /// `km/crt` (where there is one), `km` and `shared`, in the order of their search.
    pub(super) folders: Vec<PathBuf>,
    /// Whether they have the layout of a kit before Windows 8.
    is_old: bool,
}

/// The location of headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderOrigin {
    folders: Vec<PathBuf>,
    release: Option<String>,
}

impl HeaderOrigin {
    /// The arguments with which a command reads a WDK.
    pub(crate) fn arguments(&self) -> String {
        let folders = self.folders.iter().map(|folder| format!("--wdk {}", quoted(folder)));
        let release = self.release.iter().map(|release| format!("--release {release}"));
        folders.chain(release).collect::<Vec<_>>().join(" ")
    }

    /// The argument of `cargo xtask diff` for it.
    pub(crate) fn side(&self) -> String {
        let arguments = self.arguments();
        match &self.folders[..] {
            [_] => arguments.trim_start_matches("--wdk ").to_owned(),
            _ => format!("wdk {arguments}"),
        }
    }
}

/// Quotes a path for a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || r"/\:._-+~".contains(c);
    if path.chars().all(is_plain) { path } else { format!("\"{path}\"") }
}

impl IncludeTree {
    /// The headers of this project.
    pub(crate) fn own(headers: &Path) -> Result<Self> {
        let place = KitLocation::given(&[headers.to_path_buf()])?;
        let kit = place.whole().next().context("this project's headers are missing")?;
        Self::new("headers/".to_owned(), kit, HeaderOrigin::default())
    }

    /// The headers of a WDK, of a requested release or the selected one.
    pub(super) fn selected(selection: &Selection<'_>, release: Option<&str>) -> Result<Self> {
        let name = match &selection.kit.version {
            Some(version) => format!("WDK {version}"),
            None => format!("the headers in {}", selection.place.folders[0].display()),
        };
        let folders = selection.place.folders.clone();
        let origin = HeaderOrigin { folders, release: release.map(str::to_owned) };
        Self::new(name, selection.kit, origin)
    }

    fn new(name: String, kit: &Kit, origin: HeaderOrigin) -> Result<Self> {
        let version = kit.version.as_ref().map(ToString::to_string);
        Ok(Self { name, version, origin, folders: kit.search()?, is_old: kit.is_old() })
    }

    /// The supported processors that the headers support: before Windows 8, only x64.
    pub(crate) fn processors(&self) -> &'static [Processor] {
        if self.is_old { &Processor::ALL[..1] } else { &Processor::ALL }
    }

    /// The path of a header, and its text. Bytes that are not UTF-8 occur in comments only.
    pub(crate) fn read(&self, header: &str) -> Result<(PathBuf, String)> {
        for folder in &self.folders {
            if let Some(path) = child(folder, header)? {
                let text =
                    read_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
                return Ok((path, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        bail!("{} has no {header}", self.name)
    }

    /// A clang virtual file system over the folders in which letter case does not matter: the WDK's
    /// headers include one another in a letter case that differs from the file names, which works on Windows only.
    pub(super) fn overlay(&self) -> Result<String> {
        let mut roots = Vec::new();
        for folder in &self.folders {
            let mut contents = Vec::new();
            for file in entries(folder)?.into_iter().filter(|path| path.is_file()) {
                let name = file.file_name().map(Path::new).map(utf8).transpose()?;
                contents.push(OverlayEntry::File {
                    name: name.unwrap_or_default().to_owned(),
                    external_contents: utf8(&file)?.to_owned(),
                });
            }
            roots.push(OverlayEntry::Directory { name: utf8(folder)?.to_owned(), contents });
        }
        let overlay = Overlay { version: 0, case_sensitive: "false", roots };
        Ok(serde_json::to_string_pretty(&overlay)?)
    }
}

/// Reads a regular file. Pipes, devices and other special files may have no end.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        bail!("it is not a file");
    }
    Ok(fs::read(path)?)
}

/// The fields are written in this order: libclang 14 expects the version first.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Overlay {
    version: u32,
    case_sensitive: &'static str,
    roots: Vec<OverlayEntry>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum OverlayEntry {
    Directory { name: String, contents: Vec<OverlayEntry> },
    File { name: String, external_contents: String },
}
