//! `#[provider_table]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Fields, Ident, ItemStruct, Path, Result, ReturnType, Token, Type};

struct Arguments {
    table: Path,
    of_socket: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let table = input.parse()?;
        let mut of_socket = false;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let option: Ident = input.parse()?;
            if option != "of_socket" {
                return Err(Error::new(option.span(), "expected `of_socket`"));
            }
            of_socket = true;
        }
        Ok(Self { table, of_socket })
    }
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let Arguments { table, of_socket } = syn::parse2(arguments)?;
    let item: ItemStruct = syn::parse2(item)?;
    let ItemStruct { attrs, vis, ident, fields, .. } = &item;
    let Fields::Named(fields) = fields else {
        return Err(Error::new(
            item.span(),
            "a table is a struct with a field for each slot: `WskBind: fn(socket: PWSK_SOCKET, …)`",
        ));
    };
    // Every mistake is reported, not only the first.
    let mut errors: Option<Error> = None;
    let mut methods = TokenStream::new();
    for field in &fields.named {
        match method(vis, field, &table, of_socket) {
            Ok(tokens) => methods.extend(tokens),
            Err(error) => match &mut errors {
                None => errors = Some(error),
                Some(errors) => errors.combine(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let constructor = if of_socket {
        quote! {
            /// The functions of a socket.
            ///
            /// # Safety
            ///
            /// The socket is of the category that the table belongs to (INV-38), and stays open while
            /// the result is used.
            #vis const unsafe fn of(socket: ::wsk_sys::PWSK_SOCKET) -> Self {
                Self(socket)
            }
        }
    } else {
        quote! {
            /// The functions of the table at an address.
            ///
            /// # Safety
            ///
            /// It is a table of this type, as long as the running system makes it, and stays valid while
            /// the result is used.
            #vis const unsafe fn from_raw(table: *const #table) -> Self {
                Self(table)
            }
        }
    };
    let held = if of_socket {
        quote! { ::wsk_sys::PWSK_SOCKET }
    } else {
        quote! { *const #table }
    };
    Ok(quote! {
        #(#attrs)*
        #[derive(Clone, Copy)]
        #vis struct #ident(#held);

        #[allow(dead_code, reason = "a table is declared in whole")]
        impl #ident {
            #constructor
            #methods
        }
    })
}

fn method(
    vis: &syn::Visibility,
    field: &syn::Field,
    table: &Path,
    of_socket: bool,
) -> Result<TokenStream> {
    let slot = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "a slot has a name"))?;
    let Type::FnPtr(function) = &field.ty else {
        return Err(Error::new(
            field.ty.span(),
            format!("the slot's function, such as `{slot}: fn(socket: PWSK_SOCKET, irp: PIRP)`"),
        ));
    };
    if let ReturnType::Type(_, ty) = &function.output {
        return Err(Error::new(
            ty.span(),
            "the functions of a table return an NTSTATUS: leave it out",
        ));
    }
    let mut parameters = Vec::new();
    let mut arguments = Vec::new();
    for (position, input) in function.inputs.iter().enumerate() {
        let Some((name, _)) = &input.name else {
            return Err(Error::new(input.span(), "the parameter's name, as in `irp: PIRP`"));
        };
        let mut reserved = false;
        for attribute in &input.attrs {
            if !attribute.path().is_ident("reserved") {
                return Err(Error::new(attribute.span(), "expected `#[reserved]`"));
            }
            reserved = true;
        }
        let ty = &input.ty;
        if reserved {
            // Reserved parameters are numbers, and zero.
            arguments.push(quote! { 0 });
        } else if of_socket && position == 0 {
            arguments.push(quote! { self.0 });
        } else {
            parameters.push(quote! { #name: #ty });
            arguments.push(quote! { #name });
        }
    }
    let attrs = &field.attrs;
    let method = method_name(slot);
    let summary = format!("Calls `{slot}`.");
    let find_table = if of_socket {
        quote! {
            // SAFETY: the socket is open, and begins with its table.
            let table = unsafe { (*self.0).Dispatch }.cast::<#table>();
        }
    } else {
        quote! { let table = self.0; }
    };
    // A wrong number of arguments is reported at the slot.
    let call = quote_spanned! { slot.span() => function(#(#arguments),*) };
    Ok(quote! {
        #(#attrs)*
        #[doc = #summary]
        ///
        /// # Safety
        ///
        /// - The running system's table has this slot.
        /// - The arguments are what the function's documentation asks for, and the IRQL is one that it
        ///   allows.
        #[allow(clippy::too_many_arguments, reason = "the function has as many")]
        #vis unsafe fn #method(self, #(#parameters),*) -> ::wsk_sys::NTSTATUS {
            #find_table
            // SAFETY: the caller promises a table with this slot.
            let slot = unsafe { &raw const (*table).#slot };
            // SAFETY: as above; nothing beyond the slot is read (INV-8).
            let function = unsafe { slot.read() };
            match function {
                // SAFETY: the caller's promise.
                Some(function) => unsafe { #call },
                None => ::wsk_sys::STATUS_NOT_IMPLEMENTED,
            }
        }
    })
}

/// `get_local_address` for `WskGetLocalAddress`.
fn method_name(slot: &Ident) -> Ident {
    let slot_name = slot.to_string();
    let mut name = String::new();
    for character in slot_name.strip_prefix("Wsk").unwrap_or(&slot_name).chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    format_ident!("{name}", span = slot.span())
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
        ] {
            assert_eq!(method_name(&format_ident!("{slot}")), method);
        }
    }
}
