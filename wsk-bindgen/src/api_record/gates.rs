//! The preprocessor's directives of a header: the conditions of each line, and the definitions of macros.

use anyhow::{Result, bail};

/// The conditions of every line, without those of the include guard and of C++.
#[derive(Debug)]
pub(crate) struct Gates {
    /// For each line, the innermost of its conditions.
    lines: Vec<Option<usize>>,
    conditions: Vec<Condition>,
}

/// A condition and those around it: nested conditionals share them, so that deep nesting takes no more memory than
/// its lines.
#[derive(Debug)]
struct Condition {
    text: String,
    around: Option<usize>,
    /// The number of conditions, with those around this one.
    depth: usize,
}

impl Gates {
    /// The conditions that a record can have for one item.
    const MOST: usize = 64;

    pub(crate) fn read(text: &str) -> Self {
        let directives = directives(text);
        let mut gates =
            Self { lines: Vec::with_capacity(directives.len()), conditions: Vec::new() };
        let mut open: Vec<Branch> = Vec::new();
        for (number, directive) in directives.iter().enumerate() {
            if let Some(Directive { name, rest }) = directive {
                let around = open.last().and_then(|branch| branch.innermost);
                match name.as_str() {
                    "ifdef" => open.push(gates.branch(around, Some(format!("defined({rest})")))),
                    "ifndef" => {
                        let next = directives[number + 1..].iter().flatten().next();
                        let is_guard = open.is_empty()
                            && next.is_some_and(|next| next.name == "define" && next.rest == *rest);
                        let condition = (!is_guard).then(|| format!("!defined({rest})"));
                        open.push(gates.branch(around, condition));
                    }
                    "if" => open.push(gates.branch(around, Some(plain(rest)))),
                    "elif" => gates.next(&mut open, Some(plain(rest))),
                    "elifdef" => gates.next(&mut open, Some(format!("defined({rest})"))),
                    "elifndef" => gates.next(&mut open, Some(format!("!defined({rest})"))),
                    "else" => gates.next(&mut open, None),
                    "endif" => drop(open.pop()),
                    _ => {}
                }
            }
            gates.lines.push(open.last().and_then(|branch| branch.innermost));
        }
        gates
    }

    /// A branch within these conditions.
    fn branch(&mut self, around: Option<usize>, condition: Option<String>) -> Branch {
        let innermost = self.add(around, condition.clone());
        Branch { around, condition, innermost }
    }

    /// Begins the next branch of the innermost conditional: the conditions of the branches before it do not hold.
    fn next(&mut self, open: &mut Vec<Branch>, condition: Option<String>) {
        if let Some(Branch { around, condition: before, .. }) = open.pop() {
            let around = self.add(around, before.map(|before| format!("!({before})")));
            open.push(self.branch(around, condition));
        }
    }

    /// Adds a condition, unless it tests for C++: the headers are always read as C++.
    fn add(&mut self, around: Option<usize>, text: Option<String>) -> Option<usize> {
        let Some(text) = text.filter(|text| !text.contains("__cplusplus")) else { return around };
        let depth = around.map_or(0, |around| self.conditions[around].depth) + 1;
        self.conditions.push(Condition { text, around, depth });
        Some(self.conditions.len() - 1)
    }

    /// The gate of the declaration on a line, counted from one.
    pub(crate) fn of_line(&self, line: u32) -> Result<Option<String>> {
        let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        let Some(innermost) = index.and_then(|index| *self.lines.get(index)?) else {
            return Ok(None);
        };
        let depth = self.conditions[innermost].depth;
        if depth > Self::MOST {
            bail!(
                "it stands below {depth} conditions (#if, #elif, #else), and a record has at most {}: move it out of \
                 some of them",
                Self::MOST
            );
        }
        let mut texts = Vec::with_capacity(depth);
        let mut next = Some(innermost);
        while let Some(Condition { text, around, .. }) = next.map(|it| &self.conditions[it]) {
            texts.push(text.as_str());
            next = *around;
        }
        texts.reverse();
        Ok(Some(texts.join(" && ")))
    }
}

/// The branch of a conditional that is being read.
struct Branch {
    /// The conditions around it, and those of the branches before it.
    around: Option<usize>,
    condition: Option<String>,
    /// Its own condition, or else the condition around it.
    innermost: Option<usize>,
}

/// A condition without the parentheses around all of it.
fn plain(mut condition: &str) -> String {
    while let Some(inner) = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        && is_balanced(inner)
    {
        condition = inner.trim();
    }
    condition.to_owned()
}

/// Whether every parenthesis, bracket and brace that is opened is closed, and in the right order. Those in
/// strings and characters do not count.
pub(super) fn is_balanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(end), _) => quote = quote.filter(|_| character != end),
            (None, '\'') if is_in_number(&text[..at]) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(') => open.push(')'),
            (None, '[') => open.push(']'),
            (None, '{') => open.push('}'),
            (None, ')' | ']' | '}') if open.pop() != Some(character) => return false,
            _ => {}
        }
    }
    open.is_empty() && quote.is_none()
}

/// A `#define`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MacroDefinition {
    pub(super) name: String,
    /// The number of parameters, if the macro has any.
    pub(super) parameters: Option<usize>,
    pub(super) body: String,
}

/// All definitions of macros, whatever their conditions.
pub(super) fn macros(text: &str) -> impl Iterator<Item = MacroDefinition> {
    let directives = directives(text).into_iter().flatten();
    directives.filter(|directive| directive.name == "define").filter_map(
        |Directive { rest, .. }| {
            let end =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let (parameters, body) =
                match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                    Some((list, body)) => {
                        let names = list.split(',').filter(|name| !name.trim().is_empty());
                        (Some(names.count()), body)
                    }
                    None => (None, rest),
                };
            // clang rejects other names, so they must not occur in the source that is written for it.
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let body = body.trim().to_owned();
            is_name.then(|| MacroDefinition { name: name.to_owned(), parameters, body })
        },
    )
}

/// Whether names and numbers contain this character.
fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

struct Directive {
    name: String,
    rest: String,
}

/// The directive that begins on each line.
fn directives(text: &str) -> Vec<Option<Directive>> {
    // Clang ends a line at a carriage return, too.
    let text = without_comments(&text.replace("\r\n", "\n").replace('\r', "\n"));
    let mut lines = text.lines();
    let mut directives = Vec::new();
    while let Some(line) = lines.next() {
        let mut logical = line.trim_end().to_owned();
        let mut continuations = 0;
        while logical.ends_with('\\') {
            logical.pop();
            let Some(next) = lines.next() else { break };
            logical.push_str(next.trim_end());
            continuations += 1;
        }
        directives.push(directive(&logical));
        directives.extend((0..continuations).map(|_| None));
    }
    directives
}

fn directive(line: &str) -> Option<Directive> {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    // `%:` is the digraph.
    let line = line.strip_prefix('#').or_else(|| line.strip_prefix("%:"))?.trim_start();
    let (name, rest) =
        line.split_at(line.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(line.len()));
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Directive { name: name.to_owned(), rest })
}

/// The text with spaces for comments, on the same lines. In strings and characters, nothing is a comment.
pub(super) fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let length = line_comment(rest);
            plain.extend(rest[..length].chars().filter(|character| *character == '\n'));
            length
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let length = comment.find("*/").map_or(rest.len(), |end| end + 4);
            plain.push(' ');
            plain.extend(rest[..length].chars().filter(|character| *character == '\n'));
            length
        } else {
            let length = match character {
                // It separates digits.
                '\'' if is_in_number(&plain) => 1,
                '"' | '\'' => quoted(rest, character),
                _ => character.len_utf8(),
            };
            plain.push_str(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    plain
}

/// The length of the `//` comment that a text begins with. A backslash at the end of its line continues it.
fn line_comment(text: &str) -> usize {
    let ends = text.match_indices('\n').map(|(at, _)| at);
    let is_end = |at: &usize| !text[..*at].trim_end_matches([' ', '\t']).ends_with('\\');
    ends.into_iter().find(is_end).unwrap_or(text.len())
}

/// Whether an apostrophe after this text separates digits (`1'000`). After the prefix of a character, it does not:
/// `L'a'`, `u8'a'`.
fn is_in_number(text: &str) -> bool {
    text.ends_with(is_of_name) && !ends_with_prefix(text)
}

fn ends_with_prefix(text: &str) -> bool {
    let last = text.rsplit(|c: char| !is_of_name(c)).next();
    last.is_some_and(|last| ["L", "u", "U", "u8"].contains(&last))
}

/// The length of the string or character that a text begins with. An apostrophe that starts no character, such as one
/// in an `#error`, extends to the end of its line.
pub(super) fn quoted(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '\n' => return at,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{Gates, is_balanced, macros};

    #[test]
    fn a_body_is_balanced_without_its_strings() {
        for balanced in ["", "(1)", "a[(1)] { b }", "\"(\" ')' '\\''", "\"\\\"(\""] {
            assert!(is_balanced(balanced), "{balanced}");
        }
        for unbalanced in ["(", "1) + (2", "(]", "extern \"C\" {", "\"", "}"] {
            assert!(!is_balanced(unbalanced), "{unbalanced}");
        }
    }

    #[test]
    fn a_definition_is_found_in_any_form() {
        let text = "#define A\n # /* b */ define B( x,\\\n y ) (x) // c\n#define C ( 1 )\n\
                    /* #define D */\n#define E() 2\n#if 0\n#define C(...) 3\n#endif\n\
                    #error it isn't\n#define F \"/*\" /* g */\n#define G '\"' // */\n#define 1\n#define\n";
        let found: Vec<(String, Option<usize>, String)> =
            macros(text).map(|it| (it.name, it.parameters, it.body)).collect();
        let expected = [
            ("A", None, ""),
            ("B", Some(2), "(x)"),
            ("C", None, "( 1 )"),
            ("E", Some(0), "2"),
            ("C", Some(1), "3"),
            ("F", None, "\"/*\""),
            ("G", None, "'\"'"),
        ];
        let expected =
            expected.map(|(name, count, body)| (name.to_owned(), count, body.to_owned()));
        assert_eq!(found, expected);
    }

    /// The gates of the lines that are marked, by their marks.
    fn gates(text: &str) -> Vec<(String, Option<String>)> {
        let gates = Gates::read(text);
        let marked = text.lines().zip(1..).filter_map(|(line, number)| {
            let mark = line.trim().strip_prefix('@')?;
            Some((mark.to_owned(), gates.of_line(number).unwrap()))
        });
        marked.collect()
    }

    fn some(mark: &str, gate: &str) -> (String, Option<String>) {
        (mark.to_owned(), Some(gate.to_owned()))
    }

    fn none(mark: &str) -> (String, Option<String>) {
        (mark.to_owned(), None)
    }

    #[test]
    fn the_guard_and_cpp_are_no_gates() {
        let text = "/* #if 0 */\n#ifndef _WSK_\n#define _WSK_\n@a\n#ifdef __cplusplus\n@b\n#else\n@c\n\
                    #endif\n@d\n#endif // _WSK_\n@e\n";
        assert_eq!(gates(text), ["a", "b", "c", "d", "e"].map(none));
    }

    #[test]
    fn a_gate_is_spelled_one_way() {
        for spelled in [
            "#if (NTDDI_VERSION >= NTDDI_WIN8)",
            "#if NTDDI_VERSION >= NTDDI_WIN8 // since",
            "  #  if((  NTDDI_VERSION  >=\\\n NTDDI_WIN8 ) ) /* since */",
        ] {
            let text = format!("@a\r\n{spelled}\r\n@b\r\n#endif\r\n@c\r\n");
            let expected = [none("a"), some("b", "NTDDI_VERSION >= NTDDI_WIN8"), none("c")];
            assert_eq!(gates(&text), expected, "{spelled}");
        }
    }

    #[test]
    fn gates_are_nested_and_have_branches() {
        let text = "#if A\n@a\n#ifdef B\n@b\n#elif (C) && (D)\n@c\n#else\n@d\n#endif\n@e\n#endif\n\
                    #ifndef E\n@f\n#endif\n";
        assert_eq!(
            gates(text),
            [
                some("a", "A"),
                some("b", "A && defined(B)"),
                some("c", "A && !(defined(B)) && (C) && (D)"),
                some("d", "A && !(defined(B)) && !((C) && (D))"),
                some("e", "A"),
                some("f", "!defined(E)"),
            ]
        );
    }

    /// An apostrophe in a number does not start a character, and one after a letter's prefix does.
    #[test]
    fn digits_may_be_separated() {
        assert!(is_balanced("1'000'0") && is_balanced("(L'(')") && !is_balanced("(u8')'"));
        let text = "#define A 1'000 // it's\n#define B 0x1'F\n#define C L'\"' /* c */\n";
        let bodies: Vec<String> = macros(text).map(|it| it.body).collect();
        assert_eq!(bodies, ["1'000", "0x1'F", "L'\"'"]);
    }

    #[test]
    fn branches_may_ask_for_a_definition() {
        let text = "#if A\n@a\n#elifdef B\n@b\n#elifndef C\n@c\n#else\n@d\n#endif\n@e\n";
        assert_eq!(
            gates(text),
            [
                some("a", "A"),
                some("b", "!(A) && defined(B)"),
                some("c", "!(A) && !(defined(B)) && !defined(C)"),
                some("d", "!(A) && !(defined(B)) && !(!defined(C))"),
                none("e"),
            ]
        );
    }

    #[test]
    fn lines_and_directives_are_found_as_clang_finds_them() {
        for text in [
            // A comment that goes on in the next line hides its directive.
            "// comment \\\n#if X\n@a\n#if A\n@b\n#endif\n@c",
            "// comment \\ \t\n#if X\n@a\n#if A\n@b\n#endif\n@c",
            "\n\n@a\n%:if A\n@b\n%:  endif\n@c",
        ] {
            assert_eq!(gates(text), [none("a"), some("b", "A"), none("c")], "{text}");
            let text = text.replace('\n', "\r");
            let read = Gates::read(&text);
            assert_eq!(read.of_line(5).unwrap().as_deref(), Some("A"), "{text:?}");
            assert_eq!(read.of_line(7).unwrap(), None, "{text:?}");
        }
    }

    /// Deep nesting takes no more memory than its lines, and an item in it is rejected.
    #[test]
    fn deep_conditions_are_refused_at_their_items() {
        const DEPTH: usize = 100_000;
        let text = format!("{}@a\n{}@b\n", "#if A\n".repeat(DEPTH), "#endif\n".repeat(DEPTH));
        let read = Gates::read(&text);
        assert!(read.conditions.len() == DEPTH && read.lines.len() == 2 * DEPTH + 2);
        let line = |line: usize| read.of_line(u32::try_from(line).unwrap());
        assert!(line(64).unwrap().is_some());
        let error = line(DEPTH + 1).unwrap_err().to_string();
        assert!(error.contains("below 100000 conditions"), "{error}");
        assert_eq!(line(2 * DEPTH + 2).unwrap(), None);
        let branches =
            Gates::read(&format!("#if A\n{}@a\n#endif\n@b\n", "#elif A\n".repeat(DEPTH)));
        assert!(branches.of_line(u32::try_from(DEPTH + 2).unwrap()).is_err());
    }
}
