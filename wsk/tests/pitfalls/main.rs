//! Faults found in other WSK clients, each as a test with its number in `PITFALLS.md`.
//!
//! A host stops the process when a rule is broken that it can see, and each run ends with an empty pool.

mod callbacks;
mod control_data;
mod ffi;
mod irps;
mod registration;
mod semantics;

/// The files of a folder and of those in it.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
