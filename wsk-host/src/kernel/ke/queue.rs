//! Queues of entries that threads wait for.
//!
//! The signal state of a queue is the number of its entries. The number of threads that may run at once is not limited:
//! the host emulates one processor.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. A queue and its entries are accessed only under
//! the dispatcher lock, which [`change`] holds while it calls its closure.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;

use wsk_sys::fields;
use wsk_sys::{
    APC_LEVEL, DISPATCH_LEVEL, DISPATCHER_HEADER, KPROCESSOR_MODE, LIST_ENTRY, LONG, NTSTATUS,
    PLARGE_INTEGER, STATUS_SUCCESS, ULONG, WaitAny,
};

use super::dispatcher::{QUEUE, change, initialize};
use super::irql::require_at_most;
use super::wait::wait;
use crate::kernel::ex::pool::require_resident_object;
use crate::kernel::interrupt;
use crate::verifier::kernel_violation;

/// `KQUEUE`.
///
/// # Invariants
///
/// `entries` is the head of a list of the client's entries, and the signal state is their number. While `is_run_down`,
/// the list is empty, and the state is at least [`RUN_DOWN`].
#[repr(C)]
pub(crate) struct Queue {
    header: DISPATCHER_HEADER,
    entries: LIST_ENTRY,
    is_run_down: ULONG,
    maximum: ULONG,
    threads: LIST_ENTRY,
}

const _: () = assert!(size_of::<Queue>() == 0x40);

/// The signal state of a queue that was run down, which no number of waits uses up.
const RUN_DOWN: LONG = LONG::MAX / 2;

const STATUS_ABANDONED: NTSTATUS = 0x80;

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeQueue(queue: *mut Queue, count: ULONG) {
    require_resident_object(queue.addr(), "the queue", "KeInitializeQueue");
    // SAFETY: the caller passes memory for a queue that no thread uses.
    unsafe {
        let (entries, threads) = (&raw mut (*queue).entries, &raw mut (*queue).threads);
        entries.write(LIST_ENTRY { Flink: entries, Blink: entries });
        threads.write(LIST_ENTRY { Flink: threads, Blink: threads });
        (*queue).is_run_down = 0;
        (*queue).maximum = count;
    }
    // SAFETY: the caller passes memory for a queue that no thread uses.
    unsafe { initialize(&raw mut (*queue).header, QUEUE, 0) };
}

/// Stops a client that passes something else than an initialized queue.
///
/// # Safety
///
/// The memory is readable.
unsafe fn require_queue(queue: *mut Queue, function: &str) {
    // SAFETY: the memory is readable (this function's contract).
    let lock = unsafe { fields::dispatcher_lock(&raw mut (*queue).header) };
    // SAFETY: the memory is readable, and the kind of a queue does not change.
    if unsafe { lock.read() } != QUEUE {
        kernel_violation(&format!("{function}: the queue is not initialized"));
    }
}

/// The header of a queue, the head of its list, and whether it was run down.
///
/// # Safety
///
/// The pointer is to a queue.
unsafe fn parts(queue: *mut Queue) -> (*mut DISPATCHER_HEADER, *mut LIST_ENTRY, *mut ULONG) {
    // SAFETY: the pointer is to a queue (this function's contract).
    unsafe { (&raw mut (*queue).header, &raw mut (*queue).entries, &raw mut (*queue).is_run_down) }
}

/// Inserts an entry, and returns the former number of entries.
///
/// # Safety
///
/// The queue is initialized, and the entry is in no list.
unsafe fn insert(
    queue: *mut Queue,
    entry: *mut LIST_ENTRY,
    is_first: bool,
    function: &str,
) -> LONG {
    require_at_most(DISPATCH_LEVEL, function);
    // SAFETY: the queue is initialized (this function's contract).
    unsafe { require_queue(queue, function) };
    // SAFETY: the queue is initialized (this function's contract).
    let (header, head, is_run_down) = unsafe { parts(queue) };
    let insert = |state: LONG| {
        // SAFETY: `change` holds the lock, and the entry is in no list (this function's contract).
        unsafe {
            if is_run_down.read() != 0 {
                kernel_violation(&format!("{function}: the queue was run down"));
            }
            let before = if is_first { head } else { (*head).Blink };
            let after = (*before).Flink;
            entry.write(LIST_ENTRY { Flink: after, Blink: before });
            (*before).Flink = entry;
            (*after).Blink = entry;
        }
        state + 1
    };
    // SAFETY: the queue is initialized (this function's contract).
    let former = unsafe { change(header, insert) };
    // A thread that has waited for it may run before this call returns.
    interrupt();
    former
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeInsertQueue(queue: *mut Queue, entry: *mut LIST_ENTRY) -> LONG {
    // SAFETY: the caller passes an initialized queue, and an entry that is in no list.
    unsafe { insert(queue, entry, false, "KeInsertQueue") }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeInsertHeadQueue(queue: *mut Queue, entry: *mut LIST_ENTRY) -> LONG {
    // SAFETY: the caller passes an initialized queue, and an entry that is in no list.
    unsafe { insert(queue, entry, true, "KeInsertHeadQueue") }
}

/// Returns an entry, or a status in its place.
#[wsk_host_macros::export]
unsafe extern "C" fn KeRemoveQueue(
    queue: *mut Queue,
    _mode: KPROCESSOR_MODE,
    timeout: PLARGE_INTEGER,
) -> *mut LIST_ENTRY {
    require_at_most(DISPATCH_LEVEL, "KeRemoveQueue");
    // SAFETY: the caller passes an initialized queue.
    unsafe { require_queue(queue, "KeRemoveQueue") };
    // SAFETY: the caller passes a timeout or null.
    if unsafe { timeout.as_ref() }.is_none_or(|timeout| fields::quad_part(timeout) != 0) {
        require_at_most(APC_LEVEL, "KeRemoveQueue");
    }
    // SAFETY: the caller passes an initialized queue.
    let (header, head, _) = unsafe { parts(queue) };
    // SAFETY: the caller passes an initialized queue, and a timeout or null.
    let status = unsafe { wait("KeRemoveQueue", &[header], WaitAny, timeout) };
    if status != STATUS_SUCCESS {
        return of_status(status);
    }
    let mut removed = ptr::null_mut();
    let remove = |state: LONG| {
        // SAFETY: `change` holds the lock; the wait has taken one entry off the number, so that one is in the list
        // unless the queue was run down.
        unsafe {
            let first = (*head).Flink;
            if ptr::eq(first, head) {
                removed = of_status(STATUS_ABANDONED);
                return RUN_DOWN;
            }
            let second = (*first).Flink;
            (*head).Flink = second;
            (*second).Blink = head;
            (*first).Flink = ptr::null_mut();
            removed = first;
        }
        state
    };
    // SAFETY: the caller passes an initialized queue.
    unsafe { change(header, remove) };
    removed
}

/// A status in the place of an entry.
fn of_status(status: NTSTATUS) -> *mut LIST_ENTRY {
    ptr::without_provenance_mut(usize::try_from(status).unwrap_or(0))
}

/// The number of entries.
#[wsk_host_macros::export]
unsafe extern "C" fn KeReadStateQueue(queue: *mut Queue) -> LONG {
    require_at_most(DISPATCH_LEVEL, "KeReadStateQueue");
    // SAFETY: the caller passes an initialized queue.
    unsafe { require_queue(queue, "KeReadStateQueue") };
    // SAFETY: the caller passes an initialized queue.
    unsafe { change(&raw mut (*queue).header, |state| state) }
}

/// Removes all entries, and ends the waits for others. Returns the first entry of a list without a head, or null.
#[wsk_host_macros::export]
unsafe extern "C" fn KeRundownQueue(queue: *mut Queue) -> *mut LIST_ENTRY {
    require_at_most(DISPATCH_LEVEL, "KeRundownQueue");
    // SAFETY: the caller passes an initialized queue.
    unsafe { require_queue(queue, "KeRundownQueue") };
    // SAFETY: the caller passes an initialized queue.
    let (header, head, is_run_down) = unsafe { parts(queue) };
    let mut first = ptr::null_mut();
    let run_down = |_: LONG| {
        // SAFETY: `change` holds the lock.
        unsafe {
            let (next, last) = ((*head).Flink, (*head).Blink);
            if !ptr::eq(next, head) {
                (*next).Blink = last;
                (*last).Flink = next;
                first = next;
            }
            head.write(LIST_ENTRY { Flink: head, Blink: head });
            is_run_down.write(1);
        }
        RUN_DOWN
    };
    // SAFETY: the caller passes an initialized queue.
    unsafe { change(header, run_down) };
    interrupt();
    first
}
