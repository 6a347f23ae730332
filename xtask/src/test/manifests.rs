//! Checks the manifests, as docs.rs, crates.io and cargo read them, and what CONTRIBUTING says about them and the
//! steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::release::CRATES;
use super::steps::STEPS;
use crate::project;

fn read(folder: &str, file: &str) -> String {
    let path = project::root().join(folder).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The keys of a section of a manifest.
fn keys<'a>(manifest: &'a str, section: &str) -> Vec<&'a str> {
    let begin = format!("[{section}]");
    let lines = manifest.lines().skip_while(|line| *line != begin).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect()
}

#[test]
fn each_feature_is_in_the_documentation() {
    let mut features = 0;
    for (name, folder) in CRATES {
        let manifest = read(folder, "Cargo.toml");
        let documentation = read(folder, "src/lib.rs");
        for feature in keys(&manifest, "features") {
            let row = format!("//! | `{feature}` |");
            let is_documented = feature == "default" || documentation.contains(&row);
            assert!(
                is_documented,
                "the feature {feature} of {name} has no row `{row} …` in its lib.rs"
            );
            features += 1;
        }
    }
    assert!(features >= 10, "{features} features were found");
}

#[test]
fn each_crate_says_how_docs_rs_builds_it() {
    for (name, folder) in CRATES {
        let manifest = read(folder, "Cargo.toml");
        assert!(
            manifest.contains(&format!("documentation = \"https://docs.rs/{name}\"")),
            "{name}"
        );
        let docs = keys(&manifest, "package.metadata.docs.rs");
        assert!(docs.contains(&"targets"), "{name} has no targets for docs.rs");
        // Without a WDK, not all features of these build.
        let needs_wdk = keys(&manifest, "features").contains(&"wdk-sys");
        assert_eq!(docs.contains(&"all-features"), needs_wdk, "{name}: {docs:?}");
    }
}

/// Until a public repository exists, no crate names one. As soon as the workspace does, each crate must.
#[test]
fn each_crate_names_the_repository_of_the_workspace() {
    let workspace = read(".", "Cargo.toml");
    let shared = keys(&workspace, "workspace.package");
    assert!(shared.contains(&"license"), "the workspace's keys were not found: {shared:?}");
    for key in ["repository", "homepage"] {
        for (name, folder) in CRATES {
            let manifest = read(folder, "Cargo.toml");
            let names = keys(&manifest, "package").contains(&&*format!("{key}.workspace"));
            assert_eq!(names, shared.contains(&key), "{name}: the key `{key}.workspace = true`");
        }
    }
}

/// The first screen of `wsk` links every chapter of the guide, in the order of the chapters' own links.
#[test]
fn the_first_screen_links_each_chapter() {
    let documentation = read("wsk", "src/lib.rs");
    let first_screen = documentation.split("//! ```").next().unwrap_or_default();
    let linked: Vec<&str> = first_screen
        .split("](guide::")
        .skip(1)
        .filter_map(|link| link.split_once(')').map(|(chapter, _)| chapter))
        .collect();
    let guide = read("wsk", "src/guide/mod.rs");
    let chapters = guide.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let chapters: BTreeSet<&str> =
        chapters.map(|name| name.trim_end_matches([' ', '{', '}', ';'])).collect();
    assert!(chapters.len() >= 10, "{chapters:?}");
    assert_eq!(linked.iter().copied().collect::<BTreeSet<_>>(), chapters);
    for pair in linked.windows(2) {
        let path = format!("wsk/src/guide/{}.md", pair[0]);
        let text = fs::read_to_string(project::root().join(&path)).unwrap() + &guide;
        let link = format!("](crate::guide::{})", pair[1]);
        assert!(
            text.lines().any(|line| line.contains("Next: [") && line.ends_with(&link)),
            "{path} does not lead to {}",
            pair[1]
        );
    }
}

/// CONTRIBUTING promises this. The generator's tests need libclang.
#[test]
fn plain_cargo_test_covers_every_crate_but_the_generator() {
    let manifest = project::root().join("Cargo.toml");
    let metadata = MetadataCommand::new().no_deps().manifest_path(manifest).exec().unwrap();
    let covered = metadata.workspace_default_packages();
    let is_left_out = |package: &&Package| covered.iter().all(|other| other.id != package.id);
    let all = metadata.workspace_packages();
    let left_out: Vec<&str> =
        all.into_iter().filter(is_left_out).map(|package| package.name.as_str()).collect();
    assert_eq!(left_out, ["wsk-bindgen"]);
}

/// A contributor must know when to run each step.
#[test]
fn each_step_for_releases_has_a_row_in_contributing() {
    let text = read("", "CONTRIBUTING.md");
    let (_, table) = text.split_once("| step | run it after changes to |\n|---|---|\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let in_rows: BTreeSet<&str> = table
        .lines()
        .filter_map(|row| row.split(" | ").next())
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .collect();
    let steps = STEPS.iter().filter(|step| step.is_for_releases);
    let for_releases: BTreeSet<&str> = steps.map(|step| step.name).collect();
    assert_eq!(in_rows, for_releases);
}

/// The separate workspaces. No command for the main workspace updates their `Cargo.lock`.
const OWN_WORKSPACES: [&str; 4] =
    ["examples/crates", "examples/https", "examples/wdk", "wsk-sys/tests/wdk-sys"];

/// The dependencies of each package in the `Cargo.lock` of a folder, by the package's name.
fn locked(lock: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let packages = lock.split("[[package]]\n").skip(1);
    let local = packages.filter(|package| !package.contains("\nsource = "));
    local
        .map(|package| {
            let name = package.split('"').nth(1).unwrap_or_default();
            let list = package.split_once("dependencies = [").map_or("", |(_, list)| list);
            // If a crate occurs twice, a version follows its name.
            let names = list.split('"').skip(1).step_by(2);
            (name, names.filter_map(|name| name.split(' ').next()).collect())
        })
        .collect()
}

/// Otherwise `--locked` fails, but only in the steps for releases.
#[test]
fn the_other_workspaces_lock_what_this_project_depends_on() {
    let manifest = project::root().join("Cargo.toml");
    let metadata = MetadataCommand::new().no_deps().manifest_path(manifest).exec().unwrap();
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.name.as_str(), package)).collect();
    for folder in OWN_WORKSPACES {
        let lock = read(folder, "Cargo.lock");
        let mut compared = 0;
        for (name, locked) in locked(&lock) {
            let Some(package) = packages.get(name) else { continue };
            compared += 1;
            let used = package.dependencies.iter();
            let used = used.filter(|one| one.kind != DependencyKind::Development);
            let all: BTreeSet<&str> = used.clone().map(|one| one.name.as_str()).collect();
            let always: BTreeSet<&str> =
                used.filter(|one| !one.optional).map(|one| one.name.as_str()).collect();
            let missing: Vec<&&str> = always.difference(&locked).collect();
            let unused: Vec<&&str> = locked.difference(&all).collect();
            assert!(
                missing.is_empty() && unused.is_empty(),
                "{folder}/Cargo.lock: {name} depends on {missing:?}, and no longer on {unused:?}. Run `cargo update \
                 --workspace` there"
            );
        }
        assert!(compared >= 4, "{folder}: {compared} crates of this project were found");
    }
}
