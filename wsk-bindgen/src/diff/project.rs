//! The parts of this project that follow wsk.h, besides the bindings: typed tables, the host's tables, events.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use syn::Item;

use crate::project;

/// The typed tables of `wsk`, by the tables of C.
const TYPED: &str = "wsk/src/dispatch.rs";
/// The tables that the host gives to clients.
const HOST: &str = "wsk-host/src/wsk/tables.rs";
/// The tables that clients give to WSK.
const EVENTS: &str = "wsk/src/events/tables.rs";

/// The sources that have a table's slots.
pub(crate) struct ProjectSources {
    typed: BTreeMap<String, TypedTable>,
    host: String,
    events: String,
}

/// A struct with `#[provider_table(TABLE)]`.
pub(crate) struct TypedTable {
    pub(crate) name: String,
    /// Its slots, each with the capability in `#[since(…)]`, if it has one.
    pub(crate) slots: BTreeMap<String, Option<String>>,
}

/// A part of this project that a table requires.
pub(crate) struct RequiredPart {
    /// The file, and the item in it.
    pub(crate) plain: String,
    /// The related items.
    with: &'static str,
    pub(crate) exists: bool,
}

impl RequiredPart {
    pub(crate) fn whole(&self) -> String {
        format!("{}{}", self.plain, self.with)
    }
}

impl ProjectSources {
    pub(crate) fn load() -> Result<Self> {
        let read = |path: &str| {
            fs::read_to_string(project::root().join(path))
                .with_context(|| format!("cannot read {path}"))
        };
        Ok(Self {
            typed: typed_tables(&read(TYPED)?).with_context(|| TYPED.to_owned())?,
            host: read(HOST)?,
            events: read(EVENTS)?,
        })
    }

    /// The parts that a new table requires.
    pub(crate) fn table(&self, table: &str) -> Vec<RequiredPart> {
        if !is_provider_table(table) {
            return Vec::new();
        }
        let typed = RequiredPart {
            plain: format!("{TYPED}: a struct with `#[provider_table({table}, of_socket)]`"),
            with: "",
            exists: self.typed.contains_key(table),
        };
        let host = RequiredPart {
            plain: format!("{HOST}: a table {table}"),
            with: "",
            exists: !self.host_table(table).is_empty(),
        };
        vec![typed, host]
    }

    /// The host's definition of a table: a call of its macro `table`.
    fn host_table(&self, table: &str) -> &str {
        let definitions = self.host.split("\ntable! {").skip(1);
        let mut definitions = definitions.filter_map(|text| text.split("\n}").next());
        definitions.find(|definition| contains_word(definition, table)).unwrap_or_default()
    }

    /// The parts that a new slot of a table requires. A slot of a later Windows than its table requires a capability.
    pub(crate) fn slot(
        &self,
        table: &str,
        slot: &str,
        ty: &str,
        is_later: bool,
    ) -> Vec<RequiredPart> {
        if is_provider_table(table) {
            let typed = self.typed.get(table);
            let name = typed.map_or(table, |typed| typed.name.as_str());
            let capability = typed.and_then(|typed| typed.slots.get(slot));
            let typed = RequiredPart {
                plain: format!("{TYPED}: the slot {slot} of {name}"),
                with: if is_later { ", with `#[since(…)]` of a capability" } else { "" },
                exists: capability.is_some_and(|capability| capability.is_some() == is_later),
            };
            let host = RequiredPart {
                plain: format!("{HOST}: the slot {slot} of {table}"),
                with: if is_later { ", and its stub for earlier versions" } else { "" },
                exists: contains_word(self.host_table(table), slot),
            };
            vec![typed, host]
        } else if table.starts_with("WSK_CLIENT_") && ty.starts_with("PFN_") {
            let exists = contains_word(&self.events, slot);
            let plain =
                format!("{EVENTS} and wsk-macros/src/events: the callback {slot} of {table}");
            vec![RequiredPart { plain, with: "", exists }]
        } else {
            Vec::new()
        }
    }
}

pub(crate) fn is_provider_table(name: &str) -> bool {
    name.starts_with("WSK_PROVIDER_") && name.ends_with("_DISPATCH")
}

/// Whether a text contains a name as a whole word.
fn contains_word(text: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

fn typed_tables(source: &str) -> Result<BTreeMap<String, TypedTable>> {
    let mut tables = BTreeMap::new();
    for item in syn::parse_file(source)?.items {
        let Item::Struct(item) = item else { continue };
        let attribute = |attributes: &[syn::Attribute], name: &str| {
            let found = attributes.iter().find(|attribute| attribute.path().is_ident(name));
            found.and_then(|attribute| match &attribute.meta {
                syn::Meta::List(list) => Some(list.tokens.to_string()),
                _ => None,
            })
        };
        let Some(arguments) = attribute(&item.attrs, "provider_table") else { continue };
        let table = arguments.split(',').next().unwrap_or_default().trim().to_owned();
        let slots = item.fields.iter().filter_map(|field| {
            let capability = attribute(&field.attrs, "since").map(|text| text.replace(' ', ""));
            Some((field.ident.as_ref()?.to_string(), capability))
        });
        let name = item.ident.to_string();
        tables.insert(table, TypedTable { name, slots: slots.collect() });
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_record::WindowsRelease;
    use crate::api_record::items::ItemKind;
    use crate::regen::BindingsConfig;

    /// A capability, as `wsk/src/capabilities.rs` grants it.
    struct Capability {
        /// The constant of `wsk_sys::since` that grants it.
        since: String,
        documentation: String,
    }

    /// The capabilities, by the types of `has`.
    fn capabilities() -> BTreeMap<String, Capability> {
        let path = project::root().join("wsk/src/capabilities.rs");
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        let mut capabilities = BTreeMap::new();
        let methods = file.items.into_iter().filter_map(|item| match item {
            Item::Impl(item) => Some(item.items),
            _ => None,
        });
        for method in methods.flatten() {
            let syn::ImplItem::Fn(method) = method else { continue };
            let text = |tokens: &dyn quote::ToTokens| {
                tokens.to_token_stream().to_string().replace(' ', "")
            };
            let output = text(&method.sig.output);
            let Some(name) = output.strip_prefix("->Option<").and_then(|it| it.strip_suffix('>'))
            else {
                continue;
            };
            let block = text(&method.block);
            let (_, since) = block.split_once("since::").expect("it is granted by a release");
            let end = since.find(')').unwrap();
            let since = since[..end].to_owned();
            let documentation = method.attrs.iter().map(|attribute| text(attribute)).collect();
            capabilities.insert(name.to_owned(), Capability { since, documentation });
        }
        capabilities
    }

    /// A slot that is newer than its table requires a proof of exactly the Windows that introduced it.
    #[test]
    fn typed_tables_ask_for_the_windows_of_each_slot() {
        let config = BindingsConfig::load(&project::root().join("headers")).unwrap();
        let history = config.history().unwrap();
        let record = config.records.get(&config.release).unwrap();
        let project = ProjectSources::load().unwrap();
        let capabilities = capabilities();
        let mut used = 0;
        for (table, item) in record.items.iter().filter(|(name, _)| is_provider_table(name)) {
            let ItemKind::Structure(structure) = &item.kind else {
                panic!("{table} is no structure")
            };
            let slots = &project.typed[table].slots;
            let since_table = history.of_item(table).unwrap().unwrap();
            assert_eq!(slots.len(), structure.fields.len(), "{table}");
            for field in &structure.fields {
                let since: &WindowsRelease = history.of_field(table, &field.name).unwrap().unwrap();
                let place = format!("{table}.{}", field.name);
                let Some(capability) = &slots[&field.name] else {
                    assert_eq!(since, since_table, "{place} has no `#[since(…)]`");
                    continue;
                };
                let granted = &capabilities[capability];
                assert_eq!(config.wsk[&granted.since].windows().unwrap(), since, "{place}");
                let name = since.name.replace(' ', "");
                assert!(granted.documentation.contains(&name), "{capability} says another Windows");
                used += 1;
            }
        }
        assert_eq!(used, 9, "slots that came later than their tables");
        assert_eq!(capabilities.len(), 4);
    }

    #[test]
    fn a_slot_is_found_in_its_own_table() {
        let project = ProjectSources::load().unwrap();
        let exists = |table, slot, is_later| -> Vec<bool> {
            let slots = project.slot(table, slot, "PFN_WSK_SEND", is_later);
            slots.iter().map(|slot| slot.exists).collect()
        };
        assert_eq!(exists("WSK_PROVIDER_CONNECTION_DISPATCH", "WskSend", false), [true, true]);
        assert_eq!(exists("WSK_PROVIDER_CONNECTION_DISPATCH", "WskConnectEx", true), [true, true]);
        // Other tables have them.
        assert_eq!(exists("WSK_PROVIDER_LISTEN_DISPATCH", "WskSend", false), [false, false]);
        assert_eq!(
            exists("WSK_PROVIDER_STREAM_DISPATCH", "WskInspectComplete", false),
            [false, false]
        );
        // The capability exists, but not for a later Windows.
        assert!(!exists("WSK_PROVIDER_CONNECTION_DISPATCH", "WskSend", true)[0]);
        assert_eq!(exists("WSK_CLIENT_CONNECTION_DISPATCH", "WskReceiveEvent", false), [true]);
        assert_eq!(exists("WSK_CLIENT_CONNECTION_DISPATCH", "WskSendEvent", false), [false]);
        assert!(exists("WSK_BUF", "Mdl", false).is_empty());
    }

    #[test]
    fn a_word_is_no_part_of_another() {
        assert!(contains_word("WskSend: bytes::send::<C>,", "WskSend"));
        assert!(!contains_word("WskSendTo: MyWskSend, _WskSend", "WskSend"));
    }
}
