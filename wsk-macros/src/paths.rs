//! Where the code that a macro writes finds this project's crates.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

/// The crate `wsk`, as its user calls it. Inside of it, it calls itself so, too.
pub(crate) fn wsk() -> TokenStream {
    match crate_name("wsk") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        // If it is not a dependency, the compiler says so.
        Ok(FoundCrate::Itself) | Err(_) => quote!(::wsk),
    }
}
