//! Layouts of C that no `repr` gives: structures that are packed, and aligned to more than Rust's `packed(n)` is.

use clang::{Entity, EntityKind};

/// The reason why Rust cannot lay out the members of a structure as C does, if one of them stands at a lower offset
/// than in a structure of Rust with the same alignment. Members at higher offsets, which have an alignment of their
/// own, become padding that bindgen names.
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
