//! Under which conditions each line of a header stands.

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
fn plain(condition: &str) -> String {
    let inner = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match inner {
        Some(inner) if is_balanced(inner) => plain(inner.trim()),
        _ => condition.to_owned(),
    }
}

/// Whether no parenthesis is closed that was not opened.
fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    text.chars().all(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth >= 0
    }) && depth == 0
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

/// The text with spaces for comments, on the same lines.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            plain.push(' ');
            plain.extend(rest[..length].chars().filter(|character| *character == '\n'));
            length
        } else {
            plain.push(character);
            character.len_utf8()
        };
        rest = &rest[length..];
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::Gates;

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
