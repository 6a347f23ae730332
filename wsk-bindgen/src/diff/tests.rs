//! Compares two records that differ in one respect: each change is detected, with its effect.

use super::compare::{self, Changes};
use super::difference::{Difference, Effect};
use crate::api_record::{History, Records, Releases, items_of};
use crate::project;

/// A line for each difference: the item, its text, and its effect on versions and on the ABI.
fn lines(changes: &Changes<'_>) -> Vec<String> {
    let added = changes.added.iter().map(|(name, _)| format!("+ {name}"));
    let removed = changes.removed.iter().map(|(name, _)| format!("- {name}"));
    let changed = changes.changed.iter().flat_map(|(name, _, differences)| {
        let line = move |it: &Difference| {
            let Effect { semver, abi, .. } = it.effect;
            format!("{name}: {} ({}, {})", it.text, semver.name(), abi.name())
        };
        differences.iter().map(line)
    });
    added.chain(removed).chain(changed).collect()
}

/// A structure of this size, alignment and members.
fn structure(name: &str, size: u32, align: u32, fields: &[(u32, &str, &str)]) -> String {
    let field = |(at, name, ty): &(u32, &str, &str)| {
        format!("{{ at = {at}, name = \"{name}\", type = \"{ty}\" }}")
    };
    let fields: Vec<String> = fields.iter().map(field).collect();
    format!(
        "[structures.{name}]\nsize = {size}\nalign = {align}\nfields = [{}]\n",
        fields.join(", ")
    )
}

fn function(returns: &str, parameters: &str) -> String {
    format!("[functions.F]\nreturns = \"{returns}\"\nparameters = [{parameters}]\n")
}

/// The old record, the new one, and the lines of their comparison.
type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

#[track_caller]
fn check(cases: &[Case<'_>]) {
    let headers = project::root().join("headers");
    let releases = Releases::load(&headers).unwrap();
    let records = Records::load(&headers, &releases).unwrap();
    let history = History::all(&records, &releases);
    for (old, new, expected) in cases {
        let (before, after) = (items_of(old), items_of(new));
        let found = lines(&compare::compare(&before, &after, history));
        assert_eq!(found, *expected, "from\n{old}\nto\n{new}");
    }
}

#[test]
fn every_change_of_a_value_is_seen() {
    let a = (0, "A", "ULONG");
    check(&[
        ("[constants]\nA = { value = 1 }", "[constants]\nA = { value = 1 }", &[]),
        ("[constants]\nA = { value = 1 }", "[constants]\nB = { value = 1 }", &["+ B", "- A"]),
        (
            "[constants]\nA = { value = -1 }",
            "[constants]\nA = { value = 0xFFFFFFFF }",
            &["A: -1 → 0xFFFFFFFF (major, ABI break)"],
        ),
        (
            "[constants]\nA = { value = 1 }",
            "[macros]\nA = { text = \"1.0\" }",
            &["A: constant 1 → macro 1.0 (major, ABI break)"],
        ),
        (
            "[macros]\nA = { text = '\"a\"' }",
            "[macros]\nA = { text = 'L\"a\"' }",
            &["A: \"a\" → L\"a\" (major, ABI break)"],
        ),
        (
            "[macros]\nA = { text = \"1.5\" }",
            "[macros]\nA = {}",
            &["A: 1.5 → no literal (major, ABI break)"],
        ),
        (
            "[macros]\nA = { parameters = 1, sample = 1 }",
            "[macros]\nA = { parameters = 2, sample = 2 }",
            &["A: 1 → 2 parameters (major, ABI kept)"],
        ),
        (
            "[macros]\nA = { parameters = 1, sample = 1 }",
            "[macros]\nA = { parameters = 1, sample = 2 }",
            &["A: the sample gives 1 → 2 (major, ABI break)"],
        ),
        (
            "[variables]\nG = { type = \"const GUID {1, 2}\" }",
            "[variables]\nG = { type = \"const GUID {1, 3}\" }",
            &["G: const GUID {1, 2} → const GUID {1, 3} (major, ABI break)"],
        ),
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1 }",
            "[enumerations.E]\ntype = \"UCHAR\"\nvalues = { A = 0, B = 1 }",
            &["E: its values are int → UCHAR (major, ABI break)"],
        ),
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1 }",
            "[enumerations.E]\nvalues = { A = 0, C = 1, B = 2 }",
            &["E: + C = 1 (minor, ABI kept)", "E: B: 1 → 2 (major, ABI break)"],
        ),
        // The count of the values grows with each new value. Another `Max` is an ordinary value.
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1, EMax = 2 }",
            "[enumerations.E]\nvalues = { A = 0, B = 1, C = 2, EMax = 3 }",
            &["E: + C = 2 (minor, ABI kept)", "E: EMax: 2 → 3 (major, ABI kept)"],
        ),
        (
            "[enumerations.E]\nvalues = { AMax = 0, B = 2 }",
            "[enumerations.E]\nvalues = { AMax = 1, B = 2 }",
            &["E: AMax: 0 → 1 (major, ABI break)"],
        ),
        // Another order with the same values is no difference.
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1 }",
            "[enumerations.E]\nvalues = { B = 1, A = 0 }",
            &[],
        ),
        (
            "[aliases]\nT = { type = \"incomplete struct\" }",
            &structure("T", 4, 4, &[a]),
            &["T: type incomplete struct → structure of 4 bytes { A } (major, ABI break)"],
        ),
    ]);
}

#[test]
fn every_change_of_a_structure_is_seen() {
    let [a, b, c] = [(0, "A", "ULONG"), (4, "B", "ULONG"), (8, "C", "ULONG64")];
    let s = |fields: &[_]| structure("S", 16, 8, fields);
    let whole = s(&[a, b, c]);
    check(&[
        (&whole, &s(&[a, c]), &["S: - B: ULONG at 4 (major, ABI break)"]),
        (&s(&[a, c]), &whole, &["S: + B: ULONG at 4 (major, ABI break)"]),
        (&whole, &s(&[a, (4, "D", "ULONG"), c]), &["S: B → D (major, ABI kept)"]),
        (&whole, &s(&[a, (4, "B", "LONG"), c]), &["S: B: ULONG → LONG (major, ABI break)"]),
        (
            &whole,
            &s(&[a, (4, "B", "ULONG bits 0+3"), c]),
            &["S: B: ULONG → ULONG bits 0+3 (major, ABI break)"],
        ),
        (
            &whole,
            &s(&[a, (4, "B", "const ULONG"), c]),
            &["S: B: ULONG → const ULONG (minor, ABI kept)"],
        ),
        // Other members of the same names, types and places.
        (
            &whole,
            &s(&[(0, "B", "ULONG"), (4, "A", "ULONG"), c]),
            &["S: A at 0 → 4 (major, ABI break)", "S: B at 4 → 0 (major, ABI break)"],
        ),
        (&whole, &s(&[a, c, b]), &["S: its members have another order (minor, ABI kept)"]),
        // Padding at the end, between members, and none in a packed structure.
        (&whole, &structure("S", 24, 8, &[a, b, c]), &["S: 16 → 24 bytes (major, ABI break)"]),
        (
            &whole,
            &structure("S", 16, 1, &[a, b, c]),
            &["S: aligned to 8 → 1 bytes (major, ABI break)"],
        ),
        (
            &structure("S", 16, 8, &[a, c]),
            &structure("S", 12, 4, &[a, (4, "C", "ULONG64")]),
            &[
                "S: 16 → 12 bytes (major, ABI break)",
                "S: aligned to 8 → 4 bytes (major, ABI break)",
                "S: C at 8 → 4 (major, ABI break)",
            ],
        ),
        // Moved from one structure to another.
        (
            &[structure("R", 8, 4, &[a, b]), structure("S", 4, 4, &[a])].concat(),
            &[structure("R", 4, 4, &[a]), structure("S", 8, 4, &[a, b])].concat(),
            &[
                "R: 8 → 4 bytes (major, ABI break)",
                "R: - B: ULONG at 4 (major, ABI break)",
                "S: 4 → 8 bytes (major, ABI break)",
                "S: + B: ULONG at 4 (major, ABI break)",
            ],
        ),
    ]);
}

#[test]
fn every_change_of_a_signature_is_seen() {
    check(&[
        (
            &function("ULONG", "\"ULONG A\""),
            &function("ULONG __vectorcall", "\"ULONG A\""),
            &["F: ULONG (ULONG A) → ULONG __vectorcall (ULONG A) (major, ABI break)"],
        ),
        (
            &function("ULONG", "\"ULONG A\""),
            &function("ULONG", "\"ULONG A\", \"...\""),
            &["F: ULONG (ULONG A) → ULONG (ULONG A, ...) (major, ABI break)"],
        ),
        (
            &function("ULONG", "\"ULONG A\", \"PVOID B\""),
            &function("ULONG", "\"PVOID B\", \"ULONG A\""),
            &["F: ULONG (ULONG A, PVOID B) → ULONG (PVOID B, ULONG A) (major, ABI break)"],
        ),
        (
            &function("ULONG", "\"ULONG A\""),
            &function("ULONG", "\"ULONG B\""),
            &["F: ULONG (ULONG A) → ULONG (ULONG B) (minor, ABI kept)"],
        ),
    ]);
}

/// A driver of the old header calls no slot after those that it knows.
#[test]
fn a_longer_table_of_the_provider_keeps_the_abi() {
    const TABLE: &str = "WSK_PROVIDER_RING_DISPATCH";
    let [bind, ring] = [(0, "WskBind", "PFN_WSK_BIND"), (8, "WskRing", "PFN_WSK_RING")];
    let table = |name: &str, fields: &[(u32, &str, &str)]| {
        structure(name, 8 * u32::try_from(fields.len()).unwrap(), 8, fields)
    };
    check(&[
        (
            &table(TABLE, &[bind]),
            &table(TABLE, &[bind, ring]),
            &[
                "WSK_PROVIDER_RING_DISPATCH: 8 → 16 bytes (major, ABI kept)",
                "WSK_PROVIDER_RING_DISPATCH: + WskRing: PFN_WSK_RING at 8 (major, ABI kept)",
            ],
        ),
        // A new slot in the middle moves every later slot.
        (
            &table(TABLE, &[bind]),
            &table(TABLE, &[(0, "WskRing", "PFN_WSK_RING"), (8, "WskBind", "PFN_WSK_BIND")]),
            &[
                "WSK_PROVIDER_RING_DISPATCH: 8 → 16 bytes (major, ABI break)",
                "WSK_PROVIDER_RING_DISPATCH: WskBind at 0 → 8 (major, ABI break)",
                "WSK_PROVIDER_RING_DISPATCH: + WskRing: PFN_WSK_RING at 0 (major, ABI break)",
            ],
        ),
        // The provider reads the callbacks that a client's table of the old size does not have.
        (
            &table("WSK_CLIENT_RING_DISPATCH", &[bind]),
            &table("WSK_CLIENT_RING_DISPATCH", &[bind, ring]),
            &[
                "WSK_CLIENT_RING_DISPATCH: 8 → 16 bytes (major, ABI break)",
                "WSK_CLIENT_RING_DISPATCH: + WskRing: PFN_WSK_RING at 8 (major, ABI break)",
            ],
        ),
        // A shorter one lacks a slot that drivers of the old header call.
        (
            &table(TABLE, &[bind, ring]),
            &table(TABLE, &[bind]),
            &[
                "WSK_PROVIDER_RING_DISPATCH: 16 → 8 bytes (major, ABI break)",
                "WSK_PROVIDER_RING_DISPATCH: - WskRing: PFN_WSK_RING at 8 (major, ABI break)",
            ],
        ),
    ]);
}

#[test]
fn another_name_of_a_type_keeps_the_abi() {
    check(&[
        (
            &function("ULONG", "\"PSOCKADDR A\""),
            &function("ULONG", "\"const SOCKADDR* A\""),
            &["F: ULONG (PSOCKADDR A) → ULONG (const SOCKADDR* A) (major, ABI kept)"],
        ),
        (
            "[aliases]\nA = { type = \"PVOID\" }",
            "[aliases]\nA = { type = \"VOID*\" }",
            &["A: PVOID → VOID* (major, ABI kept)"],
        ),
        (
            "[aliases]\nA = { type = \"PVOID\" }",
            "[aliases]\nA = { type = \"ULONG\" }",
            &["A: PVOID → ULONG (major, ABI break)"],
        ),
    ]);
}
