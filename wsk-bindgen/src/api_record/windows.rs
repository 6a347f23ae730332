//! `headers/windows.toml`: the releases of Windows, and the kits made for them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// All releases, oldest first.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Releases {
    windows: Vec<WindowsRelease>,
}

/// A release of Windows. The greater, the later.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowsRelease {
    /// Its name in `headers/bindings.toml`.
    pub(crate) since: String,
    /// Its name in sentences.
    pub(crate) name: String,
    /// Major, minor and build.
    pub(crate) version: [u32; 3],
    kit: Option<String>,
    targets: Vec<String>,
}

/// How `headers/bindings.toml` and this file are named in messages.
const FILE: &str = "headers/windows.toml";

impl Releases {
    /// Loads the file from the folder of this project's headers.
    pub(crate) fn load(headers: &Path) -> Result<Self> {
        let path = headers.join("windows.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let releases: Self =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        let all = &releases.windows;
        ensure!(!all.is_empty(), "{FILE} has no release");
        for pair in all.windows(2) {
            let [older, newer] = pair else { continue };
            ensure!(
                older.version < newer.version,
                "{FILE}: {} stands before {}, which is older",
                older.name,
                newer.name
            );
        }
        Ok(releases)
    }

    /// The release with this name in `headers/bindings.toml`.
    pub(crate) fn called(&self, since: &str) -> Result<&WindowsRelease> {
        self.windows.iter().find(|windows| windows.since == since).with_context(|| {
            let known: Vec<&str> = self.windows.iter().map(|it| it.since.as_str()).collect();
            format!("{FILE} has no release `{since}`; it has {}", known.join(", "))
        })
    }

    pub(crate) fn oldest(&self) -> Option<&WindowsRelease> {
        self.windows.first()
    }

    /// The release that a kit was made for.
    pub(crate) fn of_kit(&self, kit: &str) -> Option<&WindowsRelease> {
        self.windows.iter().find(|windows| windows.kit.as_deref() == Some(kit))
    }

    /// The kits, oldest first.
    pub(crate) fn kits(&self) -> impl Iterator<Item = &str> {
        self.windows.iter().filter_map(|windows| windows.kit.as_deref())
    }

    /// The first release for which a gate is open.
    pub(crate) fn of_gate(&self, gate: &str) -> Result<&WindowsRelease> {
        let mut first: Option<&WindowsRelease> = None;
        for condition in gate.split(" && ") {
            let target = condition
                .strip_prefix("NTDDI_VERSION >= ")
                .with_context(|| format!("the gate `{gate}` is not about NTDDI_VERSION alone"))?;
            let windows = self.of_target(target).with_context(|| {
                format!("the gate `{gate}` names a release that {FILE} does not have")
            })?;
            if first.is_none_or(|first| first.version < windows.version) {
                first = Some(windows);
            }
        }
        first.context("an empty gate")
    }

    fn of_target(&self, target: &str) -> Option<&WindowsRelease> {
        self.windows.iter().find(|windows| windows.targets.iter().any(|name| name == target))
    }

    /// The kit that headers are of, by the newest release that can be compiled for with them and by the
    /// name that they were given.
    pub(crate) fn identify(
        &self,
        targets: &BTreeMap<String, u64>,
        given: Option<&str>,
    ) -> Result<String> {
        let newest = targets.values().max().copied();
        let names: Vec<&str> = targets
            .iter()
            .filter(|(_, number)| Some(**number) == newest)
            .map(|(name, _)| name.as_str())
            .collect();
        let windows = names.iter().find_map(|name| self.of_target(name));
        let names = names.join(", ");
        let Some(given) = given else {
            return match windows {
                Some(WindowsRelease { kit: Some(kit), .. }) => Ok(kit.clone()),
                Some(windows) => bail!(
                    "{FILE} has {}, the newest release in the sdkddkver.h of these headers ({names}), but not its \
                     kit.\nAdd `kit` to that entry: the build in the name of the kit's folder.",
                    windows.name
                ),
                None => bail!(
                    "no kit in {FILE} is known by {}, the newest release in the sdkddkver.h of these \
                     headers.\nAdd the release of Windows there, with its kit.",
                    if names.is_empty() { "nothing" } else { &names }
                ),
            };
        };
        let Some(of_given) = self.of_kit(given) else { bail!("{}", unknown_kit(given, &names)) };
        let is_right = names.is_empty() || windows == Some(of_given);
        if !is_right {
            let kit = windows.and_then(|windows| windows.kit.as_deref());
            let actual = match (kit, windows) {
                (Some(kit), _) => format!(", so they are of {kit}"),
                (None, Some(windows)) => format!(", of {}", windows.name),
                (None, None) => format!(", which {FILE} does not have"),
            };
            bail!(
                "these headers are not of {given}, which is the kit of {}: the newest release in their \
                 sdkddkver.h is {names}{actual}",
                of_given.name
            );
        }
        Ok(given.to_owned())
    }

    /// Whether headers are older than a kit: they have none of the names of its Windows.
    pub(crate) fn predate(&self, targets: &BTreeMap<String, u64>, kit: &str) -> bool {
        let windows = self.of_kit(kit).filter(|_| !targets.is_empty());
        windows.is_some_and(|it| !it.targets.iter().any(|name| targets.contains_key(name)))
    }
}

fn unknown_kit(kit: &str, targets: &str) -> String {
    format!(
        "{FILE} does not name the Windows of the kit {kit}. Add it: the newest release in the \
         kit's sdkddkver.h is {targets}."
    )
}

/// The release of a kit by the version of its folder: `10.0.17134` of `10.0.17134.0`, and `7600` of
/// `7600.16385.1`.
pub(crate) fn kit_of_version(version: &str) -> String {
    let parts: Vec<&str> = version.split('.').collect();
    match &parts[..] {
        [major, minor, build, ..] if *major == "10" => format!("{major}.{minor}.{build}"),
        [build, ..] => (*build).to_owned(),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    fn releases() -> Releases {
        Releases::load(&project::root().join("headers")).unwrap()
    }

    fn targets(names: &[(&str, u64)]) -> BTreeMap<String, u64> {
        names.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    }

    #[test]
    fn a_gate_is_the_latest_of_its_releases() {
        let releases = releases();
        let of = |gate| releases.of_gate(gate).map(|windows| windows.name.clone());
        assert_eq!(of("NTDDI_VERSION >= NTDDI_WIN8").unwrap(), "Windows 8");
        let both = "NTDDI_VERSION >= NTDDI_WIN10_RS2 && NTDDI_VERSION >= NTDDI_WIN7";
        assert_eq!(of(both).unwrap(), "Windows 10, version 1703");
        let error = of("NTDDI_VERSION >= NTDDI_WIN95").unwrap_err().to_string();
        assert!(error.contains("`NTDDI_VERSION >= NTDDI_WIN95` names a release"), "{error}");
        let error = of("defined(EXPERIMENT)").unwrap_err().to_string();
        assert!(error.contains("not about NTDDI_VERSION alone"), "{error}");
    }

    #[test]
    fn a_kit_is_known_by_its_newest_target() {
        let releases = releases();
        let seven = targets(&[("NTDDI_WIN6", 0x0600_0000), ("NTDDI_WIN7", 0x0601_0000)]);
        assert_eq!(releases.identify(&seven, None).unwrap(), "7600");
        assert_eq!(releases.identify(&seven, Some("7600")).unwrap(), "7600");
        let error = releases.identify(&seven, Some("10.0.17134")).unwrap_err().to_string();
        assert!(error.contains("not of 10.0.17134, which is the kit of"), "{error}");
        assert!(error.contains("NTDDI_WIN7, so they are of 7600"), "{error}");
    }

    /// `--as` and the name of a folder do not change the release of headers.
    #[test]
    fn a_given_name_does_not_override_the_headers() {
        let releases = releases();
        let eight = targets(&[("NTDDI_WIN7", 0x0601_0000), ("NTDDI_WIN8", 0x0602_0000)]);
        let error = releases.identify(&eight, Some("10.0.26100")).unwrap_err().to_string();
        assert!(error.contains("is NTDDI_WIN8, of Windows 8"), "{error}");
        let twelve = targets(&[("NTDDI_WIN12", 0x0C00_0000)]);
        let error = releases.identify(&twelve, Some("10.0.26100")).unwrap_err().to_string();
        assert!(error.contains("NTDDI_WIN12, which headers/windows.toml does not have"), "{error}");
        assert_eq!(releases.identify(&targets(&[]), Some("10.0.26100")).unwrap(), "10.0.26100");
    }

    /// An older Windows already has its entry; only the kit is missing.
    #[test]
    fn a_kit_of_a_known_windows_is_asked_for_alone() {
        let releases = releases();
        let eight = targets(&[("NTDDI_WIN7", 0x0601_0000), ("NTDDI_WIN8", 0x0602_0000)]);
        let error = releases.identify(&eight, None).unwrap_err().to_string();
        assert!(error.contains("has Windows 8") && error.contains("Add `kit`"), "{error}");
        assert!(!error.contains("Add the release"), "{error}");
        assert!(releases.predate(&eight, "10.0.26100"));
        assert!(!releases.predate(&eight, "7600"));
        assert!(!releases.predate(&targets(&[]), "10.0.26100"));
    }

    #[test]
    fn a_kit_without_an_entry_is_named() {
        let releases = releases();
        let new = targets(&[("NTDDI_WIN10_VB", 0x0A00_0008), ("NTDDI_WIN12", 0x0C00_0000)]);
        for given in [None, Some("10.0.30000")] {
            let error = releases.identify(&new, given).unwrap_err().to_string();
            assert!(error.contains("headers/windows.toml"), "{error}");
            assert!(error.contains("NTDDI_WIN12"), "{error}");
        }
    }

    #[test]
    fn the_version_of_a_folder_names_a_kit() {
        for (version, kit) in
            [("10.0.17134.0", "10.0.17134"), ("7600.16385.1", "7600"), ("6001", "6001")]
        {
            assert_eq!(kit_of_version(version), kit);
        }
    }
}
