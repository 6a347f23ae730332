//! `#[events]`.

mod checks;
mod traits;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, ImplItem, ItemImpl, Path, Result};

use self::checks::{check_impl, check_items};
use self::traits::{ATTRIBUTE, TRAIT_NAMES, TRAITS, Trait};
use crate::diagnostics::Errors;
use crate::paths;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let wsk = errors.take(paths::parse_only_crate(arguments, "events"));
    let wsk = wsk.and_then(|given| errors.take(paths::wsk(given.as_ref())));
    let item: ItemImpl = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => {
            errors.add(Error::new(
                error.span(),
                "`events` belongs on an implementation, such as `impl DatagramEvents for Tunnel { … }`",
            ));
            return Err(fail(errors));
        }
    };
    let found = errors.take(find_trait(&item));
    if let Some((_, found)) = found {
        check_impl(&item, &mut errors);
        check_items(&item, found, &mut errors);
    }
    errors.finish()?;
    match (wsk, found) {
        (Some(wsk), Some((path, found))) => {
            let span = path.segments.last().map_or_else(|| path.span(), |last| last.ident.span());
            Ok(implementation(&wsk, item, span, found))
        }
        _ => Ok(TokenStream::new()),
    }
}

/// The errors. There is at least one.
fn fail(errors: Errors) -> Error {
    let none = || Error::new(Span::call_site(), "`events` cannot read this");
    errors.finish().err().unwrap_or_else(none)
}

/// The trait that is implemented, by its name. The compiler checks that the path means `wsk`'s trait of this name:
/// no other has the associated type that is added.
fn find_trait(item: &ItemImpl) -> Result<(&Path, &'static Trait)> {
    let Some((path, _)) = &item.trait_ else {
        return Err(Error::new_spanned(
            &item.self_ty,
            format!(
                "write which events: `impl DatagramEvents for …`, where the trait is {TRAIT_NAMES}"
            ),
        ));
    };
    let name = path.segments.last().map(|last| last.ident.unraw());
    let found = TRAITS.iter().find(|found| name.as_ref().is_some_and(|name| name == found.name));
    let missing = || {
        let message = format!(
            "`{}` is not a trait of events: implement {TRAIT_NAMES}, by this name",
            path.to_token_stream().to_string().replace(' ', "")
        );
        Error::new_spanned(path, message)
    };
    found.map(|found| (path, found)).ok_or_else(missing)
}

/// The `#[cfg(…)]` among attributes.
fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

/// The implementation, with the set of its methods; and how it listens.
fn implementation(wsk: &TokenStream, mut item: ItemImpl, span: Span, found: &Trait) -> TokenStream {
    // Resolved where the macro is, shown where the trait is named.
    let span = Span::mixed_site().located_at(span);
    let mut steps = TokenStream::new();
    for inner in &item.items {
        let ImplItem::Fn(function) = inner else {
            continue;
        };
        let method = found.method(&function.sig.ident);
        if let Some(constant) = method.and_then(|method| method.constant) {
            let constant = format_ident!("{constant}", span = span);
            let conditions = conditions(&function.attrs);
            steps.extend(quote_spanned! { span =>
                #(#conditions)*
                let methods = methods | #wsk::events::methods::#constant;
            });
        }
    }
    let set = if steps.is_empty() {
        quote_spanned!(span => 0)
    } else {
        quote_spanned!(span => { let methods = 0; #steps methods })
    };
    let attribute = format_ident!("{ATTRIBUTE}", span = span);
    item.items.push(ImplItem::Verbatim(quote_spanned! { span =>
        type #attribute = #wsk::events::methods::Methods<#set>;
    }));
    let listens = found.listens.map(|way| {
        let way = format_ident!("{way}", span = span);
        let conditions = conditions(&item.attrs);
        let (generics, _, clauses) = item.generics.split_for_impl();
        let ty = &item.self_ty;
        quote_spanned! { span =>
            #(#conditions)*
            impl #generics #wsk::events::Listens for #ty #clauses {
                type By = #wsk::events::#way;
            }
        }
    });
    quote! { #item #listens }
}
