//! Checks that callbacks cost as much as in C, by the instructions of handlers that do nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::project;

/// The target that both sides are compiled for.
const TARGET: &str = "x86_64-pc-windows-msvc";

const C: &str = "wsk/examples/callback_cost.c";

/// The number of additional instructions that the Rust side may have, for each function.
const MORE: usize = 2;

pub(super) fn compare() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    fs::create_dir_all(project::scratch()?)?;
    let c = count(&compile_c(&shell)?);
    let rust = count(&compile_rust(&shell)?);
    ensure!(!c.is_empty(), "{C} has no functions that begin with `nothing_`");
    println!("{:<24} {:>4} {:>5}", "instructions", "C", "Rust");
    for (function, of_c) in &c {
        let of_rust =
            rust.get(function).with_context(|| format!("the Rust side lacks `{function}`"))?;
        println!("{function:<24} {of_c:>4} {of_rust:>5}");
        ensure!(
            *of_rust <= of_c + MORE,
            "`{function}` has {of_rust} instructions in Rust and {of_c} in C: more than {MORE} more"
        );
    }
    Ok(())
}

fn compile_c(shell: &Shell) -> Result<String> {
    let to = project::scratch()?.join("callback_cost.s");
    let target = format!("--target={TARGET}");
    cmd!(shell, "clang -std=c11 -O2 -S {target} -Iheaders/km -Iheaders/shared {C} -o {to}")
        .quiet()
        .run()
        .with_context(|| format!("{C} does not compile"))?;
    fs::read_to_string(&to).with_context(|| format!("{} cannot be read", to.display()))
}

/// Compiles the example as a crate of its own: as an example, it would have the features of `wsk`'s tests, of which
/// `counters` adds instructions.
fn compile_rust(shell: &Shell) -> Result<String> {
    let folder = project::scratch()?.join("callback_cost");
    // Otherwise the output of an earlier compiler would be found, too.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let root = project::root();
    let manifest = folder.join("Cargo.toml");
    let (example, wsk) = (root.join("wsk/examples/callback_cost.rs"), root.join("wsk"));
    let (example, wsk) = (example.display(), wsk.display());
    let text = format!(
        "[package]\nname = \"callback_cost\"\nedition = \"2024\"\n\n[lib]\npath = '{example}'\n\n\
         [dependencies]\nwsk = {{ path = '{wsk}' }}\n\n[workspace]\n\n\
         [profile.release]\ncodegen-units = 1\npanic = \"abort\"\n"
    );
    fs::write(&manifest, text)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let target = folder.join("target");
    cmd!(
        shell,
        "cargo rustc --quiet --release --lib --manifest-path {manifest} --target {TARGET} --target-dir {target}"
    )
    .args(["--", "--emit=asm"])
    .quiet()
    .run()?;
    let output = target.join(TARGET).join("release/deps");
    let is_assembly = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "s");
    let mut found = fs::read_dir(&output)?.filter_map(|entry| Some(entry.ok()?.path()));
    let assembly = found.find(is_assembly).context("rustc wrote no assembly")?;
    Ok(fs::read_to_string(assembly)?)
}

/// The number of instructions of each function that is compared.
fn count(assembly: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in assembly.lines() {
        let is_indented = line.starts_with('\t');
        let text = line.split(['#', ';']).next().unwrap_or_default().trim();
        if !is_indented && let Some(label) = text.strip_suffix(':') {
            let is_local = label.starts_with('.');
            if !is_local {
                current = label.starts_with("nothing_").then(|| label.to_owned());
                counts.extend(current.clone().map(|label| (label, 0)));
            }
        } else if let Some(count) = current.as_ref().and_then(|label| counts.get_mut(label)) {
            // Directives begin with a dot, and padding is not part of the function.
            let is_instruction = !text.is_empty() && !text.starts_with('.') && text != "int3";
            *count += usize::from(is_indented && is_instruction);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn instructions_are_counted_and_nothing_else() {
        let assembly = "\t.globl\tnothing_a\nnothing_a:\n.seh_proc nothing_a\n\ttestq\t%rcx, %rcx\n\
                        \tje\t.LBB0_1\n.LBB0_1:                 # %b\n\txorl\t%eax, %eax # zero\n\tretq\n\
                        \t.seh_endproc\n\nother:\n\tretq\nnothing_b:\n\tretq\n\tint3\n";
        let counts: Vec<(String, usize)> = count(assembly).into_iter().collect();
        assert_eq!(counts, [("nothing_a".to_owned(), 4), ("nothing_b".to_owned(), 1)]);
    }
}
