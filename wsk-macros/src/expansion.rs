//! The documentation shows the actual expansions; `UPDATE_EXPECT=1 cargo test` rewrites them.

use expect_test::expect_file;
use proc_macro2::TokenStream;
use quote::quote;

use crate::{events, provider_table};

fn formatted(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).expect("the expansion is Rust"))
}

#[test]
fn a_provider_table() {
    let arguments = quote!(EXAMPLE_DISPATCH);
    let item = quote! {
        /// Its functions.
        pub struct ExampleDispatch {
            ExamplePing: fn(context: PVOID, #[reserved] zero: ULONG, irp: PIRP),
        }
    };
    let expansion = provider_table::expand(arguments, item).expect("it is a table");
    expect_file!["../tests/expansion/provider_table.txt"].assert_eq(&formatted(expansion));
}

#[test]
fn events_of_a_connection() {
    let item = quote! {
        impl ConnectionEvents for Sink {
            fn receive(&self, _data: Data<'_>) -> Receipt {
                Receipt::All
            }
        }
    };
    let expansion = events::expand(TokenStream::new(), item).expect("they are events");
    expect_file!["../tests/expansion/events.txt"].assert_eq(&formatted(expansion));
}
