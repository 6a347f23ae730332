//! libclang, which bindgen loads at run time.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// The Debian package that `cargo xtask regen --setup` installs.
const PACKAGE: &str = "libclang1-19";

/// The first libclang that reads this project's headers.
const LEAST: u32 = 14;
/// The first libclang that reads the headers of every WDK that is recorded.
const SUFFICIENT: u32 = 19;

/// Loads libclang for this thread, and returns its version.
///
/// # Errors
///
/// If no libclang is found, or the one found is too old.
pub fn load() -> Result<String> {
    if let Err(reason) = clang_sys::load() {
        bail!("{}", missing(&reason));
    }
    let version = bindgen::clang_version();
    if let Some((major, _)) = version.parsed
        && major < LEAST
    {
        bail!("{}", too_old(&version.full));
    }
    Ok(version.full)
}

/// The folders of every libclang of Debian's packages that reads this project's headers. All of them give the same
/// bindings.
///
/// # Errors
///
/// If `/usr/lib` cannot be read.
pub fn installed() -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir("/usr/lib") else { return Ok(Vec::new()) };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let major = name.and_then(|name| name.strip_prefix("llvm-")?.parse::<u32>().ok());
        let library = major.map(|major| path.join("lib").join(format!("libclang-{major}.so.1")));
        if major.is_some_and(|major| major >= LEAST) && library.is_some_and(|path| path.exists()) {
            folders.push(path.join("lib"));
        }
    }
    folders.sort();
    Ok(folders)
}

fn too_old(version: &str) -> String {
    format!(
        "this is {version}; libclang {LEAST} or later is needed, and {SUFFICIENT} or later for the headers of \
         every WDK.\n{}",
        remedy()
    )
}

/// The advice for errors in a WDK's headers that may come from libclang: versions before 16 reject a use of `__ptr32`
/// in the newest wdm.h, and version 18 declares arm64's `__prefetch` differently from most kits.
fn hint() -> Option<String> {
    let version = bindgen::clang_version();
    let is_old = version.parsed.is_some_and(|(major, _)| major < SUFFICIENT);
    is_old.then(|| {
        format!(
            "This is {}, which may be the reason: libclang {SUFFICIENT} or later reads the headers of every WDK \
             that is recorded.\n{}",
            version.full,
            remedy()
        )
    })
}

/// Clang's errors as lines: each once, the likely cause of the others before them, of many only the first, and the
/// advice about libclang if no cause is in the headers.
pub(crate) fn errors(errors: Vec<String>) -> String {
    const MOST: usize = 20;
    let mut seen = BTreeSet::new();
    let mut lines = errors;
    lines.retain(|line| seen.insert(line.clone()));
    // A header that is missing, is not UTF-8, is nested too deeply, or includes itself.
    let is_cause =
        |line: &String| [": fatal error: ", "#include"].iter().any(|it| line.contains(it));
    lines.sort_by_key(|line| !is_cause(line));
    let has_cause = lines.iter().any(is_cause);
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("… and {more} more errors"));
    }
    if !has_cause {
        lines.extend(hint());
    }
    lines.join("\n")
}

/// The advice for selecting another libclang.
fn remedy() -> String {
    format!(
        "Install the Debian package `{PACKAGE}`, and unset LIBCLANG_PATH or set it to the folder that holds the \
         newer libclang."
    )
}

fn missing(reason: &str) -> String {
    format!(
        "the bindings are made with libclang, which was not found.\n\
         Install it with `cargo xtask regen --setup` (the Debian package `{PACKAGE}`), or set \
         LIBCLANG_PATH to the folder that holds it.{}\n\
         The search said: {reason}",
        match std::env::var_os("LIBCLANG_PATH") {
            Some(path) => format!(" It is set to {}.", path.display()),
            None => String::new(),
        }
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missing_libclang_names_the_package_and_the_flag() {
        let message = super::missing("no libclang.so");
        assert!(message.contains("`libclang1-19`"));
        assert!(message.contains("--setup"));
        assert!(message.contains("no libclang.so"));
    }

    #[test]
    fn of_many_errors_the_first_are_shown_once() {
        let many = (0..50).flat_map(|number| [format!("error {number}"), "the same".to_owned()]);
        let text = super::errors(many.collect());
        assert_eq!(text.matches("the same").count(), 1, "{text}");
        assert!(text.contains("error 18\n… and 31 more errors"), "{text}");
        assert!(!super::errors(vec!["one".to_owned()]).contains("more errors"));
    }

    #[test]
    fn an_old_libclang_is_answered_with_the_versions_that_are_needed() {
        let message = super::too_old("clang version 9.0.1");
        for text in ["clang version 9.0.1", "libclang 14 or later", "19 or later", "`libclang1-19`"]
        {
            assert!(message.contains(text), "{message}");
        }
    }
}
