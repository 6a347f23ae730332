//! Checks that the bindings were generated from the current headers, without generating them again.
//!
//! The generator and its dependencies take a minute to compile. So `cargo xtask regen` also writes the digests of its
//! input and its output, and every test compares these.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::project;

/// The input, and the output.
const FOLDERS: [&str; 2] = ["headers", "wsk-sys/src/generated"];

/// The extensions of the files that the digests cover. Prose is not among them.
const EXTENSIONS: [&str; 3] = ["h", "rs", "toml"];

/// The file with the digests.
const FILE: &str = "wsk-bindgen/digests.txt";

/// Writes the digests of the folders as they are.
pub(super) fn write() -> Result<()> {
    let root = project::root();
    let mut text = String::new();
    for folder in FOLDERS {
        writeln!(text, "{:016x} {folder}", digest(&root.join(folder))?)?;
    }
    fs::write(root.join(FILE), text).with_context(|| format!("cannot write {FILE}"))
}

/// Fails if a folder has changed since the digests were written.
pub(crate) fn compare() -> Result<()> {
    let root = project::root();
    let text = fs::read_to_string(root.join(FILE));
    let text = text.with_context(|| format!("cannot read {FILE}: run `cargo xtask regen`"))?;
    for folder in FOLDERS {
        let line = format!("{:016x} {folder}", digest(&root.join(folder))?);
        ensure!(
            text.lines().any(|known| known == line),
            "{folder}/ has changed since the bindings were generated: run `cargo xtask regen`, and commit {FILE} with its \
             other changes"
        );
    }
    println!("{} are as the last `cargo xtask regen` left them", FOLDERS.join(" and "));
    Ok(())
}

/// A hash of the names and contents of a folder's files, independent of their line endings.
fn digest(folder: &Path) -> Result<u64> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    files.sort();
    ensure!(!files.is_empty(), "{} has no files", folder.display());
    let mut digest = Fnv::new();
    for path in files {
        let name = path.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        digest.add(name.as_bytes());
        digest.add(&[0]);
        digest.add(&text);
        digest.add(&[0]);
    }
    Ok(digest.0)
}

/// All files below a folder that digests cover.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if EXTENSIONS.iter().any(|one| path.extension().is_some_and(|it| it == *one)) {
            files.push(path);
        }
    }
    Ok(())
}

/// The 64-bit hash function FNV-1a, which does not change between versions of Rust.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().filter(|byte| **byte != b'\r') {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Fnv, digest};
    use crate::project;

    #[test]
    fn the_hash_function_is_fnv() {
        let mut hash = Fnv::new();
        hash.add(b"foo\rbar");
        assert_eq!(hash.0, 0x8594_4171_F739_67E8);
    }

    #[test]
    fn names_contents_and_files_count_but_no_prose() {
        let folder = project::scratch().unwrap().join("digests");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("sub")).unwrap();
        let with = |name: &str, text: &str| {
            fs::write(folder.join(name), text).unwrap();
            digest(&folder).unwrap()
        };
        let mut digests = vec![
            with("a.h", "x\n"),
            with("a.h", "y\n"),
            with("b.h", "y\n"),
            with("sub/a.h", "y\n"),
            with("sub/b.toml", ""),
        ];
        assert_eq!(with("README.md", "x"), digests[4]);
        assert_eq!(with("a.h", "y\r\n"), digests[4]);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 5);
        fs::remove_dir_all(folder).unwrap();
    }
}
