//! Measures the images of the echo drivers, as they ship: `docs/cost-images.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cargo_wsk::build::Arch;
use xshell::{Shell, cmd};

use super::ECHO_IN_C;
use super::callgrind::function;
use super::report::number;
use crate::program::{ProgramOutput, execute};
use crate::{driver, project};

/// The numbers of messages of two runs. The cost of one message is the difference between them, divided by the difference
/// in messages.
const MESSAGES: [u32; 2] = [1000, 2000];

/// The maximum time of a load and an unload.
const LOAD: Duration = Duration::from_millis(50);

/// The maximum run time of a program. Under valgrind, it runs for a few seconds.
const PATIENCE: Duration = Duration::from_mins(10);

/// The languages of the drivers.
const LANGUAGES: [&str; 2] = ["C", "Rust"];

/// The timings of the bench, each with its name in the table of `docs/cost.md`.
const TIMINGS: [(&str, &str); 2] =
    [("inline", "completed before the call returns"), ("deferred", "completed later")];

/// The counts of one run, or those of one message.
#[derive(Clone, Debug, Default, PartialEq)]
struct ImageCounts {
    /// Instructions of the image.
    own: f64,
    /// Instructions of the functions through which it calls the host.
    entry_points: f64,
    /// All instructions, those of the client that sends the messages included.
    whole: f64,
    /// The number of the image's calls of each function of the host.
    calls: BTreeMap<String, f64>,
}

/// The cost of an image at a timing.
struct ImageCost {
    each: ImageCounts,
    /// The number of allocations of all messages of a run.
    allocations: u64,
    /// The instructions of one send and one receive of the linked client in the same language.
    linked: f64,
}

/// The own instructions of the linked clients, by timing and language, as `docs/cost.md` has them.
struct LinkedCounts([[f64; 2]; 2]);

impl LinkedCounts {
    fn read(page: &str) -> Result<Self> {
        let mut counts = [[0.0; 2]; 2];
        for ((_, timing), counts) in TIMINGS.iter().zip(&mut counts) {
            let name = format!("| {timing}: the client's own | ");
            let row = page.lines().find_map(|line| line.strip_prefix(&name));
            let cells: Vec<f64> = row
                .into_iter()
                .flat_map(|row| row.split('|'))
                .filter_map(|cell| cell.trim().replace(',', "").parse().ok())
                .collect();
            let [c, rust, _ratio] = cells[..] else { bail!("docs/cost.md has no row `{name}`") };
            *counts = [c, rust];
        }
        Ok(Self(counts))
    }
}

/// Measures the images, and writes the page.
pub(super) fn measure(shell: &Shell) -> Result<()> {
    let bench = build(shell)?;
    let images = [ECHO_IN_C.build(shell)?, driver::build("echo", Arch::X64)?];
    let linked = LinkedCounts::read(&fs::read_to_string(project::root().join("docs/cost.md"))?)?;
    let mut costs = Vec::new();
    for ((timing, _), linked) in TIMINGS.iter().zip(linked.0) {
        for ((language, image), linked) in LANGUAGES.iter().zip(&images).zip(linked) {
            println!("counting: {language}, {timing}");
            costs.push(cost(&bench, image, timing, linked)?);
        }
    }
    let loads: Vec<Duration> =
        images.iter().map(|image| fastest_load(&bench, image)).collect::<Result<_>>()?;
    let tools = [("rustc", "--version"), ("clang", "--version"), ("valgrind", "--version")];
    let tools: Vec<String> = tools
        .iter()
        .map(|(program, option)| {
            let output = cmd!(shell, "{program} {option}").quiet().read()?;
            Ok(output.lines().next().unwrap_or_default().to_owned())
        })
        .collect::<Result<_>>()?;
    let day = cmd!(shell, "date --utc +%F").quiet().read()?;
    let page = include_str!("image_cost.md")
        .replace("{instructions}", instructions(&costs).trim_end())
        .replace("{calls}", calls(&costs).trim_end())
        .replace("{loads}", load_table(&loads).trim_end())
        .replace("{day}", day.trim())
        .replace("{tools}", &tools.join("; "));
    let path = project::root().join("docs").join("cost-images.md");
    fs::write(&path, page)?;
    println!("written: docs/cost-images.md\n{}\n{}", instructions(&costs), load_table(&loads));
    for load in loads {
        ensure!(load < LOAD, "a load and an unload take {load:?}, and may take {LOAD:?}");
    }
    Ok(())
}

/// Builds the bench, and returns its program.
fn build(shell: &Shell) -> Result<PathBuf> {
    let messages = cmd!(
        shell,
        "cargo bench --package wsk-loader --bench images --no-run --message-format json"
    );
    let messages = messages.read()?;
    let program = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    program.context("cargo did not build a program for the bench `images`")
}

fn cost(bench: &Path, image: &Path, timing: &str, linked: f64) -> Result<ImageCost> {
    let (_, fewer) = run(bench, image, timing, MESSAGES[0])?;
    let (allocations, more) = run(bench, image, timing, MESSAGES[1])?;
    Ok(ImageCost { each: more.of_each(&fewer), allocations, linked })
}

/// Counts the instructions of a run, and its allocations.
fn run(bench: &Path, image: &Path, timing: &str, messages: u32) -> Result<(u64, ImageCounts)> {
    let file = bench.with_extension("callgrind");
    let mut command = std::process::Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--dump-instr=yes", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(bench)
        .arg(image)
        .args([timing, &messages.to_string()]);
    let ProgramOutput { status, out, err } = execute(&mut command, bench, PATIENCE)?;
    ensure!(status.success(), "{command:?} has ended with {status}:\n{out}{err}");
    let words: Vec<&str> = out.split_whitespace().collect();
    let [allocations, "allocations;", "entry", "points", start, end] = words[..] else {
        bail!("the bench `images` has printed: {out}");
    };
    let entry_points = hexadecimal(start).zip(hexadecimal(end)).context("they are addresses")?;
    let text = fs::read_to_string(&file)?;
    let counts = ImageCounts::parse(&text, &(entry_points.0..entry_points.1));
    Ok((allocations.parse()?, counts))
}

fn fastest_load(bench: &Path, image: &Path) -> Result<Duration> {
    let mut command = std::process::Command::new(bench);
    command.arg(image).arg("load");
    let ProgramOutput { status, out, err } = execute(&mut command, bench, PATIENCE)?;
    ensure!(status.success(), "{command:?} has ended with {status}:\n{out}{err}");
    Ok(Duration::from_micros(out.trim().parse()?))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The addresses of an image and of the functions that it calls: those of all images, one range of 4 GiB.
fn images(entry_points: &Range<u64>) -> Range<u64> {
    const SIZE: u64 = 4 << 30;
    entry_points.end.saturating_sub(SIZE)..entry_points.start.saturating_add(SIZE)
}

impl ImageCounts {
    /// Reads what callgrind has written, with the addresses of instructions. An image has no file that callgrind knows.
    fn parse(text: &str, entry_points: &Range<u64>) -> Self {
        const UNKNOWN: &str = "???";
        let images = images(entry_points);
        let mut names: BTreeMap<(&str, String), String> = BTreeMap::new();
        let mut resolve = |kind: &'static str, value: &str| {
            let Some((number, name)) = value.split_once(')') else { return value.to_owned() };
            let (key, name) = ((kind, number.to_owned()), name.trim_start());
            if name.is_empty() {
                return names.get(&key).cloned().unwrap_or_default();
            }
            names.insert(key, name.to_owned());
            name.to_owned()
        };
        let mut counts = Self::default();
        let (mut object, mut called) = (String::new(), String::new());
        let mut calls: Option<f64> = None;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "ob" => object = resolve("ob", value),
                    "cob" => drop(resolve("ob", value)),
                    "fn" => drop(resolve("fn", value)),
                    "cfn" => called = resolve("fn", value),
                    "calls" => {
                        calls = value.split_whitespace().next().and_then(|it| it.parse().ok());
                    }
                    _ => {}
                }
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(hexadecimal) else { continue };
            let cost = words.nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0.0);
            let is_entry_point = entry_points.contains(&address);
            if let Some(number) = calls.take() {
                if is_entry_point {
                    *counts.calls.entry(function(&called)).or_default() += number;
                }
                continue;
            }
            counts.whole += cost;
            if is_entry_point {
                counts.entry_points += cost;
            } else if object == UNKNOWN && images.contains(&address) {
                counts.own += cost;
            }
        }
        counts
    }

    /// The counts of one message, from those of two runs.
    fn of_each(&self, fewer: &Self) -> Self {
        let messages = f64::from(MESSAGES[1] - MESSAGES[0]);
        let each = |more: f64, fewer: f64| (more - fewer) / messages;
        let calls = self.calls.iter().map(|(name, number)| {
            (name.clone(), each(*number, fewer.calls.get(name).copied().unwrap_or(0.0)))
        });
        Self {
            own: each(self.own, fewer.own),
            entry_points: each(self.entry_points, fewer.entry_points),
            whole: each(self.whole, fewer.whole),
            calls: calls.filter(|(_, number)| *number > 0.01).collect(),
        }
    }
}

/// The head of a table whose columns are the costs.
const HEAD: &str =
    "C, inline | Rust, inline | C, deferred | Rust, deferred |\n|---|--:|--:|--:|--:|\n";

fn row(name: &str, cells: impl Iterator<Item = String>) -> String {
    let mut row = format!("| {name} |");
    for cell in cells {
        let _ = write!(row, " {cell} |");
    }
    row.push('\n');
    row
}

fn instructions(costs: &[ImageCost]) -> String {
    let of = |part: fn(&ImageCost) -> f64| costs.iter().map(move |cost| number(part(cost)));
    [
        format!("| instructions of one message | {HEAD}"),
        row("the image's own", of(|cost| cost.each.own)),
        row("the linked client's own, for a send and a receive", of(|cost| cost.linked)),
        row("the functions that pass its calls to the host", of(|cost| cost.each.entry_points)),
        row("all: the image, the host, and the client that sends", of(|cost| cost.each.whole)),
    ]
    .concat()
}

fn calls(costs: &[ImageCost]) -> String {
    let functions: BTreeSet<&String> =
        costs.iter().flat_map(|cost| cost.each.calls.keys()).collect();
    let mut table = format!("| calls of one message | {HEAD}");
    for function in functions {
        let cells = costs
            .iter()
            .map(|cost| format!("{:.1}", cost.each.calls.get(function).copied().unwrap_or(0.0)));
        table.push_str(&row(&format!("`{function}`"), cells));
    }
    let allocations = costs.iter().map(|cost| cost.allocations.to_string());
    table.push_str(&row("allocations, in all messages", allocations));
    table
}

fn load_table(loads: &[Duration]) -> String {
    let milliseconds = |load: &Duration| format!("{:.1}", load.as_secs_f64() * 1000.0);
    let table = "| milliseconds, the fastest of 50 | C | Rust |\n|---|--:|--:|\n".to_owned();
    table + &row("load and unload", loads.iter().map(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 1
positions: instr line
events: Ir
ob=(1) /bench
fl=(1) main.rs
fn=(1) main
0x1000 10 5
calls=1 0x50000 0
0x1004 11 100
ob=(2) ???
fl=(2) ???
fn=(2) 0x0000000000060000
0x60000 0 7
calls=2 0x50000 0
0x60004 0 60
fn=(3) 0x0000000000050000
0x50000 0 20
cob=(1)
cfi=(1)
cfn=(4) IoReuseIrp
calls=2 0x2000 3
0x50008 0 40
ob=(1)
fn=(4)
0x2000 3 40
totals: 72
";

    #[test]
    fn instructions_are_counted_by_address() {
        let counts = ImageCounts::parse(FILE, &(0x5_0000..0x5_1000));
        let expected = ImageCounts {
            own: 7.0,
            entry_points: 20.0,
            whole: 72.0,
            calls: BTreeMap::from([("IoReuseIrp".to_owned(), 2.0)]),
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn the_linked_counts_are_those_of_the_page() {
        let page = "| completed before the call returns: all | 9 | 9 | 1.00 |\n\
                    | completed before the call returns: the client's own | 86 | 252 | 2.93 |\n\
                    | completed later: the client's own | 116 | 1,624 | 5.38 |\n";
        let counts = LinkedCounts::read(page).unwrap().0.map(|row| row.map(number));
        assert_eq!(counts, [["86", "252"], ["116", "1,624"]]);
        assert!(LinkedCounts::read("").is_err());
    }

    #[test]
    fn a_difference_is_of_each_message() {
        let counts = |own: f64| ImageCounts { own, ..ImageCounts::default() };
        assert!((counts(8000.0).of_each(&counts(3000.0)).own - 5.0).abs() < 1e-9);
    }
}
