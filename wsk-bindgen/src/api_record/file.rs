//! The file of a record: the items of a release that are new or changed since the release before it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use indexmap::IndexMap;
use serde::Deserialize;

use super::items::{
    Field, Item, ItemKind, Items, Macro, Number, Parameter, Signature, Structure, number,
};

/// The contents of a record file.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecordFile {
    pub(crate) release: String,
    /// The release that this one is compared with: items that are not listed here are the same.
    pub(crate) after: Option<String>,
    pub(crate) processors: Vec<String>,
    /// The items of that release that this one does not have.
    pub(crate) removed: Vec<String>,
    constants: BTreeMap<String, Constant>,
    enumerations: BTreeMap<String, Enumeration>,
    macros: BTreeMap<String, MacroEntry>,
    aliases: BTreeMap<String, Alias>,
    structures: BTreeMap<String, StructureEntry>,
    function_types: BTreeMap<String, SignatureEntry>,
    functions: BTreeMap<String, SignatureEntry>,
    variables: BTreeMap<String, Alias>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Constant {
    value: Number,
    gate: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Enumeration {
    #[serde(rename = "type")]
    ty: Option<String>,
    values: IndexMap<String, Number>,
    gate: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct MacroEntry {
    parameters: Option<usize>,
    sample: Option<Number>,
    text: Option<String>,
    gate: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Alias {
    #[serde(rename = "type")]
    ty: String,
    gate: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct StructureEntry {
    size: u64,
    align: u64,
    fields: Vec<Field>,
    gate: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct SignatureEntry {
    returns: String,
    parameters: Vec<Parameter>,
    gate: Option<String>,
}

impl RecordFile {
    /// The items of the release, given those of the release before it.
    pub(crate) fn items(self, before: &Items) -> Result<Items> {
        let mut items = before.clone();
        for name in &self.removed {
            ensure!(items.remove(name).is_some(), "it removes {name}, which was not there");
        }
        let signature = |entry: SignatureEntry| {
            (entry.gate, Signature { returns: entry.returns, parameters: entry.parameters })
        };
        let mut add = |name: String, gate: Option<String>, kind: ItemKind| {
            items.insert(name, Item { gate, kind });
        };
        for (name, entry) in self.constants {
            add(name, entry.gate, ItemKind::Constant { value: entry.value });
        }
        for (name, entry) in self.enumerations {
            let Enumeration { ty, values, gate } = entry;
            add(name, gate, ItemKind::Enumeration { ty, values });
        }
        for (name, entry) in self.macros {
            let MacroEntry { parameters, sample, text, gate } = entry;
            add(name, gate, ItemKind::Macro(Macro { parameters, sample, text }));
        }
        for (name, entry) in self.aliases {
            add(name, entry.gate, ItemKind::Alias { of: entry.ty });
        }
        for (name, entry) in self.structures {
            let StructureEntry { size, align, fields, gate } = entry;
            add(name, gate, ItemKind::Structure(Structure { size, align, fields }));
        }
        for (name, entry) in self.function_types {
            let (gate, signature) = signature(entry);
            add(name, gate, ItemKind::FunctionType(signature));
        }
        for (name, entry) in self.functions {
            let (gate, signature) = signature(entry);
            add(name, gate, ItemKind::Function(signature));
        }
        for (name, entry) in self.variables {
            add(name, entry.gate, ItemKind::Variable { of: entry.ty });
        }
        Ok(items)
    }
}

/// The release to write.
pub(crate) struct ReleaseToWrite<'a> {
    pub(crate) release: &'a str,
    pub(crate) processors: &'a [String],
    pub(crate) items: &'a Items,
    /// The release before it. Items that are the same in both are left out.
    pub(crate) after: Option<(&'a str, &'a Items)>,
}

/// The file of a release.
pub(crate) fn write(written: &ReleaseToWrite<'_>) -> String {
    let nothing = Items::new();
    let (after, before) = match written.after {
        Some((after, before)) => (Some(after), before),
        None => (None, &nothing),
    };
    let removed: Vec<String> =
        before.keys().filter(|name| !written.items.contains_key(*name)).map(quoted).collect();
    let differs = |(name, item): &(&String, &Item)| before.get(*name) != Some(*item);
    let items = written.items.iter().filter(differs);
    let items: Items = items.map(|(name, item)| (name.clone(), item.clone())).collect();

    let mut text = heading(written.release, after, items.is_empty() && removed.is_empty());
    let _ = writeln!(text, "\nrelease = {}", quoted(written.release));
    if let Some(after) = after {
        let _ = writeln!(text, "after = {}", quoted(after));
    }
    let processors: Vec<String> = written.processors.iter().map(quoted).collect();
    let _ = writeln!(text, "{}", list("processors", &processors));
    if !removed.is_empty() {
        let _ = writeln!(text, "{}", list("removed", &removed));
    }
    text + &self::items(&items)
}

/// The sections of these items.
pub(crate) fn items(items: &Items) -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let items = items.iter().filter(|(_, item)| section_of(&item.kind) == section);
        let mut is_first = true;
        for (name, item) in items {
            if is_inline(&item.kind) {
                if is_first {
                    let _ = writeln!(text, "\n[{section}]");
                }
            } else {
                let _ = writeln!(text, "\n[{section}.{}]", key(name));
            }
            write_item(&mut text, name, item);
            is_first = false;
        }
    }
    text
}

fn heading(release: &str, after: Option<&str>, is_empty: bool) -> String {
    let what = match after {
        None => format!("The API of wsk.h in WDK {release}."),
        Some(after) if is_empty => {
            format!("The API of wsk.h in WDK {release}: identical to {after}.")
        }
        Some(after) => format!("The API of wsk.h in WDK {release}: the changes since {after}."),
    };
    format!(
        "# {what}\n# @generated by `cargo xtask surface --wdk DIR`; ../README.md describes the format. Do not \
         edit.\n"
    )
}

const SECTIONS: [&str; 8] = [
    "constants",
    "enumerations",
    "macros",
    "aliases",
    "structures",
    "function_types",
    "functions",
    "variables",
];

fn section_of(kind: &ItemKind) -> &'static str {
    match kind {
        ItemKind::Constant { .. } => "constants",
        ItemKind::Enumeration { .. } => "enumerations",
        ItemKind::Macro(_) => "macros",
        ItemKind::Alias { .. } => "aliases",
        ItemKind::Structure(_) => "structures",
        ItemKind::FunctionType(_) => "function_types",
        ItemKind::Function(_) => "functions",
        ItemKind::Variable { .. } => "variables",
    }
}

/// Whether an item is a line in its section, and not a section of its own.
fn is_inline(kind: &ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::Constant { .. }
            | ItemKind::Macro(_)
            | ItemKind::Alias { .. }
            | ItemKind::Variable { .. }
    )
}

fn write_item(text: &mut String, name: &str, item: &Item) {
    let gate = item.gate.as_ref().map(|gate| format!("gate = {}", quoted(gate)));
    if is_inline(&item.kind) {
        let mut parts = Vec::new();
        match &item.kind {
            ItemKind::Constant { value } => parts.push(format!("value = {}", number(*value))),
            ItemKind::Alias { of } | ItemKind::Variable { of } => {
                parts.push(format!("type = {}", quoted(of)));
            }
            ItemKind::Macro(Macro { parameters, sample, text }) => {
                parts.extend(parameters.map(|count| format!("parameters = {count}")));
                parts.extend(sample.map(|sample| format!("sample = {}", number(sample))));
                parts.extend(text.as_ref().map(|text| format!("text = {}", quoted(text))));
            }
            _ => {}
        }
        parts.extend(gate);
        let entry =
            if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) };
        let _ = writeln!(text, "{} = {entry}", key(name));
        return;
    }
    if let Some(gate) = gate {
        let _ = writeln!(text, "{gate}");
    }
    match &item.kind {
        ItemKind::Enumeration { ty, values } => {
            if let Some(ty) = ty {
                let _ = writeln!(text, "type = {}", quoted(ty));
            }
            let values: Vec<String> = values
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), number(*value)))
                .collect();
            let _ = writeln!(text, "values = {{ {} }}", values.join(", "));
        }
        ItemKind::Structure(Structure { size, align, fields }) => {
            let _ = writeln!(text, "size = {size}\nalign = {align}");
            let fields: Vec<String> = fields.iter().map(field).collect();
            let _ = writeln!(text, "{}", lines("fields", &fields));
        }
        ItemKind::FunctionType(signature) | ItemKind::Function(signature) => {
            let _ = writeln!(text, "returns = {}", quoted(&signature.returns));
            let parameters: Vec<String> =
                signature.parameters.iter().map(|it| quoted(String::from(it.clone()))).collect();
            let _ = writeln!(text, "{}", list("parameters", &parameters));
        }
        _ => {}
    }
}

fn field(field: &Field) -> String {
    let Field { at, name, ty, gate } = field;
    let gate = gate.as_ref().map(|gate| format!(", gate = {}", quoted(gate))).unwrap_or_default();
    format!("{{ at = {at}, name = {}, type = {}{gate} }}", quoted(name), quoted(ty))
}

/// A name as a key. Clang accepts names with letters that a bare key cannot have.
fn key(name: &str) -> String {
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_bare { name.to_owned() } else { quoted(name) }
}

fn quoted(text: impl AsRef<str>) -> String {
    toml::Value::from(text.as_ref()).to_string()
}

/// On one line if there is room.
fn list(name: &str, values: &[String]) -> String {
    let line = format!("{name} = [{}]", values.join(", "));
    if line.len() <= 110 { line } else { lines(name, values) }
}

fn lines(name: &str, values: &[String]) -> String {
    if values.is_empty() {
        return format!("{name} = []");
    }
    format!("{name} = [\n    {},\n]", values.join(",\n    "))
}
