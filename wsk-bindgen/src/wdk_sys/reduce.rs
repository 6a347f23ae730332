//! The types of wdk-sys that wsk-sys names: with members where it uses them, and opaque elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{Fields, FieldsNamed, FnArg, GenericArgument, PathArguments, ReturnType, Type};

use super::source::{TypeDefinition, WdkSysItems};

/// Unions of which only one variant is kept; the other variants are for other clients.
const ONE_VARIANT: [(&str, &str); 2] = [
    ("_DISPATCHER_HEADER__bindgen_ty_1", "__bindgen_anon_1"),
    ("_IO_STACK_LOCATION__bindgen_ty_1", "Others"),
];

pub(super) struct Reduction<'a> {
    source: &'a WdkSysItems,
    /// Types with their members.
    whole: BTreeMap<String, TokenStream>,
    aliases: BTreeMap<String, TokenStream>,
    /// Types that occur behind pointers only.
    opaque: BTreeSet<String>,
    functions: BTreeMap<String, TokenStream>,
}

impl<'a> Reduction<'a> {
    pub(super) fn new(source: &'a WdkSysItems) -> Self {
        Self {
            source,
            whole: BTreeMap::new(),
            aliases: BTreeMap::new(),
            opaque: BTreeSet::new(),
            functions: BTreeMap::new(),
        }
    }

    /// Adds a type whose name is needed.
    pub(super) fn name(&mut self, name: &str) -> Result<()> {
        if let TypeDefinition::Alias(alias) = self.source.definition(name)? {
            if !self.aliases.contains_key(name) {
                let (ident, ty) = (&alias.ident, &alias.ty);
                self.aliases.insert(name.to_owned(), quote! { pub type #ident = #ty; });
                self.mentioned(ty, false)?;
            }
        } else {
            self.opaque.insert(name.to_owned());
        }
        Ok(())
    }

    /// Adds a type whose members are needed.
    pub(super) fn whole(&mut self, name: &str) -> Result<()> {
        if self.whole.contains_key(name) {
            return Ok(());
        }
        let kind = match self.source.definition(name)? {
            TypeDefinition::Alias(alias) => {
                self.name(name)?;
                return self.mentioned(&alias.ty, true);
            }
            TypeDefinition::Structure(_) => quote! { struct },
            TypeDefinition::Union(_) => quote! { union },
        };
        // Before its members, which may point to it.
        self.whole.insert(name.to_owned(), TokenStream::new());
        let (attributes, fields) = match self.source.definition(name)? {
            TypeDefinition::Structure(item) => (&item.attrs, named(&item.fields, name)?),
            TypeDefinition::Union(item) => (&item.attrs, &item.fields),
            TypeDefinition::Alias(_) => unreachable!("handled above"),
        };
        let kept =
            ONE_VARIANT.iter().find(|(union, _)| *union == name).map(|(_, variant)| *variant);
        let mut members = TokenStream::new();
        for field in &fields.named {
            let ident = field.ident.as_ref().context("a member without a name")?;
            if kept.is_none_or(|kept| ident == kept) {
                let ty = &field.ty;
                members.extend(quote! { pub #ident: #ty, });
                self.mentioned(ty, true).with_context(|| format!("{name}.{ident}"))?;
            }
        }
        let (size, align) = self.source.layout(name)?;
        if kept.is_some() {
            let unit = match align {
                1 => quote! { u8 },
                2 => quote! { u16 },
                4 => quote! { u32 },
                8 => quote! { u64 },
                _ => bail!("{name} is aligned to {align} bytes"),
            };
            let count = Literal::u64_unsuffixed(size / align);
            members.extend(quote! { pub left_out: [#unit; #count], });
        }
        let (size, align) = (Literal::u64_unsuffixed(size), Literal::u64_unsuffixed(align));
        let ident = format_ident!("{name}");
        let tokens = quote! {
            #(#attributes)*
            pub #kind #ident { #members }
            const _: () = assert!(size_of::<#ident>() == #size && align_of::<#ident>() == #align);
        };
        self.whole.insert(name.to_owned(), tokens);
        Ok(())
    }

    pub(super) fn function(&mut self, name: &str) -> Result<()> {
        let function = &self.source.functions[name];
        let signature = &function.sig;
        for input in &signature.inputs {
            if let FnArg::Typed(input) = input {
                self.mentioned(&input.ty, false)?;
            }
        }
        if let ReturnType::Type(_, ty) = &signature.output {
            self.mentioned(ty, false)?;
        }
        self.functions.insert(name.to_owned(), quote! { pub #signature; });
        Ok(())
    }

    /// Adds the types inside a type, with their members if they are `part` of it.
    fn mentioned(&mut self, ty: &Type, part: bool) -> Result<()> {
        match ty {
            Type::Ptr(pointer) => self.mentioned(&pointer.elem, false),
            Type::Array(array) => self.mentioned(&array.elem, part),
            Type::FnPtr(function) => {
                for input in &function.inputs {
                    self.mentioned(&input.ty, false)?;
                }
                match &function.output {
                    ReturnType::Type(_, ty) => self.mentioned(ty, false),
                    ReturnType::Default => Ok(()),
                }
            }
            Type::Never(_) => Ok(()),
            Type::Path(path) => {
                let segments = &path.path.segments;
                let Some(last) = segments.last() else { return Ok(()) };
                if let PathArguments::AngleBracketed(arguments) = &last.arguments {
                    for argument in &arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            self.mentioned(ty, false)?;
                        }
                    }
                    return Ok(());
                }
                let name =
                    segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>().join("::");
                if !self.source.has_type(&name) {
                    // A primitive, or core's `c_void`.
                    return Ok(());
                }
                if part { self.whole(&name) } else { self.name(&name) }
            }
            _ => bail!("wdk-sys has a type that this cannot follow: {}", quote!(#ty)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.whole.len() + self.aliases.len()
    }

    pub(super) fn types(&self, release: &str) -> Result<String> {
        let mut tokens = TokenStream::new();
        for alias in self.aliases.values().chain(self.whole.values()) {
            tokens.extend(alias.clone());
        }
        for name in self.opaque.iter().filter(|name| !self.whole.contains_key(*name)) {
            let ident = format_ident!("{name}");
            tokens.extend(quote! {
                #[repr(C)]
                #[derive(Debug)]
                pub struct #ident { _unused: [u8; 0] }
            });
        }
        print(&tokens, release)
    }

    pub(super) fn functions(&self, names: &[&String], release: &str) -> Result<String> {
        let functions = self.functions.values();
        let names = names.iter().map(|name| format_ident!("{name}"));
        print(
            &quote! {
                use crate::*;
                unsafe extern "C" { #(#functions)* }
                /// Passes the names of this module's functions to another macro.
                #[macro_export]
                macro_rules! functions {
                    ($then:ident) => { $then! { #(#names)* } };
                }
            },
            release,
        )
    }
}

fn named<'a>(fields: &'a Fields, name: &str) -> Result<&'a FieldsNamed> {
    match fields {
        Fields::Named(fields) => Ok(fields),
        _ => bail!("{name} has members without names"),
    }
}

fn print(tokens: &TokenStream, release: &str) -> Result<String> {
    let file: syn::File = syn::parse2(tokens.clone()).context("the output is not Rust")?;
    Ok(format!(
        "// @generated by `cargo xtask wdk-sys` from the bindings of wdk-sys for WDK {release}: names and layouts.\n\n{}",
        prettyplease::unparse(&file)
    ))
}
