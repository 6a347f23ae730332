//! The attributes of `wsk-host`, which documents them.

#![forbid(unsafe_code)]

mod export;

use proc_macro_crate::{Error as CrateError, FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, Expr, FnArg, Ident, ItemFn, Path, Result, ReturnType, Safety, Token, Type,
    Visibility,
};

/// Makes a function a test that runs on hosts. `wsk_host::test` documents it.
#[proc_macro_attribute]
pub fn test(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(arguments.into(), item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Exports a function of the emulated kernel. For `wsk-host` alone.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn export(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    export::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// The attribute's arguments.
#[derive(Default)]
struct Arguments {
    config: Option<Expr>,
    schedule: Option<Expr>,
    seeds: Option<Expr>,
    host: Option<Path>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const EXPECTED: &str =
            "expected `config = …`, `schedule = …`, `seeds = …` or `crate = path`";
        let mut arguments = Self::default();
        while !input.is_empty() {
            let span = input.span();
            let name = input.call(Ident::parse_any).map_err(|_| Error::new(span, EXPECTED))?;
            let is_known =
                ["config", "schedule", "seeds", "crate"].iter().any(|known| name == known);
            if !is_known || input.parse::<Token![=]>().is_err() {
                return Err(Error::new(span, EXPECTED));
            }
            let is_repeated = if name == "config" {
                arguments.config.replace(input.parse()?).is_some()
            } else if name == "schedule" {
                arguments.schedule.replace(input.parse()?).is_some()
            } else if name == "seeds" {
                arguments.seeds.replace(input.parse()?).is_some()
            } else {
                let path = input.call(Path::parse_mod_style).map_err(|error| {
                    let message =
                        "expected a path without quotation marks, as in `crate = support::wsk_host`";
                    Error::new(error.span(), message)
                })?;
                arguments.host.replace(path).is_some()
            };
            if is_repeated {
                return Err(Error::new(span, "this argument was given before"));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

/// The crate `wsk-host`: at `given`, or by the name in the user's `Cargo.toml`.
fn wsk_host(given: Option<&Path>) -> Result<TokenStream> {
    if let Some(path) = given {
        return Ok(quote!(#path));
    }
    match crate_name("wsk-host") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            Ok(quote!(::#name))
        }
        Err(CrateError::CrateNotFound { .. }) => Err(Error::new(
            Span::call_site(),
            "`wsk-host` is not a dependency of this crate: add it to `Cargo.toml`, or write where it is re-exported, \
             as in `crate = support::wsk_host`",
        )),
        // In `wsk-host` itself, and where another tool than Cargo builds.
        Ok(FoundCrate::Itself) | Err(_) => Ok(quote!(::wsk_host)),
    }
}

/// The errors of a test's attributes and signature.
fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    let mut errors: Option<Error> = None;
    let mut at = |tokens: &dyn quote::ToTokens, message: &str| {
        let error = Error::new_spanned(tokens, message);
        match &mut errors {
            None => errors = Some(error),
            Some(errors) => errors.combine(error),
        }
    };
    let makes_test = |attribute: &&Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident.unraw() == "test")
    };
    for attribute in function.attrs.iter().filter(makes_test) {
        at(attribute, "`#[wsk_host::test]` makes the test: remove the other attribute");
    }
    if let Some(token) = &signature.constness {
        at(token, "a test runs at run time: remove `const`");
    }
    match &signature.safety {
        Safety::Unsafe(token) => at(token, "a test is safe to call: remove `unsafe`"),
        Safety::Safe(token) => at(token, "remove `safe`"),
        Safety::Default => {}
    }
    if let Some(abi) = &signature.abi {
        at(abi, "a test is called by Rust: remove `extern`");
    }
    if !signature.generics.params.is_empty() {
        at(&signature.generics.params, "a test cannot be generic");
    }
    if let Some(clause) = &signature.generics.where_clause {
        at(clause, "a test cannot be generic: remove the `where` clause");
    }
    if let Some(dots) = &signature.variadic {
        at(dots, "a test takes the host, `host: wsk_host::Host`, or nothing");
    }
    let has_receiver = matches!(signature.inputs.first(), Some(FnArg::Receiver(_)));
    if has_receiver || signature.inputs.len() > 1 {
        at(&signature.inputs, "a test takes the host, `host: wsk_host::Host`, or nothing");
    }
    errors.map_or(Ok(()), Err)
}

/// Calls the test, and requires that it has succeeded.
fn require(wsk_host: &TokenStream, output: &ReturnType, call: &TokenStream) -> TokenStream {
    let ty = match output {
        ReturnType::Default => return quote!(#call;),
        ReturnType::Type(_, ty) => &**ty,
    };
    if matches!(ty, Type::Never(_)) {
        return quote!(#call);
    }
    // Another type is reported at itself.
    let span = Span::mixed_site().located_at(ty.span());
    let output = Ident::new("output", span);
    let wsk_host: TokenStream = (wsk_host.clone().into_iter())
        .map(|mut tree| {
            tree.set_span(tree.span().located_at(span));
            tree
        })
        .collect();
    let require = quote_spanned!(span => #wsk_host::testing::checked(#output).require(););
    quote! {
        use #wsk_host::testing::{ByDebug as _, ByDisplay as _};
        let #output = #call;
        #require
    }
}

fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = syn::parse2::<Arguments>(arguments);
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(
            error.span(),
            "a test is a function, such as `async fn echoes(host: Host) { … }`",
        )
    })?;
    let Arguments { config, schedule, seeds, host } = match (arguments, check(&function)) {
        (Ok(arguments), Ok(())) => arguments,
        (Err(mut error), Err(other)) => {
            error.combine(other);
            return Err(error);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let wsk_host = wsk_host(host.as_ref())?;
    let config = config.map_or_else(|| quote!(::core::default::Default::default()), |c| quote!(#c));
    let config = match schedule {
        None => config,
        Some(schedule) => quote!(#wsk_host::Config::schedule(#config, #schedule)),
    };
    let seeds = seeds.map_or_else(|| quote!(#wsk_host::testing::SEEDS), |s| quote!(#s));
    let signature = &function.sig;
    let name = &signature.ident;
    let (attributes, visibility) = (&function.attrs, &function.vis);
    // No name of the user's, such as that of the test.
    let host = Ident::new("host", Span::mixed_site());
    // A parameter of another type is reported at itself.
    let given = signature.inputs.iter().map(|input| {
        let span = match input {
            FnArg::Typed(input) => input.ty.span(),
            FnArg::Receiver(receiver) => receiver.span(),
        };
        Ident::new("host", Span::mixed_site().located_at(span))
    });
    let call = quote!(#name(#(#given)*));
    let call = if signature.asyncness.is_some() {
        quote!(#wsk_host::testing::block_on(#call))
    } else {
        call
    };
    let require = require(&wsk_host, &signature.output, &call);
    let mut body = function.clone();
    body.attrs.clear();
    body.vis = Visibility::Inherited;
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        #visibility fn #name() {
            #body
            #wsk_host::testing::run(#config, #seeds, |#host| {
                let _ = &#host;
                #require
            });
        }
    })
}
