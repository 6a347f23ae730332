//! Drivers in C, built for x64 with clang and LLVM's linker, or with gcc of mingw-w64, and without a WDK.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_wsk::build::LINKER;
use xshell::{Shell, cmd};

use crate::driver;
use crate::project;

const TARGET: &str = "x86_64-pc-windows-msvc";
/// The compiler of mingw-w64.
pub(crate) const GCC: &str = "x86_64-w64-mingw32-gcc";

/// The linker arguments of the drivers in Rust; see `build.rs` there.
const LINK: [&str; 7] = [
    "/DRIVER",
    "/SUBSYSTEM:NATIVE,6.02",
    "/RELEASE",
    "/ENTRY:DriverEntry",
    "/NODEFAULTLIB",
    "/OPT:REF,ICF",
    "/MACHINE:X64",
];

const WARNINGS: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const HEADERS: [&str; 2] = ["-Iheaders/km", "-Iheaders/shared"];

/// The images that a driver imports from. Its folder has a `.def` file for each.
const IMPORTED: [&str; 2] = ["netio", "ntoskrnl"];

/// A driver in C.
pub(crate) struct CDriver<'a> {
    /// The name of its image.
    pub(crate) name: &'a str,
    /// The folder of its sources, in the workspace.
    pub(crate) folder: &'a str,
    /// The names of its sources.
    pub(crate) sources: &'a [&'a str],
    /// The folder for the build output, below the folder for temporary files.
    pub(crate) output: &'a str,
}

impl CDriver<'_> {
    /// Builds the image with clang and LLVM's linker. Fails if the kernel would not load it.
    pub(crate) fn build(&self, shell: &Shell) -> Result<PathBuf> {
        self.build_with(shell, &["-O2"], &[])
    }

    /// Like [`build`](Self::build), but also writes a PDB beside the image.
    pub(crate) fn build_with_pdb(&self, shell: &Shell) -> Result<PathBuf> {
        self.build_with(shell, &["-O1", "-g", "-gcodeview"], &["/DEBUG"])
    }

    fn build_with(&self, shell: &Shell, compile: &[&str], link: &[&str]) -> Result<PathBuf> {
        let folder = self.output()?;
        let linker = linker(shell)?;
        let mut inputs = Vec::new();
        for source in self.sources {
            let object = folder.join(source).with_extension("obj");
            let source = format!("{}/{source}.c", self.folder);
            cmd!(shell, "clang --target={TARGET} -nostdinc -c {source} -o {object}")
                .args(WARNINGS)
                .args(HEADERS)
                .args(compile)
                .quiet()
                .run()
                .with_context(|| format!("{source} does not compile"))?;
            inputs.push(object);
        }
        for image in IMPORTED {
            let library = folder.join(image).with_extension("lib");
            let definitions = format!("{}/{image}.def", self.folder);
            cmd!(shell, "{linker} -flavor link /lib /machine:x64")
                .arg(format!("/def:{definitions}"))
                .arg(format!("/out:{}", library.display()))
                .quiet()
                .run()
                .with_context(|| format!("{definitions} gives no import library"))?;
            inputs.push(library);
        }
        let driver = folder.join(self.name).with_extension("sys");
        cmd!(shell, "{linker} -flavor link /nologo")
            .args(LINK)
            .args(link)
            .arg(format!("/out:{}", driver.display()))
            .args(&inputs)
            .quiet()
            .run()
            .with_context(|| format!("{} cannot be linked", driver.display()))?;
        driver::describe(&driver)?;
        Ok(driver)
    }

    /// Builds the image with gcc of mingw-w64. Fails if the kernel would not load it.
    pub(crate) fn build_with_gcc(&self, shell: &Shell) -> Result<PathBuf> {
        let folder = self.output()?.join("gcc");
        fs::create_dir_all(&folder)?;
        let sources = self.sources.iter().map(|source| format!("{}/{source}.c", self.folder));
        let mut inputs: Vec<PathBuf> = sources.map(PathBuf::from).collect();
        for image in IMPORTED {
            let library = folder.join(format!("lib{image}.a"));
            let definitions = format!("{}/{image}.def", self.folder);
            cmd!(shell, "x86_64-w64-mingw32-dlltool -d {definitions} -l {library}")
                .quiet()
                .run()
                .with_context(|| format!("{definitions} gives no import library"))?;
            inputs.push(library);
        }
        let driver = folder.join(self.name).with_extension("sys");
        cmd!(shell, "{GCC} -nostdinc -nostdlib -O2 -ffreestanding -s")
            .args(WARNINGS)
            .args(HEADERS)
            // The headers define them for every compiler but Microsoft's.
            .args(["-U__cdecl", "-U__stdcall", "-U__fastcall", "-U__declspec"])
            .args(["-Wl,--subsystem,native", "-Wl,--entry,DriverEntry", "-Wl,--dynamicbase"])
            .args(["-Wl,--major-subsystem-version,6", "-Wl,--minor-subsystem-version,2"])
            .args(["-Wl,--section-alignment,4096", "-Wl,--file-alignment,512"])
            .arg("-o")
            .arg(&driver)
            .args(&inputs)
            .quiet()
            .run()
            .with_context(|| format!("{} cannot be linked", driver.display()))?;
        driver::describe(&driver)?;
        Ok(driver)
    }

    fn output(&self) -> Result<PathBuf> {
        let folder = project::scratch()?.join(self.output);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// LLVM's linker, which the toolchain brings but does not put on the path.
fn linker(shell: &Shell) -> Result<PathBuf> {
    let libraries = cmd!(shell, "rustc --print target-libdir").quiet().read()?;
    Ok(Path::new(&libraries).with_file_name("bin").join(LINKER))
}
