//! A comparison for a terminal.

use std::fmt::Write as _;

use super::difference::{Abi, Effect};
use super::report::{ItemChange, Report};

pub(super) fn write(report: &Report) -> String {
    let mut text = format!("wsk.h: from {} to {}\n", report.old, report.new);
    if report.is_empty() {
        text.push_str("  no change\n");
    }
    for (title, entries) in
        [("added", &report.added), ("removed", &report.removed), ("changed", &report.changed)]
    {
        if entries.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title}");
        for entry in entries {
            write_entry(&mut text, entry);
        }
    }
    if !report.is_empty() {
        let counts =
            [(&report.added, "added"), (&report.removed, "removed"), (&report.changed, "changed")];
        let counts: Vec<String> =
            counts.iter().map(|(entries, what)| format!("{} {what}", entries.len())).collect();
        let _ = writeln!(text, "\n{}; for wsk-sys: {}", counts.join(", "), report.semver.name());
        let drivers = match report.abi {
            Abi::Kept => "drivers that were compiled with the old header work as before",
            Abi::Break => {
                "drivers that were compiled with the old header disagree with the new one"
            }
        };
        let _ = writeln!(text, "{}: {drivers}", report.abi.name());
    }
    if report.is_ahead {
        text.push_str("\nto do\n");
        if report.to_do.is_empty() {
            text.push_str("  nothing\n");
        }
        for (number, step) in (1..).zip(&report.to_do) {
            let _ = writeln!(text, "  {number:>2}. {}", step.replace('\n', "\n      "));
        }
    }
    text
}

fn write_entry(text: &mut String, entry: &ItemChange) {
    let ItemChange { name, description, since, gate, effect, differences, needs, .. } = entry;
    if differences.is_empty() {
        let _ = writeln!(text, "  {name}: {description}");
    } else {
        let _ = writeln!(text, "  {name}: {}", entry.kind);
    }
    for difference in differences {
        let _ = writeln!(text, "      {} ({})", difference.text, effect_text(&difference.effect));
    }
    if let Some(since) = since {
        let gate = gate.as_ref().map(|gate| format!(", by the gate {gate}")).unwrap_or_default();
        let _ = writeln!(text, "      since {since}{gate}");
    }
    if differences.is_empty() {
        let _ = writeln!(text, "      {}", effect_text(effect));
    }
    for need in needs {
        let state = if need.done { "done" } else { "not done" };
        let _ = writeln!(text, "      needs {} ({state})", need.what);
    }
}

/// `major, ABI break: its offset changes`
fn effect_text(effect: &Effect) -> String {
    format!("{}, {}: {}", effect.semver.name(), effect.abi.name(), effect.because)
}
