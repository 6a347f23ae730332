//! Running a driver's checks against it in Wine.

use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use cargo_wsk::build::Arch;
use cargo_wsk::wine::{Channels, DriverService, Prefix, ServiceParameter, WineLog, netio};

use super::{PORT, echo, free_port, metrics, port, syslog, web};
use crate::{driver, project};

/// The time that a check may take. The longest one, with 10,000 connections, takes about 20 s here.
const PATIENCE: Duration = Duration::from_mins(4);

/// The number of Wine's own crashes that are tolerated. Wine crashed once in 50 runs on a busy machine.
const ATTEMPTS: u32 = 3;

/// The checks of a driver by its image.
type Checks = fn(&Path, &WineLog) -> Result<()>;

pub(crate) fn run(name: &str) -> Result<()> {
    let checks: Checks = match name {
        "echo" => echo::checks,
        "metrics" => metrics::checks,
        "syslog" => syslog::checks,
        "web" => web::checks,
        _ => bail!("the driver `{name}` has no checks"),
    };
    repeat(&driver::build(name, Arch::X64)?, checks)
}

/// Runs the checks against an image that is, or claims to be, the echo driver.
pub(crate) fn run_image(image: &Path) -> Result<()> {
    repeat(image, echo::checks)
}

/// Runs the clients of the echo driver against a new project's driver.
pub(crate) fn run_new(name: &str, image: &Path) -> Result<()> {
    let log = WineLog::kept();
    let checks = || {
        let prefix = Prefix::create(&project::scratch()?, &log, Channels::Messages)?;
        let run = LoadableDriver { prefix: &prefix, name, port: PORT, image, log: &log };
        let driver = run.load()?;
        for (name, check) in echo_checks::CHECKS {
            let server = driver.server;
            run.check(name, move || check(server))?;
        }
        driver.unload()?;
        prefix.remove()
    };
    checks().inspect_err(|_| eprintln!("{}", log.text()))
}

/// Runs a client against images of the echo driver, one after the other, and that several times. Returns the results by
/// image.
pub(crate) fn with_echo<T: Send + Debug>(
    images: &[&Path],
    runs: usize,
    client: fn(SocketAddr) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let log = WineLog::kept();
    let measure = || {
        let prefix = Prefix::create(&project::scratch()?, &log, Channels::Messages)?;
        let mut results: Vec<Vec<T>> = images.iter().map(|_| Vec::new()).collect();
        for _ in 0..runs {
            for (image, results) in images.iter().zip(&mut results) {
                let run =
                    LoadableDriver { prefix: &prefix, name: "echo", port: PORT, image, log: &log };
                let driver = run.load()?;
                let server = driver.server;
                let result = run.check(&image.display().to_string(), move || client(server))?;
                println!("   {result:?}");
                results.push(result);
                driver.unload()?;
            }
        }
        prefix.remove()?;
        Ok(results)
    };
    measure().inspect_err(|_| eprintln!("{}", log.text()))
}

fn repeat(image: &Path, checks: Checks) -> Result<()> {
    for attempt in 1.. {
        let started = Instant::now();
        let log = WineLog::kept();
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

/// A driver to be loaded.
pub(super) struct LoadableDriver<'a> {
    pub(super) prefix: &'a Prefix,
    pub(super) name: &'a str,
    /// The parameter that is the port to serve on.
    pub(super) port: &'a str,
    pub(super) image: &'a Path,
    pub(super) log: &'a WineLog,
}

/// A loaded driver.
pub(super) struct LoadedDriver<'a> {
    service: DriverService<'a>,
    pub(super) server: SocketAddr,
    log: &'a WineLog,
    from: usize,
}

/// The pool usage that the driver prints when it is unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PoolUsage {
    pub(super) allocations: usize,
    pub(super) frees: usize,
    pub(super) peak: usize,
}

impl<'a> LoadableDriver<'a> {
    pub(super) fn load(&self) -> Result<LoadedDriver<'a>> {
        self.load_with(&[])
    }

    /// Loads the driver with these parameters and a free port.
    pub(super) fn load_with(&self, parameters: &[ServiceParameter]) -> Result<LoadedDriver<'a>> {
        let number = free_port()?;
        let from = self.log.end();
        let parameters = [parameters, &[port(self.port, number)]].concat();
        let service = DriverService::start(self.prefix, self.name, self.image, &parameters)?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
        Ok(LoadedDriver { service, server, log: self.log, from })
    }

    pub(super) fn load_and(
        &self,
        name: &str,
        check: fn(SocketAddr) -> Result<()>,
    ) -> Result<PoolUsage> {
        let driver = self.load()?;
        let server = driver.server;
        self.check(name, move || check(server))?;
        driver.unload()
    }

    pub(super) fn load_on_a_used_port(&self) -> Result<()> {
        let taken = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let parameters = [port(self.port, taken.local_addr()?.port())];
        self.refuses_to_start(&parameters, "cannot serve on port")
            .context("the port of another program")
    }

    /// Checks that the driver does not start with these parameters, and names the reason.
    pub(super) fn refuses_to_start(
        &self,
        parameters: &[ServiceParameter],
        reason: &str,
    ) -> Result<()> {
        let from = self.log.end();
        ensure!(
            DriverService::start(self.prefix, self.name, self.image, parameters).is_err(),
            "the driver started; it should have said `{reason}`"
        );
        self.log.wait_for(from, reason, Duration::from_secs(10)).map(drop)
    }

    /// Runs a check, which must end in time, and looks for crashes after it.
    pub(super) fn check<T: Send>(
        &self,
        name: &str,
        check: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let started = Instant::now();
        let result = thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || sender.send(check()));
            match receiver.recv_timeout(PATIENCE) {
                Ok(result) => result,
                Err(RecvTimeoutError::Timeout) => {
                    // The hanging thread cannot be ended, and the scope would wait for it.
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

impl LoadedDriver<'_> {
    /// Unloads the driver, which must have freed everything.
    pub(super) fn unload(self) -> Result<PoolUsage> {
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
        Ok(PoolUsage { allocations, frees, peak })
    }
}
