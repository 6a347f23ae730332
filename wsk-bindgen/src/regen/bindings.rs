//! From the catalogue to the generated files, in the order of `headers/bindings.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use indexmap::IndexMap;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{Fields, Ident, Type};
use xshell::{Shell, cmd};

use super::GeneratedFile;
use super::advice::Age;
use super::bindings_config::{BindingsConfig, ItemConfig};
use super::catalogue::{
    BY_HAND, Catalogue, TypeLayout, attributes, last_segment, replaced_declaration,
};
use super::check;
use super::clang::{self, Headers};
use super::since;
use crate::project;

/// The image that exports a module's functions, unless `bindings.toml` names another.
const NETIO: &str = "netio.sys";
const NTOSKRNL: &str = "ntoskrnl.exe";

pub(crate) fn files(
    headers: Headers,
    config: &BindingsConfig,
    age: Age<'_>,
) -> Result<Vec<GeneratedFile>> {
    let Headers { items, macros, declared } = headers;
    let catalogue = Catalogue::new(items, config)?;
    let writer = BindingsWriter::new(&catalogue, config);
    check::nothing_is_missing(&catalogue, &macros, &declared, config, age)?;
    check::tables_are_whole(&catalogue)?;
    check::everything_is_documented(&catalogue, &macros, &declared, &writer.kept, config, age)?;

    Ok(vec![
        writer.module("wsk.rs", "wsk.h", &config.wsk, NETIO)?,
        writer.module(
            "net.rs",
            "ws2def.h, ws2ipdef.h, mstcpip.h and netiodef.h",
            &config.net,
            NETIO,
        )?,
        writer.module("kernel.rs", "ntddk.h and ntstatus.h", &config.kernel, NTOSKRNL)?,
        writer.layouts("layout.rs")?,
        since::file(config)?,
    ])
}

struct BindingsWriter<'a> {
    catalogue: &'a Catalogue,
    config: &'a BindingsConfig,
    /// The pointer types of each type.
    pointers: BTreeMap<String, Vec<&'a str>>,
    /// The names of the bindings.
    kept: BTreeSet<&'a str>,
}

impl<'a> BindingsWriter<'a> {
    fn new(catalogue: &'a Catalogue, config: &'a BindingsConfig) -> Self {
        let mut kept: BTreeSet<&str> = config.items().map(|(name, _)| name.as_str()).collect();
        let mut pointers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (pointer, alias) in &catalogue.aliases {
            let Type::Ptr(target) = &*alias.ty else {
                continue;
            };
            let mut target = (*target.elem).clone();
            catalogue.resolve(&mut target, &kept);
            let Some(target) =
                last_segment(&target).filter(|target| kept.contains(target.as_str()))
            else {
                continue;
            };
            // From wsk.h, every pointer type; from other headers, only the one with the regular name.
            let by_rule = config.wsk.contains_key(&target) || *pointer == format!("P{target}");
            if by_rule && !kept.contains(pointer.as_str()) {
                pointers.entry(target).or_default().push(pointer);
            }
        }
        kept.extend(pointers.values().flatten());
        Self { catalogue, config, pointers, kept }
    }

    fn module(
        &self,
        name: &'static str,
        source: &str,
        items: &IndexMap<String, ItemConfig>,
        library: &str,
    ) -> Result<GeneratedFile> {
        let mut tokens = TokenStream::new();
        let mut libraries: IndexMap<&str, TokenStream> = IndexMap::new();
        for (name, item) in items {
            if item.by_hand {
                continue;
            }
            if let Some(function) = self.catalogue.functions.get(name) {
                let library = item.library.as_deref().unwrap_or(library);
                libraries.entry(library).or_default().extend(self.function(function, item)?);
            } else {
                tokens.extend(
                    self.definition(name, item).with_context(|| format!("cannot write {name}"))?,
                );
            }
            tokens.extend(self.pointers_to(name, item)?);
        }
        for (library, functions) in libraries {
            tokens.extend(quote! {
                #[cfg_attr(
                    all(windows, not(feature = "host")),
                    link(name = #library, kind = "raw-dylib", modifiers = "+verbatim")
                )]
                unsafe extern "C" { #functions }
            });
        }
        self.print(name, source, &tokens)
    }

    fn definition(&self, name: &str, item: &ItemConfig) -> Result<TokenStream> {
        let ident = format_ident!("{name}");
        let docs = docs(&item.doc_lines()?);
        if let Some(ty) = &item.constant_type {
            let value = self.number(clang::CONSTANT, name)?;
            let value = constant(value, ty).with_context(|| format!("{name} does not fit {ty}"))?;
            let ty = format_ident!("{ty}");
            return Ok(quote! { #docs pub const #ident: #ty = #value; });
        }
        if let Some(constant) = self.catalogue.constants.get(name) {
            // The bindings omit the type of an unnamed enumeration.
            let (ty, value) = (self.resolved(&constant.ty), &constant.expr);
            return Ok(quote! { #docs pub const #ident: #ty = #value; });
        }
        if let Some(definition) = self.catalogue.structs.get(name) {
            let fields = self.fields(name, &definition.fields, item)?;
            let derives = self.derives(name);
            let layout = self.layout(name)?;
            let attributes = attributes(&definition.attrs)?;
            return Ok(quote! { #docs #attributes #derives pub struct #ident { #fields } #layout });
        }
        if let Some(definition) = self.catalogue.unions.get(name) {
            let fields = self.fields(name, &Fields::Named(definition.fields.clone()), item)?;
            let layout = self.layout(name)?;
            let attributes = attributes(&definition.attrs)?;
            return Ok(quote! {
                #docs #attributes #[derive(Clone, Copy)] pub union #ident { #fields } #layout
            });
        }
        if let Some(alias) = self.catalogue.aliases.get(name) {
            let ty = self.resolved(&alias.ty);
            return Ok(quote! { #docs pub type #ident = #ty; });
        }
        bail!("the headers declare it in a form that the bindings cannot express: {BY_HAND}")
    }

    fn function(&self, function: &syn::ForeignItemFn, item: &ItemConfig) -> Result<TokenStream> {
        let docs = docs(&item.doc_lines()?);
        let mut signature = function.sig.clone();
        for input in &mut signature.inputs {
            if let syn::FnArg::Typed(input) = input {
                *input.ty = self.resolved(&input.ty);
            }
        }
        Ok(quote! { #docs pub #signature; })
    }

    /// `PNAME` and other pointer types, which need no entry of their own in `bindings.toml`.
    fn pointers_to(&self, name: &str, item: &ItemConfig) -> Result<TokenStream> {
        let mut tokens = TokenStream::new();
        for pointer in self.pointers.get(name).into_iter().flatten() {
            let ident = format_ident!("{pointer}");
            let ty = self.resolved(&self.catalogue.aliases[*pointer].ty);
            let docs = docs(&[format!("Pointer to [`{name}`]."), String::new(), item.facts()?]);
            tokens.extend(quote! { #docs pub type #ident = #ty; });
        }
        Ok(tokens)
    }

    fn resolved(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        self.catalogue.resolve(&mut ty, &self.kept);
        ty
    }

    fn fields(&self, structure: &str, fields: &Fields, item: &ItemConfig) -> Result<TokenStream> {
        let mut tokens = TokenStream::new();
        for field in fields {
            let name = field.ident.as_ref().map(Ident::to_string).unwrap_or_default();
            let ty = self.resolved(&field.ty);
            let text = self.field_doc(structure, &name, &field.ty, item)?;
            let ident = &field.ident;
            let docs = docs(&[text]);
            tokens.extend(quote! { #docs pub #ident: #ty, });
        }
        Ok(tokens)
    }

    /// The documentation of a field, from `bindings.toml`. A slot of a table has the documentation of its type.
    fn field_doc(
        &self,
        structure: &str,
        field: &str,
        ty: &Type,
        item: &ItemConfig,
    ) -> Result<String> {
        if let Some(what) = replaced_declaration(field) {
            bail!("it has {what}, which the bindings cannot express: {BY_HAND}");
        }
        if let Some(text) = item.fields.get(field) {
            return Ok(text.clone());
        }
        let function = last_segment(ty).filter(|ty| ty.starts_with("PFN_"));
        let Some(function) = function.filter(|ty| self.config.wsk.contains_key(ty)) else {
            bail!("headers/bindings.toml does not describe its field {field}")
        };
        let since = self.config.history()?.of_field(structure, field)?.with_context(|| {
            format!(
                "no record below headers/records has its field {field}, up to that of `release` in \
                 headers/bindings.toml: record the wsk.h that has it, with `cargo xtask surface --wdk DIR`"
            )
        })?;
        let mut text = format!("See [`{function}`].");
        if since != item.windows()? {
            let _ = write!(text, " Minimum Windows: {}.", since.name);
        }
        Ok(text)
    }

    /// The derives of a type. A union cannot be printed, and a registration block must not move.
    fn derives(&self, name: &str) -> TokenStream {
        if name == "WSK_REGISTRATION" {
            quote! { #[derive(Debug)] }
        } else if self.contains_union(name) {
            quote! { #[derive(Clone, Copy)] }
        } else {
            quote! { #[derive(Clone, Copy, Debug)] }
        }
    }

    fn contains_union(&self, name: &str) -> bool {
        self.catalogue.unions.contains_key(name)
            || self.catalogue.structs.get(name).is_some_and(|item| {
                item.fields
                    .iter()
                    .filter_map(|field| last_segment(&element(self.resolved(&field.ty))))
                    .any(|ty| self.contains_union(&ty))
            })
    }

    fn layout(&self, name: &str) -> Result<TokenStream> {
        let layout = self.catalogue.layouts.get(name).context("bindgen asserted no layout")?;
        Ok(assertions(name, layout, &quote! { core::mem::offset_of! }))
    }

    /// Assertions that the hand-written types of wsk-sys have the layout of the headers.
    fn layouts(&self, name: &'static str) -> Result<GeneratedFile> {
        let mut tokens = TokenStream::new();
        let mut scalars = TokenStream::new();
        for name in &self.config.layout.scalars {
            let ident = format_ident!("{name}");
            let size = Literal::u64_unsuffixed(self.number(clang::SIZE, name)?);
            scalars.extend(quote! { assert!(size_of::<#ident>() == #size); });
            scalars.extend(match self.number(clang::SIGN, name)? {
                0 => quote! { assert!(#ident::MIN == 0); },
                1 => quote! { assert!(#ident::MIN < 0); },
                _ => TokenStream::new(),
            });
        }
        tokens.extend(quote! { const _: () = { #scalars }; });
        for (name, fields) in &self.config.layout.structs {
            let mut layout = TypeLayout {
                size: self.number(clang::SIZE, name)?,
                align: self.number(clang::ALIGN, name)?,
                offsets: Vec::new(),
            };
            for (index, field) in fields.iter().enumerate() {
                let offset = self.number(clang::OFFSET, &format!("{name}_{index}"))?;
                layout.offsets.push((field.clone(), offset));
            }
            // The macro of `wsk_sys::fields`: these types may be those of wdk-sys.
            tokens.extend(assertions(name, &layout, &quote! { offset! }));
        }
        self.print(name, "ntdef.h, ntddk.h and ws2def.h", &tokens)
    }

    fn print(
        &self,
        name: &'static str,
        headers: &str,
        tokens: &TokenStream,
    ) -> Result<GeneratedFile> {
        let source = format!("{headers} of WDK {}, with bindgen 0.73", self.config.release);
        print(name, &source, quote! { use crate::*; #tokens })
    }

    fn number(&self, kind: &str, name: &str) -> Result<u64> {
        let number = self.catalogue.numbers.get(&format!("{kind}{name}")).copied();
        number.with_context(|| format!("clang did not evaluate {kind}{name}"))
    }
}

/// The type of an array's elements, or else the type itself.
fn element(mut ty: Type) -> Type {
    while let Type::Array(array) = ty {
        ty = *array.elem;
    }
    ty
}

fn assertions(name: &str, layout: &TypeLayout, offset_of: &TokenStream) -> TokenStream {
    let ident = format_ident!("{name}");
    let size = Literal::u64_unsuffixed(layout.size);
    let align = Literal::u64_unsuffixed(layout.align);
    let mut tokens = quote! {
        assert!(size_of::<#ident>() == #size);
        assert!(align_of::<#ident>() == #align);
    };
    for (field, offset) in &layout.offsets {
        let path = field.split('.').map(|part| format_ident!("{part}"));
        let offset = Literal::u64_unsuffixed(*offset);
        tokens.extend(quote! { assert!(#offset_of(#ident, #(#path).*) == #offset); });
    }
    quote! { const _: () = { #tokens }; }
}

/// The smallest `int`, as 64 bits.
const NEGATIVE_INT: u64 = 0xFFFF_FFFF_8000_0000;

/// A constant in the notation of the headers.
fn constant(value: u64, ty: &str) -> Option<TokenStream> {
    if ty == "NTSTATUS" {
        // The conversion to 64 bits has extended the sign.
        let bits = u32::try_from(value & u64::from(u32::MAX)).ok()?;
        let (high, low) = (bits >> 16, bits & 0xFFFF);
        let literal: Literal = format!("0x{high:04X}_{low:04X}_u32").parse().ok()?;
        return Some(quote! { #literal as NTSTATUS });
    }
    let limit = match ty {
        "CCHAR" | "KPROCESSOR_MODE" => 0x7F,
        "UCHAR" | "KIRQL" => 0xFF,
        "CSHORT" => 0x7FFF,
        "USHORT" | "ADDRESS_FAMILY" => 0xFFFF,
        "POOL_FLAGS" => u64::MAX,
        "ULONG" | "ACCESS_MASK" => 0xFFFF_FFFF,
        _ => 0x7FFF_FFFF,
    };
    let value = match ty {
        // The conversion has extended the sign, because C spells the bits of an option as a negative `int`.
        "ULONG" if value >= NEGATIVE_INT => value & limit,
        _ => value,
    };
    if value > limit {
        return None;
    }
    let literal: Literal = match value {
        0..10 => value.to_string(),
        _ if ty == "ADDRESS_FAMILY" => value.to_string(),
        10..=0xFFFF => format!("{value:#X}"),
        _ => format!("0x{:04X}_{:04X}", value >> 16, value & 0xFFFF),
    }
    .parse()
    .ok()?;
    Some(quote! { #literal })
}

pub(crate) fn docs(lines: &[String]) -> TokenStream {
    let lines =
        lines.iter().map(|line| if line.is_empty() { line.clone() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}

/// A file of these items, with a header that names their source.
pub(crate) fn print(
    name: &'static str,
    source: &str,
    tokens: TokenStream,
) -> Result<GeneratedFile> {
    let file: syn::File = syn::parse2(tokens).with_context(|| format!("{name} is not Rust"))?;
    let mut text = format!(
        "// @generated by `cargo xtask regen` from {source}.\n\
         // Do not edit: change headers/ or wsk-bindgen/src/regen, and run it again.\n"
    );
    for item in file.items {
        let item =
            syn::File { shebang: None, frontmatter: None, attrs: Vec::new(), items: vec![item] };
        text.push('\n');
        text.push_str(&prettyplease::unparse(&item));
    }
    Ok(GeneratedFile { name, text: rustfmt(&text)? })
}

/// Formats the text like `cargo fmt`, which must find nothing to change in the bindings.
fn rustfmt(text: &str) -> Result<String> {
    let shell = Shell::new()?;
    let config = project::root().join("rustfmt.toml");
    cmd!(shell, "rustfmt --edition 2024 --config-path {config} --emit stdout")
        .stdin(text)
        .quiet()
        .read()
        .map(|text| text + "\n")
        .context("rustfmt failed; if it is missing, run `rustup component add rustfmt`")
}
