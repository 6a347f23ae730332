//! `#[provider_table]`.

mod slots;
mod wrapper;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Fields, Ident, ItemStruct, Path, Result, Token};

use self::slots::{Slot, SlotKind, method_name};
use self::wrapper::Wrapper;
use crate::diagnostics::{Errors, is_named};
use crate::paths;

/// The attribute's arguments.
struct Arguments {
    table: Path,
    of_socket: bool,
    wsk: Option<Path>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const NO_TABLE: &str = "the table comes first, as in `#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]`";
        let start = if input.is_empty() { Span::call_site() } else { input.span() };
        let table = input.call(Path::parse_mod_style).map_err(|_| Error::new(start, NO_TABLE))?;
        if table.is_ident("of_socket") || input.peek(Token![=]) {
            return Err(Error::new(start, NO_TABLE));
        }
        let mut arguments = Self { table, of_socket: false, wsk: None };
        while !input.is_empty() {
            if input.parse::<Token![,]>().is_err() {
                let message = "expected `,`: the table is a path without generic arguments";
                return Err(Error::new(input.span(), message));
            }
            if input.is_empty() {
                break;
            }
            let span = input.span();
            let repeated = match input.call(Ident::parse_any) {
                Ok(name) if name == "of_socket" => {
                    core::mem::replace(&mut arguments.of_socket, true)
                }
                Ok(name) if name == "crate" => {
                    let path = paths::parse_crate(input, &name)?;
                    arguments.wsk.replace(path).is_some()
                }
                _ => {
                    return Err(Error::new(span, "expected `of_socket` or `crate = path`"));
                }
            };
            if repeated {
                return Err(Error::new(span, "this argument was given before"));
            }
        }
        Ok(arguments)
    }
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    const EXAMPLE: &str =
        "a table is a struct with a field for each slot: `WskBind: fn(socket: PWSK_SOCKET, …)`";
    let mut errors = Errors::default();
    let arguments = errors.take(syn::parse2::<Arguments>(arguments));
    let given = arguments.as_ref().and_then(|arguments| arguments.wsk.as_ref());
    let wsk = errors.take(paths::wsk(given));
    let item: ItemStruct = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => {
            errors.add(Error::new(error.span(), EXAMPLE));
            return errors.finish().map(|()| TokenStream::new());
        }
    };
    let of_socket = arguments.as_ref().is_some_and(|arguments| arguments.of_socket);
    let mut slots = Vec::new();
    check_attributes(&item.attrs, &mut errors);
    match &item.fields {
        Fields::Named(fields) => {
            if !item.generics.params.is_empty() {
                errors.at(&item.generics.params, "a table has no generics: it is one type of C's");
            }
            if let Some(clause) = &item.generics.where_clause {
                errors.at(clause, "a table has no generics, and so no `where` clause");
            }
            for field in &fields.named {
                slots.extend(Slot::read(field, of_socket, &mut errors));
            }
            if let Some(slot) =
                slots.iter().skip(1).find(|slot| matches!(slot.kind, SlotKind::Table(_)))
            {
                errors.at(&slot.name, "a table begins with `Basic`, or does not have it");
            }
            check_methods(&slots, of_socket, &mut errors);
        }
        _ => errors.at(&item.ident, EXAMPLE),
    }
    errors.finish()?;
    match (arguments, wsk) {
        (Some(Arguments { table, .. }), Some(wsk)) => {
            Ok(Wrapper { wsk, item: &item, table: &table, of_socket, slots }.expand())
        }
        // Their errors were returned.
        _ => Ok(TokenStream::new()),
    }
}

/// Refuses attributes that make the same as this one.
fn check_attributes(attributes: &[Attribute], errors: &mut Errors) {
    for attribute in attributes {
        if is_named(attribute, "provider_table") {
            errors.at(attribute, "`#[provider_table]` was given before: remove one");
        } else if attribute.path().is_ident("derive") {
            let parse = Punctuated::<Path, Token![,]>::parse_terminated;
            for derived in attribute.parse_args_with(parse).unwrap_or_default() {
                let name = derived.segments.last().map(|last| last.ident.to_string());
                if matches!(name.as_deref(), Some("Clone" | "Copy" | "Debug")) {
                    errors
                        .at(derived, "a table is `Clone`, `Copy` and `Debug` already: remove this");
                }
            }
        }
    }
}

/// Refuses slots whose methods have a name that another method has.
fn check_methods(slots: &[Slot], of_socket: bool, errors: &mut Errors) {
    let own: &[&str] = if of_socket { &["of", "socket"] } else { &["from_raw"] };
    let is_method = |slot: &&Slot| {
        !matches!(slot.kind, SlotKind::Table(_) | SlotKind::Value { is_reserved: true, .. })
    };
    let mut methods: Vec<(String, &Slot)> = Vec::new();
    for slot in slots.iter().filter(is_method) {
        let Some(method) = method_name(&slot.name) else { continue };
        let method = method.unraw().to_string();
        if own.contains(&method.as_str()) {
            errors.at(&slot.name, format!("every table has a method `{method}` of its own: rename the field of the table's type"));
        }
        // Only one of two slots with conditions may exist.
        let is_same = |other: &&(String, &Slot)| other.0 == method && other.1.conditions.is_empty();
        if let Some((_, other)) = methods.iter().find(is_same) {
            if slot.conditions.is_empty() {
                errors.at(
                    &slot.name,
                    format!("`{method}` is the method of `{}` already", other.name),
                );
            }
        }
        methods.push((method, slot));
    }
}
