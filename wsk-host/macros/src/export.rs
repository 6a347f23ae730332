//! The attribute of the host's exports, for `wsk-host` alone.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Error, FnArg, Item, ItemFn, ItemStatic, LitStr, Result};

/// Exports a function or a static, and lists it for images. Without a name it is also linked under its own name.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let name: Option<LitStr> =
        if arguments.is_empty() { None } else { Some(syn::parse2(arguments)?) };
    match syn::parse2(item)? {
        Item::Fn(function) => expand_function(name, &function),
        Item::Static(variable) => Ok(expand_static(name, &variable)),
        other => Err(Error::new_spanned(other, "`export` is for functions and statics")),
    }
}

fn expand_function(name: Option<LitStr>, function: &ItemFn) -> Result<TokenStream> {
    let ident = &function.sig.ident;
    let mut arguments = Vec::new();
    for argument in &function.sig.inputs {
        match argument {
            FnArg::Typed(typed) => arguments.push(&typed.ty),
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(receiver, "C has no such argument"));
            }
        }
    }
    let abi = function.sig.abi.as_ref().map(|abi| abi.name.as_ref().map(LitStr::value));
    let target = match abi.flatten().as_deref() {
        Some("C") => quote! {
            function(
                #ident as *const (),
                const { &[#(<#arguments as crate::kernel::abi::Argument>::KIND),*] },
            )
        },
        _ => return Err(Error::new_spanned(&function.sig, "expected `extern \"C\"`")),
    };
    let target = quote!(crate::kernel::abi::ExportTarget::#target);
    Ok(listed(name, &ident.to_string(), &function.to_token_stream(), &target))
}

fn expand_static(name: Option<LitStr>, variable: &ItemStatic) -> TokenStream {
    let ident = &variable.ident;
    let target = quote!(crate::kernel::abi::ExportTarget::data((&raw const #ident).cast()));
    listed(name, &ident.to_string(), &variable.to_token_stream(), &target)
}

/// The item, and its entry in the list.
fn listed(
    name: Option<LitStr>,
    own: &str,
    item: &TokenStream,
    target: &TokenStream,
) -> TokenStream {
    let linked = name.is_none().then(|| quote!(#[unsafe(no_mangle)]));
    let name = name.map_or_else(|| own.to_owned(), |name| name.value());
    quote! {
        #linked
        #item

        #[cfg(images)]
        const _: () = {
            #[linkme::distributed_slice(crate::kernel::abi::EXPORTS)]
            static EXPORT: crate::kernel::abi::Export =
                crate::kernel::abi::Export::new(#name, #target);
        };
    }
}
