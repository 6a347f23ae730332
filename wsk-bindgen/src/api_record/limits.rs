//! The limits of a header's text. Beyond them, clang's recursive parser exceeds its stack without a message, or takes
//! minutes.

use std::path::Path;

use anyhow::{Result, bail};

use super::gates::{quoted, without_comments};

/// The maximum size of the text in bytes. wsk.h has about 30,000.
const MAX_SIZE: usize = 4 << 20;
/// The maximum number of tokens in a declaration or a directive. wsk.h has fewer than 200 in each.
const MAX_TOKENS: usize = 20_000;

/// Checks the text of this file.
///
/// # Errors
///
/// If it is too long, is not text in UTF-8, or has a declaration or directive that is too long.
pub(super) fn check(path: &Path, text: &str) -> Result<()> {
    let path = path.display();
    if text.len() > MAX_SIZE {
        bail!(
            "{path} has {} bytes, of which at most {MAX_SIZE} can be read: is it wsk.h?",
            text.len()
        );
    }
    if let Some(at) = text.find('\0') {
        let line = text[..at].lines().count().max(1);
        bail!("{path}:{line}: error: a byte of value 0. If the file is UTF-16, save it as UTF-8.");
    }
    if let Some(line) = too_long(text) {
        bail!(
            "{path}:{line}: error: this declaration or directive has more than {MAX_TOKENS} tokens, for which clang's \
             stack may be too small. Write it as several."
        );
    }
    Ok(())
}

/// The line on which the first declaration or directive with too many tokens begins.
fn too_long(text: &str) -> Option<usize> {
    let text = without_comments(&text.replace("\r\n", "\n").replace('\r', "\n"));
    let is_of_word = |character: char| character.is_alphanumeric() || character == '_';
    let (mut line, mut start, mut tokens) = (1, 1, 0);
    let (mut is_directive, mut is_continued) = (false, false);
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted(rest, first),
            _ if is_of_word(first) => rest.find(|it| !is_of_word(it)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let is_end = match first {
            '\n' => {
                line += 1;
                is_directive && !is_continued
            }
            ';' => !is_directive,
            '#' => !is_directive && is_first_of_line(&text, rest),
            _ => false,
        };
        if is_end {
            is_directive = first == '#';
            tokens = 0;
        } else if !first.is_whitespace() {
            if tokens == 0 {
                start = line;
            }
            tokens += 1;
        }
        if !matches!(first, ' ' | '\t') {
            is_continued = first == '\\';
        }
        if tokens > MAX_TOKENS {
            return Some(start);
        }
        rest = &rest[length..];
    }
    None
}

/// Whether only spaces stand between the beginning of a line of `text` and its end `rest`.
fn is_first_of_line(text: &str, rest: &str) -> bool {
    let before = text[..text.len() - rest.len()].rsplit('\n').next();
    before.is_none_or(|before| before.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn error(text: &str) -> String {
        check(Path::new("km/wsk.h"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_long_text_of_short_declarations_is_read() {
        let many = MAX_TOKENS + 1;
        for text in [
            "typedef int T;\n".repeat(many),
            "#define T (1) + \\\n 2\n".repeat(many),
            "#if A\n".repeat(many),
            format!("/* {} */ int a; // {}\n", "1+".repeat(many), "1+".repeat(many)),
            format!("#define A \"{}\"\n", "1+".repeat(many)),
            format!("{}int a;", "\n".repeat(many)),
        ] {
            check(Path::new("km/wsk.h"), &text).unwrap();
        }
    }

    #[test]
    fn a_long_declaration_or_directive_is_refused_with_its_line() {
        let long = "1+".repeat(MAX_TOKENS / 2 + 1);
        for text in [
            format!("int a;\nint b = {long}1;\n"),
            format!("int a;\n#define A {long}1\n"),
            format!("int a;\r\n  # if {}1\r\n#endif\r\n", long.replace("1+", "1+\\\r\n")),
            format!("int a;\nstruct S {{ {} S;\n", "struct { ".repeat(MAX_TOKENS / 2)),
            format!("int a;\ntypedef int {} T;\n", "*".repeat(MAX_TOKENS)),
        ] {
            let error = error(&text);
            assert!(error.starts_with("km/wsk.h:2: error: this declaration"), "{error}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let utf16 = |text: &str| {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert!(error(&utf16("\u{feff}int a;")).contains("save it as UTF-8"));
        assert!(error("int a;\nint b;\n\0").starts_with("km/wsk.h:2: error: a byte of value 0"));
        assert!(error(&" ".repeat(MAX_SIZE + 1)).contains("has 4194305 bytes"));
    }
}
