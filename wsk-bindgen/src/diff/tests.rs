//! Comparisons of two records that differ in one thing: each change is seen, and has its effect.

use super::compare::{self, Changes};
use crate::api_record::{History, Records, Releases, items_of};
use crate::project;

/// A line for each difference: the item, its text, and the part of the version that it raises.
fn lines(changes: &Changes<'_>) -> Vec<String> {
    let added = changes.added.iter().map(|(name, _)| format!("+ {name}"));
    let removed = changes.removed.iter().map(|(name, _)| format!("- {name}"));
    let changed = changes.changed.iter().flat_map(|(name, _, differences)| {
        let line =
            move |it: &compare::Difference| format!("{name}: {} ({})", it.text, it.semver.name());
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
            &["A: -1 → 0xFFFFFFFF (major)"],
        ),
        (
            "[constants]\nA = { value = 1 }",
            "[macros]\nA = { text = \"1.0\" }",
            &["A: constant → macro (major)"],
        ),
        (
            "[macros]\nA = { text = '\"a\"' }",
            "[macros]\nA = { text = 'L\"a\"' }",
            &["A: \"a\" → L\"a\" (major)"],
        ),
        ("[macros]\nA = { text = \"1.5\" }", "[macros]\nA = {}", &["A: 1.5 → no literal (major)"]),
        (
            "[macros]\nA = { parameters = 1, sample = 1 }",
            "[macros]\nA = { parameters = 2, sample = 2 }",
            &["A: 1 → 2 parameters (major)", "A: the sample gives 1 → 2 (major)"],
        ),
        (
            "[variables]\nG = { type = \"const GUID {1, 2}\" }",
            "[variables]\nG = { type = \"const GUID {1, 3}\" }",
            &["G: const GUID {1, 2} → const GUID {1, 3} (major)"],
        ),
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1 }",
            "[enumerations.E]\ntype = \"UCHAR\"\nvalues = { A = 0, B = 1 }",
            &["E: its values are int → UCHAR (major)"],
        ),
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1 }",
            "[enumerations.E]\nvalues = { A = 0, C = 1, B = 2 }",
            &["E: + C = 1 (minor)", "E: B: 1 → 2 (major)"],
        ),
        // In another order with the same values it is the same.
        (
            "[enumerations.E]\nvalues = { A = 0, B = 1 }",
            "[enumerations.E]\nvalues = { B = 1, A = 0 }",
            &[],
        ),
        (
            "[aliases]\nT = { type = \"incomplete struct\" }",
            &structure("T", 4, 4, &[a]),
            &["T: type → structure (major)"],
        ),
    ]);
}

#[test]
fn every_change_of_a_structure_is_seen() {
    let [a, b, c] = [(0, "A", "ULONG"), (4, "B", "ULONG"), (8, "C", "ULONG64")];
    let s = |fields: &[_]| structure("S", 16, 8, fields);
    let whole = s(&[a, b, c]);
    check(&[
        (&whole, &s(&[a, c]), &["S: - B: ULONG at 4 (major)"]),
        (&s(&[a, c]), &whole, &["S: + B: ULONG at 4 (major)"]),
        (&whole, &s(&[a, (4, "D", "ULONG"), c]), &["S: B → D (major)"]),
        (&whole, &s(&[a, (4, "B", "LONG"), c]), &["S: B: ULONG → LONG (major)"]),
        (
            &whole,
            &s(&[a, (4, "B", "ULONG bits 0+3"), c]),
            &["S: B: ULONG → ULONG bits 0+3 (major)"],
        ),
        (&whole, &s(&[a, (4, "B", "const ULONG"), c]), &["S: B: ULONG → const ULONG (minor)"]),
        // Other members of the same names, types and places.
        (
            &whole,
            &s(&[(0, "B", "ULONG"), (4, "A", "ULONG"), c]),
            &["S: A at 0 → 4 (major)", "S: B at 4 → 0 (major)"],
        ),
        (&whole, &s(&[a, c, b]), &["S: its members have another order (minor)"]),
        // Padding at the end, between members, and none because it is packed.
        (&whole, &structure("S", 24, 8, &[a, b, c]), &["S: 16 → 24 bytes (major)"]),
        (&whole, &structure("S", 16, 1, &[a, b, c]), &["S: aligned to 8 → 1 bytes (major)"]),
        (
            &structure("S", 16, 8, &[a, c]),
            &structure("S", 12, 4, &[a, (4, "C", "ULONG64")]),
            &[
                "S: 16 → 12 bytes (major)",
                "S: aligned to 8 → 4 bytes (major)",
                "S: C at 8 → 4 (major)",
            ],
        ),
        // Moved from one structure to another.
        (
            &[structure("R", 8, 4, &[a, b]), structure("S", 4, 4, &[a])].concat(),
            &[structure("R", 4, 4, &[a]), structure("S", 8, 4, &[a, b])].concat(),
            &[
                "R: 8 → 4 bytes (major)",
                "R: - B: ULONG at 4 (major)",
                "S: 4 → 8 bytes (major)",
                "S: + B: ULONG at 4 (major)",
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
            &["F: ULONG (ULONG A) → ULONG __vectorcall (ULONG A) (major)"],
        ),
        (
            &function("ULONG", "\"ULONG A\""),
            &function("ULONG", "\"ULONG A\", \"...\""),
            &["F: ULONG (ULONG A) → ULONG (ULONG A, ...) (major)"],
        ),
        (
            &function("ULONG", "\"ULONG A\", \"PVOID B\""),
            &function("ULONG", "\"PVOID B\", \"ULONG A\""),
            &["F: ULONG (ULONG A, PVOID B) → ULONG (PVOID B, ULONG A) (major)"],
        ),
        (
            &function("ULONG", "\"ULONG A\""),
            &function("ULONG", "\"ULONG B\""),
            &["F: ULONG (ULONG A) → ULONG (ULONG B) (minor)"],
        ),
    ]);
}
