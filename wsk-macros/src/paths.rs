//! The path of the crate `wsk` in the code that a macro writes.

use proc_macro_crate::{Error as CrateError, FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Ident, Path, Result, Token};

/// The crate `wsk`: at `given`, from the argument `crate = path`, or by the name in the user's `Cargo.toml`.
///
/// # Errors
///
/// If the user's crate does not depend on `wsk`.
pub(crate) fn wsk(given: Option<&Path>) -> Result<TokenStream> {
    if let Some(path) = given {
        return Ok(path.to_token_stream());
    }
    match crate_name("wsk") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            Ok(quote!(::#name))
        }
        Err(CrateError::CrateNotFound { .. }) => Err(Error::new(
            Span::call_site(),
            "`wsk` is not a dependency of this crate: add it to `Cargo.toml`, or write where it is re-exported, as in \
             `crate = driver::wsk`",
        )),
        // In `wsk` itself, and where another tool than Cargo builds.
        Ok(FoundCrate::Itself) | Err(_) => Ok(quote!(::wsk)),
    }
}

/// The value of `crate = path`, after the name.
pub(crate) fn parse_crate(input: ParseStream<'_>, name: &Ident) -> Result<Path> {
    const EXPECTED: &str = "expected a path without quotation marks, as in `crate = driver::wsk`";
    if input.parse::<Token![=]>().is_err() {
        return Err(Error::new(name.span(), EXPECTED));
    }
    input.call(Path::parse_mod_style).map_err(|error| Error::new(error.span(), EXPECTED))
}

/// The arguments of an attribute that takes `crate = path` only.
pub(crate) fn parse_only_crate(arguments: TokenStream, attribute: &str) -> Result<Option<Path>> {
    let parse = |input: ParseStream<'_>| {
        let mut path = None;
        while !input.is_empty() {
            let span = input.span();
            let name = input.call(Ident::parse_any).ok().filter(|name| name == "crate");
            let Some(name) = name else {
                return Err(Error::new(
                    span,
                    format!("`{attribute}` takes one argument only, `crate = path`"),
                ));
            };
            let value = parse_crate(input, &name)?;
            if path.replace(value).is_some() {
                return Err(Error::new(name.span(), "`crate` was given before"));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(path)
    };
    parse.parse2(arguments)
}
