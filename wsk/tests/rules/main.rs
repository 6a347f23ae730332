//! `RULES.md` is true: each rule, how it is kept, the sources that name it, and the tests that show it.
//!
//! After a change, `BLESS=1 cargo test -p wsk --test rules` writes the page again, and links rules that
//! documentation names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{env, fs};

use wsk_host::rules::Rule;

use self::keepers::{Enforcement, KEPT, RuleRow};

mod keepers;
mod pitfalls;

const HEAD: &str = "\
# Rules of WSK

Windows Kernel Sockets, and the kernel below them, impose these rules on a client. For each rule, this page says how
`wsk` keeps it:

- **Type**: code that breaks the rule does not compile, or the public API cannot express it.
- **Branch**: the code checks or ensures it where it could be broken.
- **Safety**: a `# Safety` section, or a property of the whole crate, keeps it.
- **Not applicable**: `wsk` does nothing to which the rule applies.

The files, in `src`, name the rule where they keep it. Tests are named by path: `host::echo::connecting_to_a_closed_port_is_refused` is in
`tests/host/echo.rs`. A file without a function has an example that must not compile, as have the tests of
`wsk-macros`. `audit` is the step of `cargo xtask test` that searches a driver for panics.

The page is generated from the table in `tests/rules/keepers.rs`, the sentences in `wsk-host`, and the sources.
";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> String {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.replace("\r\n", "\n")
}

/// All files below a folder, in order.
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
    found.sort();
    found
}

fn blesses() -> bool {
    env::var_os("BLESS").is_some()
}

/// The page of rules as documentation links to it: in the crates that have one, and in the macros of `wsk`, which
/// cannot name it.
const PAGE: &str = "crate::rules";
const PAGE_FOR_MACROS: &str = "https://docs.rs/wsk/latest/wsk/rules/index.html";

/// What follows `[INV-n` in a link to the rule's sentence.
fn target(page: &str, number: u8) -> String {
    format!("]({page}#inv-{number})")
}

/// The number at the beginning of a text, and its digits.
fn number(text: &str) -> Option<(u8, usize)> {
    let digits = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, digits))
}

/// The rules that a text names, alone or as the first or the last of a range.
fn named_in(text: &str) -> BTreeSet<u8> {
    let mut named = BTreeSet::new();
    let mut first = None;
    for part in text.split("INV-").skip(1) {
        let Some((number, digits)) = number(part) else { continue };
        named.extend(first.unwrap_or(number)..=number);
        let rest = &part[digits..];
        let rest = rest.strip_prefix(target(PAGE, number).as_str()).unwrap_or(rest);
        // A range may continue on the next line of a comment.
        let words: Vec<&str> =
            rest.split_whitespace().filter(|word| !word.starts_with("//")).collect();
        first = matches!(words[..], ["to"] | ["to", "["]).then_some(number);
    }
    named
}

/// The sources by their path in `src`, and the rules that each names.
fn sources() -> Vec<(String, BTreeSet<u8>)> {
    bless_links();
    let sources = folder("src");
    let place =
        |file: &PathBuf| file.strip_prefix(&sources).unwrap().to_str().unwrap().replace('\\', "/");
    files(&sources).iter().map(|file| (place(file), named_in(&read(file)))).collect()
}

fn quoted<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    items.join(", ")
}

/// The files that name a rule. The guide explains rules, and keeps none.
fn keepers(sources: &[(String, BTreeSet<u8>)], rule: Rule) -> Vec<&str> {
    let named = sources
        .iter()
        .filter(|(place, named)| !place.starts_with("guide/") && named.contains(&rule.number()));
    named.map(|(place, _)| place.as_str()).collect()
}

fn page() -> String {
    let sources = sources();
    let mut page = HEAD.to_owned();
    for &RuleRow { rule, kind, how, tests } in KEPT {
        let kind = match kind {
            Enforcement::Type => "Type",
            Enforcement::Branch => "Branch",
            Enforcement::Safety => "Safety",
            Enforcement::NotApplicable => "Not applicable",
        };
        write!(page, "\n## {rule}\n\n{}\n\n- **{kind}**: {how}.\n", rule.sentence()).unwrap();
        let files = keepers(&sources, rule);
        if !files.is_empty() {
            writeln!(page, "- Files: {}", quoted(files)).unwrap();
        }
        writeln!(page, "- Tests: {}", quoted(tests.iter().copied())).unwrap();
    }
    page
}

#[test]
fn the_page_is_that_of_the_table_and_the_sources() {
    if blesses() {
        fs::write(folder("RULES.md"), page()).unwrap();
    }
    assert!(
        read(&folder("RULES.md")) == page(),
        "RULES.md is out of date: run this test with BLESS=1, and commit the page"
    );
}

#[test]
fn every_rule_has_a_keeper_and_a_test() {
    let rules: Vec<Rule> = KEPT.iter().map(|kept| kept.rule).collect();
    assert_eq!(rules, Rule::ALL);
    let sources = sources();
    for &RuleRow { rule, kind, how, tests } in KEPT {
        assert!(!how.is_empty() && !how.ends_with('.'), "{rule:?}: {how}");
        let is_kept = !keepers(&sources, rule).is_empty();
        assert!(is_kept || kind == Enforcement::NotApplicable, "no file in src names {rule:?}");
        assert!(!tests.is_empty(), "{rule:?} has no test");
    }
}

/// Rules that sources and tests name are in the table.
#[test]
fn rules_that_are_named_exist() {
    bless_links();
    for file in [folder("src"), folder("tests"), folder("../wsk-macros")]
        .iter()
        .flat_map(|folder| files(folder))
    {
        for number in named_in(&read(&file)) {
            let exists = Rule::ALL.iter().any(|rule| rule.number() == number);
            assert!(exists, "{} names INV-{number}", file.display());
        }
    }
}

#[test]
fn the_tests_of_rules_exist() {
    bless_links();
    for test in KEPT.iter().flat_map(|kept| kept.tests) {
        require_test(test);
    }
}

/// A line of documentation with each rule that it names as a link to the rule's sentence.
fn linked(line: &str, page: &str) -> String {
    let mut parts = line.split("INV-");
    let mut linked = parts.next().unwrap().to_owned();
    for part in parts {
        let Some((number, digits)) = number(part) else {
            write!(linked, "INV-{part}").unwrap();
            continue;
        };
        let (rule, target, rest) = (format!("INV-{number}"), target(page, number), &part[digits..]);
        if linked.ends_with('[') && rest.starts_with(&target) {
            write!(linked, "{rule}{rest}").unwrap();
        } else {
            write!(linked, "[{rule}{target}{rest}").unwrap();
        }
    }
    linked
}

/// The folders whose documentation names rules, with the page that it links to.
const DOCUMENTED: [(&str, &str); 3] =
    [("src", PAGE), ("../wsk-host/src", PAGE), ("../wsk-macros/src", PAGE_FOR_MACROS)];

/// A source, as it is and with links to the rules that its documentation names.
fn source_with_links(file: &Path, page: &str) -> (String, String) {
    let text = read(file);
    let is_chapter = file.extension().is_some_and(|extension| extension == "md");
    let mut is_example = false;
    let link = |line: &str| {
        let start = line.trim_start();
        let comment = start.strip_prefix("///").or_else(|| start.strip_prefix("//!"));
        let Some(documentation) = comment.or(is_chapter.then_some(start)) else {
            return line.to_owned();
        };
        let is_fence = documentation.trim_start().starts_with("```");
        is_example ^= is_fence;
        // An example is code: a link in it would change a string, or break it.
        if is_example || is_fence { line.to_owned() } else { linked(line, page) }
    };
    let expected = text.split_inclusive('\n').map(link).collect();
    (text, expected)
}

/// With `BLESS=1`, links the rules before any test reads a source, since tests run in parallel.
fn bless_links() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if !blesses() {
            return;
        }
        for (sources, page) in DOCUMENTED {
            for file in files(&folder(sources)) {
                let (found, expected) = source_with_links(&file, page);
                if found != expected {
                    fs::write(file, expected).unwrap();
                }
            }
        }
    });
}

/// Documentation links rules to their sentences. `cargo doc` checks that the page exists, and
/// `rules_that_are_named_exist` the number.
#[test]
fn documentation_links_the_rules_that_it_names() {
    bless_links();
    for (sources, page) in DOCUMENTED {
        for file in files(&folder(sources)) {
            let (found, expected) = source_with_links(&file, page);
            for (index, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
                let line = index + 1;
                assert_eq!(
                    found,
                    expected,
                    "{}:{line}: link the rule (BLESS=1 does)",
                    file.display()
                );
            }
        }
    }
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
