//! Types as C spells them, the same from every header and by every clang.

use std::collections::HashMap;

use clang::{CallingConvention, Entity, EntityKind, Type, TypeKind};

/// The names of types.
#[derive(Default)]
pub(super) struct Spelling<'tu> {
    /// The name that a typedef gives to a type without its own name.
    typedefs: HashMap<Entity<'tu>, String>,
}

impl<'tu> Spelling<'tu> {
    pub(super) fn add_typedef(&mut self, declaration: Entity<'tu>, name: &str) {
        self.typedefs.entry(declaration).or_insert_with(|| name.to_owned());
    }

    /// The name of a type that is declared: without the underscore of a tag.
    pub(super) fn name(&self, declaration: &Entity<'tu>) -> Option<String> {
        if let Some(name) = self.typedefs.get(declaration) {
            return Some(name.clone());
        }
        // A newer clang names an unnamed type after its position in the file.
        let name = declaration.get_name().filter(|name| !name.contains([' ', '(']))?;
        let tag = name.strip_prefix('_');
        Some(tag.filter(|tag| tag.starts_with(char::is_uppercase)).unwrap_or(&name).to_owned())
    }

    /// `const WSK_TDI_MAP*`: with the names of typedefs, without tags, and a pointer's star at its type.
    pub(super) fn of(&self, ty: &Type<'tu>) -> String {
        let modified = match ty.get_kind() {
            TypeKind::Elaborated => ty.get_elaborated_type(),
            TypeKind::Attributed => ty.get_modified_type(),
            _ => None,
        };
        let is_const = ty.is_const_qualified();
        if let Some(modified) = modified {
            let text = self.of(&modified);
            return if is_const && !modified.is_const_qualified() {
                format!("const {text}")
            } else {
                text
            };
        }
        if let Some(pointee) = ty.get_pointee_type() {
            let mut constant = if is_const { " const" } else { "" }.to_owned();
            if is_ptr32(ty) {
                constant.insert_str(0, " __ptr32");
            }
            let Some(returns) = pointee.get_result_type() else {
                return format!("{}*{constant}", self.of(&pointee));
            };
            let convention = convention(&pointee).map(|it| format!("{it} ")).unwrap_or_default();
            let parameters = self.parameters(&pointee);
            return format!("{} ({convention}*{constant})({parameters})", self.of(&returns));
        }
        if let Some(returns) = ty.get_result_type() {
            let convention = convention(ty).map(|it| format!("{it} ")).unwrap_or_default();
            return format!("{} {convention}({})", self.of(&returns), self.parameters(ty));
        }
        if let Some(element) = ty.get_element_type() {
            let size = ty.get_size().map(|size| size.to_string()).unwrap_or_default();
            return format!("{}[{size}]", self.of(&element));
        }
        let Some(declaration) = ty.get_declaration() else {
            // A built-in type, which displays its qualifiers, including that of the pointer to it.
            let name = ty.get_display_name();
            return ["__sptr ", "__uptr ", "__ptr32 "]
                .iter()
                .fold(name, |name, qualifier| name.replace(qualifier, ""));
        };
        let name = self.name(&declaration).unwrap_or_else(|| self.members(ty));
        if is_const { format!("const {name}") } else { name }
    }

    fn parameters(&self, function: &Type<'tu>) -> String {
        let types = function.get_argument_types().unwrap_or_default();
        let mut parameters: Vec<String> = types.iter().map(|ty| self.of(ty)).collect();
        if function.is_variadic() {
            parameters.push("...".to_owned());
        }
        parameters.join(", ")
    }

    /// An unnamed structure is spelled as its members, and an unnamed enumeration as its enumerators.
    fn members(&self, ty: &Type<'tu>) -> String {
        if let Some(declaration) = ty.get_declaration()
            && declaration.get_kind() == EntityKind::EnumDecl
        {
            let names = declaration.get_children().into_iter().filter_map(|it| it.get_name());
            return format!("enum {{ {} }}", names.collect::<Vec<_>>().join(", "));
        }
        let fields = ty.get_fields().unwrap_or_default();
        let fields = fields.iter().map(|field| {
            let ty = field.get_type().map(|ty| self.of(&ty)).unwrap_or_default();
            format!("{ty} {};", field.get_name().unwrap_or_default())
        });
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(" "))
    }
}

/// The calling convention of a function, unless it is that of C. On 64-bit processors, `__stdcall` and `__fastcall` are
/// the same as that.
pub(crate) fn convention(function: &Type<'_>) -> Option<&'static str> {
    use CallingConvention::{Cdecl, Fastcall, RegCall, Stdcall, Thiscall, Vectorcall, Win64};
    match function.get_calling_convention()? {
        Cdecl | Fastcall | Stdcall | Thiscall | Win64 => None,
        Vectorcall => Some("__vectorcall"),
        RegCall => Some("__regcall"),
        _ => Some("with another calling convention"),
    }
}

/// Whether a type is a pointer of 32 bits on a 64-bit processor. For arm64, some libclangs keep only the qualifier
/// of what it points to, and not the size.
pub(crate) fn is_ptr32(ty: &Type<'_>) -> bool {
    let ty = ty.get_canonical_type();
    let Some(pointee) = ty.get_pointee_type().filter(|_| ty.get_kind() == TypeKind::Pointer) else {
        return false;
    };
    let name = pointee.get_display_name();
    // The qualifier of a pointer follows its star, and that of another type precedes its name.
    let is_qualified = match pointee.get_kind() {
        TypeKind::Pointer => name.ends_with("__ptr32"),
        _ => name.contains("__ptr32"),
    };
    is_qualified || ty.get_sizeof() == Ok(4)
}
