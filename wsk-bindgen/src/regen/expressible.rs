//! Declarations that the bindings cannot express: bindgen assigns them private types, or silently another layout,
//! signature or name.

use clang::{Entity, EntityKind, Type, TypeKind};

use super::bindings_config::{BindingsConfig, ItemConfig};
use super::layout;
use crate::api_record::{
    HEADER, alignment_of_its_own, convention, is_named, is_no_declaration, is_ptr32, member_of_cpp,
    problem_of_members,
};

/// The names of Rust's own types. bindgen assumes that they mean these types, and does not declare them.
const OF_RUST: [&str; 17] = [
    "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "str", "u128", "u16",
    "u32", "u64", "u8", "usize",
];

/// Each such part of the declarations for the bindings, by its place and its name.
pub(super) fn inexpressible(root: &Entity<'_>, config: &BindingsConfig) -> Vec<String> {
    let mut found = Vec::new();
    let mut entities = root.get_children();
    while let Some(entity) = entities.pop() {
        match entity.get_kind() {
            // `extern "C" { … }`
            EntityKind::LinkageSpec | EntityKind::UnexposedDecl => {
                entities.extend(entity.get_children());
            }
            kind if is_no_declaration(kind) => {}
            _ if is_generated(&entity, config) => {
                let mut problems = Problems { found: Vec::new() };
                problems.declaration(&entity, &entity.get_name().unwrap_or_default());
                let place = place(&entity);
                found.extend(problems.found.into_iter().map(|problem| (place.clone(), problem)));
            }
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|((file, line), problem)| format!("{file}:{line}: {problem}")).collect()
}

fn place(entity: &Entity<'_>) -> (String, u32) {
    let place = entity.get_location().map(|place| place.get_expansion_location());
    let file = place.and_then(|place| place.file).map(|file| file.get_path());
    let name = file.as_deref().and_then(|file| file.file_name()?.to_str()).unwrap_or(HEADER);
    (name.to_owned(), place.map_or(0, |place| place.line))
}

/// Whether a declaration becomes a part of the bindings.
fn is_generated(entity: &Entity<'_>, config: &BindingsConfig) -> bool {
    let name = entity.get_name().unwrap_or_default();
    let listed = |(item, entry): &(&String, &ItemConfig)| **item == name || entry.tag(item) == name;
    if let Some((_, entry)) = config.items().find(listed) {
        return !entry.by_hand;
    }
    let place = entity.get_location().map(|place| place.get_expansion_location());
    let file = place.and_then(|place| place.file);
    file.is_some_and(|file| is_named(&file.get_path(), HEADER))
}

/// The parts of one declaration that the bindings cannot express.
struct Problems {
    found: Vec<String>,
}

impl Problems {
    fn declaration(&mut self, entity: &Entity<'_>, name: &str) {
        if name.contains('$') {
            self.found.push(format!("{name} has a name that Rust does not allow"));
        }
        match entity.get_kind() {
            EntityKind::StructDecl | EntityKind::UnionDecl => self.structure(entity, name),
            EntityKind::EnumDecl if entity.is_scoped() => {
                self.found.push(format!("{name} is an `enum class` of C++"));
            }
            EntityKind::EnumDecl => {}
            EntityKind::TypedefDecl | EntityKind::TypeAliasDecl => self.typedef(entity, name),
            EntityKind::FunctionDecl | EntityKind::VarDecl => {
                let linked = entity.get_mangled_name().filter(|linked| linked != name);
                let is_external = entity.get_storage_class() != Some(clang::StorageClass::Static)
                    && !entity.is_inline_function();
                if let Some(ty) = entity.get_type() {
                    if is_of_unnamed(&ty) {
                        self.found.push(format!("{name} has a structure without a name"));
                    }
                    self.found.extend(part(&ty).map(|part| format!("{name} has {part}")));
                    if let (None, true, Some(linked)) = (part(&ty), is_external, linked) {
                        self.found.push(format!(
                            "{name} is called `{}` by the linker: it has an assembler name, or is outside of \
                             extern \"C\"",
                            linked.trim_start_matches('\u{1}')
                        ));
                    }
                }
            }
            kind => self.found.push(format!("{name} is a {kind:?} of C++")),
        }
    }

    fn typedef(&mut self, entity: &Entity<'_>, name: &str) {
        if OF_RUST.contains(&name) {
            self.found.push(format!("{name} has the name of a type of Rust"));
        }
        if let Some(align) = alignment_of_its_own(entity) {
            self.found.push(format!(
                "{name} has an alignment of its own, of {align} bytes, which a type alias has not"
            ));
        }
        let Some(ty) = entity.get_typedef_underlying_type() else { return };
        if let Some(kind) = array_without_size(&ty) {
            self.found.push(format!("{name} is {kind}"));
        } else if is_of_unnamed(&ty) {
            self.found.push(format!("{name} is made of a structure without a name"));
        } else if let Some(part) = part(&ty) {
            self.found.push(format!("{name} has {part}"));
        }
    }

    fn structure(&mut self, entity: &Entity<'_>, name: &str) {
        if let Some(problem) = problem_of_members(entity) {
            self.found.push(format!("{name} has {problem}"));
            return;
        }
        for child in entity.get_children() {
            if let Some(member) = member_of_cpp(&child) {
                self.found.push(format!("{name} has a {member}"));
                continue;
            }
            match child.get_kind() {
                EntityKind::StructDecl | EntityKind::UnionDecl => self.structure(&child, name),
                EntityKind::FieldDecl => {
                    let field = child.get_name().unwrap_or_default();
                    let Some(kind) = kind_of_field(&child) else { continue };
                    self.found.push(match &field[..] {
                        "" => format!("{name} has {kind}, without a name"),
                        _ => format!("{name}.{field} is {kind}"),
                    });
                }
                _ => {}
            }
        }
        if self.found.is_empty()
            && let Some(problem) = layout::problem(entity)
        {
            self.found.push(format!("{name} {problem}"));
        }
    }
}

fn kind_of_field(field: &Entity<'_>) -> Option<String> {
    if let Some(width) = field.get_bit_field_width() {
        return Some(format!("a bit-field of {width} bits"));
    }
    let ty = field.get_type()?;
    array_without_size(&ty).map(str::to_owned).or_else(|| part(&ty).map(str::to_owned))
}

/// The kind of an array that has no size.
fn array_without_size(ty: &Type<'_>) -> Option<&'static str> {
    let ty = ty.get_canonical_type();
    match ty.get_kind() {
        TypeKind::IncompleteArray => Some("a flexible array"),
        TypeKind::ConstantArray if ty.get_size() == Some(0) => {
            Some("a flexible array, of 0 elements")
        }
        _ => None,
    }
}

/// The part of a type that the bindings cannot express.
fn part(ty: &Type<'_>) -> Option<&'static str> {
    if returns_a_function(ty) {
        // bindgen gives both functions the parameters of both.
        return Some("a function that returns a pointer to a function without a typedef");
    }
    part_of_canonical(&ty.get_canonical_type())
}

fn part_of_canonical(ty: &Type<'_>) -> Option<&'static str> {
    if is_ptr32(ty) {
        return Some("a `__ptr32` pointer");
    }
    match ty.get_kind() {
        TypeKind::Vector => return Some("a vector, which is passed unlike an array"),
        // Without a kind of its own in the crate `clang`.
        _ if ty.get_display_name().starts_with("_Complex ") => return Some("a complex number"),
        TypeKind::MemberPointer => return Some("a pointer to a member of C++"),
        TypeKind::FunctionPrototype | TypeKind::FunctionNoPrototype if convention(ty).is_some() => {
            return Some("a function with another calling convention than that of C");
        }
        _ => {}
    }
    let parts = [ty.get_pointee_type(), ty.get_element_type(), ty.get_result_type()];
    parts
        .into_iter()
        .flatten()
        .chain(ty.get_argument_types().into_iter().flatten())
        .find_map(|part| part_of_canonical(&part.get_canonical_type()))
}

/// Whether a type is made of a structure with neither a tag nor a typedef. Clang displays its place instead.
fn is_of_unnamed(ty: &Type<'_>) -> bool {
    let ty = ty.get_canonical_type();
    if ty.get_kind() == TypeKind::Record {
        let name = ty.get_display_name();
        return ["(unnamed ", "(anonymous "].iter().any(|unnamed| name.contains(unnamed));
    }
    let inner = ty.get_pointee_type().or_else(|| ty.get_element_type());
    inner.is_some_and(|inner| is_of_unnamed(&inner))
}

/// Whether a type contains a function whose result is a pointer to a function, in one declaration.
fn returns_a_function(ty: &Type<'_>) -> bool {
    let ty = spelled(ty);
    if let Some(result) = ty.get_result_type() {
        let mut inner = spelled(&result);
        while let Some(pointee) = inner.get_pointee_type() {
            inner = spelled(&pointee);
        }
        return inner.get_result_type().is_some();
    }
    let inner = ty.get_pointee_type().or_else(|| ty.get_element_type());
    inner.is_some_and(|inner| returns_a_function(&inner))
}

/// A type without parentheses and attributes around it. A typedef remains one.
fn spelled<'tu>(ty: &Type<'tu>) -> Type<'tu> {
    let mut ty = *ty;
    loop {
        let inner = match ty.get_kind() {
            TypeKind::Elaborated => ty.get_elaborated_type(),
            TypeKind::Attributed => ty.get_modified_type(),
            // A type in parentheses, which is not a typedef.
            TypeKind::Unexposed => Some(ty.get_canonical_type()),
            _ => None,
        };
        match inner {
            Some(inner) if inner != ty => ty = inner,
            _ => return ty,
        }
    }
}
