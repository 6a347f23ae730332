//! The checks with libclang before bindgen runs: the headers are C, every constant has a value, and the bindings can
//! express every declaration. bindgen's errors would not name the item, and would come once for each processor. It also
//! skips inline functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::thread;

use anyhow::{Context, Result, bail};
use clang::diagnostic::{Diagnostic, Severity};
use clang::{Clang, EntityKind, Index, TranslationUnit, Unsaved};

use super::advice::Age;
use super::bindings_config::BindingsConfig;
use super::clang::{ALIGN, CONSTANT, OFFSET, SIGN, SIZE, WRAPPER, wrapper};
use super::expressible::inexpressible;
use crate::api_record::{self, HEADER, integer, is_named, omitted_member};
use crate::deep_stack;
use crate::headers::{ClangArguments, IncludeTree, Processor, libclang};

/// Constants without a cast, which show whether an item of `bindings.toml` is an integer.
const INTEGER: &str = "WSK_SYS_INTEGER_";

/// Declarations of wsk.h, some of which bindgen does not report.
#[derive(Clone, Default)]
pub(crate) struct Declarations {
    /// bindgen skips functions with a body, static functions, and functions with another calling convention.
    pub(crate) functions: BTreeSet<String>,
    /// All typedefs: bindgen's output does not show which of them come from wsk.h.
    pub(crate) typedefs: BTreeSet<String>,
    /// The line of each.
    pub(crate) lines: BTreeMap<String, u32>,
}

/// Fails with one message for all errors of the headers.
pub(super) fn check(
    tree: &IncludeTree,
    config: &BindingsConfig,
    age: Age<'_>,
) -> Result<Declarations> {
    api_record::text(tree)?;
    // A separate thread, since libclang is loaded for a thread and unloaded afterwards.
    thread::scope(|scope| {
        let checking = deep_stack::spawn(scope, || {
            let clang = Clang::new().map_err(anyhow::Error::msg)?;
            let mut declared = Declarations::default();
            for processor in Processor::ALL {
                check_for(&clang, tree, config, processor, age, &mut declared)?;
            }
            Ok(declared)
        })?;
        checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn check_for(
    clang: &Clang,
    tree: &IncludeTree,
    config: &BindingsConfig,
    processor: Processor,
    age: Age<'_>,
    declared: &mut Declarations,
) -> Result<()> {
    let arguments = ClangArguments::new(tree, processor)?;
    let index = Index::new(clang, false, false);
    let mut text = wrapper(config);
    for (name, _) in config.items().filter(|(_, item)| item.constant_type.is_some()) {
        let _ = writeln!(text, "static constexpr auto {INTEGER}{name}{{{name}}};");
    }
    let lines: Vec<&str> = text.lines().collect();
    let unit = index
        .parser(WRAPPER)
        .arguments(arguments.list())
        .unsaved(&[Unsaved::new(WRAPPER, &text)])
        .skip_function_bodies(true)
        .parse()
        .with_context(|| format!("clang cannot read {}", tree.name))?;
    let mut in_headers = Vec::new();
    let mut without_value = BTreeMap::new();
    for diagnostic in unit.get_diagnostics() {
        in_headers.extend(omitted_member(&diagnostic));
        if !matches!(diagnostic.get_severity(), Severity::Error | Severity::Fatal) {
            continue;
        }
        match constant_of(&diagnostic, &lines, config) {
            Some(name) => {
                let reason = || format!("{} ({})", diagnostic.get_text(), place(&diagnostic));
                without_value.entry(name).or_insert_with(reason);
            }
            None => in_headers.push(diagnostic.to_string()),
        }
    }
    let of = format!("{} for {}", tree.name, processor.name());
    if !in_headers.is_empty() {
        bail!("{of} cannot be read\nclang reported:\n{}", libclang::errors(in_headers));
    }
    for name in no_integers(&unit, config) {
        without_value.entry(name).or_insert_with(|| "it is no integer".to_owned());
    }
    if !without_value.is_empty() {
        let lines: Vec<String> =
            without_value.iter().map(|(name, reason)| format!("  {name}: {reason}")).collect();
        bail!(
            "{of} have no value for items of headers/bindings.toml:\n{}\n{}",
            lines.join("\n"),
            age.advice(
                "Remove the entries of items that are gone, and set `by_hand` for those that are no constants any \
                 more."
            )
        );
    }
    let inexpressible = inexpressible(&unit.get_entity(), config);
    if !inexpressible.is_empty() {
        bail!(
            "{of} contain declarations that the bindings cannot express:\n  {}\n{}",
            inexpressible.join("\n  "),
            age.advice("Write these items by hand in wsk-sys, and set `by_hand` for them in headers/bindings.toml.")
        );
    }
    declarations(&unit, declared);
    Ok(())
}

/// The constant in the line of the wrapper that an error refers to; none if the error is in the headers.
fn constant_of(
    diagnostic: &Diagnostic<'_>,
    lines: &[&str],
    config: &BindingsConfig,
) -> Option<String> {
    let place = diagnostic.get_location().get_expansion_location();
    let is_ours = place.file.is_some_and(|file| file.get_path().ends_with(WRAPPER));
    if !is_ours {
        return None;
    }
    let line = lines.get(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let constant = line.split([' ', '{']).find(|word| word.starts_with("WSK_SYS_"))?;
    item_of_constant(constant, config)
}

/// The item of one of the wrapper's constants: `MDL.Size` if it is the offset of a member.
fn item_of_constant(constant: &str, config: &BindingsConfig) -> Option<String> {
    let of_item = |prefix: &&str| constant.strip_prefix(*prefix);
    if let Some(name) = [CONSTANT, INTEGER, SIZE, ALIGN, SIGN].iter().find_map(of_item) {
        return Some(name.to_owned());
    }
    let (name, index) = constant.strip_prefix(OFFSET)?.rsplit_once('_')?;
    let field = config.layout.structs.get(name)?.get(index.parse::<usize>().ok()?)?;
    Some(format!("{name}.{field}"))
}

fn place(diagnostic: &Diagnostic<'_>) -> String {
    let place = diagnostic.get_location().get_spelling_location();
    let file = place.file.map(|file| file.get_path().display().to_string());
    format!("{}:{}:{}", file.unwrap_or_default(), place.line, place.column)
}

/// The constants that are not integers.
fn no_integers(unit: &TranslationUnit<'_>, config: &BindingsConfig) -> BTreeSet<String> {
    let entities = unit.get_entity().get_children().into_iter();
    let constants = entities.filter(|entity| entity.get_kind() == EntityKind::VarDecl);
    constants
        .filter_map(|constant| {
            let name = item_of_constant(&constant.get_name()?, config)?;
            integer(&constant).is_none().then_some(name)
        })
        .collect()
}

fn declarations(unit: &TranslationUnit<'_>, declared: &mut Declarations) {
    let mut entities = unit.get_entity().get_children();
    while let Some(entity) = entities.pop() {
        let kind = entity.get_kind();
        // `extern "C" { … }`
        if matches!(kind, EntityKind::LinkageSpec | EntityKind::UnexposedDecl) {
            entities.extend(entity.get_children());
            continue;
        }
        let place = entity.get_location().map(|place| place.get_expansion_location());
        let Some((place, file)) = place.and_then(|place| Some((place, place.file?))) else {
            continue;
        };
        let Some(name) = entity.get_name().filter(|_| is_named(&file.get_path(), HEADER)) else {
            continue;
        };
        match kind {
            EntityKind::FunctionDecl => drop(declared.functions.insert(name.clone())),
            EntityKind::TypedefDecl | EntityKind::TypeAliasDecl => {
                declared.typedefs.insert(name.clone());
            }
            _ => {}
        }
        declared.lines.entry(name).or_insert(place.line);
    }
}
