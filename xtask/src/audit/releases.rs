//! Checks that the audit's lists of Windows releases and functions agree with `headers/`, the source of all other
//! lists.

use std::fs;

use cargo_wsk::audit::imports::{RELEASES, newer_functions};

use crate::project;

/// The sections of a file of `headers/` that start with a line, each with the rest of that line.
fn sections(file: &str, begin: &str) -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(project::root().join("headers").join(file)).unwrap();
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            is_inside = line.starts_with(begin);
            if let Some(rest) = line.strip_prefix(begin) {
                sections.push((rest.trim_end_matches(']').to_owned(), Vec::new()));
            }
        } else if let (true, Some((_, lines))) = (is_inside, sections.last_mut()) {
            lines.push(line.to_owned());
        }
    }
    assert!(!sections.is_empty(), "{file} has no {begin}");
    sections
}

/// The value of a key, without quotes or brackets.
fn value<'a>(lines: &'a [String], key: &str) -> Option<&'a str> {
    let value = lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    value.map(|value| value.trim_matches(['"', '[', ']']))
}

#[test]
fn the_releases_are_those_of_the_headers() {
    let all = sections("windows.toml", "[[windows]]");
    let releases = all.iter().map(|(_, lines)| {
        let [since, name, version] =
            ["since", "name", "version"].map(|key| value(lines, key).unwrap());
        (since, version.to_owned(), name)
    });
    let releases: Vec<_> = releases.skip_while(|release| release.0 != "8").skip(1).collect();
    let own = RELEASES.map(|(since, (major, minor, build), name)| {
        (since, format!("{major}, {minor}, {build}"), name)
    });
    assert_eq!(releases, own);
}

#[test]
fn functions_of_wsk_sys_have_the_release_of_the_bindings() {
    let mut newer = 0;
    for (name, lines) in sections("bindings.toml", "[kernel.") {
        // Constants are left out: they share the pages of their functions.
        let is_function = value(&lines, "page").is_some_and(|page| {
            page.to_lowercase().ends_with(&format!("-{}", name.to_lowercase()))
        });
        let since = value(&lines, "since");
        let since = since.filter(|since| is_function && RELEASES.iter().any(|it| it.0 == *since));
        let listed = newer_functions().find(|(function, _)| *function == name);
        assert_eq!(listed.map(|(_, since)| since), since, "{name}");
        newer += usize::from(since.is_some());
    }
    assert!(newer > 0, "no function of the bindings is newer than Windows 8");
}
