//! Running tests on hosts: what [`wsk_host::test`](crate::test) expands to.

use std::fmt::{Debug, Write as _};
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::config::Config;
use crate::host::Host;
use crate::kernel::Timing;
use crate::kernel::ke::dispatcher::Signal;
use crate::verifier::kernel_violation;
use crate::wsk::require_ended;

/// The seeds that a test runs with unless it names others. Miri takes long for each.
pub const SEEDS: Range<u64> = if cfg!(miri) { 0..2 } else { 0..32 };

/// Runs a scenario on a new host for every seed, and once if the configuration leaves nothing to a seed.
///
/// The calling thread is the host's while the scenario runs. Then the client is [unloaded](Host::unload): nothing may be
/// registered, or left in the pool, no timer may be set, and none of the client's code may run.
///
/// # Panics
///
/// If the scenario does, after it was said with which seed; and if it leaves memory behind.
pub fn run(config: Config, seeds: Range<u64>, scenario: impl Fn(Host)) {
    let configs: Vec<Config> = match config.timing {
        Timing::Mixed(_) => {
            seeds.map(|seed| Config { timing: Timing::Mixed(seed), ..config }).collect()
        }
        Timing::Inline | Timing::Deferred => vec![config],
    };
    assert!(!configs.is_empty(), "a test needs at least one seed");
    for config in configs {
        let host = Host::new(config);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _entered = host.enter();
            scenario(host.clone());
            require_ended(host.kernel());
            // As after DriverUnload: whatever runs from here on must not be the client's.
            host.unload();
            host.settle();
            let left = host.kernel().devices().all_left();
            assert!(left.is_none(), "{}", left.unwrap_or_default());
            require_no_locked_pages(&host);
            require_empty_pool(&host);
            let set = host.kernel().set_timers();
            assert!(set == 0, "timers are still set: {set}");
        }));
        if let Err(panic) = result {
            eprintln!(
                "wsk-host: failed with {config:?}\nlast calls:{}",
                host.kernel().trace_tail(100)
            );
            resume_unwind(panic);
        }
    }
}

fn require_no_locked_pages(host: &Host) {
    let usage = host.kernel().usage();
    let locked = usage.locked_pages().map(|(count, first)| {
        format!("the pages of {count} MDLs are still locked, the first of them {first}")
    });
    drop(usage);
    assert!(locked.is_none(), "{}", locked.unwrap_or_default());
}

fn require_empty_pool(host: &Host) {
    let damage = host.kernel().pool().damage();
    if let Some(damage) = damage {
        kernel_violation(&format!("the end of a test: {damage}"));
    }
    let leaks = host.outstanding_by_tag();
    let mut report = String::new();
    for (tag, (count, bytes)) in &leaks {
        let _ = write!(report, "\n  {}: {count} of {bytes} bytes", tag.escape_ascii());
    }
    let report = report + &host.kernel().pool().describe_outstanding();
    assert!(leaks.is_empty(), "memory was not freed, by tag:{report}");
}

/// Runs a future on the current thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Wakes(Signal);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.set();
        }
    }

    let signal = Arc::new(Wakes(Signal::new()));
    let waker = Waker::from(Arc::clone(&signal));
    let mut future = pin!(future);
    loop {
        signal.0.clear();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        signal.0.wait("a test", None);
    }
}

/// What a test may return.
pub trait Outcome {
    /// # Panics
    ///
    /// If the test has failed.
    fn require(self);
}

impl Outcome for () {
    fn require(self) {}
}

impl<E: Debug> Outcome for Result<(), E> {
    fn require(self) {
        if let Err(error) = self {
            panic!("the test failed: {error:?}");
        }
    }
}
