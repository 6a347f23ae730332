//! Declarations that C and C++ read differently: libclang parses the headers as C++, and drivers include them in C.

use clang::diagnostic::{Diagnostic, Severity};
use clang::{Entity, EntityKind};

use super::read::{HEADER, is_named};

/// Whether clang lists entities of this kind beside the declarations: directives, assertions, stray semicolons.
pub(crate) fn is_no_declaration(kind: EntityKind) -> bool {
    matches!(
        kind,
        EntityKind::MacroDefinition
            | EntityKind::MacroExpansion
            | EntityKind::InclusionDirective
            | EntityKind::StaticAssert
            | EntityKind::NullStmt
    )
}

/// A description of a member, if only C++ has members of this kind.
pub(crate) fn member_of_cpp(member: &Entity<'_>) -> Option<String> {
    let what = match member.get_kind() {
        EntityKind::BaseSpecifier => "base class",
        EntityKind::Method
        | EntityKind::Constructor
        | EntityKind::Destructor
        | EntityKind::ConversionFunction
        | EntityKind::FunctionTemplate => "method",
        EntityKind::VarDecl => "static member",
        _ => return None,
    };
    Some(format!("{what} of C++ ({})", member.get_name().unwrap_or_default()))
}

/// The greatest number of members of a structure. libclang computes an offset in time linear in this number.
const MAX_MEMBERS: usize = 4096;

/// The reason why the members of a structure cannot be read: too many, or one that C has and C++ lacks.
pub(crate) fn problem_of_members(structure: &Entity<'_>) -> Option<String> {
    let members = structure.get_children();
    if members.len() > MAX_MEMBERS {
        return Some(format!(
            "{} members, of which at most {MAX_MEMBERS} can be read",
            members.len()
        ));
    }
    // `struct _X { … };` within a structure: in C a member without a name, in C++ the declaration of a type.
    let is_record = |kind| matches!(kind, EntityKind::StructDecl | EntityKind::UnionDecl);
    let begins_a_field = |record: &Entity<'_>| {
        let start = |entity: &Entity<'_>| {
            Some(entity.get_range()?.get_start().get_spelling_location().offset)
        };
        let fields = members.iter().filter(|it| it.get_kind() == EntityKind::FieldDecl);
        let start_of_record = start(record);
        fields.into_iter().any(|field| start(field) == start_of_record)
    };
    members.iter().filter(|it| is_record(it.get_kind())).find_map(|record| {
        let name =
            record.get_name().filter(|name| !name.contains(['(', ' ']) && !name.is_empty())?;
        (!begins_a_field(record)).then(|| {
            format!(
                "a member of type {name} without a name, which C has and C++ lacks: give it a name"
            )
        })
    })
}

/// The error for a warning about `WSK_BUF;` within a structure: in C a member without a name, in C++ nothing.
pub(crate) fn omitted_member(diagnostic: &Diagnostic<'_>) -> Option<String> {
    let place = diagnostic.get_location().get_expansion_location();
    let file = place.file?.get_path();
    let is_one = diagnostic.get_severity() == Severity::Warning
        && diagnostic.get_text().contains("does not declare anything")
        && is_named(&file, HEADER);
    is_one.then(|| {
        format!(
            "{}:{}: error: a member without a name, which C has and C++ lacks: give it a name",
            file.display(),
            place.line
        )
    })
}
