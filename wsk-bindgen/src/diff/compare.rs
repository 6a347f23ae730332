//! The differences between two API records.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::api_record::History;
use crate::api_record::items::{
    Field, Item, ItemKind, Items, Number, Parameter, Signature, Structure, number,
};

/// Which part of a version a change raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Semver {
    None,
    Minor,
    Major,
}

impl Semver {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no change",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// The aspect of an item that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Aspect {
    Kind,
    Gate,
    Layout,
    Member,
    Signature,
    Value,
}

/// One difference between two items of a name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    pub(crate) aspect: Aspect,
    /// The member or enumerator that differs, if the difference is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
    /// The old name of a renamed member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) was: Option<String>,
    pub(crate) text: String,
    pub(crate) semver: Semver,
    /// The effect on users.
    pub(crate) because: &'static str,
}

/// All changes, by name.
pub(crate) struct Changes<'a> {
    pub(crate) added: Vec<(&'a str, &'a Item)>,
    pub(crate) removed: Vec<(&'a str, &'a Item)>,
    pub(crate) changed: Vec<(&'a str, &'a Item, Vec<Difference>)>,
}

/// Compares two API records.
pub(crate) fn compare<'a>(old: &'a Items, new: &'a Items, history: History<'_>) -> Changes<'a> {
    let mut changes = Changes { added: Vec::new(), removed: Vec::new(), changed: Vec::new() };
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    for name in names {
        match (old.get(name), new.get(name)) {
            (None, Some(item)) => changes.added.push((name, item)),
            (Some(item), None) => changes.removed.push((name, item)),
            (Some(before), Some(after)) if before != after => {
                let comparison = Comparison { name, history, differences: Vec::new() };
                changes.changed.push((name, after, comparison.items(before, after)));
            }
            _ => {}
        }
    }
    changes
}

struct Comparison<'a> {
    name: &'a str,
    history: History<'a>,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn items(mut self, old: &Item, new: &Item) -> Vec<Difference> {
        self.gates(None, old.gate.as_deref(), new.gate.as_deref());
        match (&old.kind, &new.kind) {
            (ItemKind::Constant { value: old }, ItemKind::Constant { value: new }) => {
                self.values(None, *old, *new);
            }
            (
                ItemKind::Enumeration { ty: old_type, values: old },
                ItemKind::Enumeration { ty: new_type, values: new },
            ) => {
                if old_type != new_type {
                    let [old, new] = [old_type, new_type].map(|ty| ty.as_deref().unwrap_or("int"));
                    let text = format!("its values are {old} → {new}");
                    let because = "its size or its sign changes";
                    self.add(Aspect::Layout, None, text, Semver::Major, because);
                }
                for (name, value) in new {
                    match old.get(name) {
                        None => self.add(
                            Aspect::Value,
                            Some(name),
                            format!("+ {name} = {}", number(*value)),
                            Semver::Minor,
                            "a new name",
                        ),
                        Some(old) => self.values(Some(name), *old, *value),
                    }
                }
                for name in old.keys().filter(|name| !new.contains_key(*name)) {
                    let text = format!("- {name}");
                    self.add(Aspect::Value, Some(name), text, Semver::Major, GONE);
                }
            }
            (ItemKind::Structure(old), ItemKind::Structure(new)) => self.structures(old, new),
            (ItemKind::FunctionType(old), ItemKind::FunctionType(new))
            | (ItemKind::Function(old), ItemKind::Function(new)) => self.signatures(old, new),
            (ItemKind::Alias { of: old }, ItemKind::Alias { of: new })
            | (ItemKind::Variable { of: old }, ItemKind::Variable { of: new }) => {
                if old != new {
                    let text = format!("{old} → {new}");
                    self.add(Aspect::Signature, None, text, Semver::Major, "its type changes");
                }
            }
            (ItemKind::Macro(old), ItemKind::Macro(new)) => {
                if old.parameters != new.parameters {
                    let [old, new] =
                        [old, new].map(|it| it.parameters.map_or(0, |parameters| parameters));
                    let text = format!("{old} → {new} parameters");
                    self.add(
                        Aspect::Signature,
                        None,
                        text,
                        Semver::Major,
                        "calls no longer compile",
                    );
                }
                if old.sample != new.sample {
                    let [old, new] =
                        [old, new].map(|it| it.sample.map_or("nothing".to_owned(), number));
                    let text = format!("the sample gives {old} → {new}");
                    self.add(Aspect::Value, None, text, Semver::Major, OTHER_VALUE);
                }
                if old.text != new.text {
                    let [old, new] =
                        [old, new].map(|it| it.text.as_deref().unwrap_or("no literal"));
                    let text = format!("{old} → {new}");
                    self.add(Aspect::Value, None, text, Semver::Major, OTHER_VALUE);
                }
            }
            (old, new) => {
                let text = format!("{} → {}", old.name(), new.name());
                self.add(
                    Aspect::Kind,
                    None,
                    text,
                    Semver::Major,
                    "its kind changes, and uses no longer compile",
                );
            }
        }
        if self.differences.is_empty() {
            let text = "its members have another order".to_owned();
            let because = "their names, types and offsets are the same";
            self.add(Aspect::Member, None, text, Semver::Minor, because);
        }
        self.differences
    }

    fn add(
        &mut self,
        aspect: Aspect,
        member: Option<&str>,
        text: String,
        semver: Semver,
        because: &'static str,
    ) {
        let member = member.map(str::to_owned);
        self.differences.push(Difference { aspect, member, was: None, text, semver, because });
    }

    fn values(&mut self, member: Option<&str>, old: Number, new: Number) {
        if old != new {
            let name = member.map(|name| format!("{name}: ")).unwrap_or_default();
            let text = format!("{name}{} → {}", number(old), number(new));
            self.add(Aspect::Value, member, text, Semver::Major, OTHER_VALUE);
        }
    }

    fn gates(&mut self, member: Option<&str>, old: Option<&str>, new: Option<&str>) {
        if old == new {
            return;
        }
        let name = member.map(|name| format!("{name}: ")).unwrap_or_default();
        let text = format!("{name}{} → {}", old.unwrap_or("no gate"), new.unwrap_or("no gate"));
        let because_later = "a later Windows introduces it: capabilities refuse it on earlier ones";
        let (semver, because) = match (self.since(member, old), self.since(member, new)) {
            (Some(old), Some(new)) if new > old => (Semver::Major, because_later),
            (Some(_), Some(_)) => (Semver::Minor, "the same or an earlier Windows introduces it"),
            _ => (Semver::Major, "headers/windows.toml lacks the release of the gate"),
        };
        self.add(Aspect::Gate, member, text, semver, because);
    }

    /// The Windows of a gate. Without a gate, the Windows of the first kit.
    fn since(&self, member: Option<&str>, gate: Option<&str>) -> Option<[u32; 3]> {
        let Some(gate) = gate else {
            let first = self.history.first_kit(self.name, member);
            return Some(first.map_or([0; 3], |windows| windows.version));
        };
        self.history.releases.of_gate(gate).ok().map(|windows| windows.version)
    }

    fn structures(&mut self, old: &Structure, new: &Structure) {
        if old.size != new.size {
            let text = format!("{} → {} bytes", old.size, new.size);
            let because = "its size changes";
            self.add(Aspect::Layout, None, text, Semver::Major, because);
        }
        if old.align != new.align {
            let text = format!("aligned to {} → {} bytes", old.align, new.align);
            let because = "its alignment changes";
            self.add(Aspect::Layout, None, text, Semver::Major, because);
        }
        let find = |fields: &[Field], name: &str| fields.iter().find(|it| it.name == name).cloned();
        let is_new = |field: &Field| find(&old.fields, &field.name).is_none();
        // A removed field, with a new field of the same type in its place.
        let renamed = |gone: &Field| {
            let same = |it: &&Field| it.at == gone.at && it.ty == gone.ty && is_new(it);
            new.fields.iter().find(same)
        };
        let mut new_names = BTreeSet::new();
        for field in &old.fields {
            let name = Some(field.name.as_str());
            if let Some(after) = find(&new.fields, &field.name) {
                self.fields(field, &after);
            } else if let Some(after) = renamed(field) {
                let text = format!("{} → {}", field.name, after.name);
                let because = "it is renamed";
                self.add(Aspect::Member, Some(&after.name), text, Semver::Major, because);
                if let Some(difference) = self.differences.last_mut() {
                    difference.was = Some(field.name.clone());
                }
                self.gates(Some(&after.name), field.gate.as_deref(), after.gate.as_deref());
                new_names.insert(&after.name);
            } else {
                let text = format!("- {}: {} at {}", field.name, field.ty, field.at);
                self.add(Aspect::Member, name, text, Semver::Major, GONE);
            }
        }
        for field in new.fields.iter().filter(|it| is_new(it) && !new_names.contains(&it.name)) {
            let gate = field.gate.as_ref().map(|gate| format!(", if {gate}")).unwrap_or_default();
            let text = format!("+ {}: {} at {}{gate}", field.name, field.ty, field.at);
            let because = "code that constructs the structure must set the field";
            self.add(Aspect::Member, Some(&field.name), text, Semver::Major, because);
        }
    }

    fn fields(&mut self, old: &Field, new: &Field) {
        let name = Some(new.name.as_str());
        if old.at != new.at {
            let text = format!("{} at {} → {}", new.name, old.at, new.at);
            let because = "its offset changes";
            self.add(Aspect::Layout, name, text, Semver::Major, because);
        }
        if old.ty != new.ty {
            let text = format!("{}: {} → {}", new.name, old.ty, new.ty);
            let (semver, because) = types(&old.ty, &new.ty);
            self.add(Aspect::Layout, name, text, semver, because);
        }
        self.gates(name, old.gate.as_deref(), new.gate.as_deref());
    }

    fn signatures(&mut self, old: &Signature, new: &Signature) {
        let types = |signature: &Signature| {
            let parameters = signature.parameters.iter().map(|it| plain(&it.ty).to_owned());
            (signature.returns.clone(), parameters.collect::<Vec<_>>())
        };
        if types(old) != types(new) {
            let text = format!("{} → {}", signature(old), signature(new));
            let because = "calls and callbacks no longer compile";
            self.add(Aspect::Signature, None, text, Semver::Major, because);
        } else if old != new {
            let text = format!("{} → {}", signature(old), signature(new));
            let because = "only names of parameters change";
            self.add(Aspect::Signature, None, text, Semver::Minor, because);
        }
    }
}

const GONE: &str = "uses of it no longer compile";
const OTHER_VALUE: &str = "code compiled with the old value passes a wrong one";

/// The bindings omit the constness of a field or a parameter itself.
fn plain(ty: &str) -> &str {
    if let Some(pointer) = ty.strip_suffix("* const") {
        return &ty[..=pointer.len()];
    }
    match ty.strip_prefix("const ") {
        Some(plain) if !plain.ends_with('*') => plain,
        _ => ty,
    }
}

fn types(old: &str, new: &str) -> (Semver, &'static str) {
    if plain(old) == plain(new) {
        (Semver::Minor, "only constness changes: the bindings are the same")
    } else {
        (Semver::Major, "its type changes")
    }
}

/// `NTSTATUS (PWSK_SOCKET Socket, PIRP Irp)`
pub(crate) fn signature(signature: &Signature) -> String {
    let parameters = signature.parameters.iter().map(|it: &Parameter| String::from(it.clone()));
    format!("{} ({})", signature.returns, parameters.collect::<Vec<_>>().join(", "))
}

/// An item in a few words.
pub(crate) fn describe(item: &Item) -> String {
    let kind = item.kind.name();
    match &item.kind {
        ItemKind::Constant { value } => format!("{kind} {}", number(*value)),
        ItemKind::Enumeration { values, .. } => {
            let values: Vec<String> =
                values.iter().map(|(name, value)| format!("{name} = {}", number(*value))).collect();
            format!("{kind} {{ {} }}", values.join(", "))
        }
        ItemKind::Structure(structure) => {
            let fields: Vec<&str> = structure.fields.iter().map(|it| it.name.as_str()).collect();
            format!("{kind} of {} bytes {{ {} }}", structure.size, fields.join(", "))
        }
        ItemKind::FunctionType(of) | ItemKind::Function(of) => format!("{kind} {}", signature(of)),
        ItemKind::Alias { of } | ItemKind::Variable { of } => format!("{kind} {of}"),
        ItemKind::Macro(of) => match of.parameters {
            Some(count) => format!("{kind} with {count} parameters"),
            None => kind.to_owned(),
        },
    }
}
