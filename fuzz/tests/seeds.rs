//! Every target over its seeds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wsk_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names in a folder, in order.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_target_accepts_its_seeds() {
    for &(name, run) in TARGETS {
        let folder = folder("seeds").join(name);
        let seeds = names(&folder);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            eprintln!("{name}/{seed}");
            let bytes = fs::read(folder.join(seed)).unwrap();
            run(&bytes);
            // Cut off anywhere, too.
            for length in 0..bytes.len().min(100) {
                run(&bytes[..length]);
            }
        }
    }
}

#[test]
fn every_target_has_a_binary_and_a_folder_of_seeds() {
    let mut targets: BTreeSet<String> =
        TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    if cfg!(not(feature = "headers")) {
        assert!(targets.insert("header_text".to_owned()));
    }
    assert_eq!(names(&folder("seeds")), targets);
    let binaries = names(&folder("fuzz_targets"));
    let binaries: BTreeSet<String> =
        binaries.iter().filter_map(|name| name.strip_suffix(".rs")).map(str::to_owned).collect();
    assert_eq!(binaries, targets);
}

#[test]
fn seeds_are_small() {
    for &(name, _) in TARGETS {
        let folder = folder("seeds").join(name);
        for seed in names(&folder) {
            let size = fs::metadata(folder.join(&seed)).unwrap().len();
            assert!(size <= 256, "{name}/{seed} has {size} bytes");
        }
    }
}
