//! Discovery and selection of kits on simulated machines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tempfile::TempDir;

use super::IncludeTree;
use super::discovery::KitLocation;
use super::machine::{Machine, Registry};
use super::selection::{list, select};

/// A machine with the files, variables and registry keys of a test.
struct Fake {
    disk: TempDir,
    variables: BTreeMap<&'static str, OsString>,
    registry: Option<FakeRegistry>,
}

#[derive(Default)]
struct FakeRegistry {
    strings: BTreeMap<(&'static str, &'static str), String>,
    is_locked: bool,
}

impl Machine for Fake {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn registry(&self) -> Option<&dyn Registry> {
        self.registry.as_ref().map(|registry| registry as &dyn Registry)
    }
}

impl Registry for FakeRegistry {
    fn string(&self, key: &str, value: &str) -> Result<Option<String>> {
        if self.is_locked {
            bail!("cannot read {key}: Access is denied.");
        }
        let entry = self.strings.iter().find(|((k, v), _)| *k == key && *v == value);
        Ok(entry.map(|(_, string)| string.clone()))
    }
}

const NATIVE: &str = r"SOFTWARE\Microsoft\Windows Kits\Installed Roots";
const WOW: &str = r"SOFTWARE\WOW6432Node\Microsoft\Windows Kits\Installed Roots";

impl Fake {
    fn linux() -> Self {
        let disk = TempDir::new().unwrap();
        let home = disk.path().join("home").into();
        Self { disk, variables: BTreeMap::from([("HOME", home)]), registry: None }
    }

    fn windows() -> Self {
        let mut machine = Self::linux();
        let user = machine.path("Users/Someone").into();
        machine.variables = BTreeMap::from([("USERPROFILE", user)]);
        machine.registry = Some(FakeRegistry::default());
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        below.split('/').fold(self.disk.path().to_path_buf(), |path, part| path.join(part))
    }

    /// Adds empty files: `km` and `shared`, with the files that identify them.
    fn kit(&self, below: &str) -> &Self {
        self.km(below).shared(below)
    }

    fn km(&self, below: &str) -> &Self {
        self.file(&format!("{below}/km/wsk.h"))
    }

    fn shared(&self, below: &str) -> &Self {
        self.file(&format!("{below}/shared/ws2def.h"))
    }

    fn file(&self, name: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        self
    }

    fn set(&mut self, variable: &'static str, below: &str) {
        self.variables.insert(variable, self.path(below).into());
    }

    fn register(&mut self, key: &'static str, value: &'static str, below: &str) {
        let path = self.path(below).display().to_string() + std::path::MAIN_SEPARATOR_STR;
        self.registry.as_mut().unwrap().strings.insert((key, value), path);
    }

    /// The name of the selected kit, and the note about it.
    fn takes(&self, release: Option<&str>) -> (IncludeTree, String) {
        let places = KitLocation::of(self);
        let selection = select(&places, release).unwrap();
        let note = selection.note(&places).unwrap();
        (IncludeTree::selected(&selection, release).unwrap(), self.without_disk(&note))
    }

    fn refuses(&self, release: Option<&str>) -> String {
        let error = select(&KitLocation::of(self), release).unwrap_err();
        self.without_disk(&format!("{error:#}"))
    }

    fn list(&self, release: Option<&str>) -> String {
        self.without_disk(&list(&KitLocation::of(self), release))
    }

    fn without_disk(&self, text: &str) -> String {
        let disk = self.disk.path().display().to_string() + std::path::MAIN_SEPARATOR_STR;
        text.replace(&disk, "").replace('\\', "/")
    }

    /// The folders that are searched, below the disk.
    fn folders(&self, tree: &IncludeTree) -> Vec<String> {
        let path = |folder: &PathBuf| {
            let below = folder.strip_prefix(self.disk.path()).unwrap();
            below.display().to_string().replace('\\', "/")
        };
        tree.folders.iter().map(path).collect()
    }
}

#[test]
fn kits_are_found_by_the_variable_on_linux() {
    let mut machine = Fake::linux();
    machine.kit("kits/Include/10.0.22621.0").kit("kits/Include/10.0.26100.0");
    machine.set("WDKContentRoot", "kits");
    let (tree, note) = machine.takes(None);
    assert_eq!(tree.name, "WDK 10.0.26100.0");
    assert_eq!(
        note,
        "WDK 10.0.26100.0 of the variable WDKContentRoot is taken, the newest there; --release chooses \
         another: 10.0.22621.0"
    );
    let (tree, note) = machine.takes(Some("10.0.22621"));
    assert_eq!(
        machine.folders(&tree),
        ["kits/Include/10.0.22621.0/km", "kits/Include/10.0.22621.0/shared"]
    );
    assert!(
        note.contains("10.0.22621.0 of the variable WDKContentRoot is taken, as --release says")
    );
    assert!(tree.origin.arguments().ends_with("--release 10.0.22621"));
}

#[test]
fn kits_are_found_by_the_registry_on_windows() {
    for (key, value) in [(NATIVE, "KitsRoot10"), (WOW, "KitsRoot10"), (WOW, "KitsRoot81")] {
        let mut machine = Fake::windows();
        machine.kit("Program Files (x86)/Windows Kits/10/Include/10.0.26100.0");
        machine.register(key, value, "Program Files (x86)/Windows Kits/10");
        let (tree, note) = machine.takes(None);
        assert_eq!(tree.name, "WDK 10.0.26100.0");
        let said = format!("of the registry ({value}) is taken, the only one there");
        assert!(note.contains(&said), "{note}");
        assert!(tree.origin.arguments().contains('"'), "{}", tree.origin.arguments());
    }
}

/// The SDK's installer also creates folders for its versions, without `km`.
#[test]
fn parts_of_a_newer_sdk_are_not_combined_with_the_wdk() {
    let mut machine = Fake::windows();
    machine.kit("kits/10/Include/10.0.22621.0").shared("kits/10/Include/10.0.26100.0");
    machine.register(NATIVE, "KitsRoot10", "kits/10");
    let (tree, _) = machine.takes(None);
    assert_eq!(
        machine.folders(&tree),
        ["kits/10/Include/10.0.22621.0/km", "kits/10/Include/10.0.22621.0/shared"]
    );
    let error = machine.refuses(Some("26100"));
    assert!(error.contains("no WDK 26100 is found"), "{error}");
    assert!(error.contains("10.0.26100.0/shared; no `km` with wsk.h"), "{error}");
}

#[test]
fn the_prompt_of_an_enterprise_wdk_says_which_version_is_meant() {
    let mut machine = Fake::windows();
    machine.kit("ewdk/kits/10/Include/10.0.22621.0").kit("ewdk/kits/10/Include/10.0.26100.0");
    machine.kit("installed/Include/10.0.28000.0");
    machine.set("WDKContentRoot", "ewdk/kits/10");
    machine.register(NATIVE, "KitsRoot10", "installed");
    machine.variables.insert("Version_Number", "10.0.22621.0".into());
    let (tree, note) = machine.takes(None);
    assert_eq!(tree.name, "WDK 10.0.22621.0");
    assert_eq!(
        note,
        "WDK 10.0.22621.0 of the variable WDKContentRoot is taken, as Version_Number says; --release \
         chooses another: 10.0.26100.0, 10.0.28000.0"
    );
    assert_eq!(machine.takes(Some("28000")).0.name, "WDK 10.0.28000.0");
    // The disk of this machine, unchanged.
    let disk = Fake::linux();
    disk.kit("ewdk/Program Files/Windows Kits/10/Include/10.0.26100.0");
    let places = [KitLocation::given(&[disk.path("ewdk")]).unwrap()];
    assert!(select(&places, None).unwrap().kit.is_whole());
}

#[test]
fn the_prompts_of_visual_studio_name_the_folder_of_the_sdk() {
    let mut machine = Fake::windows();
    machine.kit("kits/Include/10.0.26100.0");
    machine.set("WindowsSdkDir", "kits");
    let (_, note) = machine.takes(None);
    assert!(note.contains("of the variable WindowsSdkDir is taken"), "{note}");
}

#[test]
fn nugets_packages_go_together_by_version() {
    const PACKAGES: &str = "home/.nuget/packages";
    let machine = Fake::linux();
    for version in ["10.0.26100.1591", "10.0.26100.2454"] {
        machine
            .km(&format!("{PACKAGES}/microsoft.windows.wdk.x64/{version}/c/Include/10.0.26100.0"));
        machine.file(&format!(
            "{PACKAGES}/microsoft.windows.wdk.x64/{version}/c/Include/10.0.26100.0/shared/more.h"
        ));
    }
    // The SDK's package for 28000 has no WDK package beside it.
    for (version, include) in
        [("10.0.26100.1742", "10.0.26100.0"), ("10.0.28000.1", "10.0.28000.0")]
    {
        machine
            .shared(&format!("{PACKAGES}/microsoft.windows.sdk.cpp/{version}/c/Include/{include}"));
    }
    let (tree, note) = machine.takes(None);
    let folders: Vec<String> = machine
        .folders(&tree)
        .iter()
        .map(|folder| folder.replace(&format!("{PACKAGES}/microsoft.windows."), ""))
        .collect();
    assert_eq!(
        folders,
        [
            "wdk.x64/10.0.26100.2454/c/Include/10.0.26100.0/km",
            "wdk.x64/10.0.26100.2454/c/Include/10.0.26100.0/shared",
            "sdk.cpp/10.0.26100.1742/c/Include/10.0.26100.0/shared",
        ]
    );
    assert_eq!(note, "WDK 10.0.26100.0 of NuGet's packages is taken, the only one there");
}

#[test]
fn nugets_packages_may_be_elsewhere_and_unpacked_flat() {
    let mut machine = Fake::windows();
    machine.km("packages/Microsoft.Windows.WDK.x64.10.0.26100.1/c/Include/10.0.26100.0");
    machine.shared("packages/Microsoft.Windows.SDK.CPP.10.0.26100.1/c/Include/10.0.26100.0");
    machine.set("NUGET_PACKAGES", "packages");
    assert_eq!(machine.takes(None).0.name, "WDK 10.0.26100.0");
}

#[test]
fn a_variable_without_a_kit_ends_the_search() {
    let mut machine = Fake::windows();
    machine.kit("kits/Include/10.0.26100.0").shared("sdk/Include/10.0.26100.0");
    machine.register(NATIVE, "KitsRoot10", "kits");
    machine.set("WDKContentRoot", "gone");
    let error = machine.refuses(None);
    assert_eq!(
        error,
        "the variable WDKContentRoot: gone is not a folder. Correct or unset it, or give --wdk DIR."
    );
    machine.set("WDKContentRoot", "sdk");
    let error = machine.refuses(None);
    assert!(error.starts_with("the variable WDKContentRoot, sdk: no WDK here."), "{error}");
    assert!(error.contains("Found shared of 10.0.26100.0"), "{error}");
    assert!(error.contains("No folder `km` with wsk.h"), "{error}");
}

#[test]
fn without_a_kit_the_message_lists_the_searched_places() {
    let mut machine = Fake::windows();
    machine.set("WindowsSdkDir", "sdk");
    machine.shared("sdk/Include/10.0.26100.0");
    machine.registry.as_mut().unwrap().is_locked = true;
    let error = machine.refuses(None);
    for text in [
        "no WDK is found. Looked in\n",
        "the variable WDKContentRoot: not set\n",
        "the variable WindowsSdkDir: sdk\n",
        "10.0.26100.0   sdk/Include/10.0.26100.0/shared; no `km` with wsk.h\n",
        "the registry (KitsRoot10): cannot read SOFTWARE",
        "Access is denied.",
        "NuGet's packages: Users/Someone/.nuget/packages is not a folder\n",
        "Install the WDK, or give --wdk DIR",
    ] {
        assert!(error.contains(text), "`{text}` is not in:\n{error}");
    }
    assert!(machine.list(None).ends_with("no WDK is found\n"));
}

#[test]
fn each_kit_is_listed_once() {
    let mut machine = Fake::windows();
    machine.kit("kits/Include/10.0.26100.0").kit("kits/Include/10.0.22621.0");
    machine.set("WDKContentRoot", "kits");
    machine.register(WOW, "KitsRoot10", "kits");
    let expected = "\
the variable WDKContentRoot: kits
  * 10.0.26100.0   kits/Include/10.0.26100.0/km, kits/Include/10.0.26100.0/shared
    10.0.22621.0   kits/Include/10.0.22621.0/km, kits/Include/10.0.22621.0/shared
the variable WindowsSdkDir: not set
the registry (KitsRoot10): kits/, as the variable WDKContentRoot
the registry (KitsRoot81): not set
the registry (KitsRoot): not set
NuGet's packages: Users/Someone/.nuget/packages is not a folder
WDK 10.0.26100.0 of the variable WDKContentRoot is taken, the newest there
";
    assert_eq!(machine.list(None), expected);
    let list = machine.list(Some("19041"));
    assert!(list.contains("none is taken: no WDK 19041 is found"), "{list}");
}

/// The path on the command line may or may not end with the folder of the version.
#[test]
fn a_folder_of_a_version_may_be_given() {
    let machine = Fake::linux();
    machine.kit("Include/10.0.22621.0").kit("plain").kit("old/7600.16385.1/inc");
    for (folder, version) in
        [("Include/10.0.22621.0", Some("10.0.22621.0")), ("plain", None), ("plain/../plain", None)]
    {
        let places = [KitLocation::given(&[machine.path(folder)]).unwrap()];
        let selection = select(&places, None).unwrap();
        assert_eq!(selection.note(&places), None);
        let tree = IncludeTree::selected(&selection, None).unwrap();
        assert_eq!(tree.version.as_deref(), version);
    }
    let places = [KitLocation::given(&[machine.path("old/7600.16385.1")]).unwrap()];
    let selection = select(&places, Some("7600")).unwrap();
    assert_eq!(IncludeTree::selected(&selection, None).unwrap().name, "WDK 7600.16385.1");
}

#[test]
fn kits_before_windows_8_are_known_in_any_letter_case() {
    let machine = Fake::linux();
    machine.file("INC/DDK/WSK.H").file("INC/API/WS2DEF.H").file("INC/CRT/stdio.h");
    let places = [KitLocation::given(&[machine.path("")]).unwrap()];
    let tree = IncludeTree::selected(&select(&places, None).unwrap(), None).unwrap();
    assert_eq!(tree.processors().len(), 1);
    assert_eq!(machine.folders(&tree), ["INC/CRT", "INC/DDK", "INC/API"]);
}

#[test]
fn a_package_that_is_still_packed_is_no_folder() {
    let machine = Fake::linux();
    machine.file("wdk.nupkg");
    let error = KitLocation::given(&[machine.path("wdk.nupkg")]).unwrap_err().to_string();
    assert!(error.contains("unpack a package"), "{error}");
    assert!(KitLocation::given(&[Path::new("/missing/kit").into()]).is_err());
}

#[test]
fn the_headers_of_a_process_that_crashed_are_known() {
    let headers = super::IncludeTree::own(&crate::project::root().join("headers")).unwrap();
    // No process has this identifier.
    let process = u32::MAX;
    let overlay =
        crate::project::scratch().join(format!("{}0.json", super::overlay_prefix(process)));
    fs::create_dir_all(crate::project::scratch()).unwrap();
    fs::write(&overlay, headers.overlay().unwrap()).unwrap();
    let found = super::take_overlays_of(process, "WSK.H").unwrap();
    let path = crate::project::root().join("headers/km/wsk.h");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [path.to_str().unwrap()]);
    assert!(!overlay.exists());
    assert!(super::take_overlays_of(process, "wsk.h").unwrap().is_empty());
}
