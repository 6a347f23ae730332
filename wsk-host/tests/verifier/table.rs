//! `RULES.md` is the table of rules with the tests of each: those that name it, and those that break it.
//!
//! After a change of the table or of a test, `BLESS=1 cargo test -p wsk-host --test verifier table` writes the
//! page again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use wsk_host::rules::{Outcome, Rule};

const HEAD: &str = "\
# Rules of WSK

Windows Kernel Sockets, and the kernel below them, impose these rules on a client. For each rule, this page says what
the host does when a client breaks it:

- **Stopped**: the verifier ends the process, with a report that names the rule, the call, the finding, and the origin
  of the object.
- **Answered**: the call returns a failure status, as in Windows.
- **Not visible**: the host cannot see the violation.

Tests are in `tests/verifier`: `requests::a_null_irp` is in `requests.rs`. The test of a rule that is stopped breaks the
rule with raw calls in a process of its own, and compares the whole report. The verifier also stops violations of the
kernel's own rules, such as a call at too high an IRQL or a double free; these have no number.

The page is generated from the table in `src/verifier/rules.rs` and from the tests.
";

/// A test of this folder.
struct Test {
    /// The rules that its comments name.
    named: BTreeSet<u8>,
    /// The rules that it breaks, each of which must be reported.
    broken: BTreeSet<u8>,
}

/// The number at the beginning of a text.
fn number(text: &str) -> Option<u8> {
    let digits = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

/// The rules that a test breaks: the first argument of a function that expects a report, or the one after the host.
fn broken_in(body: &str) -> BTreeSet<u8> {
    let argument = |function: &str, place: usize| {
        let (_, arguments) = body.split_once(function)?;
        number(arguments.split(',').nth(place)?.trim())
    };
    let broken =
        [argument("breaks(", 0), argument("breaks_without_client(", 0), argument("breaks_on(", 1)];
    broken.into_iter().flatten().collect()
}

/// The tests of this folder, by module and name.
fn tests() -> BTreeMap<String, Test> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier");
    let mut tests = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        // The text before a test, and the test with the text after it.
        let mut before = source.split("#[test]\nfn ").next().unwrap();
        for test in source.split("#[test]\nfn ").skip(1) {
            let (name, rest) = test.split_once('(').unwrap();
            let body = rest.split("\n}\n").next().unwrap();
            let comment = before.rsplit("\n\n").next().unwrap();
            let named = [comment, body].into_iter().flat_map(|text| text.split("INV-").skip(1));
            let named = named.filter_map(number).collect();
            tests.insert(format!("{module}::{name}"), Test { named, broken: broken_in(body) });
            before = test;
        }
    }
    tests
}

fn page() -> String {
    let tests = tests();
    let mut page = HEAD.to_owned();
    for rule in Rule::ALL {
        let outcome = match rule.outcome() {
            Outcome::Stopped => "Stopped",
            Outcome::Answered => "Answered",
            _ => "Not visible",
        };
        let (sentence, detail) = (rule.sentence(), rule.detail());
        write!(page, "\n## {rule}\n\n{sentence}\n\n- **{outcome}**: {detail}.\n").unwrap();
        writeln!(page, "- Constant: `Rule::{}`", rule.name()).unwrap();
        let number = rule.number();
        let shown = tests
            .iter()
            .filter(|(_, test)| test.broken.contains(&number) || test.named.contains(&number));
        let shown: Vec<String> = shown.map(|(name, _)| format!("`{name}`")).collect();
        if !shown.is_empty() {
            writeln!(page, "- Tests: {}", shown.join(", ")).unwrap();
        }
    }
    page
}

#[test]
fn the_page_is_that_of_the_table_and_the_tests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RULES.md");
    let page = page();
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(
        found == page,
        "RULES.md is out of date: run this test with BLESS=1, and commit the page"
    );
}

#[test]
fn sentences_and_names_are_complete_and_different() {
    let mut seen = BTreeSet::new();
    for rule in Rule::ALL {
        let (sentence, detail) = (rule.sentence(), rule.detail());
        assert!(sentence.starts_with(|first: char| !first.is_lowercase()), "{rule:?}: {sentence}");
        assert!(sentence.ends_with('.'), "{rule:?}: {sentence}");
        assert!(!detail.is_empty() && !detail.ends_with('.'), "{rule:?}: {detail}");
        assert!(seen.insert(sentence) && seen.insert(rule.name()), "{rule:?} occurs twice");
        if rule.outcome() == Outcome::Answered {
            assert!(
                detail.starts_with("`STATUS_"),
                "{rule:?} is answered without a status: {detail}"
            );
        }
    }
}

#[test]
fn rules_that_are_stopped_are_broken_by_a_test_and_answered_ones_have_a_test() {
    let tests = tests();
    for rule in Rule::ALL {
        let number = rule.number();
        let is_broken = tests.values().any(|test| test.broken.contains(&number));
        assert_eq!(is_broken, rule.outcome() == Outcome::Stopped, "{rule:?}");
        let is_named = tests.values().any(|test| test.named.contains(&number));
        assert!(is_named || rule.outcome() != Outcome::Answered, "{rule:?} has no test");
    }
}

/// Rules that are named, in the sources and in the tests, are in the table.
#[test]
fn rules_that_are_named_exist() {
    fn check(folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                check(&path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            for number in source.split("INV-").skip(1).filter_map(number) {
                let exists = Rule::ALL.iter().any(|rule| rule.number() == number);
                assert!(exists, "{} names INV-{number}", path.display());
            }
        }
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    check(&package.join("src"));
    check(&package.join("tests"));
}

/// The verifier's sources name every rule that is stopped, and no other, by its constant.
#[test]
fn the_verifier_reports_the_rules_that_are_stopped() {
    fn constants(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                constants(&path, found);
            } else if !path.ends_with("verifier/rules.rs") && !path.ends_with("verifier/levels.rs")
            {
                let source = fs::read_to_string(&path).unwrap();
                let names = source.split("Rule::").skip(1).filter_map(|rest| {
                    rest.split(|next: char| {
                        !(next.is_ascii_uppercase() || next.is_ascii_digit() || next == '_')
                    })
                    .next()
                });
                found.extend(names.map(str::to_owned));
            }
        }
    }
    let mut found = BTreeSet::new();
    constants(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let stopped = Rule::ALL.iter().filter(|rule| rule.outcome() == Outcome::Stopped);
    let stopped: BTreeSet<String> = stopped.map(|rule| rule.name().to_owned()).collect();
    assert_eq!(found, stopped);
}
