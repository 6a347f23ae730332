//! The IRQL of each thread.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![allow(unsafe_code, reason = "the functions are C's; there are none on some systems")]

use std::cell::Cell;

use wsk_sys::{KIRQL, PASSIVE_LEVEL};

use crate::verifier::kernel_violation;

thread_local! {
    static IRQL: Cell<KIRQL> = const { Cell::new(PASSIVE_LEVEL) };
}

/// The IRQL of the current thread.
#[must_use]
pub fn current_irql() -> u8 {
    IRQL.get()
}

/// Stops the process if the IRQL is above a level.
pub(crate) fn require_at_most(level: KIRQL, function: &str) {
    let current = IRQL.get();
    if current > level {
        kernel_violation(&format!("{function}: called at IRQL {current}, the maximum is {level}"));
    }
}

/// Sets the IRQL of the current thread, as the instruction `mov cr8, …` does.
#[cfg(images)]
pub(crate) fn set(level: KIRQL) {
    IRQL.set(level);
}

/// Runs a closure at an IRQL that is not below the current one.
pub(crate) fn at_level<T>(level: KIRQL, run: impl FnOnce() -> T) -> T {
    let old = KfRaiseIrql(level);
    let result = run();
    KeLowerIrql(old);
    result
}

/// Runs a routine of the client's. Stops a client whose routine returns at another IRQL than it was called at.
pub(crate) fn keeping_level<T>(routine: &str, run: impl FnOnce() -> T) -> T {
    let before = IRQL.get();
    let result = run();
    let after = IRQL.get();
    if before != after {
        kernel_violation(&format!(
            "{routine} was called at IRQL {before}, and has returned at IRQL {after}"
        ));
    }
    result
}

#[wsk_host_macros::export]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    IRQL.get()
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn KfRaiseIrql(new: KIRQL) -> KIRQL {
    let old = IRQL.replace(new);
    if old > new {
        kernel_violation("KfRaiseIrql: the new IRQL is below the current one");
    }
    old
}

/// A macro in the headers of this project; images import it.
#[cfg(images)]
#[wsk_host_macros::export("KeRaiseIrqlToDpcLevel")]
extern "C" fn raise_to_dispatch_level() -> KIRQL {
    KfRaiseIrql(wsk_sys::DISPATCH_LEVEL)
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn KeLowerIrql(new: KIRQL) {
    if IRQL.replace(new) < new {
        kernel_violation("KeLowerIrql: the new IRQL is above the current one");
    }
}
