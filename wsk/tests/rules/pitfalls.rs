//! `PITFALLS.md`: each pitfall has all the tests that are named after it.

use std::collections::BTreeSet;

use crate::{files, folder, read, require_test};

/// The number, the description and the tests of each row.
fn rows(page: &str) -> Vec<(u8, &str, Vec<&str>)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| pitfall "));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [number, description, tests, ""] = cells[..] else {
            panic!("not three cells: {row}");
        };
        let tests = tests.split(',').map(|test| test.trim().trim_matches('`')).collect();
        (number.parse().unwrap(), description, tests)
    })
    .collect()
}

#[test]
fn every_pitfall_has_all_tests_that_are_named_after_it() {
    let page = read(&folder("PITFALLS.md"));
    let mut listed = BTreeSet::new();
    for (index, (number, description, tests)) in rows(&page).into_iter().enumerate() {
        assert_eq!(usize::from(number), index + 1);
        assert!(description.ends_with('.'), "pitfall {number}");
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
