//! From the headers to the items of wsk.h, through libclang.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use clang::diagnostic::Severity;
use clang::{Clang, Index, TranslationUnit, Unsaved};

use super::cpp::omitted_member;
use super::definitions::Definitions;
use super::file;
use super::gates::{Gates, is_balanced, macros};
use super::items::{Item, Items, SAMPLES};
use super::limits;
use super::reader::Reader;
use crate::deep_stack;
use crate::headers::{ClangArguments, IncludeTree, Processor, libclang};
use crate::unified_diff::unified_diff;

/// The headers to read.
pub(crate) const HEADER: &str = "wsk.h";
/// The file that lists the releases of Windows.
pub(super) const RELEASES: &str = "sdkddkver.h";
/// The input of clang.
const WRAPPER: &str = "wrapper.hpp";
/// Constants that the wrapper adds, for the values of macros: see [`value_of`].
pub(super) const VALUE: &str = "WSK_SURFACE_VALUE_";
/// Variables that the wrapper declares for the macros that are defined at its end.
pub(super) const DEFINED: &str = "WSK_SURFACE_DEFINED_";

/// The contents of the headers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) items: Items,
    /// The names of Windows releases that can be compiled for, such as `NTDDI_WIN8`, with their numbers.
    pub(crate) targets: BTreeMap<String, u64>,
}

/// Reads the API, which must be the same for all processors.
pub(crate) fn read(tree: &IncludeTree) -> Result<Header> {
    // A separate thread, since libclang is loaded for a thread and unloaded afterwards.
    thread::scope(|scope| {
        let reading = deep_stack::spawn(scope, || read_all(tree))?;
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read_all(tree: &IncludeTree) -> Result<Header> {
    let clang = Clang::new().map_err(anyhow::Error::msg)?;
    let mut first: Option<(Processor, Header)> = None;
    for processor in tree.processors() {
        let read = read_one(&clang, tree, *processor)
            .with_context(|| format!("{} for {}", tree.name, processor.name()))?;
        match &first {
            None => first = Some((*processor, read)),
            Some((first, other)) if *other != read => {
                let (one, two) = (processor.name(), first.name());
                let names = differing(&other.items, &read.items).join(", ");
                let (old, new) = (differences(other, &read), differences(&read, other));
                bail!(
                    "{}: {HEADER} differs between {two} and {one}: {names}\n{}A record describes one API for all \
                     processors: remove the condition or the type on which these items depend.",
                    tree.name,
                    unified_diff(two, one, HEADER, &old, &new),
                );
            }
            Some(_) => {}
        }
    }
    first.map(|(_, header)| header).context("no processor to read the headers for")
}

/// The names of items that are not the same in both.
fn differing<'a>(one: &'a Items, other: &'a Items) -> Vec<&'a str> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = |name: &&String| one.get(*name) != other.get(*name);
    names.into_iter().filter(differs).map(String::as_str).collect()
}

/// The items of `one` that `other` lacks or has differently, as sections of a record.
fn differences(one: &Header, other: &Header) -> String {
    let differs = |(name, item): &(&String, &Item)| other.items.get(*name) != Some(*item);
    let items = one.items.iter().filter(differs).map(|(name, item)| (name.clone(), item.clone()));
    file::items(&items.collect())
}

/// The text of wsk.h, if it is within the limits of clang.
///
/// # Errors
///
/// If it cannot be read, or exceeds a limit.
pub(crate) fn text(tree: &IncludeTree) -> Result<String> {
    let (path, text) = tree.read(HEADER)?;
    limits::check(&path, &text)?;
    Ok(text)
}

fn read_one(clang: &Clang, tree: &IncludeTree, processor: Processor) -> Result<Header> {
    let text = text(tree)?;
    let arguments = ClangArguments::new(tree, processor)?;
    let index = Index::new(clang, false, false);
    let unit = index
        .parser(WRAPPER)
        .arguments(arguments.list())
        .unsaved(&[Unsaved::new(WRAPPER, wrapper(&text))])
        .detailed_preprocessing_record(true)
        .skip_function_bodies(true)
        .parse()
        .with_context(|| format!("clang cannot read {}", tree.name))?;
    let rejected = check(&unit)?;
    let mut reader = Reader::new(Gates::read(&text), Definitions::read(&text), rejected);
    reader.entities(&unit.get_entity().get_children())?;
    reader.finish()
}

/// The name of the constant for a macro with this number of parameters.
pub(super) fn value_of(name: &str, parameters: Option<usize>) -> String {
    let form = parameters.map_or_else(|| "n".to_owned(), |count| count.to_string());
    format!("{form}_{name}")
}

/// The input of clang: the headers, and a constant for each macro. `constexpr` rejects a value that is not a constant
/// expression, such as `1 << 100`. `auto` keeps the type: a number that is not an integer is not converted to one.
pub(super) fn wrapper(text: &str) -> String {
    let mut wrapper = format!("#include <ntddk.h>\n#include <{HEADER}>\n");
    let mut names = BTreeSet::new();
    let definitions = Definitions::read(text);
    for definition in macros(text) {
        let (name, count) = (&definition.name, definition.parameters);
        let is_new_name = names.insert(name.clone());
        let form = value_of(name, count);
        if !names.insert(form.clone()) {
            continue;
        }
        let _ = writeln!(wrapper, "#ifdef {name}");
        if is_new_name {
            let _ = writeln!(wrapper, "extern int {DEFINED}{name};");
        }
        // The lines below would be read as a part of what is not balanced, and the value of `__LINE__` would be theirs.
        // A comma at the end would be read as one behind the last element of a list.
        if is_balanced(&definition.body)
            && !definition.body.ends_with(',')
            && !definitions.depends_on_its_place(name)
        {
            let value = match count {
                None => name.clone(),
                Some(count) => {
                    let arguments: Vec<&str> = SAMPLES.into_iter().cycle().take(count).collect();
                    format!("{name}({})", arguments.join(", "))
                }
            };
            let _ = writeln!(wrapper, "static constexpr auto {VALUE}{form}{{{value}}};");
        }
        wrapper.push_str("#endif\n");
    }
    wrapper
}

/// Fails if clang has found an error in the headers. Returns the lines of the wrapper with errors, whose macros are not
/// integers.
fn check(unit: &TranslationUnit<'_>) -> Result<BTreeSet<u32>> {
    let mut errors = Vec::new();
    let mut rejected = BTreeSet::new();
    for diagnostic in unit.get_diagnostics() {
        errors.extend(omitted_member(&diagnostic));
        if !matches!(diagnostic.get_severity(), Severity::Error | Severity::Fatal) {
            continue;
        }
        let place = diagnostic.get_location().get_expansion_location();
        let is_ours = place.file.is_some_and(|file| is_named(&file.get_path(), WRAPPER))
            && diagnostic.get_severity() != Severity::Fatal;
        if is_ours {
            rejected.insert(place.line);
        } else {
            errors.push(diagnostic.to_string());
        }
    }
    if !errors.is_empty() {
        bail!("they cannot be read\nclang reported:\n{}", libclang::errors(errors));
    }
    Ok(rejected)
}

pub(crate) fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|file| file.eq_ignore_ascii_case(name))
}
