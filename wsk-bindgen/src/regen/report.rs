//! The report of a regeneration: a summary by kind, the changed items, and the difference by line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result};
use quote::ToTokens;
use syn::Item;

use crate::unified_diff::unified_diff;

/// The differences of all files.
#[derive(Default)]
pub(crate) struct BindingsDiff {
    files: Vec<FileDiff>,
}

struct FileDiff {
    name: &'static str,
    /// The file did not exist before, so its items are not listed.
    is_new: bool,
    kinds: BTreeMap<&'static str, usize>,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
    diff: Option<String>,
}

impl BindingsDiff {
    pub(crate) fn add(&mut self, name: &'static str, old: &str, new: &str) -> Result<()> {
        let items = items(new).with_context(|| format!("the new {name} is not Rust"))?;
        // The file on disk may have any contents; if they are not Rust, all of it is replaced.
        let before = items_or_none(old);
        let mut kinds = BTreeMap::new();
        for (kind, _) in items.values() {
            *kinds.entry(*kind).or_default() += 1;
        }
        let names: BTreeSet<&String> = items.keys().chain(before.keys()).collect();
        let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for item in names {
            match (before.get(item), items.get(item)) {
                (None, Some(_)) => added.push(item.clone()),
                (Some(_), None) => removed.push(item.clone()),
                (Some(old), Some(new)) if old != new => changed.push(item.clone()),
                _ => {}
            }
        }
        let diff = (old != new).then(|| unified_diff("committed", "generated", name, old, new));
        let is_new = old.is_empty();
        self.files.push(FileDiff { name, is_new, kinds, added, removed, changed, diff });
        Ok(())
    }

    pub(crate) fn any(&self) -> bool {
        self.files.iter().any(|file| file.diff.is_some())
    }

    pub(crate) fn diff(&self) -> String {
        self.files.iter().filter_map(|file| file.diff.as_deref()).collect()
    }

    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let kinds: Vec<String> =
                file.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let state = match file.diff {
                None => "unchanged",
                Some(_) if file.is_new => "new",
                Some(_) => "changed",
            };
            let _ = writeln!(text, "{:<10} {state:<10} {}", file.name, kinds.join(", "));
            for (what, names) in
                [("added", &file.added), ("removed", &file.removed), ("changed", &file.changed)]
            {
                if !names.is_empty() && !file.is_new {
                    let _ = writeln!(text, "  {what}: {}", names.join(", "));
                }
            }
        }
        text
    }
}

type ReportedItems = BTreeMap<String, (&'static str, String)>;

fn items_or_none(text: &str) -> ReportedItems {
    items(text).unwrap_or_default()
}

/// The items of a generated file: kind and text by name.
fn items(text: &str) -> Result<ReportedItems> {
    let mut found = ReportedItems::new();
    let mut insert = |name: String, kind, tokens: &dyn ToTokens| {
        found.insert(name, (kind, tokens.to_token_stream().to_string()));
    };
    for item in syn::parse_file(text)?.items {
        match &item {
            Item::Struct(inner) => insert(inner.ident.to_string(), "structs", &item),
            Item::Union(inner) => insert(inner.ident.to_string(), "unions", &item),
            Item::Type(inner) => {
                let kind = match &*inner.ty {
                    syn::Type::Ptr(_) => "pointer types",
                    syn::Type::Path(path) if path.path.is_ident("Option") => "function types",
                    ty if ty.to_token_stream().to_string().starts_with("Option") => {
                        "function types"
                    }
                    ty if ty.to_token_stream().to_string().ends_with("c_int") => "enumerations",
                    _ => "types",
                };
                insert(inner.ident.to_string(), kind, &item);
            }
            Item::Const(inner) if inner.ident != "_" => {
                insert(inner.ident.to_string(), "values", &item);
            }
            Item::Const(inner) => {
                let assertions = inner.to_token_stream().to_string();
                // The first assertion is `size_of::<Subject>() == …`.
                let subject = assertions.split(['<', '>']).nth(1).unwrap_or_default();
                insert(format!("layout of {}", subject.trim()), "layouts", &item);
            }
            Item::ForeignMod(block) => {
                for item in &block.items {
                    if let syn::ForeignItem::Fn(function) = item {
                        insert(function.sig.ident.to_string(), "functions", item);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
