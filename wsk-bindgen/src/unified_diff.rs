//! Differences of two texts by line.

use similar::TextDiff;

/// A unified diff of `old` and `new`, two texts of this name `from` one place and `to` another.
pub(crate) fn unified_diff(from: &str, to: &str, name: &str, old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(&format!("{from}/{name}"), &format!("{to}/{name}"))
        .to_string()
}
