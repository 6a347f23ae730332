//! Processors, of which a client sees one, and the settings of threads for them: their affinity and their
//! priority.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::cell::Cell;
use std::sync::atomic::Ordering;

use wsk_sys::{
    APC_LEVEL, DISPATCH_LEVEL, LONG, NTSTATUS, PASSIVE_LEVEL, PPROCESSOR_NUMBER, PROCESSOR_NUMBER,
    PVOID, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, USHORT,
};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ps::{Priorities, with_priorities};
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeGetCurrentProcessorNumberEx(number: PPROCESSOR_NUMBER) -> ULONG {
    if !number.is_null() {
        // SAFETY: the caller passes room for a number, or null.
        unsafe { number.write(PROCESSOR_NUMBER::default()) };
    }
    0
}

const ALL_PROCESSOR_GROUPS: USHORT = 0xFFFF;

#[wsk_host_macros::export]
extern "C" fn KeQueryActiveProcessorCountEx(group: USHORT) -> ULONG {
    ULONG::from(group == 0 || group == ALL_PROCESSOR_GROUPS)
}

#[wsk_host_macros::export]
extern "C" fn KeQueryMaximumProcessorCountEx(group: USHORT) -> ULONG {
    KeQueryActiveProcessorCountEx(group)
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeGetProcessorNumberFromIndex(
    index: ULONG,
    number: PPROCESSOR_NUMBER,
) -> NTSTATUS {
    if index != 0 {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the caller passes room for a number.
    unsafe { number.write(PROCESSOR_NUMBER::default()) };
    STATUS_SUCCESS
}

/// The index of a processor that does not exist.
const INVALID_PROCESSOR_INDEX: ULONG = ULONG::MAX;

#[wsk_host_macros::export]
unsafe extern "C" fn KeGetProcessorIndexFromNumber(number: PPROCESSOR_NUMBER) -> ULONG {
    // SAFETY: the caller passes a number.
    let PROCESSOR_NUMBER { Group, Number, Reserved } = unsafe { number.read() };
    if (Group, Number, Reserved) == (0, 0, 0) { 0 } else { INVALID_PROCESSOR_INDEX }
}

/// `GROUP_AFFINITY`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct GroupAffinity {
    mask: usize,
    group: USHORT,
    reserved: [USHORT; 3],
}

thread_local! {
    /// The affinity that the thread has set, or a mask of zero.
    static AFFINITY: Cell<GroupAffinity> = const { Cell::new(GroupAffinity { mask: 0, group: 0, reserved: [0; 3] }) };
}

/// An affinity without the host's processor changes nothing, and the previous one is a mask of zero.
#[wsk_host_macros::export]
unsafe extern "C" fn KeSetSystemGroupAffinityThread(
    affinity: *mut GroupAffinity,
    previous: *mut GroupAffinity,
) {
    require_at_most(DISPATCH_LEVEL, "KeSetSystemGroupAffinityThread");
    // SAFETY: the caller passes an affinity.
    let affinity = unsafe { affinity.read() };
    let is_valid = affinity.mask & 1 != 0 && (affinity.group, affinity.reserved) == (0, [0; 3]);
    let former = if is_valid { AFFINITY.replace(affinity) } else { GroupAffinity::default() };
    if !previous.is_null() {
        // SAFETY: the caller passes room for an affinity, or null.
        unsafe { previous.write(former) };
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeRevertToUserGroupAffinityThread(previous: *mut GroupAffinity) {
    require_at_most(DISPATCH_LEVEL, "KeRevertToUserGroupAffinityThread");
    if AFFINITY.get().mask == 0 {
        kernel_violation(
            "KeRevertToUserGroupAffinityThread: the thread has not called KeSetSystemGroupAffinityThread",
        );
    }
    // SAFETY: the caller passes the affinity from `KeSetSystemGroupAffinityThread`.
    AFFINITY.set(unsafe { previous.read() });
}

/// Calls a function with the priorities of a thread.
///
/// # Safety
///
/// The caller passes the current thread, or has a reference to the object if it is a thread.
unsafe fn priorities<T>(thread: PVOID, name: &str, function: impl FnOnce(&Priorities) -> T) -> T {
    // SAFETY: the object is the current thread, or the caller has a reference to it (this function's contract).
    let result = unsafe { with_priorities(thread, function) };
    result.unwrap_or_else(|| kernel_violation(&format!("{name}: the object is not a thread")))
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeSetPriorityThread(thread: PVOID, priority: LONG) -> LONG {
    const NAME: &str = "KeSetPriorityThread";
    require_at_most(APC_LEVEL, NAME);
    if !(1..32).contains(&priority) {
        kernel_violation(&format!("{NAME}: {priority} is not a priority of 1 to 31"));
    }
    // SAFETY: the caller has a reference to the thread.
    unsafe { priorities(thread, NAME, |of| of.current.swap(priority, Ordering::Relaxed)) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeQueryPriorityThread(thread: PVOID) -> LONG {
    const NAME: &str = "KeQueryPriorityThread";
    require_at_most(PASSIVE_LEVEL, NAME);
    // SAFETY: the caller has a reference to the thread.
    unsafe { priorities(thread, NAME, |of| of.current.load(Ordering::Relaxed)) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeSetBasePriorityThread(thread: PVOID, increment: LONG) -> LONG {
    const NAME: &str = "KeSetBasePriorityThread";
    require_at_most(DISPATCH_LEVEL, NAME);
    // SAFETY: the caller has a reference to the thread.
    unsafe { priorities(thread, NAME, |of| of.increment.swap(increment, Ordering::Relaxed)) }
}
