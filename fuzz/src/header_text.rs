//! The text of a header, as `wsk-bindgen` reads it without libclang: any bytes.
//!
//! `conditions` must find a condition on exactly the lines that conditionals enclose. `is_within_limits` must accept every
//! short text without a byte of value 0. `wrapper` must write C++ that does not depend on the bodies of macros: names that
//! are identifiers, between directives that match.

use wsk_bindgen::api_record::{conditions, is_within_limits, wrapper};

/// Runs the target.
///
/// # Panics
///
/// If a line has a condition outside of all conditionals or none inside, a short text exceeds a limit, or the wrapper is
/// malformed.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = conditions(&text);
    assert_eq!(found.len(), text.lines().count());
    if let Some(depths) = depths(&text) {
        for (depth, condition) in depths.into_iter().zip(&found) {
            assert_eq!(depth > 0, condition.is_some(), "{found:#?}");
        }
    }
    // Each token has a byte at least.
    if text.len() < 20_000 {
        assert_eq!(is_within_limits(&text), !text.contains('\0'));
    }
    assert_is_whole(&wrapper(&text));
}

/// The number of conditionals around each line. None if the text has what this does not follow: comments, strings,
/// continued lines, lone carriage returns, digraphs, include guards, conditions of C++, or the middle of a conditional
/// without its beginning.
fn depths(text: &str) -> Option<Vec<usize>> {
    let is_plain = !text.contains(['/', '\\', '"', '\'', '\u{feff}'])
        && !text.replace("\r\n", "").contains('\r');
    if !is_plain || ["__cplusplus", "ifndef", "%:"].iter().any(|other| text.contains(other)) {
        return None;
    }
    let mut depth = 0_usize;
    let mut depths = Vec::new();
    for line in text.lines() {
        let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
        let end = |name: &str| name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
        match directive.map(|name| &name[..end(name)]) {
            Some("if" | "ifdef") => depth += 1,
            Some("endif") => depth = depth.checked_sub(1)?,
            Some("else" | "elif") if depth == 0 => return None,
            _ => {}
        }
        depths.push(depth);
    }
    Some(depths)
}

fn assert_is_whole(wrapper: &str) {
    let mut lines = wrapper.lines();
    assert!(lines.by_ref().take(2).all(|line| line.starts_with("#include <")));
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("#ifdef ").expect("each macro has its conditional");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.chars().all(is_name), "{name:?} is no identifier");
        assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()), "{name:?}");
        let inner: Vec<&str> = lines.by_ref().take_while(|line| *line != "#endif").collect();
        for line in &inner {
            let known = ["extern int ", "static constexpr auto "];
            assert!(known.iter().any(|start| line.starts_with(start)), "{line:?}");
            assert!(line.contains(name) && line.ends_with(';'), "{line:?} is not of {name}");
        }
        assert!(inner.len() <= 2, "{inner:#?}");
    }
}
