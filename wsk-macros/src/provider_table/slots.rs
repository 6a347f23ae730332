//! The slots of a table, as declared.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Field, Ident, LitInt, Meta, NamedArg, Path, ReturnType, Token, Type,
    TypeFnPtr, Visibility,
};

use crate::diagnostics::{Errors, refuse_hidden_conditions};

/// A field of the table.
pub(super) struct Slot {
    pub(super) name: Ident,
    /// Documentation and other attributes for the method.
    pub(super) attributes: Vec<Attribute>,
    /// `#[cfg(…)]`, of everything that is made for the slot.
    pub(super) conditions: Vec<Attribute>,
    pub(super) kind: SlotKind,
}

pub(super) enum SlotKind {
    /// A table that this one begins with.
    Table(Type),
    /// A value, which is reserved or can be read.
    Value {
        ty: Type,
        is_reserved: bool,
    },
    Function(SlotFunction),
}

pub(super) struct SlotFunction {
    pub(super) parameters: Vec<SlotParameter>,
    pub(super) output: Option<Type>,
    /// The type whose values show that the running system's table has the slot.
    pub(super) capability: Option<Path>,
    pub(super) rules: Vec<LitInt>,
}

pub(super) struct SlotParameter {
    pub(super) name: Ident,
    pub(super) ty: Type,
    pub(super) role: ParameterRole,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterRole {
    Plain,
    /// Always zero.
    Reserved,
    /// A type of flags, whose bits are passed.
    Flags,
}

/// Takes an attribute out of those of a field. A second one of the same name is an error.
fn take(attributes: &mut Vec<Attribute>, name: &str, errors: &mut Errors) -> Option<Attribute> {
    let place = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    let taken = attributes.remove(place);
    if let Some(again) = attributes.iter().find(|attribute| attribute.path().is_ident(name)) {
        errors.at(again, format!("`#[{name}]` was given before"));
    }
    Some(taken)
}

/// A type without the delimiters that a macro, or the user, has put around it.
fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => plain(&group.elem),
        Type::Paren(paren) => plain(&paren.elem),
        ty => ty,
    }
}

/// An error if an attribute that stands alone has an argument.
fn require_no_argument(attribute: &Attribute, errors: &mut Errors) {
    if !matches!(attribute.meta, Meta::Path(_)) {
        let name = attribute.path().to_token_stream();
        errors.at(attribute, format!("write `#[{name}]`: it takes no argument"));
    }
}

impl Slot {
    /// `None`, and an error, if the field is not a slot.
    pub(super) fn read(field: &Field, of_socket: bool, errors: &mut Errors) -> Option<Self> {
        let name = field.ident.clone()?;
        if !matches!(field.vis, Visibility::Inherited) {
            errors.at(&field.vis, "methods are as visible as the struct: remove this");
        }
        let mut attributes = field.attrs.clone();
        let since = take(&mut attributes, "since", errors);
        let rules = take(&mut attributes, "rules", errors);
        let reserved = take(&mut attributes, "reserved", errors);
        if let Some(attribute) = &reserved {
            require_no_argument(attribute, errors);
        }
        let (conditions, attributes): (Vec<_>, Vec<_>) =
            attributes.into_iter().partition(|attribute| attribute.path().is_ident("cfg"));
        refuse_hidden_conditions(&attributes, "so that the whole table has it", errors);
        if method_name(&name).is_none() {
            errors.at(
                &name,
                "this names no method: after `Wsk`, a slot's name begins with a letter and is not `Self`, `Super` or `Crate`",
            );
        }
        let only_of_functions = |errors: &mut Errors| {
            for attribute in [&since, &rules].into_iter().flatten() {
                errors.at(attribute, "only a function has this: remove it");
            }
        };
        let kind = match plain(&field.ty) {
            Type::FnPtr(function) => {
                if let Some(attribute) = &reserved {
                    errors.at(
                        attribute,
                        "a value or a parameter can be reserved: a function that is not to be called needs no attribute",
                    );
                }
                let function =
                    SlotFunction::read(&name, function, of_socket, (since, rules), errors)?;
                SlotKind::Function(function)
            }
            ty @ Type::Path(path) if name == "Basic" && path.qself.is_none() => {
                only_of_functions(errors);
                if let Some(attribute) = &reserved {
                    errors.at(attribute, "a value or a parameter can be reserved: remove this");
                }
                if !of_socket {
                    errors.at(
                        &name,
                        "only a socket's table begins with `Basic`: write `of_socket` after the table's name",
                    );
                }
                SlotKind::Table(ty.clone())
            }
            ty @ Type::Path(path)
                if path.path.segments.last().is_some_and(|last| last.ident.unraw() == "USHORT") =>
            {
                only_of_functions(errors);
                SlotKind::Value { ty: ty.clone(), is_reserved: reserved.is_some() }
            }
            other => {
                errors.at(
                    other,
                    format!("expected a function, such as `{name}: fn(socket: PWSK_SOCKET, irp: PIRP)`, or `USHORT`"),
                );
                return None;
            }
        };
        Some(Self { name, attributes, conditions, kind })
    }
}

impl SlotFunction {
    fn read(
        slot: &Ident,
        function: &TypeFnPtr,
        of_socket: bool,
        (since, rules): (Option<Attribute>, Option<Attribute>),
        errors: &mut Errors,
    ) -> Option<Self> {
        if let Some(lifetimes) = &function.lifetimes {
            errors.at(lifetimes, "a function of C's has no lifetimes: pass pointers");
        }
        if let Some(token) = &function.unsafety {
            errors.at(token, "every slot is `unsafe extern \"C\"`: write `fn(…)`");
        }
        if let Some(abi) = &function.abi {
            errors.at(abi, "every slot is `unsafe extern \"C\"`: write `fn(…)`");
        }
        if let Some(dots) = &function.variadic {
            errors.at(dots, "a slot has a fixed number of parameters");
        }
        let capability = since.and_then(|since| {
            let read = since.parse_args::<Path>();
            let message =
                "write the type that shows that the slot exists, as in `#[since(has::NameResolution)]`";
            errors.take(read.map_err(|_| Error::new_spanned(&since, message)))
        });
        let rules = rules.map_or_else(Vec::new, |rules| Self::read_rules(&rules, errors));
        let output = match &function.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        let parameters: Vec<Option<SlotParameter>> =
            function.inputs.iter().map(|input| SlotParameter::read(input, errors)).collect();
        let parameters = parameters.into_iter().collect::<Option<Vec<SlotParameter>>>()?;
        if of_socket {
            match parameters.first() {
                None => errors.at(
                    slot,
                    "a socket's function takes the socket first: `fn(socket: PWSK_SOCKET, …)`",
                ),
                Some(first) if first.role != ParameterRole::Plain => errors.at(
                    &first.name,
                    "the first parameter of a socket's function is the socket: remove the attribute",
                ),
                Some(_) => {}
            }
        }
        Some(Self { parameters, output, capability, rules })
    }

    fn read_rules(attribute: &Attribute, errors: &mut Errors) -> Vec<LitInt> {
        const EXPECTED: &str = "write numbers of WSK's rules, as in `#[rules(10, 11)]`";
        let parse = Punctuated::<LitInt, Token![,]>::parse_terminated;
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        let rules = parse.parse2(tokens).unwrap_or_default();
        let is_number = |rule: &LitInt| {
            rule.suffix().is_empty() && rule.base10_parse::<u8>().is_ok_and(|rule| rule > 0)
        };
        if rules.is_empty() || !rules.iter().all(is_number) {
            errors.at(attribute, EXPECTED);
        }
        rules.into_iter().collect()
    }

    /// The type that the function returns.
    pub(super) fn output(&self, wsk: &TokenStream) -> TokenStream {
        match &self.output {
            None => quote!(#wsk::sys::NTSTATUS),
            Some(ty) => quote!(#ty),
        }
    }
}

impl SlotParameter {
    fn read(input: &NamedArg, errors: &mut Errors) -> Option<Self> {
        let name = match &input.name {
            Some((name, _)) if name != "_" && name != "self" => name.clone(),
            Some((name, _)) => {
                errors.at(name, "the method needs a name for this parameter, as in `irp: PIRP`");
                return None;
            }
            None => {
                errors.at(input, "the method needs the parameter's name, as in `irp: PIRP`");
                return None;
            }
        };
        let mut role = ParameterRole::Plain;
        for attribute in &input.attrs {
            let found = if attribute.path().is_ident("reserved") {
                ParameterRole::Reserved
            } else if attribute.path().is_ident("flags") {
                ParameterRole::Flags
            } else {
                errors.at(attribute, "a parameter can be `#[reserved]` or have `#[flags]`");
                continue;
            };
            require_no_argument(attribute, errors);
            if role != ParameterRole::Plain {
                errors.at(attribute, "a parameter has one of these attributes, once");
            }
            role = found;
        }
        Some(Self { name, ty: input.ty.clone(), role })
    }
}

/// `get_local_address` for `WskGetLocalAddress`; none if that would be no identifier.
pub(super) fn method_name(slot: &Ident) -> Option<Ident> {
    let slot_name = slot.unraw().to_string();
    let mut name = String::new();
    for character in slot_name.strip_prefix("Wsk").unwrap_or(&slot_name).chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    if syn::parse_str::<Ident>(&name).is_ok() {
        return Some(format_ident!("{name}", span = slot.span()));
    }
    // A keyword.
    let raw = syn::parse_str::<Ident>(&format!("r#{name}")).is_ok();
    raw.then(|| Ident::new_raw(&name, slot.span()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_named_after_their_slots() {
        for (slot, method) in [
            ("WskBind", "bind"),
            ("WskGetLocalAddress", "get_local_address"),
            ("WskSendTo", "send_to"),
            ("WskType", "r#type"),
        ] {
            assert_eq!(method_name(&format_ident!("{slot}")).unwrap().to_string(), method);
        }
        for slot in ["Wsk", "Wsk_", "Wsk2Ping", "WskSelf", "WskSuper", "WskCrate"] {
            assert!(method_name(&format_ident!("{slot}")).is_none(), "{slot}");
        }
    }
}
