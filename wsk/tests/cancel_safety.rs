//! Each public method that returns a future documents the effect of dropping the future.

use std::fs;
use std::path::Path;

/// The functions of a source that return a future, with their documentation.
fn futures(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(rest) = line.trim_start().strip_prefix("pub ") else { continue };
        let signature = lines[number..].iter().take(10).copied().collect::<Vec<_>>().join(" ");
        let signature = signature.split('{').next().unwrap_or_default();
        let is_async = rest.starts_with("async fn ")
            || (rest.starts_with("fn ") && signature.contains("-> impl Future"));
        if !is_async {
            continue;
        }
        let name = rest.split("fn ").nth(1).unwrap_or_default();
        let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
        let above = lines[..number].iter().rev().map(|line| line.trim_start());
        let documentation: Vec<&str> =
            above.take_while(|line| line.starts_with("///") || line.starts_with("#[")).collect();
        found.push((name, documentation.join("\n")));
    }
    found
}

fn visit(folder: &Path, undocumented: &mut Vec<String>, count: &mut usize) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            visit(&path, undocumented, count);
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for (name, documentation) in futures(&text) {
            *count += 1;
            if !documentation.contains("# Cancel safety") {
                undocumented.push(format!("{}: {name}", path.display()));
            }
        }
    }
}

#[test]
fn each_method_that_returns_a_future_has_a_section_on_cancel_safety() {
    let (mut undocumented, mut count) = (Vec::new(), 0);
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut undocumented, &mut count);
    assert!(count > 100, "only {count} methods were found");
    assert!(
        undocumented.is_empty(),
        "add a section `# Cancel safety` to the documentation of:\n{}",
        undocumented.join("\n")
    );
}

#[test]
fn a_method_without_the_section_is_found() {
    let text = "    /// Does it.\n    ///\n    /// # Errors\n    pub async fn act(&self) {\n";
    assert_eq!(futures(text)[0].0, "act");
    assert!(!futures(text)[0].1.contains("# Cancel safety"));
}
