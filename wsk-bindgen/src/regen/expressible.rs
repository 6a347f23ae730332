//! Declarations that the bindings cannot express: bindgen gives them private types, or silently another layout.

use clang::{Entity, EntityKind, Type, TypeKind};

use super::bindings_config::{BindingsConfig, ItemConfig};
use crate::api_record::{HEADER, alignment_of_its_own, is_named, is_ptr32};

/// Each such part of the declarations that the bindings are to have, by its name.
pub(super) fn inexpressible(root: &Entity<'_>, config: &BindingsConfig) -> Vec<String> {
    let mut found = Vec::new();
    let mut entities = root.get_children();
    while let Some(entity) = entities.pop() {
        match entity.get_kind() {
            // `extern "C" { … }`
            EntityKind::LinkageSpec | EntityKind::UnexposedDecl => {
                entities.extend(entity.get_children());
            }
            _ if is_generated(&entity, config) => {
                declaration(&entity, &entity.get_name().unwrap_or_default(), &mut found);
            }
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
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

fn declaration(entity: &Entity<'_>, name: &str, found: &mut Vec<String>) {
    match entity.get_kind() {
        EntityKind::StructDecl | EntityKind::UnionDecl => structure(entity, name, found),
        EntityKind::TypedefDecl => {
            if let Some(align) = alignment_of_its_own(entity) {
                found.push(format!(
                    "{name} has an alignment of its own, of {align} bytes, which a type alias has not"
                ));
            }
            let ty = entity.get_typedef_underlying_type();
            if ty.is_some_and(|ty| contains_ptr32(&ty)) {
                found.push(format!("{name} has a `__ptr32` pointer"));
            }
        }
        EntityKind::FunctionDecl | EntityKind::VarDecl
            if entity.get_type().is_some_and(|ty| contains_ptr32(&ty)) =>
        {
            found.push(format!("{name} has a `__ptr32` pointer"));
        }
        _ => {}
    }
}

fn structure(entity: &Entity<'_>, name: &str, found: &mut Vec<String>) {
    for child in entity.get_children() {
        match child.get_kind() {
            EntityKind::StructDecl | EntityKind::UnionDecl => structure(&child, name, found),
            EntityKind::FieldDecl => {
                let field = child.get_name().unwrap_or_default();
                found.extend(kind_of_field(&child).map(|kind| format!("{name}.{field} is {kind}")));
            }
            _ => {}
        }
    }
}

fn kind_of_field(field: &Entity<'_>) -> Option<String> {
    if let Some(width) = field.get_bit_field_width() {
        return Some(format!("a bit-field of {width} bits"));
    }
    let ty = field.get_type()?.get_canonical_type();
    match ty.get_kind() {
        TypeKind::IncompleteArray => return Some("a flexible array".to_owned()),
        TypeKind::ConstantArray if ty.get_size() == Some(0) => {
            return Some("a flexible array, of 0 elements".to_owned());
        }
        _ => {}
    }
    contains_ptr32(&ty).then(|| "a `__ptr32` pointer".to_owned())
}

/// Whether a type is a pointer of 32 bits, or made of one.
fn contains_ptr32(ty: &Type<'_>) -> bool {
    let ty = ty.get_canonical_type();
    if is_ptr32(&ty) {
        return true;
    }
    let parts = [ty.get_pointee_type(), ty.get_element_type(), ty.get_result_type()];
    parts
        .into_iter()
        .flatten()
        .chain(ty.get_argument_types().into_iter().flatten())
        .any(|part| contains_ptr32(&part))
}
