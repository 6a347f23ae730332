//! The detection of a hang of native threads, whose waits no scheduler observes.

use std::sync::atomic::Ordering;

use super::hang::AwaitedObject;
use super::ke::dispatcher::{self, WaitingThread};
use super::schedule::{self, Scheduler};
use super::{Kernel, lock};
use crate::verifier;

/// Reports a hang, if all native threads of a kernel have waited for the patience of a report without an event.
/// Ends the process unless something outside it could end a wait.
pub(crate) fn require_progress(kernel: &Kernel) {
    let Scheduler::Native(scheduler) = &kernel.0.scheduler else { return };
    let Some(patience) = schedule::patience() else { return };
    let me = Kernel::current_thread();
    // A thread that has entered no kernel is not counted.
    if me == 0 {
        return;
    }
    let long = schedule::ticks(patience) / 10 * 9;
    let now = kernel.now();
    let waits = kernel.waits();
    let has_waited = |(waiting, _): &&(WaitingThread, Vec<AwaitedObject>)| {
        !waiting.has_timeout && waiting.since.saturating_add(long) <= now
    };
    let all_wait = waits.iter().filter(has_waited).count() >= scheduler.threads();
    let last = lock(&kernel.0.trace).last_time().unwrap_or(0);
    let is_idle = last.saturating_add(long) <= now && scheduler.has_no_jobs();
    if !all_wait || !is_idle {
        return;
    }
    let may_be_served = scheduler.blocking() > 0
        || kernel.outstanding().from_outside
        || kernel.usage().has_requests();
    let is_certain = !may_be_served;
    // A server may wait for its clients without limit. The thread of a test has the name of the test.
    let is_own = |name: Option<&str>| matches!(name, None | Some("main" | "system thread"));
    let is_test = waits.iter().any(|(waiting, _)| !is_own(waiting.machine_thread.name()));
    if !is_certain && !is_test || kernel.0.is_hang_reported.swap(true, Ordering::SeqCst) {
        return;
    }
    let time = schedule::TIME_FOR_PLACES;
    let places = dispatcher::native_places(kernel.as_raw().addr(), me, time);
    if is_certain {
        verifier::hang(
            "deadlock: all threads of this kernel are waiting, and nothing can wake them",
            &places,
        );
    }
    verifier::report_hang(
        "all threads of this kernel wait, and nothing arrives from outside of it",
        &places,
    );
}
