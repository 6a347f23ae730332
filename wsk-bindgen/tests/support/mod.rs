//! Copies of this project's headers, to be changed, and the commands that read them.

// Every test has its own part of this.
#![allow(dead_code, reason = "not every test uses all")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A copy of the project's own headers, to be changed.
pub(crate) struct Headers(TempDir);

impl Headers {
    pub(crate) fn copy() -> Self {
        Self::copy_to("")
    }

    /// A copy in a folder below the temporary one.
    pub(crate) fn copy_to(below: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let headers = Self(folder);
        headers.add(below);
        headers
    }

    /// Another copy.
    pub(crate) fn add(&self, below: &str) {
        for part in ["km", "shared"] {
            let to = self.0.path().join(below).join(part);
            fs::create_dir_all(&to).unwrap();
            for file in fs::read_dir(project().join("headers").join(part)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Replaces a text, which must be there, in one of the files.
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) -> &Self {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(&path, text.replace(from, to)).unwrap();
        self
    }
}

/// The outcome of a command.
pub(crate) struct Run(Output);

/// Runs `cargo xtask` with these arguments.
pub(crate) fn xtask<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    Run::of(Command::new(env!("CARGO_BIN_EXE_wsk-bindgen")).args(arguments))
}

/// `regen --check` on these folders.
pub(crate) fn regen(folders: &[&Path]) -> Run {
    let mut arguments = vec![OsStr::new("regen"), OsStr::new("--check")];
    for folder in folders {
        arguments.extend([OsStr::new("--wdk"), folder.as_os_str()]);
    }
    xtask(arguments)
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self(command.output().unwrap())
    }

    /// Without what is said to a person beside it.
    pub(crate) fn standard_output(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn output(&self) -> String {
        let text = [&self.0.stdout[..], &self.0.stderr].concat();
        String::from_utf8(text).unwrap()
    }

    #[track_caller]
    pub(crate) fn passes(&self) -> String {
        let output = self.output();
        assert!(self.0.status.success(), "{output}");
        output
    }

    /// Fails, and says all of this, without a backtrace.
    #[track_caller]
    pub(crate) fn fails_with(&self, texts: &[&str]) {
        let output = self.output();
        assert!(!self.0.status.success(), "it passed:\n{output}");
        for text in texts {
            assert!(output.contains(text), "`{text}` is missing in:\n{output}");
        }
        assert!(!output.contains("stack backtrace"), "{output}");
    }
}
