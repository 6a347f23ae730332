//! `headers/bindings.toml`: the generated items, their order, and their documentation.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use indexmap::IndexMap;
use serde::Deserialize;

use crate::api_record::{History, Records, Releases, WindowsRelease};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingsConfig {
    /// The release of the WDK that the bindings follow.
    pub(crate) release: String,
    pub(crate) wsk: IndexMap<String, ItemConfig>,
    pub(crate) net: IndexMap<String, ItemConfig>,
    pub(crate) kernel: IndexMap<String, ItemConfig>,
    pub(crate) layout: LayoutConfig,
    #[serde(skip)]
    pub(crate) releases: Releases,
    #[serde(skip)]
    pub(crate) records: Records,
}

/// One item of C, and its documentation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemConfig {
    pub(crate) doc: String,
    /// For items of wsk.h, set only if the records lack it.
    since: Option<String>,
    /// The reason why the records lack it.
    since_reason: Option<String>,
    /// The first Windows that has it.
    #[serde(skip)]
    windows: Option<WindowsRelease>,
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

/// Hand-written types whose layout must match the headers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutConfig {
    pub(crate) scalars: Vec<String>,
    pub(crate) structs: IndexMap<String, Vec<String>>,
}

impl BindingsConfig {
    /// Loads the file from the folder of this project's headers, with the records below it.
    pub(crate) fn load(headers: &Path) -> Result<Self> {
        let path = headers.join("bindings.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let mut config: Self =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        config.releases = Releases::load(headers)?;
        config.records = Records::load(headers, &config.releases)?;
        config.date().with_context(|| format!("{} is not valid", path.display()))?;
        Ok(config)
    }

    /// Determines the first Windows of each item.
    fn date(&mut self) -> Result<()> {
        let history = History::until(&self.release, &self.records, &self.releases)?;
        for (name, item) in &mut self.wsk {
            item.check()
                .and_then(|()| item.date_by(history, name))
                .with_context(|| name.clone())?;
        }
        for (name, item) in self.net.iter_mut().chain(&mut self.kernel) {
            item.check()
                .and_then(|()| item.date_by_hand(&self.releases))
                .with_context(|| name.clone())?;
        }
        Ok(())
    }

    /// Determines the first Windows of each item of wsk.h.
    pub(crate) fn history(&self) -> Result<History<'_>> {
        History::until(&self.release, &self.records, &self.releases)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = (&String, &ItemConfig)> {
        self.wsk.iter().chain(&self.net).chain(&self.kernel)
    }
}

impl ItemConfig {
    fn check(&self) -> Result<()> {
        ensure!(!self.doc.trim().is_empty(), "the documentation is empty");
        self.url().map(drop)
    }

    /// Takes the first Windows from the records, unless the entry has a reason against it.
    fn date_by(&mut self, history: History<'_>, name: &str) -> Result<()> {
        let recorded = history.of_item(name);
        self.windows = match (&self.since, &self.since_reason) {
            (None, None) => Some(recorded?.cloned().context(
                "no record below headers/records has it, up to that of `release`: record the wsk.h that \
                 has it, with `cargo xtask surface --wdk DIR`, and set `release`",
            )?),
            // A gate that the records cannot express, such as an unknown one, is also a reason.
            (Some(since), Some(_)) => {
                let windows = history.releases.called(since)?;
                ensure!(
                    !recorded.is_ok_and(|recorded| recorded == Some(windows)),
                    "the records say `since = \"{since}\"`, too: remove it, and its reason"
                );
                Some(windows.clone())
            }
            _ => bail!(
                "`since` comes from the records below headers/records; what they do not say has a \
                 `since_reason` beside it"
            ),
        };
        Ok(())
    }

    /// The records do not cover items outside wsk.h.
    fn date_by_hand(&mut self, releases: &Releases) -> Result<()> {
        ensure!(self.since_reason.is_none(), "`since_reason` is for wsk.h");
        let since = self.since.as_deref().context("it has no `since`")?;
        self.windows = Some(releases.called(since)?.clone());
        Ok(())
    }

    /// Whether its first Windows comes from an entry with a reason instead of the records.
    pub(crate) fn is_dated_otherwise(&self) -> bool {
        self.since_reason.is_some()
    }

    /// The first Windows that has it.
    pub(crate) fn windows(&self) -> Result<&WindowsRelease> {
        self.windows.as_ref().context("it was not dated")
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

    /// The IRQL, the first Windows, and Microsoft's page.
    pub(crate) fn facts(&self) -> Result<String> {
        let irql = self.irql.as_ref().map(|irql| format!("IRQL: {irql}. ")).unwrap_or_default();
        let (since, url) = (&self.windows()?.name, self.url()?);
        Ok(format!("{irql}Minimum Windows: {since}. [Microsoft's page]({url})."))
    }

    /// The item's documentation, line by line.
    pub(crate) fn doc_lines(&self) -> Result<Vec<String>> {
        Ok(vec![self.doc.clone(), String::new(), self.facts()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    /// The first Windows of an item of wsk.h whose entry has these lines.
    fn dated(name: &str, lines: &str, gate: Option<&str>) -> Result<String> {
        let headers = project::root().join("headers");
        let releases = Releases::load(&headers)?;
        let mut records = Records::load(&headers, &releases)?;
        let release = "10.0.26100";
        let mut record = records.find(release)?.clone();
        record.items.get_mut(name).context("not an item")?.gate = gate.map(str::to_owned);
        records.insert(record, &releases);
        let history = History::until(release, &records, &releases)?;
        let entry = format!("doc = \"It.\"\npage = \"network/it\"\n{lines}");
        let mut item: ItemConfig = toml::from_str(&entry)?;
        item.date_by(history, name)?;
        Ok(item.windows()?.name.clone())
    }

    const OOB: &str = "WSK_FLAG_OOB";

    #[test]
    fn the_records_date_what_is_in_wsk_h() {
        assert_eq!(dated(OOB, "", None).unwrap(), "Windows 10, version 1709");
        let gate = Some("NTDDI_VERSION >= NTDDI_WIN8");
        assert_eq!(dated(OOB, "", gate).unwrap(), "Windows 8");
    }

    #[test]
    fn another_date_has_a_reason() {
        let other = "since = \"8\"\nsince_reason = \"Microsoft's page\"";
        assert_eq!(dated(OOB, other, None).unwrap(), "Windows 8");
        let error = dated(OOB, "since = \"8\"", None).unwrap_err().to_string();
        assert!(error.contains("has a `since_reason` beside it"), "{error}");
        let unknown = "since = \"95\"\nsince_reason = \"a guess\"";
        let error = dated(OOB, unknown, None).unwrap_err().to_string();
        assert!(error.contains("no release `95`; it has Vista, 7, 8"), "{error}");
    }

    #[test]
    fn a_date_that_is_recorded_by_now_is_refused() {
        let same = "since = \"10.1709\"\nsince_reason = \"Microsoft's page\"";
        let error = dated(OOB, same, None).unwrap_err().to_string();
        assert!(error.contains("the records say `since = \"10.1709\"`, too"), "{error}");
    }

    #[test]
    fn an_unknown_gate_needs_a_date() {
        let gate = Some("NTDDI_VERSION >= NTDDI_WIN12");
        let error = format!("{:#}", dated(OOB, "", gate).unwrap_err());
        assert!(
            error.contains("NTDDI_WIN12` names a release that headers/windows.toml"),
            "{error}"
        );
        let other = "since = \"11\"\nsince_reason = \"an experiment\"";
        assert_eq!(dated(OOB, other, gate).unwrap(), "Windows 11");
    }
}
