//! Compares the KMDF driver of `cargo wsk new` with `examples/wdk`. Each repeats code of the other, to be complete for
//! its reader. The parts they share must stay identical.

use std::collections::BTreeMap;
use std::fs;

use quote::ToTokens as _;
use syn::Item;

use crate::project;

const TEMPLATE: &str = "cargo-wsk/templates/kmdf";
const EXAMPLE: &str = "examples/wdk";

/// The items that differ, each with the number of statements or other parts of the template that the example lacks, and
/// the reason.
const DIFFERENT: [(&str, usize, &str); 6] = [
    ("INTERFACE", 1, "each project has a GUID of its own"),
    ("Device", 1, "the example's counts the bytes discarded"),
    ("add", 2, "its context has that counter, which must be dropped"),
    ("prepare_hardware", 1, "they start different servers"),
    ("device_control", 3, "they return different numbers"),
    ("driver_entry", 3, "the template has a parameter, the example a tag of its own"),
];

fn read(folder: &str, file: &str) -> String {
    let path = project::root().join(folder).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The parts of each item of a source file, by the item's name. A function's parts are its signature and its
/// statements.
fn items(source: &str) -> BTreeMap<String, Vec<String>> {
    // What `cargo wsk new` fills in.
    let source = source.replace("{{name}}", "wdk-driver").replace("{{crate}}", "wdk_driver");
    let source = source.replace("{{guid}}", "GUID {}");
    let file = syn::parse_file(&source).unwrap();
    let named = file.items.iter().filter_map(|item| {
        let (name, parts) = match item {
            Item::Fn(function) => {
                let statements = function.block.stmts.iter();
                let signature = function.sig.to_token_stream().to_string();
                let parts = statements.map(|one| one.to_token_stream().to_string());
                (function.sig.ident.to_string(), [signature].into_iter().chain(parts).collect())
            }
            Item::Static(item) => (item.ident.to_string(), vec![whole(item.expr.as_ref())]),
            Item::Const(item) => (item.ident.to_string(), vec![whole(item.expr.as_ref())]),
            Item::Struct(item) => (item.ident.to_string(), vec![whole(&item.fields)]),
            Item::Impl(item) => (format!("impl {}", whole(&item.self_ty)), vec![whole(item)]),
            _ => return None,
        };
        Some((name, parts))
    });
    named.collect()
}

fn whole(part: &impl quote::ToTokens) -> String {
    part.to_token_stream().to_string()
}

#[test]
fn the_template_and_the_example_have_the_same_functions() {
    let (mut same, mut different) = (0, Vec::new());
    for (of_template, of_example) in [("driver.rs", "src/lib.rs"), ("device.rs", "src/device.rs")] {
        let example = items(&read(EXAMPLE, of_example));
        for (name, parts) in items(&read(TEMPLATE, of_template)) {
            let Some(others) = example.get(&name) else { continue };
            let new: Vec<&String> = parts.iter().filter(|part| !others.contains(part)).collect();
            if let Some((_, count, _)) = DIFFERENT.iter().find(|(known, ..)| *known == name) {
                assert_eq!(new.len(), *count, "{of_template}: {name}: {new:#?}");
                different.push(name);
            } else {
                assert_eq!(&parts, others, "{name} of {of_template} and of {of_example}");
                same += 1;
            }
        }
    }
    assert_eq!(different.len(), DIFFERENT.len(), "of DIFFERENT are there: {different:?}");
    assert!(same >= 6, "{same} items are the same");
}

/// The lines of a manifest about wdk-build, wdk-sys, and the build of the driver.
fn settings(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines();
    let is_setting = |line: &&str| {
        ["rust-version", "driver-type", "kmdf-version", "target-kmdf", "wdk-sys =", "wdk-build ="]
            .iter()
            .chain(&["crate-type", "panic =", "lto =", "codegen-units ="])
            .any(|key| line.starts_with(key))
    };
    lines.filter(is_setting).collect()
}

#[test]
fn the_template_and_the_example_are_built_alike() {
    assert_eq!(read(TEMPLATE, "build.rs"), read(EXAMPLE, "build.rs"));
    let (template, example) = (read(TEMPLATE, "driver.toml"), read(EXAMPLE, "Cargo.toml"));
    let settings = settings(&template);
    assert_eq!(settings, self::settings(&example));
    assert_eq!(settings.len(), 11, "{settings:?}");
}
