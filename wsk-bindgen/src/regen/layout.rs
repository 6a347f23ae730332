//! Layouts of C that no `repr` has: structures that are packed, but aligned to more than Rust's `packed(n)`.

use clang::{Entity, EntityKind};

/// The reason why Rust cannot lay out the members of a structure as C does: one of them is at a lower offset than in a
/// Rust structure with the same alignment. Before members at higher offsets, which have their own alignment, bindgen
/// inserts named padding.
pub(super) fn problem(structure: &Entity<'_>) -> Option<String> {
    if structure.get_kind() == EntityKind::UnionDecl {
        return None;
    }
    let ty = structure.get_type()?;
    let align = ty.get_alignof().ok()?;
    let mut end = 0;
    for field in ty.get_fields()? {
        let member = field.get_type()?;
        let offset = field.get_offset_of_field().ok()? / 8;
        let natural = member.get_alignof().ok()?;
        if offset < usize::next_multiple_of(end, natural.min(align)) {
            return Some(format!("is both packed and aligned to {align} bytes"));
        }
        end = offset + member.get_sizeof().ok()?;
    }
    None
}
