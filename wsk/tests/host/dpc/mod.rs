//! Tasks at `DISPATCH_LEVEL`. The host stops the process if one waits, makes a request in a completion routine (INV-15), or keeps
//! its processor for long (INV-71).

mod ends;
mod messages;
mod turns;

use std::future::{Future, poll_fn};
use std::pin::pin;

use test_support::scenario::{on_host, passive, timings};
use wsk::rt::DpcExecutor;
use wsk::{Provider, Result, sys};
use wsk_host::{Config, Host, Timing};

/// Polls a future, at `DISPATCH_LEVEL` as its task is.
async fn at_dispatch<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        // SAFETY: reads the level.
        assert_eq!(unsafe { sys::KeGetCurrentIrql() }, sys::DISPATCH_LEVEL);
        future.as_mut().poll(context)
    })
    .await
}

/// Runs a scenario with each timing, with an executor that ends after it.
fn with_executors(scenario: &impl AsyncFn(&Provider, &DpcExecutor, &Host) -> Result<()>) {
    with_executors_of(timings(), scenario);
}

/// As [`with_executors`], with these timings.
fn with_executors_of(
    timings: impl IntoIterator<Item = Timing>,
    scenario: &impl AsyncFn(&Provider, &DpcExecutor, &Host) -> Result<()>,
) {
    for timing in timings {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let executor = DpcExecutor::new(passive(), 2)?;
            scenario(&wsk, &executor, &host).await?;
            executor.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}
