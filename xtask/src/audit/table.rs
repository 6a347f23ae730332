//! The table of stack use, `wsk/STACK.md`: as committed, and as measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_wsk::build::Arch;

use super::stack::{BOUND, Measures, NESTING, OWN_BOUND};
use crate::project;

/// Numbers are rounded up to multiples of this, so that the table does not change with every compiler.
const STEP: u32 = 64;

/// The rows of a table: the numbers of each processor, by function or caller.
type StackTable = BTreeMap<String, Vec<Numbers>>;

/// The stack of a call in bytes; for a call that creates a future, also the stack of its polls and its drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Numbers(Vec<u32>);

impl Numbers {
    fn is_within(&self, most: &Self) -> bool {
        self.0.len() == most.0.len() && self.0.iter().zip(&most.0).all(|(one, most)| one <= most)
    }

    fn parse(text: &str) -> Option<Self> {
        text.split(" / ").map(|number| number.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn rounded(&self) -> Self {
        Self(self.0.iter().map(|number| number.next_multiple_of(STEP)).collect())
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join(" / "))
    }
}

/// The numbers of all processors.
fn list(numbers: &[Numbers]) -> String {
    numbers.iter().map(Numbers::to_string).collect::<Vec<_>>().join(" | ")
}

/// The uses of a future, in the order of its numbers.
const PHASES: [&str; 2] = [".poll", ".drop"];

/// The rows of both tables, with a column for each processor.
fn table(measures: &[Measures]) -> StackTable {
    let mut table = StackTable::new();
    for measures in measures {
        let of = |name: &str| measures.calls.get(name).copied();
        for (name, call) in &measures.calls {
            if PHASES.iter().any(|phase| name.ends_with(phase)) {
                continue;
            }
            let phases = PHASES.iter().filter_map(|phase| of(&format!("{name}{phase}")));
            let numbers = Numbers([*call].into_iter().chain(phases).collect());
            table.entry(name.clone()).or_default().push(numbers);
        }
        for (caller, bytes) in &measures.callers {
            table.entry(caller.describe().to_owned()).or_default().push(Numbers(vec![*bytes]));
        }
    }
    table
}

fn path() -> PathBuf {
    project::root().join("wsk").join("STACK.md")
}

/// The functions that are missing from the committed table, or that use more stack than it allows, for the measured
/// processors.
pub(super) fn exceeding(measures: &[Measures]) -> Result<Vec<String>> {
    let path = path();
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(differences(&table(measures), &columns(parse(&text), measures)))
}

/// The columns of a complete table for the processors that were measured.
fn columns(mut table: StackTable, measures: &[Measures]) -> StackTable {
    let is_measured = |arch: Arch| measures.iter().any(|measures| measures.arch == arch);
    let mut measured = Arch::ALL.map(is_measured).into_iter().cycle();
    for numbers in table.values_mut().filter(|numbers| numbers.len() == Arch::ALL.len()) {
        numbers.retain(|_| measured.next() == Some(true));
    }
    table
}

fn differences(measured: &StackTable, committed: &StackTable) -> Vec<String> {
    const REMEDY: &str = "If that is intended, run `cargo xtask stack`";
    let mut problems = Vec::new();
    for (name, numbers) in measured {
        let Some(most) = committed.get(name) else {
            problems.push(format!("`{name}` is not in wsk/STACK.md. {REMEDY}"));
            continue;
        };
        let is_within = numbers.len() == most.len()
            && numbers.iter().zip(most).all(|(numbers, most)| numbers.is_within(most));
        if !is_within {
            problems.push(format!(
                "`{name}` uses {} bytes of stack, more than the {} in wsk/STACK.md. {REMEDY}",
                list(numbers),
                list(most)
            ));
        }
    }
    let gone = committed.keys().filter(|name| !measured.contains_key(*name));
    problems
        .extend(gone.map(|name| format!("`{name}` is in wsk/STACK.md, but not in wsk. {REMEDY}")));
    problems
}

fn parse(text: &str) -> StackTable {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let name = cells.next()?.trim_matches('`').to_owned();
        Some((name, cells.map(Numbers::parse).collect::<Option<_>>()?))
    };
    text.lines().filter_map(row).collect()
}

/// The page.
fn text(table: &StackTable, measures: &[Measures]) -> String {
    let callers: Vec<&str> = {
        let all = measures.iter().flat_map(|measures| measures.callers.keys());
        all.collect::<BTreeSet<_>>().into_iter().map(|one| one.describe()).collect()
    };
    let mut text = INTRODUCTION
        .replace("OWN_BOUND", &OWN_BOUND.to_string())
        .replace("BOUND", &BOUND.to_string())
        .replace("STEP", &STEP.to_string())
        .replace("NESTING", &NESTING.to_string());
    let archs: Vec<&str> = measures.iter().map(|measures| measures.arch.name()).collect();
    let head = |first: &str| {
        format!("\n| {first} | {} |\n|---|{}\n", archs.join(" | "), "---|".repeat(archs.len()))
    };
    let row = |name: &str, numbers: &[Numbers]| {
        let cells: Vec<Numbers> = numbers.iter().map(Numbers::rounded).collect();
        format!("| {name} | {} |\n", list(&cells))
    };
    text += &head("callback");
    for caller in &callers {
        text += &row(caller, &table[*caller]);
    }
    text += &head("function");
    for (name, numbers) in table.iter().filter(|(name, _)| !callers.contains(&name.as_str())) {
        text += &row(&format!("`{name}`"), numbers);
    }
    text
}

const INTRODUCTION: &str = "\
# Stack use

<!-- @generated by `cargo xtask stack` -->

A kernel thread has a stack of 24 KiB, for the drivers above and below, the network, and interrupts. These tables list
the stack use of wsk's functions in bytes, in a driver with the optimization of a new project (`opt-level` s): the sum
along the deepest call path, computed from the instructions. Numbers are rounded up to multiples of STEP. `cargo xtask test audit` fails if a function uses
more than its number here, more than OWN_BOUND bytes, or more than BOUND including callbacks on the same stack.

An `async` function has three numbers: for the call, which creates the future; for a poll of the future, which does the
work; and for its drop. The future itself is stored by its owner: a spawned one in the pool, and that of `rt::block_on`
on the stack of its caller. Arguments and results are counted, such as the future of 1024 bytes in
`Spawner::spawn<1024>`.

The numbers do not include:

- the kernel's functions, in which each call ends;
- a driver's own code, in tasks and event handlers;
- the panic of a future that is polled after it was ready.

Callbacks come on top. A request may complete within the call that issues it; its completion routine cleans up the values
that the request owns, wakes its task or all tasks that wait for a listener's next connection, and may release the last
reference to the task or the socket. Formatting with
`Debug` calls one function for each level of a value, and wsk's values have at most NESTING levels. wsk calls no other
functions through pointers. No function is recursive, except the release of a listener's memory, which may release the
memory of a socket that was never accepted.
";

/// Writes the tables.
pub(super) fn write(measures: &[Measures]) -> Result<()> {
    for measures in measures {
        println!("{}", measures.summary());
        for problem in &measures.problems {
            println!("{}: {problem}", measures.arch.name());
        }
    }
    let path = path();
    fs::write(&path, text(&table(measures), measures))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use cargo_wsk::build::Arch;

    use super::super::stack::Caller;
    use super::super::stack::tests::measures;
    use super::*;

    fn both(poll: u32) -> [Measures; 2] {
        let calls = [("A::new", 8), ("A::send", 8), ("A::send.poll", poll), ("A::send.drop", 70)];
        [Arch::X64, Arch::Arm64]
            .map(|arch| measures(arch, &calls, &[(Caller::Waker, 60), (Caller::Event, 0)]))
    }

    #[test]
    fn a_written_table_is_read_unchanged() {
        let (measures, text) = (both(500), text(&table(&both(500)), &both(500)));
        assert!(text.contains("\n| `A::send` | 64 / 512 / 128 | 64 / 512 / 128 |\n"), "{text}");
        assert!(text.contains("\n| wakers | 64 | 64 |\n"), "{text}");
        assert_eq!(differences(&table(&measures), &parse(&text)), [""; 0]);
    }

    #[test]
    fn a_lower_number_is_accepted_and_a_higher_one_is_not() {
        let committed = parse(&text(&table(&both(500)), &both(500)));
        assert_eq!(differences(&table(&both(512)), &committed), [""; 0]);
        assert_eq!(differences(&table(&both(8)), &committed), [""; 0]);
        assert_eq!(differences(&table(&both(513)), &committed).len(), 1);
        let [x64, _] = both(500);
        // One processor and one function were removed, and one function was added.
        assert_eq!(differences(&table(&[x64]), &committed).len(), 4);
        let others = [Arch::X64, Arch::Arm64]
            .map(|arch| measures(arch, &[("A::new", 8), ("B::new", 8)], &[]));
        assert_eq!(differences(&table(&others), &committed).len(), 4);
    }

    #[test]
    fn one_processor_is_compared_with_its_own_column() {
        let ([x64, _], [_, arm64]) = (both(500), both(600));
        let text = text(&table(&[x64, arm64]), &both(500));
        let problems = |one: Measures| {
            let one = [one];
            differences(&table(&one), &columns(parse(&text), &one)).len()
        };
        let ([x64, arm64], [higher, same]) = (both(500), both(600));
        assert_eq!([x64, arm64, same, higher].map(problems), [0, 0, 0, 1]);
    }
}
