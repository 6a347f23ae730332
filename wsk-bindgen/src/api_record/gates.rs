//! The preprocessor's directives of a header: the conditions of each line, and the definitions of macros.

/// The conditions of every line, without those of the include guard and of C++.
#[derive(Debug)]
pub(crate) struct Gates(Vec<Option<String>>);

impl Gates {
    pub(crate) fn read(text: &str) -> Self {
        let directives = directives(text);
        let mut open: Vec<Branch> = Vec::new();
        let mut lines = Vec::new();
        for (number, directive) in directives.iter().enumerate() {
            if let Some(Directive { name, rest }) = directive {
                match name.as_str() {
                    "ifdef" => open.push(Branch::new(format!("defined({rest})"))),
                    "ifndef" => {
                        let next = directives[number + 1..].iter().flatten().next();
                        let is_guard = open.is_empty()
                            && next.is_some_and(|next| next.name == "define" && next.rest == *rest);
                        open.push(if is_guard {
                            Branch::default()
                        } else {
                            Branch::new(format!("!defined({rest})"))
                        });
                    }
                    "if" => open.push(Branch::new(plain(rest))),
                    "elif" => open.last_mut().into_iter().for_each(|it| it.next(Some(plain(rest)))),
                    "else" => open.last_mut().into_iter().for_each(|it| it.next(None)),
                    "endif" => drop(open.pop()),
                    _ => {}
                }
            }
            let conditions: Vec<String> = open.iter().flat_map(Branch::conditions).collect();
            lines.push((!conditions.is_empty()).then(|| conditions.join(" && ")));
        }
        Self(lines)
    }

    /// The gate of what stands on a line, counted from one.
    pub(crate) fn of_line(&self, line: u32) -> Option<String> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.0.get(index)?.clone()
    }
}

/// The branch of a conditional that is being read.
#[derive(Default)]
struct Branch {
    /// The conditions of the branches before it, which do not hold in this one.
    earlier: Vec<String>,
    condition: Option<String>,
}

impl Branch {
    fn new(condition: String) -> Self {
        Self { earlier: Vec::new(), condition: Some(condition) }
    }

    fn next(&mut self, condition: Option<String>) {
        self.earlier.extend(self.condition.take());
        self.condition = condition;
    }

    /// Without those that ask for C++, as which the headers are always read.
    fn conditions(&self) -> impl Iterator<Item = String> {
        let earlier = self.earlier.iter().map(|condition| format!("!({condition})"));
        earlier.chain(self.condition.clone()).filter(|condition| !condition.contains("__cplusplus"))
    }
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
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(end), _) => quote = quote.filter(|_| character != end),
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
            // clang refuses others: it must not find them in what is written for it.
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let body = body.trim().to_owned();
            is_name.then(|| MacroDefinition { name: name.to_owned(), parameters, body })
        },
    )
}

struct Directive {
    name: String,
    rest: String,
}

/// The directive that begins on each line.
fn directives(text: &str) -> Vec<Option<Directive>> {
    let text = without_comments(text);
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
    let line = line.trim_start_matches('\u{feff}').trim_start().strip_prefix('#')?.trim_start();
    let (name, rest) =
        line.split_at(line.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(line.len()));
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Directive { name: name.to_owned(), rest })
}

/// The text with spaces for comments, on the same lines. In strings and characters, nothing is a comment.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let length = comment.find("*/").map_or(rest.len(), |end| end + 4);
            plain.push(' ');
            plain.extend(rest[..length].chars().filter(|character| *character == '\n'));
            length
        } else {
            let length = match character {
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

/// The length of the string or character that a text begins with. An apostrophe that is none, such as that of an
/// `#error`, ends with its line.
fn quoted(text: &str, quote: char) -> usize {
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
            Some((mark.to_owned(), gates.of_line(number)))
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
}
