//! The first Windows of each item, from the records and their gates.

use anyhow::{Context, Result, ensure};

use super::items::{ItemKind, Items};
use super::records::{Record, Records};
use super::windows::{Releases, WindowsRelease};

/// The first Windows of each item: that of its gate, or, without a gate, the Windows of the first kit that has the
/// item.
#[derive(Clone, Copy)]
pub(crate) struct History<'a> {
    /// Oldest first.
    records: &'a [Record],
    pub(crate) releases: &'a Releases,
}

/// The length of a table from one release of Windows on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Length<'a> {
    pub(crate) since: &'a WindowsRelease,
    pub(crate) bytes: u64,
}

impl<'a> History<'a> {
    /// The history up to the kit of a release.
    pub(crate) fn until(
        release: &str,
        records: &'a Records,
        releases: &'a Releases,
    ) -> Result<Self> {
        let records = records.all();
        let last = records.iter().position(|record| record.release == release);
        let last = last.with_context(|| {
            format!(
                "no record below headers/records is of {release}: make it with `cargo xtask surface \
                 --wdk DIR`"
            )
        })?;
        Ok(Self { records: &records[..=last], releases })
    }

    /// The history with all kits.
    pub(crate) fn all(records: &'a Records, releases: &'a Releases) -> Self {
        Self { records: records.all(), releases }
    }

    /// The Windows of the first kit that has an item, or a field of it, whatever its gate.
    pub(crate) fn first_kit(self, name: &str, field: Option<&str>) -> Option<&'a WindowsRelease> {
        let first = self.records.iter().find(|record| match field {
            None => gate_of_item(&record.items, name).is_some(),
            Some(field) => gate_of_field(&record.items, name, field).is_some(),
        })?;
        self.releases.of_kit(&first.release)
    }

    /// The first Windows of an item or an enumerator, if it is recorded.
    pub(crate) fn of_item(self, name: &str) -> Result<Option<&'a WindowsRelease>> {
        self.first(|items| gate_of_item(items, name)).with_context(|| name.to_owned())
    }

    /// The first Windows of a structure's field, if it is recorded.
    pub(crate) fn of_field(
        self,
        structure: &str,
        field: &str,
    ) -> Result<Option<&'a WindowsRelease>> {
        let of_field = self.first(|items| gate_of_field(items, structure, field));
        let of_field = of_field.with_context(|| format!("{structure}.{field}"))?;
        // A field is not older than its structure.
        let of_structure = self.of_item(structure)?;
        Ok(of_field.zip(of_structure).map(|(field, structure)| {
            if structure.version > field.version { structure } else { field }
        }))
    }

    /// The lengths of a table, oldest first: it grows at its end.
    pub(crate) fn lengths(self, table: &str) -> Result<Vec<Length<'a>>> {
        let newest = self.records.iter().rev().find_map(|record| record.items.get(table));
        let Some(ItemKind::Structure(structure)) = newest.map(|item| &item.kind) else {
            return Ok(Vec::new());
        };
        let mut lengths: Vec<Length<'a>> = Vec::new();
        for (index, field) in structure.fields.iter().enumerate() {
            let end = structure.fields.get(index + 1).map_or(structure.size, |next| next.at);
            let since = self.of_field(table, &field.name)?;
            let since = since.with_context(|| format!("{table}.{} is not recorded", field.name))?;
            match lengths.last_mut() {
                Some(last) if last.since == since => last.bytes = end,
                Some(last) => {
                    ensure!(
                        last.since.version < since.version,
                        "{table} has {} of {} after slots of {}: a table may grow only at its end",
                        field.name,
                        since.name,
                        last.since.name
                    );
                    lengths.push(Length { since, bytes: end });
                }
                None => lengths.push(Length { since, bytes: end }),
            }
        }
        Ok(lengths)
    }

    /// The first Windows of an item, with or without a gate.
    fn first(
        self,
        gate: impl Fn(&Items) -> Option<Gate<'_>>,
    ) -> Result<Option<&'a WindowsRelease>> {
        let Some(newest) = self.records.iter().rev().find_map(|record| gate(&record.items)) else {
            return Ok(None);
        };
        if let Gate(Some(gate)) = newest {
            return self.releases.of_gate(gate).map(Some);
        }
        let first = self.records.iter().find(|record| gate(&record.items).is_some());
        Ok(first.and_then(|record| self.releases.of_kit(&record.release)))
    }
}

/// The gate of an existing item.
struct Gate<'i>(Option<&'i str>);

fn gate_of_item<'i>(items: &'i Items, name: &str) -> Option<Gate<'i>> {
    let item = items.get(name).or_else(|| {
        items.values().find(|item| match &item.kind {
            ItemKind::Enumeration { values, .. } => values.contains_key(name),
            _ => false,
        })
    })?;
    Some(Gate(item.gate.as_deref()))
}

fn gate_of_field<'i>(items: &'i Items, structure: &str, field: &str) -> Option<Gate<'i>> {
    let ItemKind::Structure(structure) = &items.get(structure)?.kind else {
        return None;
    };
    let field = structure.fields.iter().find(|other| other.name == field)?;
    Some(Gate(field.gate.as_deref()))
}
