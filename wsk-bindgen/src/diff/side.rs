//! One side of a comparison: a recorded release, the bindings, or the headers of a WDK.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::api_record::items::Items;
use crate::api_record::{self, Record};
use crate::headers::{HeaderOrigin, IncludeTree, libclang, wdk};
use crate::project;
use crate::regen::BindingsConfig;

/// The name of the committed bindings as a side.
const BINDINGS: &str = "bindings";
/// The name of this machine's WDK as a side.
const WDK: &str = "wdk";

/// The options for reading headers, if a side has any.
pub(crate) struct SideOptions<'a> {
    pub(crate) source: &'a wdk::WdkArgs,
}

pub(crate) struct Side {
    /// Its name in a report.
    pub(crate) name: String,
    /// The release, if it is known.
    pub(crate) release: Option<String>,
    pub(crate) items: Items,
    /// The place of its headers, if it has any.
    pub(crate) read: Option<ReadHeaders>,
}

/// Headers that were read for a comparison.
pub(crate) struct ReadHeaders {
    pub(crate) origin: HeaderOrigin,
    /// Why the release is not known.
    pub(crate) unknown: Option<String>,
    /// The names of Windows releases in its sdkddkver.h, with their numbers.
    targets: BTreeMap<String, u64>,
}

impl Side {
    /// A named side.
    pub(crate) fn find(
        given: &str,
        config: &BindingsConfig,
        options: &SideOptions<'_>,
    ) -> Result<Self> {
        if given == BINDINGS {
            return Self::bindings(config);
        }
        if let Some(record) = config.records.get(given) {
            return Ok(Self::record(record, format!("WDK {given}")));
        }
        if is_headers(given) {
            libclang::load()?;
            let tree = if given == WDK {
                options.source.tree()?
            } else {
                wdk::find(&[PathBuf::from(given)], options.source.release())?
            };
            let side = Self::wdk(&tree, config)?;
            side.refuse_mixed(config)?;
            return Ok(side);
        }
        let known: Vec<&str> =
            config.records.all().iter().map(|record| record.release.as_str()).collect();
        bail!(
            "`{given}` is neither a recorded release nor a folder.\nThe releases are {}; `{BINDINGS}` stands \
             for the committed bindings, `{WDK}` for the WDK of this machine, and a folder for the WDK in it.",
            known.join(", ")
        )
    }

    /// The committed bindings: the record of their release.
    pub(crate) fn bindings(config: &BindingsConfig) -> Result<Self> {
        let record = bindings(config)?;
        Ok(Self::record(record, format!("the bindings, of WDK {}", record.release)))
    }

    fn record(record: &Record, name: String) -> Self {
        let (release, items) = (Some(record.release.clone()), record.items.clone());
        Self { name, release, items, read: None }
    }

    /// The headers of a WDK, whose release need not be known yet.
    pub(crate) fn wdk(tree: &IncludeTree, config: &BindingsConfig) -> Result<Self> {
        let header = api_record::read(tree)?;
        let release = api_record::identify(tree, &header, None, &config.releases);
        let unknown = release.as_ref().err().map(ToString::to_string);
        let release = release.ok();
        let name = match &release {
            Some(release) => format!("the headers of WDK {release}"),
            None => tree.name.clone(),
        };
        let read = ReadHeaders { origin: tree.origin.clone(), unknown, targets: header.targets };
        Ok(Self { name, release, items: header.items, read: Some(read) })
    }

    /// Refuses headers of two releases.
    pub(crate) fn refuse_mixed(&self, config: &BindingsConfig) -> Result<()> {
        match &self.release {
            Some(release) => config.records.refuse_mixed(release, &self.items),
            None => Ok(()),
        }
    }

    /// Whether it may have items that the bindings do not have yet. A release before that of the bindings has none.
    pub(crate) fn is_ahead(&self, bindings: &Record, config: &BindingsConfig) -> bool {
        let targets = self.read.as_ref().map(|read| &read.targets);
        if targets.is_some_and(|it| config.releases.predate(it, &bindings.release)) {
            return false;
        }
        let kits: Vec<&str> = config.releases.kits().collect();
        let place = |release: &str| kits.iter().position(|kit| *kit == release);
        let (release, bindings) =
            (self.release.as_deref().and_then(place), place(&bindings.release));
        match release {
            Some(_) if release != bindings => release > bindings,
            // The bindings' own release, read again, or one without an entry in headers/windows.toml.
            _ => self.read.is_some(),
        }
    }
}

/// Whether a side consists of headers that are read now.
pub(crate) fn is_headers(given: &str) -> bool {
    given == WDK || Path::new(given).is_dir()
}

/// The record for the committed bindings. They name their WDK themselves, since `release` in `headers/bindings.toml` is
/// that of the next bindings.
pub(crate) fn bindings(config: &BindingsConfig) -> Result<&Record> {
    const FILE: &str = "wsk-sys/src/generated/wsk.rs";
    let text = fs::read_to_string(project::root().join(FILE))
        .with_context(|| format!("cannot read {FILE}"))?;
    let first = text.lines().next().unwrap_or_default();
    let release = first.split_once(" of WDK ").and_then(|(_, rest)| rest.split_once(','));
    let (release, _) = release.with_context(|| {
        format!("{FILE} does not name its WDK: generate it with `cargo xtask regen`")
    })?;
    config.records.find(release)
}
