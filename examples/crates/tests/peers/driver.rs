//! A driver on an emulated kernel.

use anyhow::{Result, ensure};
use wsk::irql::Passive;
use wsk::rt::JoinHandle;
use wsk::{Provider, Registration, Runtime, Spawner, rt};
use wsk_host::{Config, Host};

/// Runs a task of a driver, which `start` spawns, on a host with the machine's network. Fails if memory of the kernel's is left.
pub(crate) fn run<T: Send + 'static>(
    start: impl FnOnce(Provider, &Spawner) -> wsk::Result<JoinHandle<crates::Result<T>>>,
) -> Result<crates::Result<T>> {
    let host = Host::new(Config::real());
    let entered = host.enter();
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    let task = start(wsk, &runtime.spawner())?;
    let result = rt::block_on(passive, task)??;
    runtime.shutdown(passive);
    registration.deregister(passive);
    wsk::unload(passive);
    host.settle();
    ensure!(host.outstanding_allocations() == 0, "not all memory was freed");
    drop(entered);
    Ok(result)
}

/// Runs a function as a task that may move between threads.
pub(crate) fn run_task<T, F>(task: impl FnOnce(Provider) -> F) -> Result<crates::Result<T>>
where
    T: Send + 'static,
    F: Future<Output = crates::Result<T>> + Send + 'static,
{
    run(|wsk, spawner| spawner.spawn(task(wsk)))
}

/// Runs a function as a task that stays on its thread: its future need not be `Send`.
pub(crate) fn run_pinned<T, F>(
    task: impl FnOnce(Provider) -> F + Send + 'static,
) -> Result<crates::Result<T>>
where
    T: Send + 'static,
    F: Future<Output = crates::Result<T>> + 'static,
{
    run(|wsk, spawner| spawner.spawn_pinned(move |_| task(wsk)))
}
