//! The generated file with the first Windows of each item, for the crates above wsk-sys.

use anyhow::{Context, Result};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::GeneratedFile;
use super::bindings::{docs, print};
use super::bindings_config::BindingsConfig;
use crate::api_record::WindowsRelease;

pub(crate) fn file(config: &BindingsConfig) -> Result<GeneratedFile> {
    let history = config.history()?;
    let oldest = config.releases.oldest().context("headers/windows.toml has no release")?;
    let mut items = TokenStream::new();
    for (name, item) in config.items() {
        let windows = item.windows()?;
        if windows == oldest {
            continue;
        }
        let (ident, version) = (format_ident!("{name}"), version(windows));
        let docs = docs(&[format!("[`{name}`](crate::{name}): {}.", windows.name)]);
        items.extend(quote! { #docs pub const #ident: WindowsVersion = #version; });
    }
    let mut tables = TokenStream::new();
    for name in config.wsk.keys() {
        if !name.starts_with("WSK_PROVIDER_") || !name.ends_with("_DISPATCH") {
            continue;
        }
        let lengths = history.lengths(name)?;
        let mut said = Vec::new();
        let mut values = TokenStream::new();
        for length in &lengths {
            let bytes = Literal::u64_unsuffixed(length.bytes);
            let since = version(length.since);
            said.push(format!("{} bytes since {}", length.bytes, length.since.name));
            values.extend(quote! { TableLength { since: #since, bytes: #bytes }, });
        }
        let (ident, count) = (format_ident!("{name}"), Literal::usize_unsuffixed(lengths.len()));
        let docs = docs(&[format!("[`{name}`](crate::{name}): {}.", said.join(", "))]);
        tables.extend(quote! { #docs pub const #ident: [TableLength; #count] = [#values]; });
    }
    let source = "headers/records, headers/bindings.toml and headers/windows.toml";
    print(
        "since.rs",
        source,
        quote! {
            use crate::since::WindowsVersion;
            #items
            /// The lengths of the provider's tables in bytes, oldest first.
            pub mod lengths {
                use crate::since::{TableLength, WindowsVersion};
                #tables
            }
        },
    )
}

fn version(windows: &WindowsRelease) -> TokenStream {
    let [major, minor, build] = windows.version.map(Literal::u32_unsuffixed);
    quote! { WindowsVersion::new(#major, #minor, #build) }
}
