//! Checks that the audit driver has a line for every public function of wsk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_wsk::image::Image;
use proc_macro2::{TokenStream, TokenTree};
use syn::{ImplItem, Item, ReturnType, Type, TypeParamBound, Visibility};

use crate::project;

/// The traits whose functions a driver calls, if a type of wsk implements them without `derive`.
const TRAITS: [&str; 18] = [
    "AsRef",
    "ConnectedUdp",
    "Debug",
    "Deref",
    "DerefMut",
    "Display",
    "Dns",
    "Drop",
    "From",
    "Future",
    "GlobalAlloc",
    "IntoIterator",
    "Iterator",
    "TcpConnect",
    "TryFrom",
    "UdpStack",
    "UnconnectedUdp",
    "Write",
];

/// The public functions of wsk that an image does not export.
pub(super) fn missing(image: &Image) -> Result<Vec<String>> {
    let mut functions = Functions::default();
    functions.read(&project::root().join("wsk").join("src"))?;
    let exports = image.exports.keys().map(String::as_str).collect();
    Ok(functions.missing(&exports))
}

/// The functions that a driver can call.
#[derive(Default)]
struct Functions {
    /// The names that must be exported. A function outside a type has no module: `::usage`.
    names: BTreeSet<String>,
    /// Public types, and the ones that implement `Copy`.
    public: BTreeSet<String>,
    copied: BTreeSet<String>,
    /// Functions by their types. They only count if the type is public.
    of_types: BTreeSet<(String, String)>,
    /// Functions that release something, by their types. They only count if the type is not `Copy`.
    drops: BTreeSet<(String, String)>,
}

impl Functions {
    fn read(&mut self, folder: &Path) -> Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.read(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let file = syn::parse_file(&text)
                    .with_context(|| format!("cannot parse {}", path.display()))?;
                files.push((path, file.items));
            }
        }
        let for_hosts: BTreeSet<String> =
            files.iter().flat_map(|(_, items)| modules_for_hosts(items)).collect();
        for (path, items) in files {
            let module = path.file_stem().unwrap_or_default().to_string_lossy();
            if !for_hosts.contains(&*module) {
                self.items(&items);
            }
        }
        Ok(())
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(function) if is_public(&function.vis) && function.sig.abi.is_none() => {
                    let name = format!("::{}", exported(&function.sig));
                    self.names.insert(name);
                }
                Item::Struct(item) if is_public(&item.vis) => {
                    let name = item.ident.to_string();
                    // A type that borrows has nothing to release but the borrow, unless it implements `Drop`.
                    let borrows = item.generics.lifetimes().next().is_some();
                    if is_copy(&item.attrs) || is_table(&item.attrs) {
                        self.copied.insert(name.clone());
                    }
                    if !borrows && !has_nothing(&item.fields) {
                        self.drops.insert((name.clone(), format!("{name}::drop")));
                    }
                    self.public.insert(name);
                }
                Item::Type(item) if is_public(&item.vis) => {
                    self.public.insert(item.ident.to_string());
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    self.public.insert(item.ident.to_string());
                }
                Item::Impl(block) => self.block(block),
                Item::Macro(item) if item.mac.path.is_ident("macro_rules") => {
                    self.names.extend(written_by(item.mac.tokens.clone()));
                }
                Item::Mod(module) if is_public(&module.vis) => {
                    self.items(module.content.as_ref().map_or(&[], |(_, items)| items));
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, block: &syn::ItemImpl) {
        let of_trait = block.trait_.as_ref().and_then(|(path, _)| path.segments.last());
        let of_trait = of_trait.map(|segment| segment.ident.to_string());
        let Some(of_type) = type_name(&block.self_ty) else {
            return;
        };
        if of_trait.as_ref().is_some_and(|name| !TRAITS.contains(&name.as_str())) {
            if of_trait.is_some_and(|name| name == "Copy") {
                self.copied.insert(of_type);
            }
            return;
        }
        for item in &block.items {
            let ImplItem::Fn(function) = item else {
                continue;
            };
            let name = match &of_trait {
                Some(name) if function.sig.ident == "fmt" => format!("{of_type}::fmt<{name}>"),
                Some(_) => format!("{of_type}::{}", function.sig.ident),
                None if is_public(&function.vis) => {
                    format!("{of_type}::{}", exported(&function.sig))
                }
                None => continue,
            };
            self.of_types.insert((of_type.clone(), name));
        }
    }

    fn missing(&self, exports: &BTreeSet<&str>) -> Vec<String> {
        let of_types = self.of_types.iter().filter(|(of_type, _)| self.public.contains(of_type));
        let drops = self.drops.iter().filter(|(of_type, _)| !self.copied.contains(of_type));
        let names = self.names.iter().chain(of_types.chain(drops).map(|(_, name)| name));
        let missing = names.filter(|name| !exports.iter().any(|export| is_for(export, name)));
        let problem = |name: &String| {
            let name = name.trim_start_matches("::");
            format!(
                "`{name}` has no line in wsk/tests/audit-driver/src: its behavior in a driver is not audited"
            )
        };
        missing.map(problem).collect()
    }
}

/// The features with code for hosts, which is in no driver.
const HOST_FEATURES: [&str; 3] = ["std", "futures-io", "tokio"];

/// The modules in files of their own that exist with these features only.
fn modules_for_hosts(items: &[Item]) -> impl Iterator<Item = String> + '_ {
    let is_for_hosts = |attribute: &syn::Attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg")
            && !condition.starts_with("not")
            && HOST_FEATURES.iter().any(|name| condition.contains(&format!("\"{name}\"")))
    };
    items.iter().filter_map(move |item| match item {
        Item::Mod(module) if module.attrs.iter().any(is_for_hosts) => {
            Some(module.ident.to_string())
        }
        _ => None,
    })
}

/// Whether an export belongs to a function: its name is that of the function, with or without generic arguments.
fn is_for(export: &str, function: &str) -> bool {
    let (function, phase) = function.strip_suffix(".poll").map_or((function, ""), |f| (f, ".poll"));
    let Some(export) = export.strip_suffix(phase) else {
        return false;
    };
    let export =
        if function.contains('<') { export } else { export.split('<').next().unwrap_or_default() };
    match function.strip_prefix("::") {
        // In the crate's root or in a module.
        Some(name) => export == name || export.ends_with(function),
        // Types of one name are exported with their modules.
        None => export
            .strip_suffix(function)
            .is_some_and(|module| module.is_empty() || module.ends_with("::")),
    }
}

/// The name that a function is exported under. A function that returns a future is exported as its poll.
fn exported(signature: &syn::Signature) -> String {
    let is_future = |bound: &TypeParamBound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == "Future")
        }
        _ => false,
    };
    let polled = signature.asyncness.is_some()
        || matches!(&signature.output, ReturnType::Type(_, output)
            if matches!(&**output, Type::ImplTrait(output) if output.bounds.iter().any(is_future)));
    format!("{}{}", signature.ident, if polled { ".poll" } else { "" })
}

/// The public functions that a macro defines, for any type: `::bind.poll`. Excludes C functions, and functions whose
/// names are the macro's parameters.
fn written_by(tokens: TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    // The part of a function read so far: whether it is public, and whether it is `async`.
    let (mut is_public, mut is_async) = (false, false);
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let word = match token {
            TokenTree::Group(group) => {
                names.extend(written_by(group.stream()));
                String::new()
            }
            TokenTree::Ident(word) => word.to_string(),
            _ => String::new(),
        };
        match word.as_str() {
            "pub" => is_public = true,
            "const" | "unsafe" if is_public => {}
            "async" if is_public => is_async = true,
            "fn" if is_public => {
                if let Some(TokenTree::Ident(name)) = tokens.peek() {
                    names.push(format!("::{name}{}", if is_async { ".poll" } else { "" }));
                }
                (is_public, is_async) = (false, false);
            }
            _ => (is_public, is_async) = (false, false),
        }
    }
    names
}

/// Whether a structure has no fields, so that only its type matters.
fn has_nothing(fields: &syn::Fields) -> bool {
    fields.iter().all(|field| match &field.ty {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        other => type_name(other).is_some_and(|name| name == "PhantomData"),
    })
}

const fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_copy(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let mut found = false;
        // Text that cannot be parsed is not a list of names.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("Copy");
            Ok(())
        });
        found
    })
}

/// A provider table is a pointer; its macro makes it `Copy`.
fn is_table(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("provider_table"))
}

/// The name of a type, or of the target of a reference.
fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        pub struct Socket(Inner);
        struct Inner;
        #[derive(Clone, Copy)]
        pub struct Mask(u32);
        pub struct Borrowed<'a>(&'a u32);
        impl Socket {
            pub fn new() -> Self { todo!() }
            pub async fn send<B: Buffer>(&self, buffer: B) {}
            pub fn close(self) -> impl Future<Output = ()> { todo!() }
            fn private(&self) {}
            pub(crate) fn internal(&self) {}
        }
        impl fmt::Debug for Socket { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { todo!() } }
        impl Drop for Inner { fn drop(&mut self) {} }
        impl<'a> IntoIterator for &'a Mask { fn into_iter(self) -> Iter { todo!() } }
        pub fn usage() {}
        fn helper() {}
        pub mod has { pub fn more() {} }
        mod hidden { pub fn sealed() {} }
        pub struct Unbound(());
        pub struct Constant<T>(u32, PhantomData<T>);
        impl<T> Copy for Constant<T> {}
        macro_rules! shared {
            ($name:ident) => {
                impl $name {
                    pub async fn bind(self) {}
                    pub const unsafe fn raw(&self) {}
                    pub(crate) fn within(&self) {}
                    fn alone(&self) {}
                    pub unsafe extern \"C\" fn of_c() {}
                    pub fn $name(&self) {}
                }
            };
        }
    ";

    #[test]
    fn code_for_hosts_is_not_asked_for() {
        let source = "
            #[cfg(feature = \"std\")]
            mod std_error;
            #[cfg(any(feature = \"futures-io\", feature = \"tokio\"))]
            mod compat;
            #[cfg(not(feature = \"std\"))]
            mod own;
            #[cfg(feature = \"embedded-nal-async\")]
            mod embedded;
            mod net;
        ";
        let items = syn::parse_file(source).unwrap().items;
        let modules: Vec<String> = modules_for_hosts(&items).collect();
        assert_eq!(modules, ["std_error", "compat"]);
    }

    #[test]
    fn exactly_the_public_functions_are_required() {
        let mut functions = Functions::default();
        functions.items(&syn::parse_file(SOURCE).unwrap().items);
        let all = [
            "Mask::into_iter",
            "Socket::close.poll",
            "Socket::drop",
            "Socket::fmt<Debug>",
            "Socket::new",
            "Socket::send<Slice>.poll",
            "Socket::bind<Listen>.poll",
            "Constant::raw",
            "has::more",
            "pool::usage",
        ];
        assert_eq!(functions.missing(&BTreeSet::from(all)), [""; 0]);
        for missing in all {
            let rest = all.into_iter().filter(|name| *name != missing).collect();
            assert_eq!(functions.missing(&rest).len(), 1, "{missing}");
        }
    }
}
