//! The watchdog of deferred procedure calls.
//!
//! It counts work instead of time, so that a violation does not depend on the machine: the requests that a call makes,
//! including in the completion routines and callbacks inside it, and the microseconds for which it stalls its
//! processor.

use std::cell::Cell;

use crate::verifier::{Rule, rule_violation};

/// The maximum number of requests in one call. At about a microsecond each, they take the 4 milliseconds for which a
/// busy network's own calls may run.
const MAX_REQUESTS: u32 = 4096;

/// The maximum time, in microseconds, for which one call may stall its processor.
const MAX_STALL: u32 = 1000;

/// The work of a call so far.
#[derive(Clone, Copy, Default)]
struct CallWork {
    requests: u32,
    stalled: u32,
}

thread_local! {
    /// The work of the call that the current thread is in.
    static CURRENT: Cell<Option<CallWork>> = const { Cell::new(None) };
}

/// Runs the routine of a deferred procedure call. It may interrupt another one.
pub(super) fn watch<T>(routine: impl FnOnce() -> T) -> T {
    let interrupted = CURRENT.replace(Some(CallWork::default()));
    let result = routine();
    CURRENT.set(interrupted);
    result
}

/// Counts a request.
pub(crate) fn count_request(function: &str) {
    let Some(mut work) = CURRENT.get() else { return };
    work.requests = work.requests.saturating_add(1);
    CURRENT.set(Some(work));
    // Once for each call: the client may go on.
    if work.requests == MAX_REQUESTS + 1 {
        let found = format!(
            "the deferred procedure call has made {} requests, the maximum is {MAX_REQUESTS}",
            work.requests
        );
        rule_violation(Rule::DPC_RETURNS_SOON, function, &found, None);
    }
}

/// Counts the time for which a processor is stalled.
pub(super) fn count_stall(microseconds: u32) {
    let Some(mut work) = CURRENT.get() else { return };
    let before = work.stalled;
    work.stalled = work.stalled.saturating_add(microseconds);
    CURRENT.set(Some(work));
    if before <= MAX_STALL && work.stalled > MAX_STALL {
        let found = format!(
            "the deferred procedure call has stalled its processor for {} microseconds, the maximum is {MAX_STALL}",
            work.stalled
        );
        rule_violation(Rule::DPC_RETURNS_SOON, "KeStallExecutionProcessor", &found, None);
    }
}
