//! The references between the modules of a crate, read from the text of its sources.
//!
//! `use` declarations, nested ones too, and qualified paths (`crate::…`, `super::…`, `self::…`) are references;
//! a re-export is followed to the module that it names, and is no reference itself. Comments, strings and
//! modules under `#[cfg(test)]` do not count. Only the standard library is used, so that every crate of the
//! workspace can include this file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules that are files, and their references.
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

/// A path as its segments.
type PathSegments = Vec<String>;

impl Graph {
    /// Reads the sources of a crate.
    ///
    /// # Panics
    ///
    /// If a file cannot be read.
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        collect(root, &mut Vec::new(), &mut files);
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Self::of(&files)
    }

    /// The graph of these files: each with its module and its text.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let sources: BTreeMap<&str, Source> =
            files.iter().map(|(module, text)| (*module, Source::parse(text))).collect();
        let resolver = Resolver { sources: &sources };
        let edges = sources
            .iter()
            .map(|(module, source)| {
                let targets = source.references.iter().filter_map(|path| {
                    resolver.module_of(module, path).filter(|target| target != module)
                });
                ((*module).to_owned(), targets.collect())
            })
            .collect();
        Self { edges }
    }

    /// The names of the modules; the crate's root is empty.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &str> {
        self.edges.keys().map(String::as_str)
    }

    /// The references, from a module to another.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.edges
            .iter()
            .flat_map(|(from, to)| to.iter().map(move |to| (from.as_str(), to.as_str())))
    }

    /// The modules that reach each other, in circles of two and more.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.modules().map(|module| (module, self.reachable(module))).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for module in self.modules() {
            let others = reach[module].iter().filter(|other| reach[**other].contains(module));
            let circle: Vec<String> = others.map(|other| (*other).to_owned()).collect();
            if circle.len() > 1 && seen.insert(circle.clone()) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut left = vec![from];
        while let Some(next) = left.pop() {
            for target in self.edges.get(next).into_iter().flatten() {
                if reached.insert(target.as_str()) {
                    left.push(target);
                }
            }
        }
        reached
    }
}

fn collect(folder: &Path, module: &mut PathSegments, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut segments = module.clone();
            if !matches!(name.as_str(), "mod" | "lib" | "main") {
                segments.push(name);
            }
            files.push((segments.join("::"), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The parts of a file that matter.
struct Source {
    references: Vec<PathSegments>,
    /// The names that it re-exports, with their paths.
    re_exports: BTreeMap<String, PathSegments>,
}

impl Source {
    fn parse(text: &str) -> Self {
        let code = without_tests(&without_comments(text));
        let mut source = Self { references: Vec::new(), re_exports: BTreeMap::new() };
        let mut rest = String::new();
        for statement in code.split_inclusive(';') {
            // A declaration is the end of its statement: attributes and other items may precede it.
            let Some(at) = find_word(statement, "use") else {
                rest.push_str(statement);
                continue;
            };
            let (before, tree) = (&statement[..at], &statement[at + "use".len()..]);
            rest.push_str(before);
            let tree = tree.trim_end_matches(';');
            let before = before.trim_end();
            let is_public = before.ends_with("pub")
                || (before.ends_with(')')
                    && before
                        .rfind("pub(")
                        .is_some_and(|start| !before[start..before.len() - 1].contains(')')));
            for (path, name) in expand(tree) {
                if is_public {
                    source.re_exports.insert(name, path);
                } else {
                    source.references.push(path);
                }
            }
        }
        source.references.extend(qualified(&rest));
        source
    }
}

/// The places of a word's first letter.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

/// The text without comments and the contents of strings.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut left = text;
    while let Some(c) = left.chars().next() {
        let skipped = if left.starts_with("//") {
            left.find('\n').unwrap_or(left.len())
        } else if left.starts_with("/*") {
            left.find("*/").map_or(left.len(), |end| end + 2)
        } else if c == '"' {
            end_of_string(left)
        } else if left.starts_with("'\"'") {
            3
        } else {
            code.push(c);
            c.len_utf8()
        };
        left = &left[skipped..];
    }
    code
}

/// The length of the string literal at the beginning.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The code before its modules of tests, which come last.
fn without_tests(code: &str) -> String {
    let is_test = |line: &str| line.starts_with("#[cfg(") && line.contains("test");
    let lines: Vec<&str> = code.lines().collect();
    let end = lines.windows(2).position(|pair| is_test(pair[0]) && pair[1].starts_with("mod "));
    lines[..end.unwrap_or(lines.len())].join("\n")
}

/// The paths of a tree of `use`, each with the name that it introduces.
fn expand(tree: &str) -> Vec<(PathSegments, String)> {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let (prefix, inner) = (&tree[..open], &tree[open + 1..]);
        let inner = &inner[..closing(inner)];
        return split_outside_braces(inner)
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .flat_map(|part| expand(&format!("{prefix}{}", part.trim())))
            .collect();
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(p, a)| (p, Some(a.trim())));
    let mut segments: PathSegments = path
        .split("::")
        .map(|segment| segment.trim().to_owned())
        .filter(|s| !s.is_empty())
        .collect();
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let name = alias.map(str::to_owned).or_else(|| segments.last().cloned()).unwrap_or_default();
    vec![(segments, name)]
}

/// The position of the brace that closes the block before the text.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn split_outside_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The qualified paths in code.
fn qualified(code: &str) -> Vec<PathSegments> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c| !is_path(c))
        .map(|word| word.split("::").map(str::to_owned).collect::<PathSegments>())
        .filter(|path| path.len() > 1 && matches!(path[0].as_str(), "crate" | "super" | "self"))
        .collect()
}

struct Resolver<'a> {
    sources: &'a BTreeMap<&'a str, Source>,
}

impl Resolver<'_> {
    /// The module that a path in a module names, or is a part of.
    fn module_of(&self, module: &str, path: &[String]) -> Option<String> {
        let mut left = self.absolute(module, path)?;
        // Each re-export is nearer to its target; a circle of them does not compile.
        for _ in 0..16 {
            let length = (0..=left.len())
                .rev()
                .find(|&length| self.sources.contains_key(left[..length].join("::").as_str()))?;
            let found = left[..length].join("::");
            let re_exported =
                left.get(length).and_then(|name| self.sources[found.as_str()].re_exports.get(name));
            match re_exported.and_then(|path| self.absolute(&found, path)) {
                Some(mut target) => {
                    target.extend(left.drain(length + 1..));
                    left = target;
                }
                None => return Some(found),
            }
        }
        None
    }

    /// A path from the root of the crate. None if it is another crate's.
    fn absolute(&self, module: &str, path: &[String]) -> Option<PathSegments> {
        let mut base: PathSegments =
            module.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" | "super" => {
                while let Some(first) = rest.first() {
                    match first.as_str() {
                        "self" => {}
                        "super" => _ = base.pop(),
                        _ => break,
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                let mut child = base.clone();
                child.push(first.to_owned());
                if !self.sources.contains_key(child.join("::").as_str()) {
                    return None;
                }
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }
}
