//! Measures the host with many connections, timers and tasks: `docs/host-scale.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use super::report::{load, number};
use crate::project;

/// The workloads of the bench `scale`, each with the name of its unit.
const WORKLOADS: [(&str, &str); 4] = [
    ("null", "request on the null network"),
    ("connections", "connection with 16 requests"),
    ("timers", "timer, set and cancelled"),
    ("tasks", "task that sleeps, from its creation to its end"),
];

/// The numbers of units for which instructions are counted. The cost of one unit is the difference between two runs,
/// divided by the difference in units.
const COUNTS: [u32; 4] = [1000, 2000, 4000, 8000];

/// The fraction by which a count may differ from the page: hash tables and the turns of threads vary.
const TOLERANCE: f64 = 0.05;

/// The factor by which the cost of one unit may grow when there are four times as many.
const GROWTH: f64 = 1.25;

/// The instructions of one unit of each workload, by the number of units.
struct ScaleCounts([[f64; 3]; WORKLOADS.len()]);

/// Measures the host, and writes the page.
pub(super) fn measure(shell: &Shell) -> Result<()> {
    let bench = build(shell)?;
    let counts = count(shell, &bench)?;
    println!("measuring: 1,000 to 50,000 connections");
    let measured = cmd!(shell, "{bench} --bench").ignore_status().output()?;
    let times = String::from_utf8(measured.stdout).context("the bench printed other than text")?;
    let tools = cmd!(shell, "rustc --version").quiet().read()?;
    let day = cmd!(shell, "date --utc +%F").quiet().read()?;
    let page = include_str!("host_scale.md")
        .replace("{counts}", counts.table().trim_end())
        .replace("{times}", times.trim_end())
        .replace("{day}", day.trim())
        .replace("{rustc}", tools.trim())
        .replace("{load}", &load());
    fs::write(path(), page)?;
    println!("written: docs/host-scale.md\n{times}");
    counts.require_no_growth()?;
    ensure!(
        measured.status.success(),
        "the bench `scale` has failed:\n{}",
        String::from_utf8_lossy(&measured.stderr)
    );
    Ok(())
}

/// Fails if the counts on the page differ from those of the current sources.
pub(super) fn check(shell: &Shell) -> Result<()> {
    let counts = count(shell, &build(shell)?)?;
    counts.require_no_growth()?;
    let page = fs::read_to_string(path())?;
    let stale = counts.differences(&page);
    ensure!(
        stale.is_empty(),
        "docs/host-scale.md is stale: run `cargo xtask bench --host`\n{}",
        stale.join("\n")
    );
    println!("docs/host-scale.md has the counts of the current sources");
    Ok(())
}

fn path() -> PathBuf {
    project::root().join("docs/host-scale.md")
}

/// Builds the bench, and returns its program.
fn build(shell: &Shell) -> Result<PathBuf> {
    let messages =
        cmd!(shell, "cargo bench --package wsk-host --bench scale --no-run --message-format json");
    let messages = messages.read()?;
    let program = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    program.context("cargo did not build a program for the bench `scale`")
}

fn count(shell: &Shell, bench: &Path) -> Result<ScaleCounts> {
    let mut counts = ScaleCounts([[0.0; 3]; WORKLOADS.len()]);
    for ((workload, _), each) in WORKLOADS.iter().zip(&mut counts.0) {
        println!("counting: {workload}");
        let mut totals = Vec::new();
        for units in COUNTS {
            totals.push(instructions(shell, bench, workload, units)?);
        }
        for (place, each) in each.iter_mut().enumerate() {
            let units = COUNTS[place + 1] - COUNTS[place];
            *each = (totals[place + 1] - totals[place]) / f64::from(units);
        }
    }
    Ok(counts)
}

/// The instructions of one run.
fn instructions(shell: &Shell, bench: &Path, workload: &str, units: u32) -> Result<f64> {
    let file = bench.with_extension("callgrind");
    let to = format!("--callgrind-out-file={}", file.display());
    let units = units.to_string();
    cmd!(shell, "valgrind --tool=callgrind {to} {bench} --count {workload} {units}")
        .quiet()
        .ignore_stderr()
        .run()?;
    let counted = fs::read_to_string(&file)?;
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.with_context(|| format!("{} has no number of instructions", file.display()))
}

impl ScaleCounts {
    fn table(&self) -> String {
        let mut table = format!(
            "| instructions of one | among {} | among {} | among {} |\n|---|--:|--:|--:|\n",
            number(COUNTS[1].into()),
            number(COUNTS[2].into()),
            number(COUNTS[3].into())
        );
        for ((_, name), counts) in WORKLOADS.iter().zip(&self.0) {
            let [first, second, third] = counts.map(number);
            let _ = writeln!(table, "| {name} | {first} | {second} | {third} |");
        }
        table
    }

    /// Fails if a unit costs more among many.
    fn require_no_growth(&self) -> Result<()> {
        for ((_, name), [few, _, many]) in WORKLOADS.iter().zip(&self.0) {
            if many / few > GROWTH {
                bail!(
                    "one {name} takes {} instructions among {}, and {} among {}",
                    number(*few),
                    COUNTS[1],
                    number(*many),
                    COUNTS[3]
                );
            }
        }
        Ok(())
    }

    /// One sentence for each count that a page lacks.
    fn differences(&self, page: &str) -> Vec<String> {
        let mut found = Vec::new();
        for ((_, name), counts) in WORKLOADS.iter().zip(&self.0) {
            let row = page.lines().find_map(|line| line.strip_prefix(&format!("| {name} | ")));
            let written: Vec<f64> = row
                .into_iter()
                .flat_map(|row| row.split('|'))
                .filter_map(|cell| cell.trim().replace(',', "").parse().ok())
                .collect();
            let is_same =
                |(written, count): (&f64, &f64)| (written - count).abs() <= TOLERANCE * count;
            if written.len() != counts.len() || !written.iter().zip(counts).all(is_same) {
                let counts = counts.map(number).join(", ");
                found.push(format!("{name}: {counts}, on the page {}", row.unwrap_or("nothing")));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_other_counts_is_stale() {
        let same = [1.0, 1.0, 1.0];
        let counts = ScaleCounts([[7000.0, 7100.0, 7200.0], same, same, [30_000.0, 3e4, 3e4]]);
        let page = counts.table();
        assert!(counts.differences(&page).is_empty(), "{page}");
        assert!(counts.differences(&page.replace("7,100", "7,300")).is_empty());
        let stale = counts.differences(&page.replace("7,100", "9,100"));
        assert_eq!(stale.len(), 1, "{stale:?}");
        assert!(stale[0].starts_with("request on the null network: 7,000, 7,100, 7,200"));
        assert_eq!(counts.differences("").len(), WORKLOADS.len());
        assert!(counts.require_no_growth().is_ok());
        assert!(ScaleCounts([[1.0, 1.0, 1.3]; WORKLOADS.len()]).require_no_growth().is_err());
    }
}
