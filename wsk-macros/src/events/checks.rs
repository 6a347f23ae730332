//! The errors of an implementation, at the user's tokens.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{
    Error, FnArg, GenericParam, Ident, ImplItem, ImplItemFn, ItemImpl, Receiver, ReceiverKind,
    Safety, Type,
};

use super::traits::{ATTRIBUTE, Method, TRAITS, Trait};
use crate::diagnostics::{Errors, is_named, refuse_hidden_conditions};

const BORROWS: &str =
    "WSK may call back at any time, so a handler owns its data or borrows it for `'static`";

/// Checks what precedes the braces.
pub(super) fn check_impl(item: &ItemImpl, errors: &mut Errors) {
    if let Some(polarity) = &item.modifiers.polarity {
        errors.at(polarity, "a negative implementation has no table: remove `#[wsk::events]`");
    }
    if let Some(default) = &item.modifiers.defaultness {
        errors.at(default, "a table belongs to one type: remove `default`");
    }
    if let Some(token) = &item.unsafety {
        errors.at(token, "the traits of events are safe: remove `unsafe`");
    }
    for attribute in item.attrs.iter().filter(|attribute| is_named(attribute, "events")) {
        errors.at(attribute, "`#[wsk::events]` was given before: remove one");
    }
    let has_bounds =
        item.generics.where_clause.as_ref().is_some_and(|clause| !clause.predicates.is_empty());
    for parameter in &item.generics.params {
        match parameter {
            GenericParam::Lifetime(parameter) if parameter.bounds.is_empty() && !has_bounds => {
                errors.at(&parameter.lifetime, BORROWS);
            }
            _ => {}
        }
    }
    let mut handler = &*item.self_ty;
    // A macro's own delimiters.
    while let Type::Group(group) = handler {
        handler = &group.elem;
    }
    match handler {
        Type::TraitObject(ty) => {
            errors.at(ty, "a socket's memory contains its handler: implement the events for a type with a size");
        }
        Type::Slice(ty) => {
            errors.at(ty, "a socket's memory contains its handler: implement the events for a type with a size");
        }
        Type::Reference(ty)
            if ty.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_") =>
        {
            errors.at(
                ty,
                "WSK may call back at any time: implement the events for the type itself, or for `&'static …`",
            );
        }
        Type::Path(ty) => refuse_anonymous_lifetimes(ty.to_token_stream(), errors),
        _ => {}
    }
}

/// Refuses `'_` among the arguments of the handler's type.
fn refuse_anonymous_lifetimes(tokens: TokenStream, errors: &mut Errors) {
    let mut is_lifetime = false;
    for tree in tokens {
        match tree {
            TokenTree::Ident(name) if is_lifetime && name == "_" => errors.at(name, BORROWS),
            TokenTree::Group(group) => refuse_anonymous_lifetimes(group.stream(), errors),
            TokenTree::Punct(mark) => {
                is_lifetime = mark.as_char() == '\'';
                continue;
            }
            _ => {}
        }
        is_lifetime = false;
    }
}

/// Checks the items between the braces.
pub(super) fn check_items(item: &ItemImpl, found: &Trait, errors: &mut Errors) {
    for inner in &item.items {
        match inner {
            ImplItem::Fn(function) => match found.method(&function.sig.ident) {
                Some(method) => check_method(function, method, errors),
                None => errors.add(unknown_method(&function.sig.ident, found)),
            },
            ImplItem::Macro(call) => errors.at(
                call,
                "`events` cannot see the methods that a macro makes, and would leave them out of the table: write \
                 them here, or let the macro make the whole `impl` with `#[wsk::events]` on it",
            ),
            ImplItem::Type(ty) if ty.ident == ATTRIBUTE => {
                errors.at(&ty.ident, "`#[wsk::events]` writes this type itself: remove it");
            }
            ImplItem::Const(constant) => {
                errors.at(
                    &constant.ident,
                    format!("`{}` has no constants: put it into another `impl`", found.name),
                );
            }
            // The compiler knows which types the trait has.
            ImplItem::Type(_) => {}
            other => errors.at(
                other,
                format!("expected a method of `{}`, which has {}", found.name, found.list()),
            ),
        }
    }
}

fn unknown_method(name: &Ident, found: &Trait) -> Error {
    let others = TRAITS.iter().filter(|other| other.method(name).is_some());
    let others: Vec<String> = others.map(|other| format!("`{}`", other.name)).collect();
    let message = if others.is_empty() {
        format!("`{}` has no method `{name}`: its methods are {}", found.name, found.list())
    } else {
        format!(
            "`{name}` is a method of {}; those of `{}` are {}",
            others.join(" and "),
            found.name,
            found.list()
        )
    };
    Error::new(name.span(), message)
}

/// Checks the mistakes that the compiler would explain poorly. The compiler checks the types itself.
fn check_method(function: &ImplItemFn, method: &Method, errors: &mut Errors) {
    let signature = &function.sig;
    let expected = format!("the method is `{}`", method.signature);
    if let Some(default) = &function.modifiers.defaultness {
        errors.at(default, format!("an event is handled in one way: remove `default`; {expected}"));
    }
    if let Some(token) = &signature.constness {
        errors.at(token, format!("WSK calls this at run time: remove `const`; {expected}"));
    }
    if let Some(token) = &signature.asyncness {
        errors.at(
            token,
            format!(
                "a callback must not wait (INV-16): remove `async`, and spawn a task; {expected}"
            ),
        );
    }
    match &signature.safety {
        Safety::Unsafe(token) => {
            errors.at(token, format!("the method is safe: remove `unsafe`; {expected}"));
        }
        Safety::Safe(token) => {
            errors.at(token, format!("remove `safe`; {expected}"));
        }
        Safety::Default => {}
    }
    if let Some(abi) = &signature.abi {
        errors
            .at(abi, format!("the table's function is made for you: remove `extern`; {expected}"));
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.at(parameter, format!("a callback has no generics; {expected}"));
        }
    }
    if let Some(dots) = &signature.variadic {
        errors.at(dots, format!("a callback has a fixed number of parameters; {expected}"));
    }
    check_parameters(function, method, &expected, errors);
    refuse_hidden_conditions(&function.attrs, "so that the table has it, too", errors);
}

fn check_parameters(function: &ImplItemFn, method: &Method, expected: &str, errors: &mut Errors) {
    let signature = &function.sig;
    match signature.receiver() {
        None => {
            errors.at(
                &signature.ident,
                format!("a callback takes the handler by `&self`; {expected}"),
            );
            return;
        }
        Some(receiver) if !is_shared(receiver) => {
            errors.at(
                receiver,
                format!(
                    "callbacks run at the same time and share the handler by `&self`; {expected}"
                ),
            );
        }
        Some(_) => {}
    }
    if signature.inputs.len() != method.parameters + 1 {
        errors.at(
            &signature.ident,
            format!(
                "expected {} besides `&self`, found {}; {expected}",
                parameters(method.parameters),
                signature.inputs.len() - 1
            ),
        );
        return;
    }
    for input in &signature.inputs {
        let ty = match input {
            FnArg::Typed(input) => &*input.ty,
            FnArg::Receiver(_) => continue,
        };
        if let Type::ImplTrait(ty) = ty {
            errors.at(ty, format!("a parameter has one type; {expected}"));
        }
    }
}

fn parameters(count: usize) -> String {
    match count {
        0 => String::from("no parameter"),
        1 => String::from("1 parameter"),
        count => format!("{count} parameters"),
    }
}

/// Whether a receiver may be `&self`. The compiler checks the type of one that has a type.
fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => {
            matches!(&**ty, Type::Reference(ty) if ty.mutability.is_none())
        }
        _ => false,
    }
}
