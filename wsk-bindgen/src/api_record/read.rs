//! From the headers to the items of wsk.h, through libclang.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use clang::diagnostic::Severity;
use clang::{Clang, Index, TranslationUnit, Unsaved};

use super::gates::Gates;
use super::items::{Items, SAMPLES};
use super::reader::Reader;
use crate::headers::{Arguments, IncludeTree, Processor, libclang};

/// What is read.
pub(crate) const HEADER: &str = "wsk.h";
/// The file that says which releases of Windows there are.
pub(super) const RELEASES: &str = "sdkddkver.h";
/// The input of clang.
const WRAPPER: &str = "wrapper.hpp";
/// Constants that the wrapper adds, for the values of macros.
pub(super) const VALUE: &str = "WSK_SURFACE_VALUE_";

/// What the headers say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) items: Items,
    /// The names of Windows releases that can be compiled for, such as `NTDDI_WIN8`, with their numbers.
    pub(crate) targets: BTreeMap<String, u64>,
}

/// Reads the API, which must be the same for all processors.
pub(crate) fn read(tree: &IncludeTree) -> Result<Header> {
    // A thread of its own, since libclang is loaded for a thread and unloaded afterwards.
    thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(tree));
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
                let names = differing(&other.items, &read.items).join(", ");
                bail!(
                    "{} has another wsk.h for {} than for {}: {names}",
                    tree.name,
                    processor.name(),
                    first.name()
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

fn read_one(clang: &Clang, tree: &IncludeTree, processor: Processor) -> Result<Header> {
    let text = tree.read(HEADER)?;
    let arguments = Arguments::new(tree, processor)?;
    let index = Index::new(clang, false, false);
    let unit = index
        .parser(WRAPPER)
        .arguments(arguments.list())
        .unsaved(&[Unsaved::new(WRAPPER, wrapper(&text))])
        .detailed_preprocessing_record(true)
        .skip_function_bodies(true)
        .parse()
        .with_context(|| format!("clang cannot read {}", tree.name))?;
    check(&unit, tree)?;
    let mut reader = Reader::new(Gates::read(&text));
    reader.entities(&unit.get_entity().get_children())?;
    reader.finish()
}

/// The input of clang: the headers, and a constant for each macro, which has its value if it is a number.
fn wrapper(text: &str) -> String {
    let mut wrapper = format!("#include <ntddk.h>\n#include <{HEADER}>\n");
    let mut names = BTreeSet::new();
    for line in text.replace('\r', "").replace("\\\n", " ").lines() {
        let Some(rest) = line.trim_start().strip_prefix('#') else { continue };
        let Some(rest) = rest.trim_start().strip_prefix("define") else { continue };
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if !names.insert(name.to_owned()) {
            continue;
        }
        let mut value = name.to_owned();
        if let Some((parameters, _)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        {
            let count = parameters.split(',').filter(|name| !name.trim().is_empty()).count();
            let arguments: Vec<&str> = SAMPLES.into_iter().cycle().take(count).collect();
            let _ = write!(value, "({})", arguments.join(", "));
        }
        let _ = writeln!(
            wrapper,
            "static const unsigned long long {VALUE}{name} = (unsigned long long)({value});"
        );
    }
    wrapper
}

/// Fails if clang has found an error in the headers. In the wrapper there are some: not every macro is a
/// number.
fn check(unit: &TranslationUnit<'_>, tree: &IncludeTree) -> Result<()> {
    let mut errors = Vec::new();
    for diagnostic in unit.get_diagnostics() {
        let is_error = matches!(diagnostic.get_severity(), Severity::Error | Severity::Fatal);
        let place = diagnostic.get_location().get_file_location();
        let is_ours = place.file.is_some_and(|file| is_named(&file.get_path(), WRAPPER))
            && diagnostic.get_severity() != Severity::Fatal;
        if is_error && !is_ours {
            errors.push(diagnostic.to_string());
        }
    }
    if !errors.is_empty() {
        errors.extend(libclang::hint());
        bail!("{} cannot be read\nclang said:\n{}", tree.name, errors.join("\n"));
    }
    Ok(())
}

pub(crate) fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|file| file.eq_ignore_ascii_case(name))
}
