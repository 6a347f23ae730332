//! Whether the headers are C, and have a value for all that is to have one: asked before bindgen, which
//! would not say which item it is about, and would say it once for each processor. It also passes over
//! inline functions.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use anyhow::{Context, Result, bail};
use clang::diagnostic::{Diagnostic, Severity};
use clang::{Clang, Entity, EntityKind, EvaluationResult, Index, TranslationUnit, Unsaved};

use super::bindings_config::BindingsConfig;
use super::clang::{ALIGN, CONSTANT, OFFSET, SIGN, SIZE, WRAPPER, wrapper};
use crate::api_record::{HEADER, is_named};
use crate::headers::{Arguments, IncludeTree, Processor, libclang};

/// Fails with one message if they are not, or have not. Returns the inline functions of wsk.h.
pub(super) fn check(tree: &IncludeTree, config: &BindingsConfig) -> Result<BTreeSet<String>> {
    // A thread of its own, since libclang is loaded for a thread and unloaded afterwards.
    thread::scope(|scope| {
        let checking = scope.spawn(|| {
            let clang = Clang::new().map_err(anyhow::Error::msg)?;
            let mut inline = BTreeSet::new();
            for processor in Processor::ALL {
                inline.extend(check_for(&clang, tree, config, processor)?);
            }
            Ok(inline)
        });
        checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn check_for(
    clang: &Clang,
    tree: &IncludeTree,
    config: &BindingsConfig,
    processor: Processor,
) -> Result<BTreeSet<String>> {
    let arguments = Arguments::new(tree, processor)?;
    let index = Index::new(clang, false, false);
    let text = wrapper(config);
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
        if !matches!(diagnostic.get_severity(), Severity::Error | Severity::Fatal) {
            continue;
        }
        match constant_of(&diagnostic, &text, config) {
            Some(name) => {
                let reason = || format!("{} ({})", diagnostic.get_text(), place(&diagnostic));
                without_value.entry(name).or_insert_with(reason);
            }
            None => in_headers.push(diagnostic.to_string()),
        }
    }
    let of = format!("{} for {}", tree.name, processor.name());
    if !in_headers.is_empty() {
        in_headers.extend(libclang::hint());
        bail!("{of} cannot be read\nclang said:\n{}", in_headers.join("\n"));
    }
    for name in no_numbers(&unit, config) {
        without_value.entry(name).or_insert_with(|| "it is no number".to_owned());
    }
    if !without_value.is_empty() {
        let lines: Vec<String> =
            without_value.iter().map(|(name, reason)| format!("  {name}: {reason}")).collect();
        bail!(
            "{of} have no value for what headers/bindings.toml lists:\n{}\nRemove from there \
             what is gone, and describe as `by_hand` what is no constant any more.",
            lines.join("\n")
        );
    }
    Ok(inline_functions(&unit))
}

/// What the wrapper asks for in the line that an error is about: nothing, if it is about the headers.
fn constant_of(diagnostic: &Diagnostic<'_>, text: &str, config: &BindingsConfig) -> Option<String> {
    let place = diagnostic.get_location().get_expansion_location();
    let is_ours = place.file.is_some_and(|file| file.get_path().ends_with(WRAPPER));
    if !is_ours {
        return None;
    }
    let line = text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let constant = line.split_whitespace().find(|word| word.starts_with("WSK_SYS_"))?;
    asked_for(constant, config)
}

/// What one of the wrapper's constants is about: `MDL.Size` if it is the offset of a member.
fn asked_for(constant: &str, config: &BindingsConfig) -> Option<String> {
    let of_item = |prefix: &&str| constant.strip_prefix(*prefix);
    if let Some(name) = [CONSTANT, SIZE, ALIGN, SIGN].iter().find_map(of_item) {
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

/// The constants of which clang makes no number.
fn no_numbers(unit: &TranslationUnit<'_>, config: &BindingsConfig) -> BTreeSet<String> {
    let entities = unit.get_entity().get_children().into_iter();
    let constants = entities.filter(|entity| entity.get_kind() == EntityKind::VarDecl);
    constants
        .filter_map(|constant| {
            let name = asked_for(&constant.get_name()?, config)?;
            let is_number = matches!(
                constant.evaluate(),
                Some(EvaluationResult::SignedInteger(_) | EvaluationResult::UnsignedInteger(_))
            );
            (!is_number).then_some(name)
        })
        .collect()
}

fn inline_functions(unit: &TranslationUnit<'_>) -> BTreeSet<String> {
    let is_ours = |entity: &Entity<'_>| {
        let place = entity.get_location().map(|place| place.get_expansion_location());
        let file = place.and_then(|place| place.file);
        file.is_some_and(|file| is_named(&file.get_path(), HEADER))
    };
    let mut names = BTreeSet::new();
    let mut entities = unit.get_entity().get_children();
    while let Some(entity) = entities.pop() {
        match entity.get_kind() {
            // `extern "C" { … }`
            EntityKind::LinkageSpec | EntityKind::UnexposedDecl => {
                entities.extend(entity.get_children());
            }
            EntityKind::FunctionDecl if is_ours(&entity) && entity.is_inline_function() => {
                names.extend(entity.get_name());
            }
            _ => {}
        }
    }
    names
}
