//! One run of bindgen: the headers for one processor, as Rust items.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bindgen::callbacks::{MacroParsingBehavior, ParseCallbacks};

use super::bindings_config::BindingsConfig;
use super::evaluate::Declarations;
use crate::headers::{ClangArguments, IncludeTree, Processor};

/// The declarations of the headers.
pub(crate) struct Headers {
    /// bindgen's items.
    pub(crate) items: Vec<syn::Item>,
    /// Every macro.
    pub(crate) macros: BTreeSet<String>,
    /// The functions and typedefs of wsk.h.
    pub(crate) declared: Declarations,
}

/// The input of clang.
pub(super) const WRAPPER: &str = "wsk-sys.hpp";
/// Constants that the wrapper adds for the generator itself.
pub(crate) const CONSTANT: &str = "WSK_SYS_CONSTANT_";
pub(crate) const SIZE: &str = "WSK_SYS_SIZE_";
pub(crate) const ALIGN: &str = "WSK_SYS_ALIGN_";
/// 0 for an unsigned integer, 1 for a signed one, 2 for a pointer.
pub(crate) const SIGN: &str = "WSK_SYS_SIGN_";
pub(crate) const OFFSET: &str = "WSK_SYS_OFFSET_";

/// Reads the headers.
pub(crate) fn read(
    tree: &IncludeTree,
    config: &BindingsConfig,
    processor: Processor,
    declared: &Declarations,
) -> Result<Headers> {
    let arguments = ClangArguments::new(tree, processor)?;
    let macros = Rc::new(RefCell::new(BTreeSet::new()));
    let mut builder = bindgen::Builder::default()
        .header_contents(WRAPPER, &wrapper(config))
        .clang_args(arguments.list())
        .parse_callbacks(Box::new(WskMacros(Rc::clone(&macros))))
        .allowlist_recursively(false)
        .allowlist_file(r".*[/\\][Ww][Ss][Kk]\.[Hh]")
        .allowlist_var("WSK_SYS_.*")
        .default_non_copy_union_style(bindgen::NonCopyUnionStyle::ManuallyDrop)
        .ctypes_prefix("crate::ctypes")
        .generate_comments(false)
        .prepend_enum_name(false)
        .use_core()
        .formatter(bindgen::Formatter::None);
    for (name, item) in config.net.iter().chain(&config.kernel) {
        let tag = item.tag(name);
        builder = builder
            .allowlist_type(format!("P?{name}"))
            .allowlist_type(format!("{tag}(__bindgen_ty_.*)?"))
            .allowlist_function(name);
        if let Some(typedef) = &item.through {
            builder = builder.allowlist_type(typedef);
        }
        // `PIO_COMPLETION_ROUTINE` is a pointer to `IO_COMPLETION_ROUTINE`.
        if let Some(pointee) = name.strip_prefix('P') {
            builder = builder.allowlist_type(pointee);
        }
    }
    let bindings = match builder.generate() {
        Ok(bindings) => bindings.to_string(),
        Err(error) => bail!("bindgen failed on {} for {}:\n{error}", tree.name, processor.name()),
    };
    let items = syn::parse_file(&bindings).context("bindgen's output is not Rust")?.items;
    Ok(Headers { items, macros: macros.take(), declared: declared.clone() })
}

/// The input of clang. bindgen evaluates constants, but not macros with casts, sizes or offsets. Each of these
/// therefore becomes a constant here.
pub(super) fn wrapper(config: &BindingsConfig) -> String {
    let mut text = String::from("#include <ntddk.h>\n#include <wsk.h>\n");
    let mut constant = |name: String, value: String| {
        let _ = writeln!(
            text,
            "static const unsigned long long {name} = (unsigned long long)({value});"
        );
    };
    for (name, item) in config.items() {
        if item.constant_type.is_some() {
            constant(format!("{CONSTANT}{name}"), name.clone());
        }
    }
    for name in &config.layout.scalars {
        constant(format!("{SIZE}{name}"), format!("sizeof({name})"));
        constant(
            format!("{SIGN}{name}"),
            format!("__is_enum({name}) ? 1 : !__is_integral({name}) ? 2 : __is_signed({name})"),
        );
    }
    for (name, fields) in &config.layout.structs {
        constant(format!("{SIZE}{name}"), format!("sizeof({name})"));
        constant(format!("{ALIGN}{name}"), format!("alignof({name})"));
        for (index, field) in fields.iter().enumerate() {
            constant(
                format!("{OFFSET}{name}_{index}"),
                format!("__builtin_offsetof({name}, {field})"),
            );
        }
    }
    text
}

#[derive(Debug)]
struct WskMacros(Rc<RefCell<BTreeSet<String>>>);

impl WskMacros {
    fn record(&self, name: &str) {
        self.0.borrow_mut().insert(name.to_owned());
    }
}

impl ParseCallbacks for WskMacros {
    fn will_parse_macro(&self, name: &str) -> MacroParsingBehavior {
        self.record(name);
        MacroParsingBehavior::Ignore
    }

    fn func_macro(&self, name: &str, _value: &[&[u8]]) {
        self.record(name);
    }
}
