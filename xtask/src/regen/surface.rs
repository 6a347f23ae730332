//! `headers/surface.toml`: what is generated, in which order, and what its documentation says.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use indexmap::IndexMap;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Surface {
    pub(crate) wsk: IndexMap<String, Item>,
    pub(crate) net: IndexMap<String, Item>,
    pub(crate) kernel: IndexMap<String, Item>,
    pub(crate) layout: Layout,
}

/// One item of C, and its documentation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) doc: String,
    pub(crate) since: Since,
    pub(crate) irql: Option<String>,
    pub(crate) page: String,
    #[serde(default)]
    pub(crate) fields: IndexMap<String, String>,
    pub(crate) tag: Option<String>,
    pub(crate) through: Option<String>,
    #[serde(rename = "type")]
    pub(crate) constant_type: Option<String>,
    pub(crate) library: Option<String>,
    #[serde(default)]
    pub(crate) by_hand: bool,
}

/// Hand-written types whose layout is held to the headers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layout {
    pub(crate) scalars: Vec<String>,
    pub(crate) structs: IndexMap<String, Vec<String>>,
}

/// The first Windows that has an item.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Since {
    Vista,
    #[serde(rename = "7")]
    Seven,
    #[serde(rename = "8")]
    Eight,
    #[serde(rename = "8.1")]
    EightOne,
    #[serde(rename = "10")]
    Ten,
    #[serde(rename = "10.1607")]
    Ten1607,
    #[serde(rename = "10.1703")]
    Ten1703,
    #[serde(rename = "10.1709")]
    Ten1709,
    #[serde(rename = "10.1803")]
    Ten1803,
    #[serde(rename = "10.2004")]
    Ten2004,
    #[serde(rename = "11")]
    Eleven,
}

impl Since {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vista => "Windows Vista",
            Self::Seven => "Windows 7",
            Self::Eight => "Windows 8",
            Self::EightOne => "Windows 8.1",
            Self::Ten => "Windows 10",
            Self::Ten1607 => "Windows 10, version 1607",
            Self::Ten1703 => "Windows 10, version 1703",
            Self::Ten1709 => "Windows 10, version 1709",
            Self::Ten1803 => "Windows 10, version 1803",
            Self::Ten2004 => "Windows 10, version 2004",
            Self::Eleven => "Windows 11",
        }
    }
}

impl Surface {
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let surface: Self =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        for (name, item) in surface.items() {
            item.check().with_context(|| format!("{}: {name}", path.display()))?;
        }
        Ok(surface)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = (&String, &Item)> {
        self.wsk.iter().chain(&self.net).chain(&self.kernel)
    }
}

impl Item {
    fn check(&self) -> Result<()> {
        ensure!(!self.doc.trim().is_empty(), "the documentation is empty");
        self.url().map(drop)
    }

    /// The name of the structure in C.
    pub(crate) fn tag(&self, name: &str) -> String {
        self.tag.clone().unwrap_or_else(|| format!("_{name}"))
    }

    fn url(&self) -> Result<String> {
        let base = match self.page.split('/').next() {
            Some("ddi" | "network" | "kernel") => "windows-hardware/drivers",
            Some("api" | "winsock") => "windows/win32",
            _ => bail!(
                "`page = \"{}\"` starts with none of ddi, network, kernel, api, winsock",
                self.page
            ),
        };
        Ok(format!("https://learn.microsoft.com/{base}/{}", self.page))
    }

    /// Where and when the item can be used, and Microsoft's page.
    pub(crate) fn facts(&self) -> Result<String> {
        let irql = self.irql.as_ref().map(|irql| format!("IRQL: {irql}. ")).unwrap_or_default();
        let (since, url) = (self.since.name(), self.url()?);
        Ok(format!("{irql}Minimum Windows: {since}. [Microsoft's page]({url})."))
    }

    /// The item's documentation, line by line.
    pub(crate) fn doc_lines(&self) -> Result<Vec<String>> {
        Ok(vec![self.doc.clone(), String::new(), self.facts()?])
    }
}
