//! The files that wdk-sys's build script writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Expr, ForeignItem, ForeignItemFn, Item, ItemStruct, ItemType, ItemUnion, Lit, Stmt, Type,
    parse_quote,
};

/// A type of wdk-sys.
pub(super) enum TypeDefinition {
    Structure(ItemStruct),
    Union(ItemUnion),
    Alias(ItemType),
}

/// The contents of wdk-sys.
pub(super) struct WdkSysItems {
    pub(super) types: BTreeMap<String, TypeDefinition>,
    pub(super) functions: BTreeMap<String, ForeignItemFn>,
    /// Sizes and alignments in bytes. bindgen asserts that C has the same.
    layouts: BTreeMap<String, (u64, u64)>,
}

impl WdkSysItems {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<syn::File> {
            let path = folder.join(name);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let mut file =
                syn::parse_file(&text).with_context(|| format!("{} is no Rust", path.display()))?;
            Primitives.visit_file_mut(&mut file);
            Ok(file)
        };
        let mut types = BTreeMap::new();
        let mut layouts = BTreeMap::new();
        let mut modules = BTreeSet::new();
        let mut uses = Vec::new();
        for item in read("types.rs")?.items {
            match item {
                Item::Struct(item) => {
                    types.insert(item.ident.to_string(), TypeDefinition::Structure(item));
                }
                Item::Union(item) => {
                    types.insert(item.ident.to_string(), TypeDefinition::Union(item));
                }
                Item::Type(item) => {
                    types.insert(item.ident.to_string(), TypeDefinition::Alias(item));
                }
                Item::Mod(item) => modules.extend(enumeration(&item, &mut types)),
                Item::Use(item) => uses.push(item.tree),
                Item::Const(item) => layout(&item.expr, &mut layouts),
                _ => {}
            }
        }
        for tree in &uses {
            renamed(tree, &mut types);
        }
        ensure!(!types.is_empty() && !modules.is_empty(), "{} has no types", folder.display());
        let mut functions = BTreeMap::new();
        for item in read("ntddk.rs")?.items {
            let Item::ForeignMod(block) = item else { continue };
            for item in block.items {
                if let ForeignItem::Fn(function) = item {
                    functions.insert(function.sig.ident.to_string(), function);
                }
            }
        }
        Ok(Self { types, functions, layouts })
    }

    pub(super) fn has_type(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    pub(super) fn definition(&self, name: &str) -> Result<&TypeDefinition> {
        self.types.get(name).with_context(|| format!("wdk-sys has no type {name}"))
    }

    pub(super) fn layout(&self, name: &str) -> Result<(u64, u64)> {
        self.layouts
            .get(name)
            .copied()
            .with_context(|| format!("wdk-sys asserts no layout of {name}"))
    }
}

/// An enumeration is a module with a type and its values. The type becomes `NAME::Type`.
fn enumeration(
    module: &syn::ItemMod,
    types: &mut BTreeMap<String, TypeDefinition>,
) -> Option<String> {
    let (_, items) = module.content.as_ref()?;
    let alias = items.iter().find_map(|item| match item {
        Item::Type(item) if item.ident == "Type" => Some(item.clone()),
        _ => None,
    })?;
    let name = module.ident.to_string();
    types.insert(format!("{name}::Type"), TypeDefinition::Alias(alias));
    Some(name)
}

/// `pub use self::_NAME::Type as NAME;`
fn renamed(tree: &syn::UseTree, types: &mut BTreeMap<String, TypeDefinition>) {
    if let syn::UseTree::Path(this) = tree
        && let syn::UseTree::Path(module) = &*this.tree
        && let syn::UseTree::Rename(rename) = &*module.tree
        && rename.ident == "Type"
        && let Some(TypeDefinition::Alias(alias)) = types.get(&format!("{}::Type", module.ident))
    {
        let (name, ty) = (&rename.rename, &alias.ty);
        let alias: ItemType = parse_quote! { pub type #name = #ty; };
        types.insert(name.to_string(), TypeDefinition::Alias(alias));
    }
}

/// `["Size of NAME"][size_of::<NAME>() - 8usize];`
fn layout(block: &Expr, layouts: &mut BTreeMap<String, (u64, u64)>) {
    let Expr::Block(block) = block else { return };
    for statement in &block.block.stmts {
        if let Stmt::Expr(Expr::Index(index), _) = statement
            && let Expr::Array(array) = &*index.expr
            && let Some(Expr::Lit(text)) = array.elems.first()
            && let Lit::Str(text) = &text.lit
            && let Expr::Binary(difference) = &*index.index
            && let Expr::Lit(number) = &*difference.right
            && let Lit::Int(number) = &number.lit
            && let Ok(number) = number.base10_parse()
        {
            let text = text.value();
            if let Some(name) = text.strip_prefix("Size of ") {
                layouts.entry(name.to_owned()).or_default().0 = number;
            } else if let Some(name) = text.strip_prefix("Alignment of ") {
                layouts.entry(name.to_owned()).or_default().1 = number;
            }
        }
    }
}

/// C's types on Windows, where a `long` has 32 bits.
struct Primitives;

impl VisitMut for Primitives {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(path) = &*ty else { return };
        let name = path.path.segments.last().map(|segment| segment.ident.to_string());
        *ty = match name.as_deref() {
            Some("c_char" | "c_schar") => parse_quote!(i8),
            Some("c_uchar") => parse_quote!(u8),
            Some("c_short") => parse_quote!(i16),
            Some("c_ushort") => parse_quote!(u16),
            Some("c_int" | "c_long") => parse_quote!(i32),
            Some("c_uint" | "c_ulong") => parse_quote!(u32),
            Some("c_longlong") => parse_quote!(i64),
            Some("c_ulonglong") => parse_quote!(u64),
            _ => return,
        };
    }
}
