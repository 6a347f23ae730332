//! `cargo xtask surface`: what each release of the WDK has in wsk.h, recorded below `headers/records`.

mod cpp;
mod definitions;
mod file;
mod gates;
mod history;
pub(crate) mod items;
mod limits;
mod read;
mod reader;
mod records;
mod spelling;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

pub(crate) use self::cpp::{is_no_declaration, member_of_cpp, omitted_member, problem_of_members};
pub(crate) use self::history::History;
pub(crate) use self::read::{HEADER, Header, is_named, read, text};
pub(crate) use self::reader::{alignment_of_its_own, integer};
pub(crate) use self::records::{Record, Records};
pub(crate) use self::spelling::{convention, is_ptr32};
pub(crate) use self::windows::{Releases, WindowsRelease};
use crate::headers::{IncludeTree, libclang, wdk};
use crate::output;
use crate::project;
use crate::regen::BindingsConfig;
use crate::unified_diff::unified_diff;

/// The end of `cargo xtask surface --help`.
pub const HELP: &str = "\
A record in headers/records lists what its release has and the one before it lacks or has differently, so that a new
WDK can be reviewed. \"Since\" in wsk-sys's documentation is derived from the records.

A new WDK: add its release to headers/windows.toml, run `cargo xtask surface --wdk`, and commit the record.
CONTRIBUTING.md has the whole recipe.

Exit code: 0 if the record is written, or is as it should be; 1 for a difference with --check, or headers that cannot
be read; 2 for wrong options.";

/// Options of `cargo xtask surface`.
#[derive(clap::Args)]
pub struct Args {
    /// A recorded release, to be shown in whole, such as 10.0.17134 [default: list them]
    #[arg(conflicts_with_all = ["wdk", "wdk_release", "list", "check"])]
    release: Option<String>,
    #[command(flatten)]
    wdk: wdk::OptionalWdkArgs,
    /// The release that the WDK is of, if neither its folder nor its headers say so
    #[arg(long = "as", value_name = "RELEASE", requires = "wdk")]
    given: Option<String>,
    /// Write nothing, and fail if the record is not what the WDK gives. Without a WDK: if the records are
    /// not as they are written, or if this project's headers are not what is recorded of their release
    #[arg(long)]
    check: bool,
}

/// The condition of each line of a header's text, in the spelling of the records: no include guard, no C++. For a line
/// below more conditions than a record can have, the reason.
#[must_use]
pub fn conditions(text: &str) -> Vec<Option<String>> {
    let gates = gates::Gates::read(text);
    let of_line = |line| gates.of_line(line).unwrap_or_else(|error| Some(error.to_string()));
    text.lines().zip(1..).map(|(_, line)| of_line(line)).collect()
}

/// Whether a header's text is within the limits for clang.
#[must_use]
pub fn is_within_limits(text: &str) -> bool {
    limits::check(Path::new(HEADER), text).is_ok()
}

/// The source that clang reads for a header's text: it includes the header, and has constants for the values of its
/// macros.
#[must_use]
pub fn wrapper(text: &str) -> String {
    read::wrapper(text)
}

/// Shows the records, or records the API of a WDK.
///
/// # Errors
///
/// If the headers cannot be read, or with `--check` the record is another.
pub fn run(args: &Args) -> Result<()> {
    let headers = project::root().join("headers");
    let releases = Releases::load(&headers)?;
    let mut records = Records::load(&headers, &releases)?;
    if let Some(list) = args.wdk.list()? {
        return output::print(&list);
    }
    if let Some(release) = &args.release {
        return output::print(&Records::whole(records.find(release)?));
    }
    let tree = args.wdk.tree()?;
    if tree.is_none() && !args.check {
        return output::print(&list(&records, &releases));
    }
    libclang::load()?;
    let record = match &tree {
        Some(tree) => {
            let record = of_wdk(tree, args.given.as_deref(), &releases)?;
            let mixed = records.refuse_mixed(&record.release, &record.items);
            mixed.with_context(|| tree.name.clone())?;
            record
        }
        None => of_own_headers(&headers)?,
    };
    let release = record.release.clone();
    records.insert(record, &releases);
    let changed = write(&headers, &records, args.check)?;
    println!("{}", describe(&records, &release));
    match &changed[..] {
        [] => println!("{release} is recorded already"),
        changed => println!("written: {}", changed.join(", ")),
    }
    Ok(())
}

/// The items of a record that follows no other.
#[cfg(test)]
pub(crate) fn items_of(record: &str) -> items::Items {
    let file: file::RecordFile = toml::from_str(record).unwrap();
    file.items(&items::Items::new()).unwrap()
}

/// The release that headers are of, by the name that was given, the name of their folder, and what their
/// sdkddkver.h says.
pub(crate) fn identify(
    tree: &IncludeTree,
    header: &Header,
    given: Option<&str>,
    releases: &Releases,
) -> Result<String> {
    let version = tree.version.as_deref().map(windows::kit_of_version);
    releases.identify(&header.targets, given.or(version.as_deref()))
}

/// The API record of a WDK.
fn of_wdk(tree: &IncludeTree, given: Option<&str>, releases: &Releases) -> Result<Record> {
    let header = read(tree)?;
    let release = identify(tree, &header, given, releases).with_context(|| tree.name.clone())?;
    Ok(Record::new(release, tree, header.items))
}

/// The API record of this project's headers.
fn of_own_headers(headers: &Path) -> Result<Record> {
    let release = BindingsConfig::load(headers)?.release;
    let tree = IncludeTree::own(headers)?;
    let header = read(&tree)?;
    Ok(Record::new(release, &tree, header.items))
}

/// Writes the files that have changed, or fails if there are any.
fn write(headers: &Path, records: &Records, check: bool) -> Result<Vec<String>> {
    let folder = records::folder(headers);
    let mut changed = Vec::new();
    let mut difference = String::new();
    for (name, text) in records.files() {
        let path = folder.join(&name);
        let old = fs::read_to_string(&path).unwrap_or_default();
        if old == text {
            continue;
        }
        difference += &unified_diff("recorded", "read", &name, &old, &text);
        if !check {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        changed.push(name);
    }
    if check && !changed.is_empty() {
        print!("{difference}");
        bail!(
            "headers/records is not what the headers give: {}.\nIf the headers are right, run this \
             command without --check and commit the result.",
            changed.join(", ")
        );
    }
    Ok(changed)
}

fn list(records: &Records, releases: &Releases) -> String {
    let mut text = String::new();
    for record in records.all() {
        let windows = releases.of_kit(&record.release).map_or("", |windows| windows.name.as_str());
        let _ = writeln!(text, "{windows:<26} {}", describe(records, &record.release));
    }
    text
}

/// The number of items of a release.
fn describe(records: &Records, release: &str) -> String {
    let Some(record) = records.get(release) else { return String::new() };
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for item in record.items.values() {
        *kinds.entry(item.kind.name()).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}s")).collect();
    format!("{release:<11} {}", kinds.join(", "))
}
