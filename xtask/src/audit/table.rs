//! The table of what everything takes of the stack: `wsk/STACK.md`, as it is committed and as it is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::stack::{BOUND, Measures, NESTING};
use crate::project;

/// What numbers are rounded up to, so that the table does not change with every compiler.
const STEP: u32 = 64;

/// What is in a table: numbers for each processor, by what they are of.
type Table = BTreeMap<String, Vec<Numbers>>;

/// Bytes of a call, and if it makes a future, of its polls and of its drop.
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

/// What is done with a future, in the order of its numbers.
const PHASES: [&str; 2] = [".poll", ".drop"];

/// The rows of both tables. Of several processors, each has its column.
fn table(measures: &[Measures]) -> Table {
    let mut table = Table::new();
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

/// What takes more than the committed table says, or is not in it.
pub(super) fn exceeding(measures: &[Measures]) -> Result<Vec<String>> {
    let path = path();
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(differences(&table(measures), &parse(&text)))
}

fn differences(measured: &Table, committed: &Table) -> Vec<String> {
    const REMEDY: &str = "If that is as it should be, run `cargo xtask stack`";
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
                "`{name}` takes {} bytes of the stack, and wsk/STACK.md says {}. {REMEDY}",
                list(numbers),
                list(most)
            ));
        }
    }
    let gone = committed.keys().filter(|name| !measured.contains_key(*name));
    problems
        .extend(gone.map(|name| format!("`{name}` is in wsk/STACK.md, and not there. {REMEDY}")));
    problems
}

fn parse(text: &str) -> Table {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let name = cells.next()?.trim_matches('`').to_owned();
        Some((name, cells.map(Numbers::parse).collect::<Option<_>>()?))
    };
    text.lines().filter_map(row).collect()
}

/// The page.
fn text(table: &Table, measures: &[Measures]) -> String {
    let callers: Vec<&str> = {
        let all = measures.iter().flat_map(|measures| measures.callers.keys());
        all.collect::<BTreeSet<_>>().into_iter().map(|one| one.describe()).collect()
    };
    let mut text = INTRODUCTION
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
    text += &head("called back");
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
# The stack

<!-- @generated by `cargo xtask stack` -->

A thread of the kernel has 24 KiB of stack, for everything that runs on it: the drivers above and below, the
network, and interrupts. This is what wsk takes of it, in bytes, in a release build: along the deepest path
through a driver's functions, each with what its instructions take. Numbers are rounded up to multiples of STEP.
`cargo xtask test audit` fails when something takes more than it says here, and when a call takes more than
BOUND bytes, with what may be called back on the same stack.

An `async` function has three numbers: for the call, which makes the future; for each of the future's polls,
which do the work; and for dropping it. The future itself is where its owner puts it: in the pool, if it is
spawned, and on the stack of `rt::block_on`'s caller.
Values that are passed or returned are counted, such as the future of 1024 bytes in `Spawner::spawn<1024>`.

Not counted is what is not wsk's:

- what the kernel's functions take, which each call ends in;
- a driver's own code, in tasks and in the handlers of events;
- the end of the machine, if a future is polled after it was ready.

Functions that call back come on top. A request may complete within the call that makes it; its completion routine may
wake a task, clean up what the request owns, and release the last reference to the task or its socket. Formatting,
as `Debug` does it, calls one function for each level of the value, of which wsk's values have NESTING at most.
Nothing else is called through pointers, and nothing calls itself, but for the memory of a listener, which may hold
that of a socket that was never accepted.
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
    fn what_is_written_is_what_is_read() {
        let (measures, text) = (both(500), text(&table(&both(500)), &both(500)));
        assert!(text.contains("\n| `A::send` | 64 / 512 / 128 | 64 / 512 / 128 |\n"), "{text}");
        assert!(text.contains("\n| wakers | 64 | 64 |\n"), "{text}");
        assert_eq!(differences(&table(&measures), &parse(&text)), [""; 0]);
    }

    #[test]
    fn less_is_well_and_more_is_not() {
        let committed = parse(&text(&table(&both(500)), &both(500)));
        assert_eq!(differences(&table(&both(512)), &committed), [""; 0]);
        assert_eq!(differences(&table(&both(8)), &committed), [""; 0]);
        assert_eq!(differences(&table(&both(513)), &committed).len(), 1);
        let [x64, _] = both(500);
        // One processor has gone, a function has come, and one has gone.
        assert_eq!(differences(&table(&[x64]), &committed).len(), 4);
        let others = [Arch::X64, Arch::Arm64]
            .map(|arch| measures(arch, &[("A::new", 8), ("B::new", 8)], &[]));
        assert_eq!(differences(&table(&others), &committed).len(), 4);
    }
}
