//! Creates a driver's project.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};

/// A kind of project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProjectKind {
    /// The logic as a library, and a driver around it that needs no WDK
    Wdm,
    /// The logic as a library, and a KMDF driver around it, with wdk-sys; building it requires Windows and a WDK
    Kmdf,
    /// The logic alone
    Lib,
}

/// A file of a project: its path, and its template.
type TemplateFile = (&'static str, &'static str);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../templates/", $path))
    };
}

const COMMON: [TemplateFile; 3] = [
    (".gitignore", template!("common/gitignore")),
    ("src/lib.rs", template!("common/lib.rs")),
    ("tests/host.rs", template!("common/host.rs")),
];

const WDM: [TemplateFile; 7] = [
    ("Cargo.toml", template!("wdm/package.toml")),
    ("README.md", template!("wdm/README.md")),
    (".github/workflows/ci.yml", template!("wdm/ci.yml")),
    ("driver/Cargo.toml", template!("wdm/driver.toml")),
    ("driver/src/lib.rs", template!("wdm/driver.rs")),
    ("driver/tests/driver.rs", template!("wdm/driver_test.rs")),
    ("windows-report.ps1", template!("wdm/windows-report.ps1")),
];

const KMDF: [TemplateFile; 9] = [
    ("Cargo.toml", template!("kmdf/package.toml")),
    ("README.md", template!("kmdf/README.md")),
    (".github/workflows/ci.yml", template!("kmdf/ci.yml")),
    ("driver/.cargo/config.toml", template!("kmdf/config.toml")),
    ("driver/Cargo.toml", template!("kmdf/driver.toml")),
    ("driver/build.rs", template!("kmdf/build.rs")),
    ("driver/src/device.rs", template!("kmdf/device.rs")),
    ("driver/src/lib.rs", template!("kmdf/driver.rs")),
    ("driver/{{crate}}_driver.inx", template!("kmdf/driver.inx")),
];

const LIB: [TemplateFile; 3] = [
    ("Cargo.toml", template!("lib/package.toml")),
    ("README.md", template!("lib/README.md")),
    (".github/workflows/ci.yml", template!("lib/ci.yml")),
];

impl ProjectKind {
    fn files(self) -> impl Iterator<Item = &'static TemplateFile> {
        let own: &[TemplateFile] = match self {
            Self::Wdm => &WDM,
            Self::Kmdf => &KMDF,
            Self::Lib => &LIB,
        };
        COMMON.iter().chain(own)
    }
}

/// A project to be created.
#[derive(Clone, Copy, Debug)]
pub struct Project<'a> {
    /// The folder; its name is that of the package and the driver.
    pub folder: &'a Path,
    /// The kind of project.
    pub kind: ProjectKind,
    /// A clone of the `wsk` repository to take its crates from; without one, they come from the registry.
    pub wsk: Option<&'a Path>,
}

impl Project<'_> {
    /// Creates the project's files, in a folder that does not exist or is empty. Returns the project's name.
    ///
    /// # Errors
    ///
    /// If the name is not valid for a package, the folder has files, `wsk` is not a clone, or a file cannot be written. Then
    /// no file is left, so that the call can be repeated.
    pub fn create(&self) -> Result<String> {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name", self.folder.display()))?;
        require_name(name)?;
        ensure!(
            !self.folder.exists() || self.folder.is_dir(),
            "{} is a file: choose another name",
            self.folder.display()
        );
        if self.folder.read_dir().is_ok_and(|mut files| files.next().is_some()) {
            bail!("{} exists and has files: choose another name", self.folder.display());
        }
        let wsk = self.wsk.map(clone_of_wsk).transpose()?;
        let is_new = !self.folder.exists();
        match self.write_files(name, wsk.as_deref()) {
            Ok(()) => Ok(name.to_owned()),
            Err(error) => Err(match self.remove_files(is_new) {
                Ok(()) => error,
                Err(left) => error
                    .context(format!("{} is incomplete, and stays: {left}", self.folder.display())),
            }),
        }
    }

    fn write_files(&self, name: &str, wsk: Option<&Path>) -> Result<()> {
        for (path, template) in self.kind.files() {
            let path = self.folder.join(fill(path, name, None));
            let folder = path.parent().unwrap_or(self.folder);
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            fs::write(&path, fill(template, name, wsk))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Removes what was written into the folder, which was empty, and the folder if it is new.
    fn remove_files(&self, is_new: bool) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        fs::remove_dir_all(self.folder)?;
        if is_new { Ok(()) } else { fs::create_dir(self.folder) }
    }
}

/// A path as a shell takes it: in quotes if it has characters that a shell treats specially.
#[must_use]
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/\\:._-+@%=".contains(c);
    if text.chars().all(is_plain) {
        text
    } else if cfg!(windows) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The keywords of Rust, including the reserved ones.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Checks that cargo, rustc and Windows accept the name.
fn require_name(name: &str) -> Result<()> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    ensure!(
        starts && name.chars().all(is_plain) && name.len() <= 40,
        "`{name}` is not a valid driver name: use up to 40 lower-case letters, digits, `-` and `_`, starting with a letter"
    );
    let taken = ["alloc", "core", "driver", "host", "proc_macro", "std", "test", "wsk"];
    ensure!(
        !taken.contains(&name) && !name.starts_with("wsk-") && !name.ends_with("-driver"),
        "`{name}` is the name of another crate: choose another, without `-driver` at its end"
    );
    ensure!(!KEYWORDS.contains(&name), "`{name}` is a keyword of Rust: choose another name");
    let is_device = ["con", "prn", "aux", "nul"].contains(&name)
        || ["com", "lpt"].iter().any(|port| {
            name.strip_prefix(port).is_some_and(|number| matches!(number.as_bytes(), [b'1'..=b'9']))
        });
    ensure!(!is_device, "`{name}` is the name of a device in Windows: choose another name");
    Ok(())
}

/// The absolute path of a clone.
fn clone_of_wsk(folder: &Path) -> Result<PathBuf> {
    let folder =
        folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    ensure!(
        folder.join("wsk-driver").join("Cargo.toml").is_file(),
        "{} is not a clone of the `wsk` repository: it has no wsk-driver/Cargo.toml",
        folder.display()
    );
    Ok(folder)
}

/// Fills in the placeholders of a template.
fn fill(template: &str, name: &str, wsk: Option<&Path>) -> String {
    let mut text = template
        .replace("{{name}}", name)
        .replace("{{crate}}", &name.replace('-', "_"))
        .replace("{{tag}}", &tag(name))
        .replace("{{guid}}", &interface(name));
    for (library, options) in [
        ("wsk", ""),
        ("wsk-driver", ""),
        ("wsk-host", ""),
        ("wsk", WDK_SYS),
        ("wsk-driver", WDK_SYS_ALONE),
    ] {
        let version = env!("CARGO_PKG_VERSION");
        // A literal string of TOML, for the backslashes of Windows.
        let path = wsk.map(|wsk| format!(", path = '{}'", wsk.join(library).display()));
        let dependency = match (path, options) {
            (None, "") => format!("\"{version}\""),
            (path, _) => {
                format!("{{ version = \"{version}\"{}{options} }}", path.unwrap_or_default())
            }
        };
        let place = if options.is_empty() { "dep" } else { "wdk" };
        text = text.replace(&format!("{{{{{place}:{library}}}}}"), &dependency);
    }
    text
}

/// The options of a dependency in a driver with the types of wdk-sys.
const WDK_SYS: &str = ", features = [\"wdk-sys\"]";

/// The same for a driver with its own entry point.
const WDK_SYS_ALONE: &str = ", default-features = false, features = [\"wdk-sys\"]";

/// The random GUID of a device's interface, as a Rust structure. The random bits come from the hasher that `std` seeds
/// for each map.
fn interface(name: &str) -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let [high, low] = [0, 1].map(|half| RandomState::new().hash_one((name, half)));
    // Version 4, variant 1, of RFC 9562.
    let high = (high & !0xF000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let bytes: Vec<String> = low.to_be_bytes().iter().map(|byte| format!("0x{byte:02X}")).collect();
    format!(
        "GUID {{\n    Data1: 0x{:04X}_{:04X},\n    Data2: 0x{:04X},\n    Data3: 0x{:04X},\n    Data4: [{}],\n}}",
        high >> 48,
        (high >> 32) & 0xFFFF,
        (high >> 16) & 0xFFFF,
        high & 0xFFFF,
        bytes.join(", ")
    )
}

/// A pool tag: the first four letters and digits, as the debugger shows them.
fn tag(name: &str) -> String {
    let mut letters = name.chars().filter(char::is_ascii_alphanumeric);
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let tag: String = first.into_iter().chain(letters).take(4).collect();
    format!("{tag:_<4}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_placeholder_of_a_template_is_filled() {
        for kind in [ProjectKind::Wdm, ProjectKind::Kmdf, ProjectKind::Lib] {
            for (path, template) in kind.files() {
                for wsk in [None, Some(Path::new("/wsk"))] {
                    let text = fill(path, "my-driver2", wsk) + &fill(template, "my-driver2", wsk);
                    // GitHub's own placeholders are `${{ … }}`. Nothing else may be left of a template's placeholders.
                    assert!(!text.contains("{{") && !text.contains("}}"), "{path}:\n{text}");
                }
            }
        }
    }

    /// The top-level items of a source by their first lines, with their comments. A blank line separates two.
    fn items(source: &str) -> BTreeMap<&str, &str> {
        let is_code = |line: &&str| !line.starts_with("//") && !line.starts_with('#');
        let items = source.split("\n\n");
        items.map(|item| (item.lines().find(is_code).unwrap_or_default(), item)).collect()
    }

    /// The template of a KMDF driver and `examples/wdk` have the same outer code. Their common items must be identical,
    /// except those that differ on purpose.
    #[test]
    fn the_kmdf_template_and_the_example_share_their_shell() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/wdk/src");
        for (template, example, different, shared) in [
            (
                template!("kmdf/device.rs"),
                "device.rs",
                &[
                    "struct Device {",
                    "pub(crate) unsafe extern \"C\" fn add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {",
                    "unsafe extern \"C\" fn prepare_hardware(",
                    "unsafe extern \"C\" fn device_control(",
                ][..],
                4,
            ),
            (
                template!("kmdf/driver.rs"),
                "lib.rs",
                &["pub unsafe extern \"system\" fn driver_entry("][..],
                2,
            ),
        ] {
            let example = fs::read_to_string(examples.join(example)).unwrap();
            let (template, example) = (items(template), items(&example));
            let is_item = |line: &str| line.ends_with(['{', '(']) && !line.starts_with("use ");
            let common: Vec<&str> = template
                .keys()
                .copied()
                .filter(|line| is_item(line) && example.contains_key(line))
                .collect();
            for line in &common {
                assert_eq!(
                    template[line] != example[line],
                    different.contains(line),
                    "`{line}` in the template:\n{}\nand in the example:\n{}",
                    template[line],
                    example[line]
                );
            }
            assert_eq!(common.len(), different.len() + shared, "{common:#?}");
        }
    }

    /// The path of a file in the folder `driver` is too long for Linux, those of the first files are not.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_project_that_cannot_be_written_leaves_nothing() {
        const LONGEST: usize = 4095;
        let top = std::env::temp_dir().join(format!("cargo-wsk-{}", std::process::id()));
        let mut parent = top.clone();
        let end = LONGEST - "/hello/driver/Cargo.to".len();
        while parent.as_os_str().len() < end {
            let rest = end - parent.as_os_str().len() - 1;
            // No component is empty, or longer than a name may be.
            parent.push("a".repeat(if rest > 200 { 100 } else { rest.max(1) }));
        }
        for exists in [false, true] {
            fs::create_dir_all(&parent).unwrap();
            let folder = parent.join("hello");
            if exists {
                fs::create_dir(&folder).unwrap();
            }
            let project = Project { folder: &folder, kind: ProjectKind::Wdm, wsk: None };
            let error = format!("{:#}", project.create().unwrap_err());
            assert!(error.starts_with("cannot "), "{error}");
            assert_eq!(folder.exists(), exists);
            assert_eq!(folder.read_dir().map_or(0, Iterator::count), 0, "files are left");
        }
        fs::remove_dir_all(top).unwrap();
    }

    #[cfg(not(windows))]
    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, word) in [
            ("hello", "hello"),
            ("../größe/h-1_2.x", "../größe/h-1_2.x"),
            ("my drivers/hello", "'my drivers/hello'"),
            ("it's/hello", "'it'\\''s/hello'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }

    #[test]
    fn names_are_those_of_crates_and_drivers() {
        for name in ["echo", "my-net_2"] {
            require_name(name).unwrap();
        }
        for name in
            ["", "Echo", "2net", "a b", "wsk", "wsk-host", "echo-driver", "é", &"a".repeat(41)]
        {
            assert!(require_name(name).is_err(), "{name}");
        }
        for (name, reason) in [
            ("fn", "keyword"),
            ("async", "keyword"),
            ("core", "another crate"),
            ("test", "another crate"),
            ("nul", "a device"),
            ("com1", "a device"),
            ("9p", "not a valid driver name"),
        ] {
            let error = require_name(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        require_name("com").unwrap();
        assert_eq!([tag("echo"), tag("my-net"), tag("a")], ["Echo", "Myne", "A___"]);
    }
}
