//! A driver on an emulated kernel.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use crates::clock;
use wsk::irql::Passive;
use wsk::rt::{self, JoinHandle};
use wsk::{Provider, Registration, Runtime, Spawner};
use wsk_host::{Config, Host};

/// The objects of a loaded driver.
pub(crate) struct Driver {
    pub(crate) passive: Passive,
    pub(crate) wsk: Provider,
    pub(crate) spawner: Spawner,
    pub(crate) host: Host,
}

impl Driver {
    /// Waits for a task.
    pub(crate) fn join<T>(&self, task: JoinHandle<T>) -> Result<T> {
        Ok(rt::block_on(self.passive, task)??)
    }
}

/// Runs a driver on a host with the machine's network. Fails if kernel memory is left.
pub(crate) fn load<T>(run: impl FnOnce(&Driver) -> Result<T>) -> Result<T> {
    let host = Host::new(Config::real());
    let entered = host.enter();
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    let driver = Driver { passive, wsk, spawner: runtime.spawner(), host: host.clone() };
    let result = run(&driver);
    drop(driver);
    runtime.shutdown(passive);
    registration.deregister(passive);
    wsk::unload(passive);
    host.settle();
    ensure!(host.outstanding_allocations() == 0, "not all memory was freed");
    drop(entered);
    result
}

/// Like [`load`], with a task for embassy-time. Its timers and embassy's executor are static, since they belong to one
/// driver, so only one test at a time can run this.
pub(crate) fn load_with_embassy<T>(run: impl FnOnce(&Driver) -> Result<T>) -> Result<T> {
    static ONE_TEST: Mutex<()> = Mutex::new(());
    let _one = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
    load(|driver| {
        driver.spawner.spawn(clock::run())?;
        run(driver)
    })
}

/// Runs a function as a driver's task that may move between threads.
pub(crate) fn run_task<T, F>(task: impl FnOnce(Provider) -> F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    load(|driver| driver.join(driver.spawner.spawn(task(driver.wsk.clone()))?))
}

/// Runs a function as a driver's task that stays on its thread: its future need not be `Send`.
pub(crate) fn run_pinned<T, F>(task: impl FnOnce(Provider) -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    load(|driver| {
        let wsk = driver.wsk.clone();
        driver.join(driver.spawner.spawn_pinned(move |_| task(wsk))?)
    })
}
