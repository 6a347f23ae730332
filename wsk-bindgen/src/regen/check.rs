//! The errors of a regeneration: removed items, holes in tables, items without a description.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::advice::Age;
use super::bindings_config::{BindingsConfig, ItemConfig};
use super::catalogue::{Catalogue, last_segment};
use super::evaluate::Declarations;
use crate::api_record::HEADER;

/// Macros in WSK's name space that are not part of its API.
const NOT_SURFACE: [&str; 2] = ["WSKAPI", "WSK_SO_BASE"];

/// Every item of `bindings.toml` is in the headers.
pub(crate) fn nothing_is_missing(
    catalogue: &Catalogue,
    macros: &BTreeSet<String>,
    declared: &Declarations,
    config: &BindingsConfig,
    age: Age<'_>,
) -> Result<()> {
    let missing: Vec<&str> = config
        .items()
        .filter(|(name, item)| !exists(catalogue, macros, name, item))
        // bindgen does not output all hand-written items.
        .filter(|(name, item)| !(item.by_hand && declared.lines.contains_key(*name)))
        .map(|(name, _)| name.as_str())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let controls = missing.iter().filter(|name| name.starts_with("SIO_WSK_")).count();
    let note = if controls == 0 { "" } else { "\nAll eight SIO_WSK_… codes are needed." };
    bail!(
        "the headers lack {} of the {} items in headers/bindings.toml: {}.{note}\n{}",
        missing.len(),
        config.items().count(),
        missing.join(", "),
        age.advice("If a later Windows no longer has them, remove their entries.")
    )
}

fn exists(catalogue: &Catalogue, macros: &BTreeSet<String>, name: &str, item: &ItemConfig) -> bool {
    if item.constant_type.is_some() {
        return catalogue.numbers.contains_key(&format!("{}{name}", super::clang::CONSTANT));
    }
    macros.contains(name)
        || catalogue.structs.contains_key(name)
        || catalogue.unions.contains_key(name)
        || catalogue.aliases.contains_key(name)
        || catalogue.constants.contains_key(name)
        || catalogue.functions.contains_key(name)
        || catalogue.statics.contains_key(name)
}

/// A provider's table contains functions and nothing else. A member that bindgen cannot name becomes
/// padding, and every call through the table would go to the wrong function.
pub(crate) fn tables_are_whole(catalogue: &Catalogue) -> Result<()> {
    const POINTER: u64 = 8;
    for (name, table) in &catalogue.structs {
        if !name.starts_with("WSK_PROVIDER_") || !name.ends_with("_DISPATCH") {
            continue;
        }
        let mut end = 0;
        let layout = catalogue.layouts.get(name).cloned().unwrap_or_default();
        for field in &table.fields {
            let ty = last_segment(&field.ty).unwrap_or_default();
            let field = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            let size = match ty.as_str() {
                "WSK_PROVIDER_BASIC_DISPATCH" => 2 * POINTER,
                ty if ty.starts_with("PFN_WSK_") => POINTER,
                "USHORT" if field == "Version" => 2,
                // The next member is aligned to a pointer.
                "USHORT" if field == "Reserved" => POINTER - 2,
                _ => bail!(
                    "{name} has padding where a function pointer belongs: its member `{field}` is \
                     no function (were the headers read as C instead of C++?)"
                ),
            };
            let offset = layout.offsets.iter().find(|(name, _)| *name == field).map(|(_, at)| *at);
            if offset != Some(end) {
                bail!(
                    "{name} has padding where a function pointer belongs: before `{field}`, at \
                     offset {end}"
                );
            }
            end += size;
        }
        if layout.size != end || end == 0 {
            bail!(
                "{name} has padding where a function pointer belongs: {} bytes, of which its \
                 functions fill {end}",
                layout.size
            );
        }
    }
    Ok(())
}

/// `bindings.toml` describes everything in wsk.h, and no field that wsk.h lacks. `kept` are the names of the bindings,
/// including pointers that need no entry.
pub(crate) fn everything_is_documented(
    catalogue: &Catalogue,
    macros: &BTreeSet<String>,
    declared: &Declarations,
    kept: &BTreeSet<&str>,
    config: &BindingsConfig,
    age: Age<'_>,
) -> Result<()> {
    let is_wsk = |name: &str| {
        let prefixes = ["WSK_", "SIO_WSK_", "SO_WSK_", "MAKE_WSK_", "Wsk"];
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let macros = macros.iter().filter(|name| {
        is_wsk(name) && !name.starts_with("WSK_HEADERS_") && !NOT_SURFACE.contains(&name.as_str())
    });
    let unknown: BTreeSet<&String> = macros
        .chain(&declared.typedefs)
        .chain(&declared.functions)
        .chain(catalogue.structs.keys())
        .chain(catalogue.unions.keys())
        .chain(catalogue.constants.keys())
        .chain(catalogue.functions.keys())
        .chain(catalogue.statics.keys())
        .filter(|name| !kept.contains(name.as_str()))
        .collect();
    if !unknown.is_empty() {
        let line =
            |name: &&String| Some(format!("{HEADER}:{}: {name}", declared.lines.get(*name)?));
        let lines: Vec<String> = unknown.iter().filter_map(line).collect();
        let names = unknown.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        bail!(
            "headers/bindings.toml does not describe {names}.\n{}{}{}",
            lines.join("\n"),
            if lines.is_empty() { "" } else { "\n" },
            age.advice("Add an entry for each: what it is, since when, at which IRQL, and Microsoft's page.")
        );
    }
    for (name, item) in config.items() {
        let callable = catalogue.functions.contains_key(name) || name.starts_with("PFN_");
        if callable && item.irql.is_none() {
            bail!("headers/bindings.toml lacks the IRQL of {name}");
        }
        for field in item.fields.keys() {
            let fields =
                catalogue.structs.get(name).map(|item| &item.fields).into_iter().flatten().chain(
                    catalogue.unions.get(name).into_iter().flat_map(|item| &item.fields.named),
                );
            if !fields.into_iter().any(|f| f.ident.as_ref().is_some_and(|f| f == field)) {
                bail!("headers/bindings.toml describes {name}.{field}, which the headers lack");
            }
        }
    }
    Ok(())
}
