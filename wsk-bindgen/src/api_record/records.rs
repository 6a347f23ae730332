//! All records, oldest first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::file::{self, RecordFile, ReleaseToWrite};
use super::items::Items;
use super::windows::Releases;
use crate::headers::IncludeTree;

/// The API of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The release of the WDK, such as `10.0.17134`.
    pub(crate) release: String,
    /// The processors whose headers were read, which agree.
    pub(crate) processors: Vec<String>,
    pub(crate) items: Items,
}

impl Record {
    pub(crate) fn new(release: String, tree: &IncludeTree, items: Items) -> Self {
        let processors = tree.processors().iter().map(|it| it.name().to_owned()).collect();
        Self { release, processors, items }
    }
}

/// The API of `wsk.h` in every recorded release, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Records(Vec<Record>);

/// The folder of the records, below this project's headers.
pub(crate) fn folder(headers: &Path) -> PathBuf {
    headers.join("records")
}

impl Records {
    /// Rejects headers whose sdkddkver.h is of `release`, but whose wsk.h has the items of another recorded release.
    ///
    /// # Errors
    ///
    /// If the headers are of two releases.
    pub(crate) fn refuse_mixed(&self, release: &str, items: &Items) -> Result<()> {
        let is_as_recorded = self.get(release).is_none_or(|record| record.items == *items);
        let other = self.0.iter().find(|record| !is_as_recorded && record.items == *items);
        if let Some(other) = other {
            bail!(
                "the headers are of different releases: sdkddkver.h or their folder says WDK {release}, and wsk.h is \
                 that of WDK {}.\nGive `km` and `shared` of one release.",
                other.release
            );
        }
        Ok(())
    }

    /// Loads the records from the folder of this project's headers.
    pub(crate) fn load(headers: &Path, releases: &Releases) -> Result<Self> {
        let mut files = read_files(&folder(headers))?;
        let mut records = Self::default();
        for kit in releases.kits() {
            let Some((path, file)) = files.remove(kit) else { continue };
            let name = path.display();
            ensure!(file.release == kit, "{name} is of the release {}", file.release);
            let (before, nothing) = (records.0.last(), Items::new());
            let after = before.map(|record| record.release.as_str());
            ensure!(
                file.after.as_deref() == after,
                "{name} comes after {}, but the release recorded before it is {}.\nRecord it again: \
                 `cargo xtask surface --wdk DIR`, with this file removed.",
                file.after.as_deref().unwrap_or("nothing"),
                after.unwrap_or("none")
            );
            let processors = file.processors.clone();
            let items = file
                .items(before.map_or(&nothing, |record| &record.items))
                .with_context(|| format!("{name} is not valid"))?;
            records.0.push(Record { release: kit.to_owned(), processors, items });
        }
        if let Some((release, (path, _))) = files.first_key_value() {
            bail!("{}: headers/windows.toml has no kit {release}", path.display());
        }
        Ok(records)
    }

    pub(crate) fn all(&self) -> &[Record] {
        &self.0
    }

    /// The record of a named release.
    pub(crate) fn find(&self, release: &str) -> Result<&Record> {
        self.get(release).with_context(|| {
            let known: Vec<&str> = self.0.iter().map(|record| record.release.as_str()).collect();
            format!("no release `{release}` is recorded. The records are of {}", known.join(", "))
        })
    }

    /// The text of a record with everything that the release has.
    pub(crate) fn whole(record: &Record) -> String {
        file::write(&ReleaseToWrite {
            release: &record.release,
            processors: &record.processors,
            items: &record.items,
            after: None,
        })
    }

    pub(crate) fn get(&self, release: &str) -> Option<&Record> {
        self.0.iter().find(|record| record.release == release)
    }

    /// Inserts a record in the order of releases, and replaces an existing one.
    pub(crate) fn insert(&mut self, record: Record, releases: &Releases) {
        self.0.retain(|other| other.release != record.release);
        self.0.push(record);
        let order = |record: &Record| releases.kits().position(|kit| kit == record.release);
        self.0.sort_by_key(order);
    }

    /// The expected files, by name.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut before: Option<&Record> = None;
        for record in &self.0 {
            let text = file::write(&ReleaseToWrite {
                release: &record.release,
                processors: &record.processors,
                items: &record.items,
                after: before.map(|before| (before.release.as_str(), &before.items)),
            });
            files.insert(file_name(&record.release), text);
            before = Some(record);
        }
        files
    }
}

/// The name of a release's file.
pub(crate) fn file_name(release: &str) -> String {
    format!("{release}.toml")
}

/// The texts of the files, by name.
pub(crate) fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        texts.insert(name.to_owned(), text);
    }
    Ok(texts)
}

/// The files, by the releases that they are named after.
fn read_files(folder: &Path) -> Result<BTreeMap<String, (PathBuf, RecordFile)>> {
    let mut files = BTreeMap::new();
    for (name, text) in read_folder(folder)? {
        let path = folder.join(&name);
        let Some(release) = name.strip_suffix(".toml") else {
            bail!("{} is no record", path.display());
        };
        let file =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        files.insert(release.to_owned(), (path, file));
    }
    Ok(files)
}
