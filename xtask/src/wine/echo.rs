//! The checks of the echo driver.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use cargo_wsk::wine::{Channels, Prefix, WineLog};

use super::test::{LoadableDriver, PoolUsage};
use super::{PORT, host};
use crate::project;

pub(super) fn checks(image: &Path, log: &WineLog) -> Result<()> {
    let prefix = Prefix::create(&project::scratch()?, log, Channels::Messages)?;
    let run = LoadableDriver { prefix: &prefix, name: "echo", port: PORT, image, log };

    let driver = run.load()?;
    for (name, check) in echo_checks::CHECKS {
        let server = driver.server;
        run.check(name, move || check(server))?;
    }
    driver.unload()?;

    let few = run.load_and("100 connections one after another", |server| {
        echo_checks::one_after_another(server, 100)
    })?;
    let many = run.load_and("10,000 connections one after another", |server| {
        echo_checks::one_after_another(server, 10_000)
    })?;
    run.check("no growth of the pool over 10,000 connections", move || no_growth(few, many))?;

    let driver = run.load()?;
    let server = driver.server;
    let clients = run.check("32 connections are open", move || echo_checks::open(server, 32))?;
    run.check("unload with 32 connections open", || driver.unload().map(drop))?;
    run.check("all 32 clients see the end", move || {
        clients.into_iter().try_for_each(echo_checks::has_ended)
    })?;
    run.check("load fails when the port is in use", || run.load_on_a_used_port())?;
    run.check("the driver serves at a host by its name", || at_names(&run))?;
    prefix.remove()?;

    let log = WineLog::kept();
    let counted = count_by_wine(image, &log);
    if counted.is_err() {
        // The log has all calls of the driver, and is too long to print.
        let path = project::scratch()?.join("wine-kernel.log");
        log.save(std::fs::File::create(&path)?)?;
        eprintln!("Wine's log of this run: {}", path.display());
    }
    counted
}

/// The peak pool use must not depend on the number of connections. A connection may still be closing when the next one
/// arrives, so a few more are possible.
fn no_growth(few: PoolUsage, many: PoolUsage) -> Result<()> {
    const SLACK: usize = 40;
    ensure!(
        many.peak <= few.peak + SLACK,
        "at most {} allocations at once after 100 connections, but {} after 10,000",
        few.peak,
        many.peak
    );
    println!(
        "   100 connections: at most {} allocations at once; 10,000: at most {}",
        few.peak, many.peak
    );
    Ok(())
}

/// Checks the driver's own count against Wine's.
fn count_by_wine(image: &Path, log: &WineLog) -> Result<()> {
    let prefix = Prefix::create(&project::scratch()?, log, Channels::Kernel)?;
    let run = LoadableDriver { prefix: &prefix, name: "echo", port: PORT, image, log };
    let driver = run.load_and("a short conversation, for the count", |server| {
        echo_checks::one_after_another(server, 10)
    })?;
    let wine = pool_calls(&log.lines());
    run.check("Wine has counted the same allocations as the driver", move || {
        ensure!(
            (driver.allocations, driver.frees) == wine,
            "the driver says {} allocations and {} frees, Wine {} and {}",
            driver.allocations,
            driver.frees,
            wine.0,
            wine.1
        );
        Ok(())
    })?;
    prefix.remove()
}

/// The allocations and frees of `NonPagedPoolNx`, which only this driver uses, by Wine's
/// trace: `ExAllocatePoolWithTag 784 pool 512 -> 00000000014A0370`, `ExFreePoolWithTag 00000000014A0370`.
fn pool_calls(lines: &[String]) -> (usize, usize) {
    let mut live = BTreeSet::new();
    let (mut allocations, mut frees) = (0, 0);
    for line in lines {
        let Some((_, call)) = line.split_once(":ntoskrnl:") else {
            continue;
        };
        let words: Vec<&str> = call.split_whitespace().collect();
        match words[..] {
            ["ExAllocatePoolWithTag", _, "pool", "512", "->", address] => {
                allocations += 1;
                live.insert(address);
            }
            ["ExFreePoolWithTag", address] if live.remove(address) => frees += 1,
            _ => {}
        }
    }
    (allocations, frees)
}

/// Wine resolves the names. The list that it returns is freed, or the driver would not be unloaded.
fn at_names(run: &LoadableDriver<'_>) -> Result<()> {
    let load = |name| run.load_with(&[host(name)]);
    for name in ["localhost", "127.0.0.1"] {
        let driver = load(name).with_context(|| name.to_owned())?;
        echo_checks::payloads(driver.server).with_context(|| name.to_owned())?;
        driver.unload()?;
    }
    let from = run.log.end();
    ensure!(load("name.invalid").is_err(), "the driver started at a host that does not exist");
    let message = run.log.wait_for(from, "cannot serve on port", Duration::from_secs(10))?;
    ensure!(!message.contains("STATUS_IO_TIMEOUT"), "the look-up did not end: {message}");
    println!("   a name that does not exist: {message}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::pool_calls;

    #[test]
    fn only_nonpaged_pool_is_counted_and_a_leak_is_seen() {
        let lines = [
            "0074:trace:ntoskrnl:ExAllocatePoolWithTag 784 pool 0 -> 0A",
            "0074:trace:ntoskrnl:ExAllocatePoolWithTag 16 pool 512 -> 0B",
            "0074:trace:ntoskrnl:ExFreePoolWithTag 0A",
            "0074:trace:ntoskrnl:ExFreePoolWithTag 0B",
            "0074:trace:ntoskrnl:ExAllocatePoolWithTag 16 pool 512 -> 0A",
        ];
        assert_eq!(pool_calls(&lines.map(str::to_owned)), (2, 1));
    }
}
