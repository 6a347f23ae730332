//! The differences between two API records.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::describe::{describe, signature};
use super::difference::{Aspect, Difference, Effect};
use super::project::is_provider_table;
use super::representation;
use crate::api_record::History;
use crate::api_record::items::{
    Field, Item, ItemKind, Items, Macro, Number, Signature, Structure, number,
};

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
                let comparison = Comparison { name, old, new, history, differences: Vec::new() };
                changes.changed.push((name, after, comparison.items(before, after)));
            }
            _ => {}
        }
    }
    changes
}

/// The effect of a new item.
pub(crate) const ADDED: Effect = Effect::minor("a new name");

/// The effect of removing an item.
pub(crate) fn removed(item: &Item) -> Effect {
    match item.kind {
        ItemKind::Function(_) | ItemKind::Variable { .. } => Effect::abi_break(
            "uses of it no longer compile, and drivers that import it no longer load",
        ),
        _ => GONE,
    }
}

const GONE: Effect = Effect::major("uses of it no longer compile");
const OTHER_VALUE: Effect =
    Effect::abi_break("code compiled with the old value passes a wrong one");
const OTHER_TYPE: Effect = Effect::abi_break("its type changes");
const SAME_REPRESENTATION: Effect = Effect::major("its type changes, and is represented as before");

struct Comparison<'a> {
    name: &'a str,
    old: &'a Items,
    new: &'a Items,
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
                self.value_types(old_type.as_deref(), new_type.as_deref());
                self.enumerators(old, new);
            }
            (ItemKind::Structure(old), ItemKind::Structure(new)) => self.structures(old, new),
            (ItemKind::FunctionType(old), ItemKind::FunctionType(new))
            | (ItemKind::Function(old), ItemKind::Function(new)) => self.signatures(old, new),
            (ItemKind::Alias { of: old }, ItemKind::Alias { of: new })
            | (ItemKind::Variable { of: old }, ItemKind::Variable { of: new }) => {
                if old != new {
                    let effect = self.effect_of_types(old, new);
                    self.add(Aspect::Signature, None, format!("{old} → {new}"), effect);
                }
            }
            (ItemKind::Macro(old), ItemKind::Macro(new)) => self.macros(old, new),
            _ => {
                let text = format!("{} → {}", describe(old), describe(new));
                let effect = Effect::abi_break("its kind changes, and uses no longer compile");
                self.add(Aspect::Kind, None, text, effect);
            }
        }
        if self.differences.is_empty() {
            let text = "its members have another order".to_owned();
            let effect = Effect::minor("their names, types and offsets are the same");
            self.add(Aspect::Member, None, text, effect);
        }
        self.differences
    }

    fn add(&mut self, aspect: Aspect, member: Option<&str>, text: String, effect: Effect) {
        let member = member.map(str::to_owned);
        self.differences.push(Difference { aspect, member, was: None, text, effect });
    }

    fn gates(&mut self, member: Option<&str>, old: Option<&str>, new: Option<&str>) {
        if old == new {
            return;
        }
        let name = member.map(|name| format!("{name}: ")).unwrap_or_default();
        let text = format!("{name}{} → {}", old.unwrap_or("no gate"), new.unwrap_or("no gate"));
        let effect = match (self.since(member, old), self.since(member, new)) {
            (Some(old), Some(new)) if new > old => Effect::major(
                "a later Windows introduces it: capabilities refuse it on earlier ones",
            ),
            (Some(_), Some(_)) => Effect::minor("the same or an earlier Windows introduces it"),
            _ => Effect::major("headers/windows.toml lacks the release of the gate"),
        };
        self.add(Aspect::Gate, member, text, effect);
    }

    /// The first Windows for which a gate is open. Without a gate, the Windows of the first kit.
    fn since(&self, member: Option<&str>, gate: Option<&str>) -> Option<[u32; 3]> {
        let Some(gate) = gate else {
            let first = self.history.first_kit(self.name, member);
            return Some(first.map_or([0; 3], |windows| windows.version));
        };
        self.history.releases.of_gate(gate).ok().map(|windows| windows.version)
    }

    fn values(&mut self, member: Option<&str>, old: Number, new: Number) {
        if old != new {
            let name = member.map(|name| format!("{name}: ")).unwrap_or_default();
            let text = format!("{name}{} → {}", number(old), number(new));
            self.add(Aspect::Value, member, text, OTHER_VALUE);
        }
    }

    /// The types of an enumeration's values.
    fn value_types(&mut self, old: Option<&str>, new: Option<&str>) {
        if old != new {
            let [old, new] = [old, new].map(|ty| ty.unwrap_or("int"));
            let text = format!("its values are {old} → {new}");
            let effect = Effect::abi_break("its size or its sign changes");
            self.add(Aspect::Layout, None, text, effect);
        }
    }

    fn enumerators(&mut self, old: &IndexMap<String, Number>, new: &IndexMap<String, Number>) {
        for (name, value) in new {
            if let Some(before) = old.get(name) {
                if before < value && is_count(name, old) && is_count(name, new) {
                    let text = format!("{name}: {} → {}", number(*before), number(*value));
                    let effect = Effect::major("it is the number of the values, which grows");
                    self.add(Aspect::Value, Some(name), text, effect);
                } else {
                    self.values(Some(name), *before, *value);
                }
            } else {
                let text = format!("+ {name} = {}", number(*value));
                self.add(Aspect::Value, Some(name), text, ADDED);
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.add(Aspect::Value, Some(name), format!("- {name}"), GONE);
        }
    }

    fn macros(&mut self, old: &Macro, new: &Macro) {
        if old.parameters != new.parameters {
            let count = |it: &Macro| it.parameters.map_or("no".to_owned(), |it| it.to_string());
            let text = format!("{} → {} parameters", count(old), count(new));
            self.add(Aspect::Signature, None, text, Effect::major("calls no longer compile"));
        } else if old.sample != new.sample {
            let value = |it: &Macro| it.sample.map_or("nothing".to_owned(), number);
            let text = format!("the sample gives {} → {}", value(old), value(new));
            self.add(Aspect::Value, None, text, OTHER_VALUE);
        }
        if old.text != new.text {
            let literal = |it: &Macro| it.text.clone().unwrap_or_else(|| "no literal".to_owned());
            let text = format!("{} → {}", literal(old), literal(new));
            self.add(Aspect::Value, None, text, OTHER_VALUE);
        }
    }

    fn structures(&mut self, old: &Structure, new: &Structure) {
        // WSK allocates its tables. A driver that was compiled with a shorter table does not read the additional slots.
        let is_longer_table = is_provider_table(self.name)
            && new.size > old.size
            && new.align == old.align
            && old.fields.iter().all(|field| new.fields.iter().any(|it| is_same_place(field, it)));
        if old.size != new.size {
            let text = format!("{} → {} bytes", old.size, new.size);
            let effect = if is_longer_table {
                Effect::major("its size changes; older drivers do not read the new end")
            } else {
                Effect::abi_break("its size changes")
            };
            self.add(Aspect::Layout, None, text, effect);
        }
        if old.align != new.align {
            let text = format!("aligned to {} → {} bytes", old.align, new.align);
            self.add(Aspect::Layout, None, text, Effect::abi_break("its alignment changes"));
        }
        let is_new = |field: &Field| old.fields.iter().all(|it| it.name != field.name);
        // A field was removed, and a new field of the same type is in its place.
        let renamed = |gone: &Field| {
            new.fields.iter().find(|it| it.at == gone.at && it.ty == gone.ty && is_new(it))
        };
        let mut new_names = BTreeSet::new();
        for field in &old.fields {
            if let Some(after) = new.fields.iter().find(|it| it.name == field.name) {
                self.fields(field, after);
            } else if let Some(after) = renamed(field) {
                self.renamed_field(field, after);
                new_names.insert(&after.name);
            } else {
                let text = format!("- {}: {} at {}", field.name, field.ty, field.at);
                let effect = Effect::abi_break("uses of it no longer compile");
                self.add(Aspect::Member, Some(&field.name), text, effect);
            }
        }
        for field in new.fields.iter().filter(|it| is_new(it) && !new_names.contains(&it.name)) {
            let gate = field.gate.as_ref().map(|gate| format!(", if {gate}")).unwrap_or_default();
            let text = format!("+ {}: {} at {}{gate}", field.name, field.ty, field.at);
            let because = "code that constructs the structure must set the field";
            let effect = if is_longer_table && field.at >= old.size {
                Effect::major(because)
            } else {
                Effect::abi_break(because)
            };
            self.add(Aspect::Member, Some(&field.name), text, effect);
        }
    }

    /// A field of both structures.
    fn fields(&mut self, old: &Field, new: &Field) {
        let name = Some(new.name.as_str());
        if old.at != new.at {
            let text = format!("{} at {} → {}", new.name, old.at, new.at);
            self.add(Aspect::Layout, name, text, Effect::abi_break("its offset changes"));
        }
        if old.ty != new.ty {
            let text = format!("{}: {} → {}", new.name, old.ty, new.ty);
            let effect = if plain(&old.ty) == plain(&new.ty) {
                Effect::minor("only constness changes: the bindings are the same")
            } else {
                self.effect_of_types(&old.ty, &new.ty)
            };
            self.add(Aspect::Layout, name, text, effect);
        }
        self.gates(name, old.gate.as_deref(), new.gate.as_deref());
    }

    fn renamed_field(&mut self, old: &Field, new: &Field) {
        let (member, was) = (Some(new.name.clone()), Some(old.name.clone()));
        let text = format!("{} → {}", old.name, new.name);
        let effect = Effect::major("it is renamed");
        self.differences.push(Difference { aspect: Aspect::Member, member, was, text, effect });
        self.gates(Some(&new.name), old.gate.as_deref(), new.gate.as_deref());
    }

    fn signatures(&mut self, old: &Signature, new: &Signature) {
        if old == new {
            return;
        }
        let types = |signature: &Signature| {
            let parameters = signature.parameters.iter().map(|it| plain(&it.ty).to_owned());
            [signature.returns.clone()].into_iter().chain(parameters).collect::<Vec<_>>()
        };
        let (before, after) = (types(old), types(new));
        let mut pairs = before.iter().zip(&after);
        let effect = if before == after {
            Effect::minor("only names of parameters change")
        } else if before.len() == after.len()
            && pairs.all(|(old, new)| self.is_same_representation(old, new))
        {
            Effect::major("calls and callbacks no longer compile")
        } else {
            Effect::abi_break("calls and callbacks no longer compile")
        };
        let text = format!("{} → {}", signature(old), signature(new));
        self.add(Aspect::Signature, None, text, effect);
    }

    fn is_same_representation(&self, old: &str, new: &str) -> bool {
        representation::is_same((old, self.old), (new, self.new))
    }

    fn effect_of_types(&self, old: &str, new: &str) -> Effect {
        if self.is_same_representation(old, new) { SAME_REPRESENTATION } else { OTHER_TYPE }
    }
}

/// Whether an enumerator counts the others, such as `WskInspectMax`. No driver passes such a value.
fn is_count(name: &str, values: &IndexMap<String, Number>) -> bool {
    let value = values.get(name);
    name.ends_with("Max") && values.iter().all(|(other, it)| other == name || Some(it) < value)
}

/// Whether code that was compiled for one field finds the other.
fn is_same_place(old: &Field, new: &Field) -> bool {
    old.at == new.at && old.ty == new.ty
}

/// The type of a field or a parameter without its own constness, which the bindings omit.
fn plain(ty: &str) -> &str {
    if let Some(pointer) = ty.strip_suffix("* const") {
        return &ty[..=pointer.len()];
    }
    match ty.strip_prefix("const ") {
        Some(plain) if !plain.ends_with('*') => plain,
        _ => ty,
    }
}
