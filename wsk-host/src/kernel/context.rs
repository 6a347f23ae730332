//! The current thread's nesting in completion routines and callbacks.

use std::cell::Cell;

use crate::kernel::ke::irql::keeping_level;
use crate::kernel::{current, interrupt};
use crate::verifier::{Rule, rule_violation};

thread_local! {
    static COMPLETIONS: Cell<usize> = const { Cell::new(0) };
    static CALLBACKS: Cell<usize> = const { Cell::new(0) };
    /// The innermost callback: its function, and the number of its socket.
    static CALLBACK: Cell<Option<(&'static str, u64)>> = const { Cell::new(None) };
}

/// Runs a closure that calls a completion routine.
pub(crate) fn completing<T>(complete: impl FnOnce() -> T) -> T {
    COMPLETIONS.set(COMPLETIONS.get() + 1);
    let result = complete();
    COMPLETIONS.set(COMPLETIONS.get() - 1);
    result
}

/// Runs a closure that calls an event callback. The callback may call WSK, even where its caller may not.
pub(crate) fn calling<T>(callback: (&'static str, u64), call: impl FnOnce() -> T) -> T {
    let completions = COMPLETIONS.replace(0);
    let outer = CALLBACK.replace(Some(callback));
    CALLBACKS.set(CALLBACKS.get() + 1);
    let result = current().run_client("an event callback", || {
        let result = keeping_level(callback.0, call);
        // A thread may be interrupted in the last instructions of a callback.
        interrupt();
        result
    });
    CALLBACKS.set(CALLBACKS.get() - 1);
    CALLBACK.set(outer);
    COMPLETIONS.set(completions);
    result
}

/// The callback that the current thread is in, for a report.
pub(crate) fn current_callback() -> Option<String> {
    CALLBACK.get().map(|(function, socket)| format!("{function} of socket {socket}"))
}

/// Runs a deferred procedure call. It interrupts the current thread, and is independent of the thread's nesting.
pub(crate) fn deferred<T>(call: impl FnOnce() -> T) -> T {
    let (completions, callbacks) = (COMPLETIONS.replace(0), CALLBACKS.replace(0));
    let callback = CALLBACK.take();
    let result = call();
    CALLBACK.set(callback);
    COMPLETIONS.set(completions);
    CALLBACKS.set(callbacks);
    result
}

/// Whether the current thread is in a completion routine.
pub(crate) fn is_completing() -> bool {
    COMPLETIONS.get() > 0
}

/// Whether the current thread is in a completion routine or a callback.
pub(crate) fn is_in_client_routine() -> bool {
    COMPLETIONS.get() > 0 || CALLBACKS.get() > 0
}

/// Stops a client whose completion routine calls WSK.
pub(crate) fn require_no_completion_routine(call: &str) {
    if COMPLETIONS.get() > 0 {
        rule_violation(
            Rule::COMPLETION_ROUTINE_CALLS_WSK,
            call,
            "the current thread is in a completion routine",
            None,
        );
    }
}

/// Stops a client that waits in a completion routine or a callback.
pub(crate) fn require_no_callback(call: &str) {
    if COMPLETIONS.get() > 0 {
        rule_violation(
            Rule::CALLBACK_WAITS,
            call,
            "the current thread is in a completion routine",
            None,
        );
    }
    if CALLBACKS.get() > 0 {
        rule_violation(
            Rule::CALLBACK_WAITS,
            call,
            "the current thread is in an event callback",
            None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deferred_call_does_not_inherit_the_interrupted_context() {
        let inside = completing(|| {
            calling(("WskReceiveEvent", 1), || {
                let deferred = deferred(|| (COMPLETIONS.get(), CALLBACKS.get()));
                (deferred, CALLBACKS.get())
            })
        });
        assert_eq!((inside, COMPLETIONS.get(), CALLBACKS.get()), (((0, 0), 1), 0, 0));
    }
}
