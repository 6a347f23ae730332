//! The tables of rules and of pitfalls, `RULES.md`, are true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../RULES.md");

/// A rule's row: what enforces it, where the sources name it, and its tests.
struct Rule {
    number: u8,
    kept_by: &'static str,
    places: BTreeSet<&'static str>,
    tests: BTreeSet<&'static str>,
}

/// The cells of a table's lines, and the number that follows the prefix.
fn rows<const CELLS: usize>(prefix: &str) -> impl Iterator<Item = (u8, [&'static str; CELLS])> {
    TABLE.lines().filter_map(move |line| line.strip_prefix(prefix)).map(|row| {
        let (number, cells) = row.split_once(" | ").unwrap();
        let cells: Vec<&str> = cells.strip_suffix('|').unwrap().split('|').map(str::trim).collect();
        let cells = cells.try_into().unwrap_or_else(|_| panic!("not so many cells: {row}"));
        (number.parse().unwrap(), cells)
    })
}

fn list(cell: &'static str) -> BTreeSet<&'static str> {
    cell.split(',')
        .map(|item| item.trim().trim_matches('`'))
        .filter(|item| !item.is_empty())
        .collect()
}

fn rules() -> Vec<Rule> {
    rows("| INV-")
        .map(|(number, [kept_by, places, tests])| Rule {
            number,
            kept_by,
            places: list(places),
            tests: list(tests),
        })
        .collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The rules that a text names, by themselves or as the first or the last of several.
fn named_in(text: &str) -> BTreeSet<u8> {
    let mut named = BTreeSet::new();
    let mut last = None;
    for part in text.split("INV-").skip(1) {
        let digits = part.find(|next: char| !next.is_ascii_digit()).unwrap_or(part.len());
        let number: u8 = part[..digits].parse().unwrap();
        named.extend(last.unwrap_or(number)..=number);
        last = (part[digits..] == *" to ").then_some(number);
    }
    named
}

/// A test by its path: a function, or an example that must not compile.
fn require_test(test: &str) {
    let Some((module, name)) = test.rsplit_once("::") else {
        if test == "audit" {
            // A step of `cargo xtask test`.
            assert!(folder("../xtask/src/audit").is_dir());
        } else if let Some(case) = test.strip_prefix("wsk-macros/") {
            let error = folder("../wsk-macros").join(case).with_extension("stderr");
            assert!(read(&error).starts_with("error"), "{test} compiles");
        } else {
            assert!(
                read(&folder(test)).contains("compile_fail,"),
                "nothing in {test} must not compile"
            );
        }
        return;
    };
    let path = if module.starts_with("src/") { folder(module) } else { folder("tests") };
    let path = if module.starts_with("src/") { path } else { path.join(module.replace("::", "/")) };
    let file = path.with_extension("rs");
    let text = read(&if file.exists() { file } else { path.join("mod.rs") });
    let before = text.split(&format!("fn {name}(")).next().unwrap();
    assert!(before.len() < text.len(), "there is no {test}");
    assert!(before.trim_end().ends_with("#[test]"), "{test} is no test");
}

#[test]
fn every_rule_has_an_enforcement_and_a_test() {
    let rules = rules();
    let numbers: Vec<u8> = rules.iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=70).collect::<Vec<u8>>());
    for Rule { number, kept_by, places, tests } in &rules {
        let (kind, what) = kept_by.split_once(": ").unwrap();
        assert!(
            ["type", "branch", "safety", "not ours"].contains(&kind) && !what.is_empty(),
            "INV-{number}"
        );
        assert!(kind == "not ours" || !places.is_empty(), "INV-{number} is kept nowhere");
        assert!(!tests.is_empty(), "INV-{number} has no test");
    }
}

/// The sources name each rule at the places of the table, and nowhere else.
#[test]
fn each_rule_is_named_at_its_places_only() {
    let sources = folder("src");
    let named: Vec<(String, BTreeSet<u8>)> = files(&sources)
        .iter()
        .map(|file| {
            let place = file.strip_prefix(&sources).unwrap().to_str().unwrap().replace('\\', "/");
            (place, named_in(&read(file)))
        })
        // The guide explains rules and enforces none.
        .filter(|(place, _)| !place.starts_with("guide/"))
        .collect();
    for rule in rules() {
        let found: BTreeSet<&str> = named
            .iter()
            .filter(|(_, rules)| rules.contains(&rule.number))
            .map(|(place, _)| place.as_str())
            .collect();
        assert_eq!(found, rule.places, "INV-{}: what names it, and RULES.md", rule.number);
    }
}

#[test]
fn the_tests_of_rules_exist() {
    for test in rules().iter().flat_map(|rule| &rule.tests) {
        require_test(test);
    }
}

#[test]
fn every_pitfall_lists_the_tests_named_after_it() {
    let pitfalls: Vec<_> = rows("| pitfall ").collect();
    let numbers: Vec<u8> = pitfalls.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=27).collect::<Vec<u8>>());
    let mut listed = BTreeSet::new();
    for (number, [what, tests]) in pitfalls {
        assert!(what.ends_with('.'), "pitfall {number}");
        let tests = list(tests);
        assert!(!tests.is_empty(), "pitfall {number} has no test");
        for test in tests {
            let name = test.rsplit("::").next().unwrap();
            assert!(name.starts_with(&format!("pitfall_{number:02}_")), "{test}");
            require_test(test);
            listed.insert(name);
        }
    }
    let texts: Vec<String> =
        files(&folder("tests/pitfalls")).iter().map(|file| read(file)).collect();
    let tests =
        texts.iter().flat_map(|text| text.split("fn ").filter(|part| part.starts_with("pitfall_")));
    let tests: BTreeSet<&str> = tests.map(|test| test.split('(').next().unwrap()).collect();
    assert_eq!(tests, listed);
}
