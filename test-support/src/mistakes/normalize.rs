//! The compiler's messages, without the parts that change for unrelated reasons.

/// The messages for a source of the folder `package`, in which lines of libraries have no numbers: a change elsewhere in a
/// library does not change them.
pub(super) fn normalize(messages: &str, package: &str) -> String {
    let blocks = messages.split("\n\n").filter(|block| !is_summary(block));
    let blocks: Vec<String> =
        blocks.map(|block| normalize_block(block.trim_end(), package)).collect();
    blocks.join("\n\n") + "\n"
}

/// Whether a paragraph only counts the errors, or refers to explanations of them.
fn is_summary(block: &str) -> bool {
    let block = block.trim();
    block.is_empty()
        || ["error: aborting due to", "Some errors have detailed", "For more information about"]
            .iter()
            .any(|start| block.starts_with(start))
}

/// One message: the lines of libraries lose their numbers, and the margin is as wide as the remaining ones.
fn normalize_block(block: &str, package: &str) -> String {
    let Some(width) = block.lines().find_map(width_of_margin) else {
        return block.to_owned();
    };
    let mut lines = Vec::new();
    let mut is_of_library = false;
    let mut widest = 1;
    for line in block.lines() {
        let (margin, rest) = split_margin(line, width);
        if let Some((arrow @ ("-->" | ":::"), place)) = rest.split_once(' ') {
            let own = place.strip_prefix(package).and_then(|place| place.strip_prefix('/'));
            is_of_library = own.is_none();
            let place = own.unwrap_or_else(|| without_position(place));
            let root = if is_of_library { "$WORKSPACE/" } else { "" };
            lines.push((Some(String::new()), format!("{arrow} {root}{place}")));
            continue;
        }
        // A further note, which may quote the source of the test.
        is_of_library &= !rest.starts_with(char::is_alphabetic);
        let number = margin.unwrap_or_default().trim();
        let number = if is_of_library { "" } else { number };
        widest = widest.max(number.len());
        lines.push((margin.map(|_| number.to_owned()), rest.to_owned()));
    }
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(margin, rest)| match margin {
            Some(number) => format!("{number:>widest$}{rest}"),
            None => rest,
        })
        .collect();
    lines.join("\n")
}

/// The width of the margin with the numbers of lines, from the line that names the file.
fn width_of_margin(line: &str) -> Option<usize> {
    let text = line.trim_start_matches(' ');
    text.starts_with("--> ").then_some(line.len() - text.len())
}

/// The margin of a line, which is a number or empty, and the rest. Texts between sources have no margin.
fn split_margin(line: &str, width: usize) -> (Option<&str>, &str) {
    match line.split_at_checked(width) {
        Some((margin, rest))
            if margin.bytes().all(|byte| byte == b' ' || byte.is_ascii_digit()) =>
        {
            (Some(margin), rest)
        }
        _ => (None, line),
    }
}

/// `PATH` of `PATH:LINE:COLUMN`.
fn without_position(place: &str) -> &str {
    place.rsplitn(3, ':').last().unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn lines_of_libraries_lose_their_numbers() {
        let messages = "\
error[E0277]: `A` is not `B`
   --> crates/a/tests/a.rs:7:5
    |
  7 |     a
    |     ^ here
    |
note: required by this
   --> crates/b/lib.rs:1234:9
    |
123 | trait B {}
    |       ^
    = help: these are:
              C
help: write another
    |
  7 -     a
  7 +     b
    |

error: aborting due to 1 previous error; 1 warning emitted

For more information about this error, try `rustc --explain E0277`.
";
        let expected = "\
error[E0277]: `A` is not `B`
 --> tests/a.rs:7:5
  |
7 |     a
  |     ^ here
  |
note: required by this
 --> $WORKSPACE/crates/b/lib.rs
  |
  | trait B {}
  |       ^
  = help: these are:
            C
help: write another
  |
7 -     a
7 +     b
  |
";
        assert_eq!(normalize(messages, "crates/a"), expected);
    }
}
