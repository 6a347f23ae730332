//! The layers of this crate: `call_stack` ← `verifier` ← `kernel` ← `wsk` ← the facade, and no circle of files in `kernel`.

#[path = "layers/graph.rs"]
mod graph;

use std::path::Path;

use graph::Graph;

/// The layers, lowest first. The facade is everything else.
const LAYERS: [&str; 4] = ["call_stack", "verifier", "kernel", "wsk"];

/// The most files that may be in one circle.
const LARGEST: usize = 8;

fn layer_of(module: &str) -> usize {
    let top = module.split("::").next().unwrap_or_default();
    LAYERS.iter().position(|layer| *layer == top).unwrap_or(LAYERS.len())
}

/// The references from a lower layer to a higher one, and the circles, each in words.
fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (from, to) in graph.edges() {
        // The root of the crate only declares and re-exports.
        if !to.is_empty() && layer_of(from) < layer_of(to) {
            found.push(format!("{from} is below {to}, and names it"));
        }
    }
    for circle in graph.circles() {
        let in_kernel = circle.iter().any(|module| module.starts_with("kernel"));
        if in_kernel || circle.len() > LARGEST {
            found.push(format!("a circle of {}: {}", circle.len(), circle.join(", ")));
        }
    }
    found
}

#[test]
fn no_layer_names_a_higher_one() {
    let graph = Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let [_, verifier, kernel, wsk] =
        LAYERS.map(|layer| graph.modules().filter(|module| module.starts_with(layer)).count());
    assert!(verifier > 0 && kernel > 20 && wsk > 30, "{verifier}, {kernel}, {wsk}");
    let found = violations(&graph);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_name_of_a_higher_layer_is_found() {
    let graph = Graph::of(&[
        ("kernel", "mod mm;"),
        ("kernel::mm", "use crate::{verifier::{self, broken}, wsk::stack::{Stack, self}};"),
        ("verifier", "pub fn broken() { crate::kernel::mm::look() }"),
        ("wsk::stack", "use super::super::kernel::mm;"),
        ("wsk", "pub mod stack;"),
    ]);
    let found = violations(&graph);
    assert_eq!(
        found,
        [
            "kernel::mm is below wsk::stack, and names it",
            "verifier is below kernel::mm, and names it",
            "a circle of 3: kernel::mm, verifier, wsk::stack",
        ]
    );
}

#[test]
fn a_circle_in_the_kernel_is_found_behind_a_re_export() {
    let graph = Graph::of(&[
        ("kernel", "pub use ke::{wait as pause}; mod ke; mod ex;"),
        ("kernel::ke", "use crate::kernel::ex::pool; pub fn wait() {}"),
        (
            "kernel::ex",
            "// crate::wsk is not named by a comment\nfn f() { crate::kernel::pause() }",
        ),
    ]);
    assert_eq!(violations(&graph), ["a circle of 2: kernel::ex, kernel::ke"]);
}

#[test]
fn names_in_tests_and_strings_do_not_count() {
    let graph = Graph::of(&[
        (
            "kernel",
            "const TEXT: &str = \"crate::wsk\";\n#[cfg(test)]\nmod tests { use crate::wsk; }",
        ),
        ("wsk", ""),
    ]);
    assert!(violations(&graph).is_empty());
}
