//! Builds a driver, on any system, without a WDK.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cargo_metadata::{CrateType, Message};
use xshell::{Shell, cmd};

use crate::Workspace;

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

/// LLVM's linker, which the toolchain brings, links for Windows on every system.
pub const LINKER: &str = "rust-lld";

/// A driver to be built.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The package, whose library is a `cdylib`.
    pub package: &'a str,
    /// Features of the package.
    pub features: &'a [&'a str],
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
        Self { package, features: &[], profile: "release", config: &[], arch }
    }

    /// Builds the driver, and returns its path below the target folder: `driver/ARCH/NAME.sys`. NAME is that of the
    /// package, without `-driver`.
    ///
    /// # Errors
    ///
    /// If it does not compile or link: the error has the messages of cargo.
    pub fn run(&self, workspace: &Workspace) -> Result<PathBuf> {
        let image = self.compile(workspace)?;
        // Cargo names it after its package, and .dll; a driver is called .sys.
        let folder = workspace.target().join("driver").join(self.arch.name());
        let name = self.package.strip_suffix("-driver").unwrap_or(self.package);
        let driver = folder.join(format!("{name}.sys"));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        fs::copy(&image, &driver)
            .with_context(|| format!("cannot copy {} to {}", image.display(), driver.display()))?;
        Ok(driver)
    }

    /// Compiles and links the driver, and returns the image that cargo has made.
    ///
    /// # Errors
    ///
    /// If it does not compile or link: the error has the messages of cargo.
    pub fn compile(&self, workspace: &Workspace) -> Result<PathBuf> {
        let Self { package, features, profile, config, arch } = *self;
        let target = arch.target();
        let shell = Shell::new()?;
        shell.change_dir(workspace.root());
        let features = features.join(",");
        // The name of a function then contains the types that it was made for.
        let names = format!("target.{target}.rustflags=['-Csymbol-mangling-version=v0']");
        let panic = panic_aborts(profile);
        let config = [&names, &panic].into_iter().map(String::as_str).chain(config.iter().copied());
        let output = cmd!(
            shell,
            "cargo build --quiet --profile {profile} --package {package} --target {target}"
        )
        .args(config.flat_map(|setting| ["--config", setting]))
        .args(["--features", &features])
        .arg("--message-format=json-render-diagnostics")
        .env(linker_variable(target), LINKER)
        .quiet()
        .ignore_status()
        .output()?;
        let messages = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("`{package}` does not build for {}:\n{messages}{}", arch.name(), hint(&messages));
        }
        eprint!("{messages}");
        image(&output.stdout, package)
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
            "cargo has made no image of `{package}`: a driver needs `crate-type = [\"cdylib\"]` in its [lib]"
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
    } else {
        ""
    }
}

/// The setting of cargo's by which the panics of a profile abort: the compiler asks for it where there is no `std`.
#[must_use]
pub fn panic_aborts(profile: &str) -> String {
    format!("profile.{profile}.panic='abort'")
}

/// The variable in which cargo takes the linker of a target.
#[must_use]
pub fn linker_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"))
}
