//! The checks of an example, against its driver in Wine.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::free_port;
use super::log::Log;
use super::netio;
use super::prefix::{Channels, Prefix};
use super::service::Service;
use crate::driver::{self, Arch};
use crate::project;

/// How long a check may take. The longest, 10,000 connections, takes about 20 s here.
const PATIENCE: Duration = Duration::from_mins(4);

/// How often Wine may crash by itself. It did once in 50 runs, on a machine with much else to do.
const ATTEMPTS: u32 = 3;

pub(crate) fn run(name: &str) -> Result<()> {
    if name != "echo" {
        bail!("the driver `{name}` has no checks");
    }
    run_image(&driver::build(name, Arch::X64)?)
}

/// Runs the checks against an image that is, or claims to be, the echo driver.
pub(crate) fn run_image(image: &Path) -> Result<()> {
    for attempt in 1.. {
        let started = Instant::now();
        let log = Log::kept();
        let Err(error) = checks(image, &log) else {
            println!("all checks passed in {:.1} s", started.elapsed().as_secs_f32());
            return Ok(());
        };
        eprintln!("{}", log.text());
        if attempt == ATTEMPTS || !log.lines().iter().any(|line| netio::is_late_callback(line)) {
            return Err(error);
        }
        eprintln!(
            "{error:#}\nThis is a crash of Wine's own (see {}). All checks again:",
            netio::WHERE
        );
    }
    Ok(())
}

fn checks(image: &Path, log: &Log) -> Result<()> {
    let prefix = Prefix::create(log, Channels::Messages)?;
    let run = Run { prefix: &prefix, image, log };

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
    run.check("the driver serves at a host by its name", || run.load_at_names())?;
    prefix.remove()?;

    let log = Log::kept();
    let counted = count_by_wine(image, &log);
    if counted.is_err() {
        // All calls of the driver: too long to be shown.
        let path = project::scratch().join("wine-kernel.log");
        log.save(std::fs::File::create(&path)?)?;
        eprintln!("Wine's log of this run: {}", path.display());
    }
    counted
}

/// The pool's highest use must not depend on how many connections there were. A connection may still be
/// closing when the next one comes, so a few more are possible.
fn no_growth(few: Usage, many: Usage) -> Result<()> {
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

/// The driver's own count is worth something only if it is right: Wine counts, too.
fn count_by_wine(image: &Path, log: &Log) -> Result<()> {
    let prefix = Prefix::create(log, Channels::Kernel)?;
    let run = Run { prefix: &prefix, image, log };
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

/// How often `NonPagedPoolNx`, which nobody else here allocates from, was allocated and freed, by Wine's
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

struct Run<'a> {
    prefix: &'a Prefix,
    image: &'a Path,
    log: &'a Log,
}

/// A loaded driver.
struct Driver<'a> {
    service: Service<'a>,
    server: SocketAddr,
    log: &'a Log,
    from: usize,
}

/// What the driver says of the pool when it is unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    allocations: usize,
    frees: usize,
    peak: usize,
}

impl<'a> Run<'a> {
    fn load(&self) -> Result<Driver<'a>> {
        self.load_at(None)
    }

    fn load_at(&self, host: Option<&str>) -> Result<Driver<'a>> {
        let port = free_port()?;
        let from = self.log.len();
        let service = Service::start(self.prefix, "echo", self.image, host, port)?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Driver { service, server, log: self.log, from })
    }

    fn load_and(&self, name: &str, check: fn(SocketAddr) -> Result<()>) -> Result<Usage> {
        let driver = self.load()?;
        let server = driver.server;
        self.check(name, move || check(server))?;
        driver.unload()
    }

    fn load_on_a_used_port(&self) -> Result<()> {
        let taken = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = taken.local_addr()?.port();
        let from = self.log.len();
        ensure!(
            Service::start(self.prefix, "echo", self.image, None, port).is_err(),
            "the driver started although its port was taken"
        );
        self.log.wait_for(from, "cannot serve on port", Duration::from_secs(10)).map(drop)
    }

    /// Wine looks the names up: the list that it gives is freed, or the driver would not be unloaded.
    fn load_at_names(&self) -> Result<()> {
        for host in ["localhost", "127.0.0.1"] {
            let driver = self.load_at(Some(host)).with_context(|| host.to_owned())?;
            echo_checks::payloads(driver.server).with_context(|| host.to_owned())?;
            driver.unload()?;
        }
        let from = self.log.len();
        ensure!(
            self.load_at(Some("name.invalid")).is_err(),
            "the driver started at a host that does not exist"
        );
        let message = self.log.wait_for(from, "cannot serve on port", Duration::from_secs(10))?;
        ensure!(!message.contains("STATUS_IO_TIMEOUT"), "the look-up did not end: {message}");
        println!("   a name that does not exist: {message}");
        Ok(())
    }

    /// Runs a check, which must end in time, and looks for crashes after it.
    fn check<T: Send>(&self, name: &str, check: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let started = Instant::now();
        let result = thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || sender.send(check()));
            match receiver.recv_timeout(PATIENCE) {
                Ok(result) => result,
                Err(RecvTimeoutError::Timeout) => {
                    // The thread that hangs cannot be ended, and the scope would wait for it.
                    eprintln!("{}", self.log.text());
                    eprintln!("error: {name}: no end within {} s", PATIENCE.as_secs());
                    std::process::exit(1);
                }
                Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the check panicked")),
            }
        });
        let value = result.and_then(|value| self.log.check_for_crashes().map(|()| value));
        let value = value.with_context(|| name.to_owned())?;
        println!("ok {name} ({:.1} s)", started.elapsed().as_secs_f32());
        Ok(value)
    }
}

impl Driver<'_> {
    /// Unloads the driver, which must have freed everything.
    fn unload(self) -> Result<Usage> {
        self.service.stop()?;
        let message = self.log.wait_for(self.from, "unloaded; pool:", Duration::from_secs(10))?;
        self.log.check_for_crashes()?;
        let numbers: Vec<usize> =
            message.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [allocations, frees, outstanding, peak] = numbers[..] else {
            bail!("the driver's report cannot be read: {message}");
        };
        ensure!(allocations > 0, "the driver has not counted: {message}");
        ensure!(outstanding == 0 && allocations == frees, "the driver leaks: {message}");
        Ok(Usage { allocations, frees, peak })
    }
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
