//! bindgen's output by name: with the names that C programs use, and its assertions as numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use indexmap::IndexMap;
use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ForeignItem, Item, Lit, Meta, Stmt, Token, Type};

use super::bindings_config::BindingsConfig;

/// The advice for an item that the bindings cannot have.
pub(crate) const BY_HAND: &str =
    "write it by hand in wsk-sys, and set `by_hand` for it in headers/bindings.toml";

/// The definitions of the headers.
#[derive(Default)]
pub(crate) struct Catalogue {
    pub(crate) structs: IndexMap<String, syn::ItemStruct>,
    pub(crate) unions: IndexMap<String, syn::ItemUnion>,
    pub(crate) aliases: IndexMap<String, syn::ItemType>,
    /// Enumerators: constants that bindgen creates.
    pub(crate) constants: IndexMap<String, syn::ItemConst>,
    pub(crate) functions: IndexMap<String, syn::ForeignItemFn>,
    pub(crate) statics: IndexMap<String, syn::ForeignItemStatic>,
    /// The constants of the generator's own wrapper.
    pub(crate) numbers: BTreeMap<String, u64>,
    pub(crate) layouts: BTreeMap<String, TypeLayout>,
}

/// The offsets of the fields of a structure or union, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeLayout {
    pub(crate) size: u64,
    pub(crate) align: u64,
    pub(crate) offsets: Vec<(String, u64)>,
}

impl Catalogue {
    pub(crate) fn new(items: Vec<Item>, config: &BindingsConfig) -> Result<Self> {
        let mut names = RustNames::new(config);
        let mut catalogue = Self::default();
        for mut item in items {
            if let Item::Const(constant) = &item
                && constant.ident == "_"
            {
                catalogue.read_assertions(&constant.expr, &names)?;
                continue;
            }
            names.visit_item_mut(&mut item);
            catalogue.insert(item, config)?;
        }
        Ok(catalogue)
    }

    fn insert(&mut self, item: Item, config: &BindingsConfig) -> Result<()> {
        let is_by_hand =
            |name: &str| config.items().any(|(item, entry)| item == name && entry.by_hand);
        match item {
            Item::Struct(item) if is_bindgens(&item.ident) => {}
            Item::Struct(item) => drop(self.structs.insert(item.ident.to_string(), item)),
            Item::Union(item) => drop(self.unions.insert(item.ident.to_string(), item)),
            Item::Type(item) => {
                let name = item.ident.to_string();
                if !is_by_hand(&name) {
                    no_attributes(&name, &item.attrs)?;
                }
                // `typedef struct _X { … } X` became `type X = X`.
                if last_segment(&item.ty).as_deref() != Some(&name) {
                    self.aliases.insert(name, item);
                }
            }
            Item::Const(item) => {
                let name = item.ident.to_string();
                if name.starts_with("WSK_SYS_") {
                    self.numbers.insert(name, number(&item.expr)?);
                } else {
                    self.constants.insert(name, item);
                }
            }
            Item::ForeignMod(block) => {
                let abi = block.abi.name.as_ref().map(syn::LitStr::value);
                for item in block.items {
                    match item {
                        ForeignItem::Fn(item) => {
                            let name = item.sig.ident.to_string();
                            if !is_by_hand(&name) {
                                let abi = abi.as_deref().unwrap_or("C");
                                ensure!(
                                    abi == "C",
                                    "{name} has another calling convention than C, {abi}: {BY_HAND}"
                                );
                                no_attributes(&name, &item.attrs)?;
                            }
                            self.functions.insert(item.sig.ident.to_string(), item);
                        }
                        ForeignItem::Static(item) => {
                            self.statics.insert(item.ident.to_string(), item);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// bindgen writes its assertions as `["Size of X"][size_of::<X>() - 8usize]`.
    fn read_assertions(&mut self, block: &Expr, names: &RustNames) -> Result<()> {
        let Expr::Block(block) = block else {
            return Ok(());
        };
        for statement in &block.block.stmts {
            let Stmt::Expr(Expr::Index(index), _) = statement else {
                continue;
            };
            let (Expr::Array(text), Expr::Binary(difference)) = (&*index.expr, &*index.index)
            else {
                continue;
            };
            let Some(Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. })) = text.elems.first()
            else {
                continue;
            };
            let value = number(&difference.right)?;
            let text = text.value();
            if let Some(name) = text.strip_prefix("Size of ") {
                self.layouts.entry(names.rename(name)).or_default().size = value;
            } else if let Some(name) = text.strip_prefix("Alignment of ") {
                self.layouts.entry(names.rename(name)).or_default().align = value;
            } else if let Some((name, field)) =
                text.strip_prefix("Offset of field: ").and_then(|text| text.split_once("::"))
            {
                let layout = self.layouts.entry(names.rename(name)).or_default();
                layout.offsets.push((rename_field(field), value));
            }
        }
        Ok(())
    }

    /// Replaces typedefs that the bindings omit by their types.
    pub(crate) fn resolve(&self, ty: &mut Type, kept: &BTreeSet<&str>) {
        struct Resolve<'a>(&'a Catalogue, &'a BTreeSet<&'a str>);
        impl VisitMut for Resolve<'_> {
            fn visit_type_mut(&mut self, ty: &mut Type) {
                while let Some(name) = last_segment(ty) {
                    let Some(alias) = self.0.aliases.get(&name) else {
                        break;
                    };
                    if self.1.contains(name.as_str()) {
                        break;
                    }
                    *ty = (*alias.ty).clone();
                }
                visit_mut::visit_type_mut(self, ty);
            }
        }
        Resolve(self, kept).visit_type_mut(ty);
    }
}

/// Helper types of bindgen's output, such as the type of bit-fields.
fn is_bindgens(name: &syn::Ident) -> bool {
    let name = name.to_string();
    name.starts_with("__Bindgen") || name.starts_with("__IncompleteArray")
}

/// Attributes change the meaning of an item: `link_name` names a function outside `extern "C"`.
fn no_attributes(name: &str, attributes: &[Attribute]) -> Result<()> {
    let unknown = attributes.iter().find(|it| !it.path().is_ident("doc"));
    match unknown {
        None => Ok(()),
        Some(unknown) => bail!(
            "bindgen gives {name} `{}`, which the bindings do not carry: {BY_HAND}",
            unknown.to_token_stream().to_string().replace(' ', "")
        ),
    }
}

/// The attributes of a structure or union that determine its layout, as one `repr`, and those of its use.
pub(crate) fn attributes(attributes: &[Attribute]) -> Result<TokenStream> {
    let mut representations: Vec<Meta> = Vec::new();
    let mut others = TokenStream::new();
    for attribute in attributes {
        if attribute.path().is_ident("repr") {
            let list =
                attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            representations.extend(list);
        } else if attribute.path().is_ident("must_use") {
            attribute.to_tokens(&mut others);
        } else if !attribute.path().is_ident("derive") && !attribute.path().is_ident("doc") {
            bail!("bindgen gives it `{}`, which regen does not know", attribute.to_token_stream());
        }
    }
    let has = |name| representations.iter().any(|it| it.path().is_ident(name));
    ensure!(has("C"), "bindgen gives it no `repr(C)`");
    ensure!(
        !has("packed") || !has("align"),
        "it is both packed and aligned, which Rust cannot express: {BY_HAND}"
    );
    let unknown = representations
        .iter()
        .find(|it| !["C", "packed", "align"].iter().any(|name| it.path().is_ident(name)));
    if let Some(unknown) = unknown {
        bail!("bindgen gives it `repr({})`, which regen does not know", unknown.to_token_stream());
    }
    Ok(quote! { #[repr(#(#representations),*)] #others })
}

/// The C declaration that one of bindgen's own fields replaces, because Rust cannot express it.
pub(crate) fn replaced_declaration(field: &str) -> Option<&'static str> {
    [
        ("__bindgen_padding_", "padding, of a member with an alignment of its own"),
        ("_bindgen_opaque_blob", "a layout that Rust's fields cannot have"),
        ("_bindgen_align", "an alignment of bit-fields"),
        ("_bitfield_", "bit-fields"),
        ("_address", "a structure without members, of one byte in C++"),
        ("_unused", "no members in the headers, which only declare it"),
    ]
    .into_iter()
    .find_map(|(prefix, what)| field.starts_with(prefix).then_some(what))
}

/// The value of a literal.
fn number(expr: &Expr) -> Result<u64> {
    let Expr::Lit(syn::ExprLit { lit: Lit::Int(literal), .. }) = expr else {
        anyhow::bail!("bindgen wrote a constant that is not a number")
    };
    literal.base10_parse().context("bindgen wrote a number that does not fit")
}

/// The last segment of a path type: the name of a type that C declares.
pub(crate) fn last_segment(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last()?;
    segment.arguments.is_none().then(|| segment.ident.to_string())
}

/// Maps bindgen's names to those of the bindings.
struct RustNames {
    by_tag: BTreeMap<String, String>,
}

impl RustNames {
    fn new(config: &BindingsConfig) -> Self {
        let by_tag = config.items().map(|(name, item)| (item.tag(name), name.clone())).collect();
        Self { by_tag }
    }

    /// `_WSK_BUF` is `WSK_BUF`; its unnamed members' types are `WSK_BUF_0`, `WSK_BUF_0_1`, …
    fn rename(&self, name: &str) -> String {
        let mut parts = name.split("__bindgen_ty_");
        let tag = parts.next().unwrap_or(name);
        let mut renamed = self.by_tag.get(tag).cloned().unwrap_or_else(|| {
            // The tag of a structure that `bindings.toml` does not list, such as `_DEVICE_OBJECT`.
            let typedef = tag.strip_prefix('_');
            typedef.filter(|name| name.starts_with(char::is_uppercase)).unwrap_or(tag).to_owned()
        });
        for part in parts {
            let index = part.parse::<u32>().map_or(0, |one_based| one_based - 1);
            let _ = write!(renamed, "_{index}");
        }
        renamed
    }
}

/// `__bindgen_anon_1` is the first, and in `bindings.toml` the only, unnamed member.
fn rename_field(name: &str) -> String {
    match name.strip_prefix("__bindgen_anon_") {
        Some("1") => "Anonymous".to_owned(),
        Some(index) => format!("Anonymous{index}"),
        None => name.to_owned(),
    }
}

impl VisitMut for RustNames {
    fn visit_ident_mut(&mut self, ident: &mut syn::Ident) {
        let name = ident.to_string();
        let renamed = rename_field(&self.rename(&name));
        if renamed != name {
            *ident = syn::Ident::new(&renamed, ident.span());
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty {
            // A union's fields are all `Copy`, which bindgen cannot see of types that it was not
            // asked to generate.
            let last = path.path.segments.last();
            if let Some(inner) = last.filter(|s| s.ident == "ManuallyDrop").and_then(only_argument)
            {
                *ty = inner.clone();
            }
        }
        if let Type::Path(path) = ty
            && path.path.segments.last().is_some_and(|segment| segment.ident == "Option")
        {
            path.path.leading_colon = None;
            path.path.segments = path.path.segments.iter().last().cloned().into_iter().collect();
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_lit_int_mut(&mut self, literal: &mut syn::LitInt) {
        *literal = syn::LitInt::new(literal.base10_digits(), literal.span());
    }
}

fn only_argument(segment: &syn::PathSegment) -> Option<&Type> {
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}
