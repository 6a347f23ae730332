//! Builds a driver, on any system, without a WDK.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use cargo_metadata::{CrateType, Message};
use xshell::{Shell, cmd};

use crate::Workspace;
use crate::cargo_error::cargo_error;

/// A processor that Windows drivers are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arch {
    /// 64-bit x86.
    X64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// Both processors.
    pub const ALL: [Self; 2] = [Self::X64, Self::Arm64];

    /// Its name in Windows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }

    /// Its target in rustc.
    #[must_use]
    pub fn target(self) -> &'static str {
        match self {
            Self::X64 => "x86_64-pc-windows-msvc",
            Self::Arm64 => "aarch64-pc-windows-msvc",
        }
    }
}

impl FromStr for Arch {
    type Err = String;

    /// The processor of a rustc target.
    fn from_str(target: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|arch| arch.target() == target);
        known.ok_or_else(|| {
            let why = if target.ends_with("-windows-gnu") || target.ends_with("-windows-gnullvm") {
                "its C library has no place in a kernel"
            } else if target.starts_with("i686") || target.starts_with("i586") {
                "Windows Kernel Sockets have another calling convention in 32-bit drivers, which Windows 11 does not load"
            } else {
                "it is no target of Windows drivers"
            };
            format!(
                "{target} is not supported, since {why}: use {}",
                Self::ALL.map(Self::target).join(" or ")
            )
        })
    }
}

/// LLVM's linker, which the toolchain brings, links for Windows on every system.
pub const LINKER: &str = "rust-lld";

/// The linker arguments that make an image a driver. The entry point is the one that `wsk_driver::driver!` defines.
const LINKER_ARGUMENTS: [&str; 6] = [
    "/DRIVER",
    // Windows 8.
    "/SUBSYSTEM:NATIVE,6.02",
    // The checksum.
    "/RELEASE",
    "/ENTRY:DriverEntry",
    "/NODEFAULTLIB",
    // The names of functions, for the audit.
    "/MAP",
];

/// A driver to be built.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The package, whose library is a `cdylib`.
    pub package: &'a str,
    /// Features of the package.
    pub features: &'a [&'a str],
    /// Whether the package's default features are enabled.
    pub default_features: bool,
    /// The cargo profile. A driver's panics abort even if the profile unwinds: a kernel cannot unwind them.
    pub profile: &'a str,
    /// Further cargo settings, in the form of its option `--config`.
    pub config: &'a [&'a str],
    /// The processor that the driver is for.
    pub arch: Arch,
}

impl<'a> Build<'a> {
    /// A driver with its default features, optimized.
    #[must_use]
    pub fn release(package: &'a str, arch: Arch) -> Self {
        let (features, config) = (&[], &[]);
        Self { package, features, default_features: true, profile: "release", config, arch }
    }

    /// The name of the driver: the package's name without `-driver`.
    #[must_use]
    pub fn name(&self) -> &'a str {
        driver_name(self.package)
    }

    /// Builds the driver, and returns its path below the target folder: `driver/ARCH/PROFILE/NAME.sys`. Beside it are
    /// `NAME.pdb` for a debugger, and `NAME.map`, which gives the audit the names of functions.
    ///
    /// # Errors
    ///
    /// If it does not compile or link: the error has the messages of cargo.
    pub fn run(&self, workspace: &Workspace) -> Result<PathBuf> {
        // As cargo calls its folders.
        let profile = if self.profile == "dev" { "debug" } else { self.profile };
        let folder = workspace.target().join("driver").join(self.arch.name()).join(profile);
        let driver = folder.join(format!("{}.sys", self.name()));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let image = self.compile(workspace)?;
        // The linker writes both beside the image, which cargo links from there to where it reports it.
        let name = image.file_stem().unwrap_or_default();
        let linked = image.with_file_name("deps").join(name);
        for (from, to) in [
            (image.clone(), driver.clone()),
            (linked.with_extension("pdb"), driver.with_extension("pdb")),
            (linked.with_extension("map"), driver.with_extension("map")),
        ] {
            fs::copy(&from, &to)
                .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(driver)
    }

    /// Compiles and links the driver, and returns the image that cargo has made.
    ///
    /// # Errors
    ///
    /// If it does not compile or link: the error has the messages of cargo.
    pub fn compile(&self, workspace: &Workspace) -> Result<PathBuf> {
        if workspace.needs_wdk(self.package) {
            bail!(
                "`{}` is a driver with wdk-sys, which `cargo wdk build` builds on Windows with a WDK. \
                 `cargo wsk check` checks it on every system",
                self.package
            );
        }
        let Self { package, features, default_features, profile, config, arch } = *self;
        let target = arch.target();
        let shell = Shell::new()?;
        shell.change_dir(workspace.root());
        let features = features.join(",");
        let panic = panic_aborts(profile);
        let flags = Flags::new(target, |name| env::var_os(name));
        let own = [Some(panic.as_str()), flags.setting.as_deref()].into_iter().flatten();
        let config = own.chain(config.iter().copied());
        // The image names its symbols without a path, so that it does not contain a folder of this machine.
        let pdb = format!("/PDBALTPATH:{}.pdb", self.name());
        let arguments = LINKER_ARGUMENTS.into_iter().chain([pdb.as_str()]);
        let output = cmd!(
            shell,
            "cargo rustc --quiet --lib --crate-type cdylib --profile {profile} --package {package} --target {target}"
        )
        .args(config.flat_map(|setting| ["--config", setting]))
        .args(["--features", &features])
        .args((!default_features).then_some("--no-default-features"))
        .arg("--message-format=json-render-diagnostics")
        .arg("--")
        .args(arguments.map(|argument| format!("-Clink-arg={argument}")))
        .envs(flags.variable)
        .env(linker_variable(target), LINKER)
        .quiet()
        .ignore_status()
        .output()?;
        let messages = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let what = format!("`{package}` does not build for {}", arch.name());
            return Err(cargo_error(&what, &format!("{messages}{}", hint(&messages))));
        }
        eprint!("{messages}");
        image(&output.stdout, package)
    }
}

/// The name of a driver: its package's name without `-driver`.
#[must_use]
pub fn driver_name(package: &str) -> &str {
    package.strip_suffix("-driver").unwrap_or(package)
}

/// The flags for the compiler, passed in the way that preserves the user's: cargo ignores its settings if a variable is
/// set.
#[derive(Debug, PartialEq, Eq)]
struct Flags {
    /// For cargo's option `--config`.
    setting: Option<String>,
    variable: Option<(&'static str, OsString)>,
}

impl Flags {
    /// The name of a function contains the types that it was made for.
    const OWN: &str = "-Csymbol-mangling-version=v0";

    fn new(target: &str, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        /// In which cargo takes flags, separated by this character; before the other.
        const ENCODED: &str = "CARGO_ENCODED_RUSTFLAGS";
        const SEPARATOR: &str = "\u{1f}";
        let spaced = || {
            let flags = variable("RUSTFLAGS")?.into_string().ok()?;
            Some(flags.split_whitespace().collect::<Vec<_>>().join(SEPARATOR).into())
        };
        match variable(ENCODED).or_else(spaced).filter(|flags| !flags.is_empty()) {
            Some(mut flags) => {
                flags.push(SEPARATOR);
                flags.push(Self::OWN);
                Self { setting: None, variable: Some((ENCODED, flags)) }
            }
            None => Self {
                setting: Some(format!("target.{target}.rustflags=['{}']", Self::OWN)),
                variable: None,
            },
        }
    }
}

/// The driver's image among cargo's messages. The last one is that of the package itself.
fn image(messages: &[u8], package: &str) -> Result<PathBuf> {
    let mut image = None;
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.crate_types.contains(&CrateType::CDyLib)
            && artifact.target.name.replace('-', "_") == package.replace('-', "_")
        {
            image = artifact.filenames.into_iter().find(|path| path.extension() == Some("dll"));
        }
    }
    let image = image.map(cargo_metadata::camino::Utf8PathBuf::into_std_path_buf);
    image.with_context(|| {
        format!(
            "cargo did not build an image of `{package}`: a driver needs `crate-type = [\"cdylib\"]` in its [lib]"
        )
    })
}

/// Advice for messages of the linker that do not name the mistake.
fn hint(messages: &str) -> &'static str {
    if ["__chkstk", "__CxxFrameHandler3", "strlen"].iter().any(|name| messages.contains(name)) {
        "hint: compiled code refers to functions of a C library, more of them without link-time optimization. \
         `wsk_driver::driver!` defines them with the feature `runtime-symbols` of wsk-driver; a driver with an entry of its \
         own calls `wsk_driver::runtime_symbols!()`."
    } else if messages.contains("no global memory allocator found") {
        "hint: the driver, or a crate that it depends on, uses `alloc`. `wsk::pool::NonPaged` is an allocator: \
         #[global_allocator] static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;"
    } else if messages.contains("linker `rust-lld` not found") {
        "hint: the Rust of Linux distributions lacks rust-lld. Install Rust with rustup."
    } else if messages.contains("undefined symbol: DriverEntry")
        || messages.contains("<root>: DriverEntry")
    {
        "hint: a driver defines `DriverEntry`: by `wsk_driver::driver!`, or by itself."
    } else {
        ""
    }
}

/// The cargo setting that makes panics of a profile abort, which the compiler requires without `std`.
#[must_use]
pub fn panic_aborts(profile: &str) -> String {
    format!("profile.{profile}.panic='abort'")
}

/// The environment variable that names cargo's linker for a target.
#[must_use]
pub fn linker_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_user_are_kept() {
        let target = "x86_64-pc-windows-msvc";
        let setting = format!("target.{target}.rustflags=['{}']", Flags::OWN);
        let none = Flags { setting: Some(setting), variable: None };
        assert_eq!(Flags::new(target, |_| None), none);
        assert_eq!(Flags::new(target, |_| Some(OsString::new())), none);
        let only =
            |name: &'static str| move |asked: &str| (asked == name).then(|| "-Cone  -Ctwo".into());
        let with = |flags: &str| Flags {
            setting: None,
            variable: Some((
                "CARGO_ENCODED_RUSTFLAGS",
                format!("{flags}\u{1f}{}", Flags::OWN).into(),
            )),
        };
        assert_eq!(Flags::new(target, only("RUSTFLAGS")), with("-Cone\u{1f}-Ctwo"));
        assert_eq!(Flags::new(target, only("CARGO_ENCODED_RUSTFLAGS")), with("-Cone  -Ctwo"));
    }

    #[test]
    fn other_targets_are_refused_in_one_sentence() {
        for arch in Arch::ALL {
            assert_eq!(arch.target().parse(), Ok(arch));
        }
        for (target, why) in [
            ("x86_64-pc-windows-gnu", "C library"),
            ("i686-pc-windows-msvc", "32-bit"),
            ("x86_64-unknown-linux-gnu", "no target of Windows drivers"),
            ("x86_64-apple-darwin", "no target of Windows drivers"),
        ] {
            let error = target.parse::<Arch>().unwrap_err();
            assert!(error.contains(why) && error.contains(Arch::X64.target()), "{error}");
        }
    }
}
