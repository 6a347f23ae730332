//! A comparison of two API records, with the effect of each change.

use anyhow::Result;
use indexmap::IndexMap;
use serde::Serialize;

use super::compare;
use super::describe::describe;
use super::difference::{Abi, Aspect, Difference, Effect, Semver};
use super::project::{ProjectSources, is_provider_table};
use super::side::{self, Side};
use super::to_do;
use crate::api_record::items::{Field, Item, ItemKind, Number};
use crate::api_record::{History, Record, WindowsRelease};
use crate::regen::BindingsConfig;

/// The whole report.
#[derive(Serialize)]
pub(crate) struct Report {
    /// A comparison of two releases.
    pub(crate) old: String,
    pub(crate) new: String,
    /// The greatest effect of all changes.
    pub(crate) semver: Semver,
    pub(crate) abi: Abi,
    pub(crate) added: Vec<ItemChange>,
    pub(crate) removed: Vec<ItemChange>,
    pub(crate) changed: Vec<ItemChange>,
    /// The remaining steps in this project, in their order.
    pub(crate) to_do: Vec<String>,
    /// Whether the new side may have items that the bindings do not have yet.
    #[serde(skip)]
    pub(crate) is_ahead: bool,
}

/// A change of one item.
#[derive(Serialize)]
pub(crate) struct ItemChange {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// The item in a few words.
    pub(crate) description: String,
    /// The first Windows that has the item, if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<String>,
    /// The greatest effect of its differences.
    #[serde(flatten)]
    pub(crate) effect: Effect,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differences: Vec<Difference>,
    /// The edits that the change requires in this project.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) needs: Vec<RequiredEdit>,
}

/// An edit that a change requires.
#[derive(Clone, Serialize)]
pub(crate) struct RequiredEdit {
    pub(crate) what: String,
    /// Whether the project already contains it.
    pub(crate) done: bool,
}

impl Report {
    pub(crate) fn new(old: &Side, new: &Side, config: &BindingsConfig) -> Result<Self> {
        let project = ProjectSources::load()?;
        let history = History::all(&config.records, &config.releases);
        let found = compare::compare(&old.items, &new.items, history);
        let bindings = side::bindings(config)?;
        let is_ahead = new.is_ahead(bindings, config);
        let writer = ReportWriter { new, is_ahead, config, bindings, project: &project, history };
        let added = found.added.into_iter().map(|(name, item)| writer.added(name, item));
        let removed = found.removed.into_iter().map(|(name, item)| writer.removed(name, item));
        let changed = found.changed.into_iter().map(|it| writer.changed(it.0, it.1, it.2));
        let mut report = Self {
            old: old.name.clone(),
            new: new.name.clone(),
            semver: Semver::None,
            abi: Abi::Kept,
            added: added.collect(),
            removed: removed.collect(),
            changed: changed.collect(),
            to_do: Vec::new(),
            is_ahead,
        };
        let effects = || report.entries().map(|entry| entry.effect);
        let semver = effects().map(|effect| effect.semver).max().unwrap_or(Semver::None);
        let abi = effects().map(|effect| effect.abi).max().unwrap_or(Abi::Kept);
        (report.semver, report.abi) = (semver, abi);
        if is_ahead {
            report.to_do = to_do::list(new, config, bindings, &report);
        }
        Ok(report)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &ItemChange> {
        self.added.iter().chain(&self.removed).chain(&self.changed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.semver == Semver::None
    }
}

struct ReportWriter<'a> {
    new: &'a Side,
    /// Whether the new side may have items that the bindings do not have yet.
    is_ahead: bool,
    config: &'a BindingsConfig,
    bindings: &'a Record,
    project: &'a ProjectSources,
    history: History<'a>,
}

impl ReportWriter<'_> {
    fn added(&self, name: &str, item: &Item) -> ItemChange {
        let mut needs = self.documentation(name, item);
        if let ItemKind::Structure(structure) = &item.kind {
            needs.extend(self.table(name));
            for field in &structure.fields {
                needs.extend(self.field_documentation(name, field));
                // The declaration of a table includes all of its slots.
                if !is_provider_table(name) {
                    needs.extend(self.slot(name, field));
                }
            }
        }
        ItemChange { since: self.since(name, item), needs, ..entry(name, item, compare::ADDED) }
    }

    fn removed(&self, name: &str, item: &Item) -> ItemChange {
        let mut needs = Vec::new();
        if self.is_documented(name, item) {
            needs.extend(self.stale(&format!("[wsk.{name}]"), self.config.wsk.contains_key(name)));
        }
        ItemChange { needs, ..entry(name, item, compare::removed(item)) }
    }

    fn changed(&self, name: &str, item: &Item, differences: Vec<Difference>) -> ItemChange {
        let effects = differences.iter().map(|it| it.effect);
        // The first of equal effects.
        let worst = effects.rev().max_by_key(|it| (it.abi, it.semver)).unwrap_or(compare::ADDED);
        let mut needs = Vec::new();
        for difference in &differences {
            match &item.kind {
                ItemKind::Structure(structure) => {
                    needs.extend(self.member(name, &structure.fields, difference));
                }
                ItemKind::Enumeration { values, .. } => {
                    needs.extend(self.enumerator(values, difference));
                }
                ItemKind::FunctionType(_)
                    if difference.aspect == Aspect::Signature
                        && difference.effect.semver == Semver::Major =>
                {
                    needs.extend(self.signature(name, item));
                }
                ItemKind::Macro(_) => needs.push(RequiredEdit {
                    what: format!("wsk-sys/src/wsk.rs: {name}, by hand"),
                    done: self.is_in_bindings(name, item),
                }),
                _ => {}
            }
        }
        let since = self.since(name, item);
        ItemChange { since, differences, needs, ..entry(name, item, worst) }
    }

    /// The edits that a change of a field requires.
    fn member(&self, name: &str, fields: &[Field], difference: &Difference) -> Vec<RequiredEdit> {
        let mut needs = Vec::new();
        if !matches!(difference.aspect, Aspect::Member | Aspect::Gate) {
            return needs;
        }
        let field = fields.iter().find(|field| Some(&field.name) == difference.member.as_ref());
        if let Some(field) = field {
            needs.extend(self.field_documentation(name, field));
            needs.extend(self.slot(name, field));
        }
        let gone = if field.is_none() { &difference.member } else { &difference.was };
        if let Some(gone) = gone {
            let item = self.config.wsk.get(name);
            let exists = item.is_some_and(|item| item.fields.contains_key(gone));
            needs.extend(self.stale(&format!("fields.{gone} of [wsk.{name}]"), exists));
        }
        needs
    }

    fn enumerator(
        &self,
        values: &IndexMap<String, Number>,
        change: &Difference,
    ) -> Vec<RequiredEdit> {
        let Some(name) = &change.member else { return Vec::new() };
        let exists = self.config.wsk.contains_key(name);
        if values.contains_key(name) {
            vec![RequiredEdit {
                what: format!("headers/bindings.toml: [wsk.{name}]"),
                done: exists,
            }]
        } else {
            self.stale(&format!("[wsk.{name}]"), exists).into_iter().collect()
        }
    }

    /// An entry of `bindings.toml` for a removed item. The bindings keep an item that an older release lacks.
    fn stale(&self, entry: &str, exists: bool) -> Option<RequiredEdit> {
        let what = format!("headers/bindings.toml: {entry} removed");
        (self.is_ahead && exists).then_some(RequiredEdit { what, done: false })
    }

    /// The other declarations of a function of this type.
    fn signature(&self, name: &str, item: &Item) -> Vec<RequiredEdit> {
        let done = self.is_in_bindings(name, item);
        let mut needs = Vec::new();
        for (table, other) in &self.new.items {
            let ItemKind::Structure(structure) = &other.kind else { continue };
            for field in structure.fields.iter().filter(|field| field.ty == name) {
                let slots = self.project.slot(table, &field.name, &field.ty, false);
                let whats = slots.into_iter().map(|slot| format!("{}: its signature", slot.plain));
                needs.extend(whats.map(|what| RequiredEdit { what, done }));
            }
        }
        needs
    }

    /// Whether the bindings have the item of the new side.
    fn is_in_bindings(&self, name: &str, item: &Item) -> bool {
        self.bindings.items.get(name).is_some_and(|it| it.kind == item.kind)
    }

    /// Whether an item has its own entry in `bindings.toml`: a pointer to an item with an entry needs none.
    fn is_documented(&self, name: &str, item: &Item) -> bool {
        match &item.kind {
            ItemKind::Alias { of } => !of.strip_suffix('*').is_some_and(|target| {
                let target = target.strip_prefix("const ").unwrap_or(target);
                let is_new = |item: &Item| match &item.kind {
                    ItemKind::Alias { of } => !of.ends_with('*'),
                    ItemKind::Structure(_) | ItemKind::Enumeration { .. } => true,
                    _ => false,
                };
                self.config.wsk.contains_key(target)
                    || self.new.items.get(target).is_some_and(is_new)
            }),
            ItemKind::Macro(_) => name != "WSKAPI",
            _ => true,
        }
    }

    /// The entry in `bindings.toml`, and those of enumerators.
    fn documentation(&self, name: &str, item: &Item) -> Vec<RequiredEdit> {
        let mut names: Vec<&str> = Vec::new();
        if self.is_documented(name, item) {
            names.push(name);
        }
        if let ItemKind::Enumeration { values, .. } = &item.kind {
            names.extend(values.keys().map(String::as_str));
        }
        let need = |name| RequiredEdit {
            what: format!("headers/bindings.toml: [wsk.{name}]"),
            done: self.config.wsk.contains_key(name),
        };
        names.into_iter().map(need).collect()
    }

    /// A field has its own description, unless it is a function, whose type has the description.
    fn field_documentation(&self, name: &str, field: &Field) -> Option<RequiredEdit> {
        if field.ty.starts_with("PFN_") {
            return None;
        }
        let item = self.config.wsk.get(name);
        Some(RequiredEdit {
            what: format!("headers/bindings.toml: fields.{} of [wsk.{name}]", field.name),
            done: item.is_some_and(|item| item.fields.contains_key(&field.name)),
        })
    }

    fn table(&self, name: &str) -> Vec<RequiredEdit> {
        let slots = self.project.table(name);
        slots
            .into_iter()
            .map(|slot| RequiredEdit { what: slot.whole(), done: slot.exists })
            .collect()
    }

    fn slot(&self, name: &str, field: &Field) -> Vec<RequiredEdit> {
        let table = self.new.items.get(name).and_then(|item| item.gate.as_deref());
        let table = self.windows(name, None, table);
        let slot = self.windows(name, Some(&field.name), field.gate.as_deref());
        let is_later = table.zip(slot).is_some_and(|(table, slot)| slot.version > table.version);
        let slots = self.project.slot(name, &field.name, &field.ty, is_later);
        slots
            .into_iter()
            .map(|slot| RequiredEdit { what: slot.whole(), done: slot.exists })
            .collect()
    }

    /// The first Windows of an item or a field, with this gate.
    fn windows(
        &self,
        name: &str,
        field: Option<&str>,
        gate: Option<&str>,
    ) -> Option<&WindowsRelease> {
        let releases = self.history.releases;
        match gate {
            Some(gate) => releases.of_gate(gate).ok(),
            None => self.history.first_kit(name, field).or_else(|| {
                let release = self.new.release.as_deref()?;
                releases.of_kit(release)
            }),
        }
    }

    fn since(&self, name: &str, item: &Item) -> Option<String> {
        // An entry of bindings.toml with a reason takes precedence.
        let documented = self.config.wsk.get(name).filter(|item| item.is_dated_otherwise());
        let documented = documented.and_then(|item| item.windows().ok());
        let windows = documented.or_else(|| self.windows(name, None, item.gate.as_deref()));
        windows.map(|windows| windows.name.clone())
    }
}

fn entry(name: &str, item: &Item, effect: Effect) -> ItemChange {
    ItemChange {
        name: name.to_owned(),
        kind: item.kind.name(),
        description: describe(item),
        since: None,
        gate: item.gate.clone(),
        effect,
        differences: Vec::new(),
        needs: Vec::new(),
    }
}
