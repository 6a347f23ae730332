//! Hosts, and scenarios that run on them with a captured provider.

use futures_util::future::LocalBoxFuture;
use wsk::events::EventMask;
use wsk::irql::Passive;
use wsk::{Provider, Registration, RegistrationBuilder, Result, rt};
use wsk_host::{Config, Host, Timing};

use crate::seeds::seeds;

/// A token for the thread of a test.
pub fn passive() -> Passive {
    // SAFETY: a test's thread runs at PASSIVE_LEVEL and is not inside a callback.
    unsafe { Passive::assume() }
}

/// Every timing of completions: inline, deferred, and mixed by each of the seeds.
pub fn timings() -> impl Iterator<Item = Timing> {
    seedless_timings().chain((0..seeds(100, 1)).map(Timing::Mixed))
}

/// The timings without chance. None under Miri, where each timing takes long: it runs the mixed ones only.
pub fn seedless_timings() -> impl Iterator<Item = Timing> {
    [Timing::Inline, Timing::Deferred].into_iter().take(if cfg!(miri) { 0 } else { 2 })
}

/// All of `timings`; under Miri, the last.
pub fn last_under_miri<const N: usize>(timings: [Timing; N]) -> impl Iterator<Item = Timing> {
    timings.into_iter().skip(if cfg!(miri) { N - 1 } else { 0 })
}

/// The numbers of the allocations to fail, one per run, without end. Under Miri, every thirteenth.
pub fn each_allocation() -> impl Iterator<Item = usize> {
    (1..).step_by(if cfg!(miri) { 13 } else { 1 })
}

/// Runs a scenario on the simulated network with every timing.
pub fn with_all_timings(scenario: impl AsyncFn(Provider) -> Result<()>) {
    with_all_timings_of(Config::default(), scenario);
}

/// As [`with_all_timings`], where a receive takes everything that has arrived.
pub fn with_whole_receives(scenario: impl AsyncFn(Provider) -> Result<()>) {
    with_all_timings_of(Config::default().partial_receives(false), scenario);
}

/// Runs a scenario on hosts of this configuration with every timing.
pub fn with_all_timings_of(config: Config, scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in timings() {
        on(config.timing(timing), &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// Runs a scenario on a new host, and checks that it leaves no memory allocated.
pub fn on<T>(config: Config, scenario: impl AsyncFnOnce(Provider) -> Result<T>) -> Result<T> {
    let host = Host::new(config);
    let result = on_host(&host, scenario);
    assert_eq!(host.outstanding_allocations(), 0, "{config:?}: not all memory was freed");
    result
}

/// Runs a scenario on a host. When this returns, everything the scenario started has ended.
pub fn on_host<T>(host: &Host, scenario: impl AsyncFnOnce(Provider) -> Result<T>) -> Result<T> {
    on_host_as(host, Registration::builder(), scenario)
}

/// As [`on_host`], with events that are enabled for all sockets.
pub fn on_host_with_events<T>(
    host: &Host,
    static_events: EventMask,
    scenario: impl AsyncFnOnce(Provider) -> Result<T>,
) -> Result<T> {
    on_host_as(host, Registration::builder().static_events(static_events), scenario)
}

/// As [`on_host`], with a registration of the caller's.
pub fn on_host_as<T>(
    host: &Host,
    builder: RegistrationBuilder,
    scenario: impl AsyncFnOnce(Provider) -> Result<T>,
) -> Result<T> {
    let mut output = None;
    let run = |wsk| {
        let output = &mut output;
        Box::pin(async move {
            *output = Some(scenario(wsk).await?);
            Ok(())
        }) as LocalBoxFuture<'_, Result<()>>
    };
    run_on_host(host, builder, Box::new(run))?;
    Ok(output.expect("a scenario without an error has an output"))
}

/// A boxed scenario: what runs it is compiled once, not once for each test.
type BoxedScenario<'a> = Box<dyn FnOnce(Provider) -> LocalBoxFuture<'a, Result<()>> + 'a>;

fn run_on_host(
    host: &Host,
    builder: RegistrationBuilder,
    scenario: BoxedScenario<'_>,
) -> Result<()> {
    let _entered = host.enter();
    host.load();
    let result = builder.register(passive()).and_then(|registration| {
        let run = |wsk| rt::block_on(passive(), scenario(wsk))?;
        let result = registration.try_capture().and_then(run);
        registration.deregister(passive());
        result
    });
    unload(host);
    result
}

/// Unloads the driver: none of its code may run from here on.
pub fn unload(host: &Host) {
    wsk::unload(passive());
    host.unload();
    host.settle();
}
