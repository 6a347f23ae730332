//! `cargo xtask driver`: builds a driver of `examples/`, on any system, and looks into the image.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use object::pe::IMAGE_SUBSYSTEM_NATIVE;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};
use xshell::{Shell, cmd};

use crate::{image, manners, project, setup};

/// Options of `cargo xtask driver`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The example: a folder below examples/ with a crate `driver`
    name: String,
    /// The processor that the driver is for [default: both]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Install the Rust targets first, if they are missing
    #[arg(long)]
    setup: bool,
}

/// A processor that Windows drivers are built for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Arch {
    X64,
    Arm64,
}

impl Arch {
    pub(crate) const ALL: [Self; 2] = [Self::X64, Self::Arm64];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::X64 => "x86_64-pc-windows-msvc",
            Self::Arm64 => "aarch64-pc-windows-msvc",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let archs = args.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch]);
    let targets: Vec<&str> = archs.iter().map(|arch| arch.target()).collect();
    setup::require_targets(&targets, args.setup, "cargo xtask driver NAME --setup")?;
    for arch in archs {
        print!("{}", describe(&build(&args.name, arch)?)?);
    }
    Ok(())
}

/// Builds a driver and returns its path: `target/driver/ARCH/NAME.sys`.
pub(crate) fn build(name: &str, arch: Arch) -> Result<PathBuf> {
    let root = project::root();
    let folder = root.join("examples").join(name).join("driver");
    if !folder.join("Cargo.toml").is_file() {
        bail!("there is no driver `{name}`. There are: {}", names(&root)?.join(", "));
    }
    let built = compile(&format!("{name}-driver"), &[], arch)?;
    // Cargo calls it after its package, and .dll; a driver is called .sys.
    let folder = root.join("target").join("driver").join(arch.name());
    let driver = folder.join(format!("{name}.sys"));
    fs::create_dir_all(&folder)?;
    fs::copy(&built, &driver).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(driver)
}

/// Compiles and links a package that is a driver, and returns the image. On failure, the error has what was said.
pub(crate) fn compile(package: &str, features: &[&str], arch: Arch) -> Result<PathBuf> {
    let target = arch.target();
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    // Said, so that it is there whatever the environment says.
    let folder = project::root().join("target");
    let features = features.join(",");
    // So that a function's name has the types that it was made for.
    let names = format!("target.{target}.rustflags=['-Csymbol-mangling-version=v0']");
    let output = cmd!(shell, "cargo build --quiet --release --package {package} --target {target}")
        .args(["--config", &names])
        .args(["--features", &features])
        .arg("--target-dir")
        .arg(&folder)
        .env(linker_variable(target), LINKER)
        .quiet()
        .ignore_status()
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("`{package}` does not build for {}:\n{said}{}", arch.name(), hint(&said));
    }
    eprint!("{said}");
    let library = format!("{}.dll", package.replace('-', "_"));
    Ok(folder.join(target).join("release").join(library))
}

/// What to make of a linker's words that do not say what is wrong.
fn hint(said: &str) -> &'static str {
    if said.contains("__CxxFrameHandler3") {
        "hint: something divides numbers of 128 bits, as in `Duration::as_nanos() / n`: that is a function of the \
         compiler's which needs more than a kernel has on arm64. Divide 64 bits."
    } else if said.contains("__chkstk") {
        "hint: a function has more than a page of variables, which the kernel's stack is too small for."
    } else {
        ""
    }
}

/// LLVM's linker, which the toolchain brings, links for Windows on every system.
pub(crate) const LINKER: &str = "rust-lld";

/// What tells cargo the linker of a target.
pub(crate) fn linker_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"))
}

fn names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("examples"))? {
        let entry = entry?;
        if entry.path().join("driver").join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The images that a driver of this project may import from.
const KERNEL_IMAGES: [&str; 3] = ["hal.dll", "netio.sys", "ntoskrnl.exe"];

/// What an image is and imports. Fails if the kernel would not load it.
pub(crate) fn describe(driver: &Path) -> Result<String> {
    let data = fs::read(driver).with_context(|| format!("cannot read {}", driver.display()))?;
    let file = PeFile64::parse(&*data)
        .with_context(|| format!("{} is no 64-bit image", driver.display()))?;
    let header = file.nt_headers().optional_header();
    ensure!(
        header.subsystem() == IMAGE_SUBSYSTEM_NATIVE,
        "{} is not an image for the kernel: its subsystem is {:?}",
        driver.display(),
        header.subsystem()
    );
    ensure!(header.address_of_entry_point() != 0, "{} has no entry point", driver.display());

    let mut text = format!("{} ({} bytes)\n", driver.display(), data.len());
    let (sections, imports) = (image::sections(&file)?, image::imports(&file)?);
    manners::require_resident(&sections, &imports)
        .with_context(|| format!("something of {} can be paged out", driver.display()))?;
    for of_image in imports.chunk_by(|one, next| one.image == next.image) {
        let image = &of_image[0].image;
        if !KERNEL_IMAGES.contains(&image.as_str()) {
            bail!("{} imports from {image}, which is no image of the kernel", driver.display());
        }
        let names: Vec<&str> = of_image.iter().map(|import| import.name.as_str()).collect();
        let _ = writeln!(text, "  {image}: {}", names.join(", "));
    }
    Ok(text)
}
