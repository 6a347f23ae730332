//! Layers of `src`: a module names modules of its own layer and of those below it, and no others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules at the root of the crate, the lowest layer first.
const LAYERS: &[&[&str]] = &[
    &["status", "opaque_debug"],
    &["irql", "address", "flags", "event_mask", "std_error"],
    &["transport", "capabilities", "counters", "pool", "random"],
    &["rundown"],
    &["kernel"],
    &["buffer", "dispatch"],
    &["batch", "growing_buffer", "category", "deferred", "executor", "unload"],
    &["sync"],
    &["rt", "time"],
    &["operation"],
    &["client"],
    &["provider"],
    &["registration"],
    &["cmsg", "security"],
    &["socket", "events", "options"],
    &["net", "resolve"],
    &["embedded"],
    &["guide"],
];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// A source without comments and without the tests at its end.
fn code(text: &str) -> String {
    let before_tests = text.find("\n#[cfg(all(test").unwrap_or(text.len());
    let before_tests =
        text.find("\n#[cfg(test)]\nmod tests").unwrap_or(before_tests).min(before_tests);
    let lines = text[..before_tests].lines();
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The names that follow `prefix` in a source, also in braces: `crate::{a::B, c}` names `a` and `c`.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let is_start =
            code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        if !is_start {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let name = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let Some(list) = rest.strip_prefix('{') else {
            names.push(name(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in list.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => names.push(name(&std::mem::take(&mut item))),
                c => {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    item.push(c);
                }
            }
        }
        names.push(name(&item));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What is wrong with a source of a module at the root: the higher modules that it names.
fn violations(module: &str, depth: usize, text: &str) -> Vec<String> {
    let own = layer_of(module).unwrap_or_else(|| panic!("`{module}` is in no layer of this test"));
    let code = code(text);
    let from_root = names_after(&code, "crate::");
    // Types are named by their modules, so that their layer shows.
    let types = from_root.iter().filter(|name| name.starts_with(char::is_uppercase));
    let mut found: Vec<String> = types
        .map(|name| format!("`{module}` names `crate::{name}` instead of its module"))
        .collect();
    // From a file that is `depth` modules below the root, `depth` times `super` leads there.
    let by_super = names_after(&code, &"super::".repeat(depth));
    for name in from_root.iter().chain(&by_super) {
        if layer_of(name).is_some_and(|layer| layer > own) {
            found.push(format!("`{module}` names `{name}`, of a higher layer"));
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_layer_names_a_higher_one() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut modules = Vec::new();
    for file in files(&sources) {
        let path = file.strip_prefix(&sources).unwrap().with_extension("");
        let mut path: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        if path.last() == Some(&"mod") {
            path.pop();
        }
        if path == ["lib"] {
            continue;
        }
        modules.push(path[0].to_owned());
        let text = fs::read_to_string(&file).unwrap();
        let wrong = violations(path[0], path.len(), &text);
        if !wrong.is_empty() {
            found.insert(file, wrong);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    for module in LAYERS.iter().flat_map(|layer| *layer) {
        assert!(modules.iter().any(|name| name == module), "there is no module `{module}`");
    }
}

#[test]
fn a_lower_layer_that_names_a_higher_one_is_found() {
    for text in [
        "use crate::socket::SocketState;",
        "use crate::{buffer::Buffer, socket::{A, B}};",
        "fn f() { crate::events::callbacks() }",
        "use super::super::resolve::Query;",
        "use crate::TcpStream;",
    ] {
        assert_eq!(violations("operation", 2, text).len(), 1, "{text}");
    }
    for text in [
        "use crate::buffer::Buffer;",
        "use super::super::status;",
        "use super::payload::Payload;",
        "// Not crate::socket::SocketState.",
        "fn f() {}\n#[cfg(test)]\nmod tests { use crate::socket::SocketState; }",
    ] {
        assert_eq!(violations("operation", 2, text), Vec::<String>::new(), "{text}");
    }
}
