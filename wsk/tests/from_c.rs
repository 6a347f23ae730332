//! The guide's table of what became of `wsk.h` has everything that is in `wsk.h`.

use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../src/guide/from_c.md");

/// Whether the table has the name as a word.
fn has(name: &str) -> bool {
    let is_of_a_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    TABLE.match_indices(name).any(|(at, found)| {
        let (before, after) = (&TABLE[..at], &TABLE[at + found.len()..]);
        !before.ends_with(is_of_a_name) && !after.starts_with(is_of_a_name)
    })
}

/// The names that the bindings of `wsk.h` declare.
fn declared() -> Vec<String> {
    let bindings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wsk-sys/src/generated/wsk.rs");
    let text = fs::read_to_string(bindings).unwrap();
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        let kinds =
            ["pub const ", "pub struct ", "pub type ", "pub union ", "pub fn ", "pub unsafe fn "];
        let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
        let end =
            rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        names.push(rest[..end.unwrap_or(rest.len())].to_owned());
    }
    names
}

/// `WskGetLocalAddress` for `PFN_WSK_GET_LOCAL_ADDRESS`.
fn function(pointer: &str) -> String {
    let words = pointer.trim_start_matches("PFN_").split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_lowercase())
    });
    words.collect()
}

#[test]
fn every_item_of_the_header_is_in_the_table() {
    let names = declared();
    assert!(names.len() > 140, "only {} names were found", names.len());
    let mut missing = Vec::new();
    for name in &names {
        let is_there = if name.starts_with("PFN_WSK_RELEASE_") {
            has("WskRelease")
        } else if name.starts_with("PFN_") {
            has(&function(name))
        } else if let Some(pointed_to) =
            name.strip_prefix('P').filter(|name| names.contains(&(*name).to_owned()))
        {
            has(pointed_to)
        } else if name.starts_with("WskInspect") {
            has("WSK_INSPECT_ACTION")
        } else if ["WskSetOption", "WskGetOption", "WskIoctl", "WskControlMax"]
            .contains(&name.as_str())
        {
            has("WSK_CONTROL_SOCKET_TYPE")
        } else {
            has(name)
        };
        if !is_there {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "not in src/guide/from_c.md: {missing:?}");
}
