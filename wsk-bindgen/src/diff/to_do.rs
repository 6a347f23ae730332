//! The steps in this project that a comparison leaves.

use std::collections::BTreeSet;

use super::difference::Abi;
use super::report::Report;
use super::side::Side;
use crate::api_record::items::{Item, Items};
use crate::api_record::{Record, Releases};
use crate::regen::BindingsConfig;

/// The steps, in their order.
pub(super) fn list(
    new: &Side,
    config: &BindingsConfig,
    bindings: &Record,
    report: &Report,
) -> Vec<String> {
    let mut steps = Vec::new();
    let release = new.release.as_deref().unwrap_or("RELEASE");
    steps.extend(unknown_releases(new, &config.releases));
    if let Some(read) = &new.read {
        let recorded = new.release.as_deref().and_then(|release| config.records.get(release));
        if recorded.is_none_or(|record| record.items != new.items) {
            steps.push(format!(
                "record the release: `cargo xtask surface {}`",
                read.origin.arguments()
            ));
        }
    }
    steps.extend(abi_breaks(report));
    if release != config.release {
        steps.push(format!("headers/bindings.toml: `release = \"{release}\"`"));
    }
    let lacking = lacking(&new.items, &bindings.items);
    for (verb, names) in &lacking {
        steps.push(format!("headers/km/wsk.h: {verb} {}", names.join(", ")));
    }
    let needs = report.entries().flat_map(|entry| &entry.needs).filter(|need| !need.done);
    let mut needs: Vec<&String> = needs.map(|need| &need.what).collect();
    // The headers come first: nothing else compiles without them.
    needs.sort_by_key(|what| !what.starts_with("headers/"));
    let mut known: BTreeSet<String> = steps.iter().cloned().collect();
    steps.extend(needs.into_iter().filter(|what| known.insert((*what).clone())).cloned());
    if !lacking.is_empty() || release != bindings.release {
        steps.push("`cargo xtask regen`, with --wdk and without: both give the same".to_owned());
    }
    if !report.is_empty() {
        let sides = match &new.read {
            Some(read) if release == bindings.release => format!("bindings {}", read.origin.side()),
            _ => format!("{} {release}", bindings.release),
        };
        steps.push(format!(
            "CHANGELOG.md: the output of `cargo xtask diff {sides} --format markdown`"
        ));
    }
    steps
}

/// The step for items that drivers of the old header use differently. Microsoft has never broken a released API of WSK.
fn abi_breaks(report: &Report) -> Option<String> {
    let breaks = report.entries().filter(|entry| entry.effect.abi == Abi::Break);
    let names: Vec<&str> = breaks.map(|entry| entry.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "ABI break in {}: compare with Microsoft's page, since a header is wrong more often than an API breaks.\n\
             If it is real, wsk-sys needs both forms, and wsk selects by the running Windows.",
            names.join(", ")
        )
    })
}

/// The gates that `headers/windows.toml` lacks.
fn unknown_releases(new: &Side, releases: &Releases) -> Vec<String> {
    let mut steps = Vec::new();
    steps.extend(new.read.as_ref().and_then(|read| read.unknown.clone()));
    let gates = new.items.values().flat_map(Item::gates);
    let mut unknown: Vec<&str> = gates.filter(|gate| releases.of_gate(gate).is_err()).collect();
    unknown.sort_unstable();
    unknown.dedup();
    for gate in unknown {
        steps.push(format!(
            "headers/windows.toml: the release of `{gate}`, or `since` and `since_reason` in \
             headers/bindings.toml for the items under it"
        ));
    }
    steps
}

/// The differences of this project's headers, from which the bindings are generated, by the edit that removes them.
fn lacking<'a>(new: &'a Items, own: &'a Items) -> Vec<(&'static str, Vec<&'a str>)> {
    let names = |names: Vec<&'a str>, verb| (!names.is_empty()).then_some((verb, names));
    let added = new.keys().filter(|name| !own.contains_key(*name)).map(String::as_str);
    let changed = new.iter().filter(|(name, item)| own.get(*name).is_some_and(|o| o != *item));
    let removed = own.keys().filter(|name| !new.contains_key(*name)).map(String::as_str);
    [
        names(added.collect(), "add"),
        names(changed.map(|(name, _)| name.as_str()).collect(), "change"),
        names(removed.collect(), "remove"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
