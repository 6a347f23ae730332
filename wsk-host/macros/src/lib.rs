//! The test attribute of wsk-host, where it is documented.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::{Error, Expr, ItemFn, MetaNameValue, Token, punctuated::Punctuated};

/// Makes a function a test that runs on hosts; see `wsk_host::test`.
#[proc_macro_attribute]
pub fn test(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(arguments.into(), item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let arguments = Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(arguments)?;
    let mut config: Option<Expr> = None;
    let mut seeds: Option<Expr> = None;
    for MetaNameValue { path, value, .. } in arguments {
        let place = match path.get_ident().map(ToString::to_string).as_deref() {
            Some("config") => &mut config,
            Some("seeds") => &mut seeds,
            _ => return Err(Error::new_spanned(path, "write `config = …` or `seeds = …`")),
        };
        if place.replace(value).is_some() {
            return Err(Error::new_spanned(path, "this was given before"));
        }
    }
    let config = config.map_or_else(|| quote!(::core::default::Default::default()), |c| quote!(#c));
    let seeds = seeds.map_or_else(|| quote!(::wsk_host::testing::SEEDS), |s| quote!(#s));

    let function: ItemFn = syn::parse2(item)?;
    let signature = &function.sig;
    if let Some(generics) = signature.generics.params.first() {
        return Err(Error::new_spanned(generics, "a test cannot be generic"));
    }
    if signature.inputs.len() > 1 {
        return Err(Error::new_spanned(
            &signature.inputs,
            "a test takes the host, `host: wsk_host::Host`, or nothing",
        ));
    }
    let name = &signature.ident;
    let (attributes, visibility) = (&function.attrs, &function.vis);
    let call = if signature.inputs.is_empty() { quote!(#name()) } else { quote!(#name(host)) };
    let call = if signature.asyncness.is_some() {
        quote!(::wsk_host::testing::block_on(#call))
    } else {
        call
    };
    let mut body = function.clone();
    body.attrs.clear();
    body.vis = syn::Visibility::Inherited;
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        #visibility fn #name() {
            #body
            ::wsk_host::testing::run(#config, #seeds, |host| {
                let _ = &host;
                ::wsk_host::testing::Outcome::require(#call);
            });
        }
    })
}
