//! One run of bindgen: the headers for one processor, as Rust items.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bindgen::callbacks::{MacroParsingBehavior, ParseCallbacks};

use super::include::IncludeTree;
use super::libclang;
use super::surface::Surface;
use crate::project;

/// The processors that Windows drivers are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor {
    X64,
    Arm64,
}

impl Processor {
    pub(crate) const ALL: [Self; 2] = [Self::X64, Self::Arm64];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }

    fn clang_arguments(self) -> [&'static str; 3] {
        match self {
            Self::X64 => ["--target=x86_64-pc-windows-msvc", "-D_AMD64_", "-DAMD64"],
            Self::Arm64 => ["--target=aarch64-pc-windows-msvc", "-D_ARM64_", "-DARM64"],
        }
    }
}

/// What the headers say.
pub(crate) struct Headers {
    /// Items as bindgen makes them.
    pub(crate) items: Vec<syn::Item>,
    /// Every macro whose name says that it belongs to WSK.
    pub(crate) macros: BTreeSet<String>,
}

/// The first libclang that reads the WDK of Windows 11.
const SUFFICIENT_CLANG: u32 = 16;

/// Constants that the wrapper adds for the generator itself.
pub(crate) const CONSTANT: &str = "WSK_SYS_CONSTANT_";
pub(crate) const SIZE: &str = "WSK_SYS_SIZE_";
pub(crate) const ALIGN: &str = "WSK_SYS_ALIGN_";
/// 0 for an unsigned integer, 1 for a signed one, 2 for a pointer.
pub(crate) const SIGN: &str = "WSK_SYS_SIGN_";
pub(crate) const OFFSET: &str = "WSK_SYS_OFFSET_";

/// Reads the headers. C++ is what names the `Basic` member of the provider's tables: in C it has no
/// name, and bindgen would make it padding.
pub(crate) fn read(tree: &IncludeTree, surface: &Surface, processor: Processor) -> Result<Headers> {
    let overlay = Overlay::write(tree, processor)?;
    let macros = Rc::new(RefCell::new(BTreeSet::new()));
    let mut builder = bindgen::Builder::default()
        .header_contents("wsk-sys.hpp", &wrapper(surface))
        .clang_args([
            "-x",
            "c++",
            "-std=c++17",
            "-nostdinc",
            "-fms-extensions",
            "-fms-compatibility",
        ])
        .clang_args(["-ferror-limit=0", "-D_WIN64", "-D_WIN32_WINNT=0x0A00", "-DWINVER=0x0A00"])
        .clang_args(["-DNTDDI_VERSION=0x0A000010", "-ivfsoverlay"])
        .clang_arg(overlay.0.to_string_lossy())
        .clang_args(processor.clang_arguments())
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
    for folder in &tree.folders {
        builder = builder.clang_arg("-isystem").clang_arg(folder.to_string_lossy());
    }
    for (name, item) in surface.net.iter().chain(&surface.kernel) {
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
        Err(error) => bail!("{}", explain(&error, tree, processor)),
    };
    let items = syn::parse_file(&bindings).context("bindgen's output is not Rust")?.items;
    Ok(Headers { items, macros: macros.take() })
}

/// The file of clang's virtual file system, removed when it is no longer needed.
struct Overlay(PathBuf);

impl Overlay {
    fn write(tree: &IncludeTree, processor: Processor) -> Result<Self> {
        let name = format!("overlay-{}-{}.json", std::process::id(), processor.name());
        let path = project::scratch().join(name);
        fs::create_dir_all(project::scratch())?;
        fs::write(&path, tree.overlay()?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // It is in the scratch folder: `cargo clean` removes what this cannot.
        let _ = fs::remove_file(&self.0);
    }
}

/// The input of clang. bindgen evaluates constants, not macros with casts in them, and neither sizes
/// nor offsets: so each becomes a constant here.
fn wrapper(surface: &Surface) -> String {
    let mut text = String::from("#include <ntddk.h>\n#include <wsk.h>\n");
    let mut constant = |name: String, value: String| {
        let _ = writeln!(
            text,
            "static const unsigned long long {name} = (unsigned long long)({value});"
        );
    };
    for (name, item) in surface.items() {
        if item.constant_type.is_some() {
            constant(format!("{CONSTANT}{name}"), name.clone());
        }
    }
    for name in &surface.layout.scalars {
        constant(format!("{SIZE}{name}"), format!("sizeof({name})"));
        constant(
            format!("{SIGN}{name}"),
            format!("__is_enum({name}) ? 1 : !__is_integral({name}) ? 2 : __is_signed({name})"),
        );
    }
    for (name, fields) in &surface.layout.structs {
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

/// clang's errors, the ones that name an item of the surface first.
fn explain(error: &bindgen::BindgenError, tree: &IncludeTree, processor: Processor) -> String {
    let diagnostics = error.to_string();
    let mut missing = BTreeSet::new();
    for line in diagnostics.lines() {
        for marker in ["undeclared identifier '", "unknown type name '", "no member named '"] {
            if let Some((name, _)) =
                line.split_once(marker).and_then(|(_, rest)| rest.split_once('\''))
            {
                missing.insert(name);
            }
        }
    }
    let mut message = format!("{} for {} cannot be read", tree.name, processor.name());
    if !missing.is_empty() {
        let names = missing.into_iter().collect::<Vec<_>>().join(", ");
        let _ = write!(message, ": headers/surface.toml lists what they lack: {names}");
    }
    let _ = write!(message, "\nclang said:\n{}", diagnostics.trim());
    let version = bindgen::clang_version();
    // Those before it reject `__ptr32` where wdm.h has it.
    if version.parsed.is_some_and(|(major, _)| major < SUFFICIENT_CLANG) {
        let _ = write!(
            message,
            "\nThis is {}. A WDK may need libclang {SUFFICIENT_CLANG} or later: install the Debian \
             package `{}`, and unset LIBCLANG_PATH.",
            version.full,
            libclang::LIBCLANG.package
        );
    }
    message
}
