//! The table of the rules, `RULES.md`, is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use wsk_host::testing;

const TABLE: &str = include_str!("../../RULES.md");

/// A line of the table.
struct Rule {
    number: u8,
    what: &'static str,
    tests: Vec<&'static str>,
}

fn rules() -> Vec<Rule> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| INV-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [number, sentence, what, tests, ""] = cells[..] else {
            panic!("not four cells: {row}");
        };
        assert!(sentence.ends_with('.'), "{row}");
        let tests = tests.split(',').map(|test| test.trim().trim_matches('`'));
        let tests = tests.filter(|test| !test.is_empty()).collect();
        Rule { number: number.parse().unwrap(), what, tests }
    })
    .collect()
}

/// The tests of this folder, by module and name, with their source without spaces.
fn sources() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier");
    let mut tests = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        for test in source.split("#[test]\nfn ").skip(1) {
            let (name, body) = test.split_once('(').unwrap();
            let body = body.split("\n}\n").next().unwrap();
            let body = body.chars().filter(|character| !character.is_whitespace()).collect();
            tests.insert(format!("{module}::{name}"), body);
        }
    }
    tests
}

fn is_stopped(what: &str) -> bool {
    what.starts_with("stopped: ")
}

#[test]
fn all_rules_are_there_in_order() {
    let numbers: Vec<u8> = rules().iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=70).collect::<Vec<u8>>());
}

#[test]
fn each_rule_is_stopped_or_answered_or_not_visible() {
    for Rule { number, what, .. } in rules() {
        let says = ["stopped: ", "answered with `STATUS_", "not visible: "];
        assert!(says.iter().any(|begins| what.starts_with(begins)), "INV-{number}: {what}");
    }
}

#[test]
fn what_is_stopped_is_what_the_verifier_stops() {
    let stopped: BTreeSet<u8> =
        rules().iter().filter(|rule| is_stopped(rule.what)).map(|rule| rule.number).collect();
    let known: BTreeSet<u8> = testing::rules().iter().map(|(number, _)| *number).collect();
    assert_eq!(stopped, known);
    assert_eq!(known.len(), testing::rules().len(), "a rule is there twice");
}

#[test]
fn each_test_exists_and_each_rule_that_is_not_invisible_has_one() {
    let sources = sources();
    for Rule { number, what, tests } in rules() {
        for test in &tests {
            assert!(sources.contains_key(*test), "INV-{number}: there is no test {test}");
        }
        assert!(what.starts_with("not visible: ") || !tests.is_empty(), "INV-{number}");
    }
}

/// Whether a test expects that a rule is broken: which one is the first argument, or the one after a host.
fn breaks(body: &str, number: u8) -> bool {
    let number = number.to_string();
    let argument = |function: &str, place: usize| {
        let (_, arguments) = body.split_once(function)?;
        arguments.split(',').nth(place)
    };
    ["breaks(", "breaks_without_client("].iter().any(|name| argument(name, 0) == Some(&number))
        || argument("breaks_on(", 1) == Some(&number)
}

#[test]
fn each_rule_that_is_stopped_has_a_test_that_breaks_it() {
    let sources = sources();
    for Rule { number, what, tests } in rules() {
        let is_broken = tests.iter().any(|test| breaks(&sources[*test], number));
        assert_eq!(is_broken, is_stopped(what), "INV-{number}: {tests:?}");
    }
}

#[test]
fn each_test_that_breaks_a_rule_is_in_the_rules_line() {
    let rules = rules();
    for (test, body) in sources() {
        let broken = rules.iter().filter(|rule| breaks(&body, rule.number));
        for Rule { number, tests, .. } in broken {
            assert!(tests.contains(&test.as_str()), "INV-{number} does not name {test}");
        }
    }
}
