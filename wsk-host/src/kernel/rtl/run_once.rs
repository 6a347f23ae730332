//! `RtlRunOnce…`: initialization that happens once.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wsk_sys::{APC_LEVEL, NTSTATUS, PVOID, STATUS_PENDING, STATUS_SUCCESS, ULONG};

use crate::kernel::abi::Routine as _;
use crate::kernel::interrupt;
use crate::kernel::ke::dispatcher::Signal;
use crate::kernel::ke::irql::require_at_most;
use crate::verifier::kernel_violation;

const STATUS_UNSUCCESSFUL: NTSTATUS = crate::kernel::status(0xC000_0001);
const STATUS_INVALID_PARAMETER_2: NTSTATUS = crate::kernel::status(0xC000_00F0);
const STATUS_OBJECT_NAME_COLLISION: NTSTATUS = crate::kernel::status(0xC000_0035);

const CHECK_ONLY: ULONG = 1;
const ASYNC: ULONG = 2;
const INIT_FAILED: ULONG = 4;

/// The two lowest bits of the word: not begun, in progress by one thread, in progress by any number of threads, done.
const STATE: usize = 3;
const IDLE: usize = 0;
const BLOCKING: usize = 1;
const SHARED: usize = 2;
const DONE: usize = 3;

/// `RTL_RUN_ONCE`: the context, with the state in its lowest bits.
type RunOnce = usize;
type RunOnceRoutine = unsafe extern "C" fn(*mut RunOnce, PVOID, *mut PVOID) -> ULONG;

/// The threads that wait for an initialization to end, by the address of its `RTL_RUN_ONCE`. The lock protects every
/// such word.
static WAITING: Mutex<Option<HashMap<usize, Vec<Arc<Signal>>>>> = Mutex::new(None);

#[wsk_host_macros::export]
unsafe extern "C" fn RtlRunOnceInitialize(once: *mut RunOnce) {
    // SAFETY: the caller passes memory for one.
    unsafe { once.write(IDLE) };
}

/// Writes the context of a completed initialization.
unsafe fn write_context(context: *mut PVOID, word: usize) {
    if !context.is_null() {
        // SAFETY: the caller passes room for a context, or null.
        unsafe { context.write(std::ptr::with_exposed_provenance_mut(word & !STATE)) };
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlRunOnceBeginInitialize(
    once: *mut RunOnce,
    flags: ULONG,
    context: *mut PVOID,
) -> NTSTATUS {
    const NAME: &str = "RtlRunOnceBeginInitialize";
    require_at_most(APC_LEVEL, NAME);
    if flags & !(CHECK_ONLY | ASYNC) != 0 || flags == CHECK_ONLY | ASYNC {
        return STATUS_INVALID_PARAMETER_2;
    }
    loop {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller passes an initialized one, and the lock is over all of them.
        let word = unsafe { &mut *once };
        match (*word & STATE, flags) {
            (DONE, _) => {
                // SAFETY: the caller passes room for a context, or null.
                unsafe { write_context(context, *word) };
                return STATUS_SUCCESS;
            }
            (_, CHECK_ONLY) => return STATUS_UNSUCCESSFUL,
            (IDLE, _) => {
                *word = if flags == ASYNC { SHARED } else { BLOCKING };
                return STATUS_PENDING;
            }
            (SHARED, ASYNC) => return STATUS_PENDING,
            (BLOCKING, 0) => {
                let ended = Arc::new(Signal::new());
                let of_this = waiting.get_or_insert_default().entry(once.addr()).or_default();
                of_this.push(Arc::clone(&ended));
                drop(waiting);
                ended.wait(NAME, None);
            }
            _ => return STATUS_INVALID_PARAMETER_2,
        }
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlRunOnceComplete(
    once: *mut RunOnce,
    flags: ULONG,
    context: PVOID,
) -> NTSTATUS {
    const NAME: &str = "RtlRunOnceComplete";
    require_at_most(APC_LEVEL, NAME);
    let has_failed = flags & INIT_FAILED != 0;
    // An asynchronous initialization that fails is abandoned, not completed.
    let is_known = matches!(flags, 0 | ASYNC | INIT_FAILED);
    if !is_known || (has_failed && !context.is_null()) {
        return STATUS_INVALID_PARAMETER_2;
    }
    let value = context.expose_provenance();
    if value & STATE != 0 {
        kernel_violation(&format!("{NAME}: the two lowest bits of the context are not zero"));
    }
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the caller passes one that it has begun, and the lock is over all of them.
    let word = unsafe { &mut *once };
    match (*word & STATE, flags & ASYNC) {
        (BLOCKING, 0) => *word = if has_failed { IDLE } else { value | DONE },
        (SHARED, ASYNC) => *word = value | DONE,
        (DONE, ASYNC) => return STATUS_OBJECT_NAME_COLLISION,
        _ => return STATUS_UNSUCCESSFUL,
    }
    let ended = waiting.as_mut().and_then(|waiting| waiting.remove(&once.addr()));
    drop(waiting);
    for signal in ended.into_iter().flatten() {
        signal.set();
    }
    interrupt();
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlRunOnceExecuteOnce(
    once: *mut RunOnce,
    routine: Option<RunOnceRoutine>,
    parameter: PVOID,
    context: *mut PVOID,
) -> NTSTATUS {
    let Some(routine) = routine else { kernel_violation("RtlRunOnceExecuteOnce: InitFn is null") };
    // SAFETY: the caller passes an initialized `RTL_RUN_ONCE`, and room for a context or null.
    let begun = unsafe { RtlRunOnceBeginInitialize(once, 0, context) };
    if begun != STATUS_PENDING {
        return begun;
    }
    let mut made: PVOID = std::ptr::null_mut();
    // SAFETY: the caller gives this routine for this parameter.
    let is_done = unsafe { routine.invoke((once, parameter, &raw mut made)) } != 0;
    let (flags, value) = if is_done { (0, made) } else { (INIT_FAILED, std::ptr::null_mut()) };
    // SAFETY: it was begun above.
    let completed = unsafe { RtlRunOnceComplete(once, flags, value) };
    if !is_done {
        return STATUS_UNSUCCESSFUL;
    }
    if !context.is_null() {
        // SAFETY: the caller passes room for a context, or null.
        unsafe { context.write(made) };
    }
    completed
}
