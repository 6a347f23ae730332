//! `Ex…Timer`: timers that the kernel allocates.
//!
//! A timer that is deleted while it is set, or while its callback is to run, is freed after the callback.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. A timer is a block of the kernel's pool, which
//! is freed once: by [`finish`], when the queue of timers has just forgotten it.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::fields::size_t;
use wsk_sys::{
    APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, FALSE, KDPC, KTIMER, NotificationTimer, PKDPC, PKTIMER,
    PVOID, SynchronizationTimer, TRUE, ULONG,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::ex::pool::{allocate, free};
use crate::kernel::ke::dpc::{flush, initialize_dpc};
use crate::kernel::ke::irql::{at_level, keeping_level, require_at_most};
use crate::kernel::ke::timer::{cancel, initialize_timer, set};
use crate::kernel::{Kernel, current, interrupt};
use crate::verifier::kernel_violation;

/// `PEXT_CALLBACK`.
type Callback = Option<unsafe extern "C" fn(*mut ExTimer, PVOID)>;
/// `PEXT_DELETE_CALLBACK`.
type DeleteCallback = Option<unsafe extern "C" fn(PVOID)>;

/// `EX_TIMER`. It begins as a timer, which threads can wait for.
///
/// # Invariants
///
/// `callback` may be called with `context`. If `is_deleted`, `delete_callback` may be called with `delete_context`, once.
/// The lock over all timers protects these two, and `is_deleted`.
#[repr(C)]
pub(crate) struct ExTimer {
    timer: KTIMER,
    dpc: KDPC,
    magic: usize,
    callback: Callback,
    context: PVOID,
    is_high_resolution: bool,
    is_deleted: bool,
    delete_callback: DeleteCallback,
    delete_context: PVOID,
}

const MAGIC: usize = 0x4578_546D;

/// The tag of timers that the kernel allocates.
const TAG: ULONG = u32::from_le_bytes(*b"ExTm");

const EX_TIMER_HIGH_RESOLUTION: ULONG = 0x4;
const EX_TIMER_NO_WAKE: ULONG = 0x8;
const EX_TIMER_NOTIFICATION: ULONG = 0x8000_0000;

/// The deferred procedure call of a timer without waiting.
unsafe extern "C" fn expire(_dpc: PKDPC, timer: PVOID, _first: PVOID, _second: PVOID) {
    let timer: *mut ExTimer = timer.cast();
    // SAFETY: the timer is freed after the last of its calls only.
    let (callback, context) = unsafe { ((*timer).callback, (*timer).context) };
    if let Some(callback) = callback {
        // SAFETY: the callback may be called with this context (Invariants).
        unsafe { callback.invoke((timer, context)) };
    }
    let kernel = current();
    let mut timers = kernel.timers();
    // SAFETY: the timer is freed after the last of its calls only, and this call is not over. `is_deleted` is changed under the
    // lock over all timers, which is held.
    let (dpc, is_deleted) = unsafe { ((&raw const (*timer).dpc).addr(), (*timer).is_deleted) };
    timers.end_allocated(dpc);
    let is_last = is_deleted && timers.remove_allocated(timer.addr(), dpc);
    drop(timers);
    if is_last {
        // SAFETY: the timer is deleted, and was just forgotten.
        unsafe { finish(timer) };
    }
}

/// Frees a deleted timer, and calls the callback of its deletion.
///
/// # Safety
///
/// The timer is deleted, and the queue of timers has just forgotten it.
unsafe fn finish(timer: *mut ExTimer) {
    // SAFETY: nothing else uses a timer that is forgotten (this function's contract).
    let (callback, context) = unsafe {
        (*timer).magic = 0;
        ((*timer).delete_callback, (*timer).delete_context)
    };
    free(timer.cast(), TAG, "ExDeleteTimer");
    if let Some(callback) = callback {
        const NAME: &str = "the callback of ExDeleteTimer";
        let call = || {
            // SAFETY: the client gave the callback for this context, and the timer is deleted once.
            unsafe { callback.invoke((context,)) };
        };
        let call = || at_level(DISPATCH_LEVEL, || keeping_level(NAME, call));
        current().run_client(NAME, call);
    }
}

#[wsk_host_macros::export]
extern "C" fn ExAllocateTimer(
    callback: Callback,
    context: PVOID,
    attributes: ULONG,
) -> *mut ExTimer {
    const NAME: &str = "ExAllocateTimer";
    const ALL: ULONG = EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE | EX_TIMER_NOTIFICATION;
    require_at_most(DISPATCH_LEVEL, NAME);
    let exclusive = EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE;
    if attributes & !ALL != 0 || attributes & exclusive == exclusive {
        kernel_violation(&format!(
            "{NAME}: Attributes is {attributes:#x}: EX_TIMER_HIGH_RESOLUTION or EX_TIMER_NO_WAKE, and perhaps EX_TIMER_NOTIFICATION, are allowed"
        ));
    }
    let timer: *mut ExTimer = allocate(size_t(size_of::<ExTimer>()), TAG, 0, NAME).cast();
    if timer.is_null() {
        return timer;
    }
    let is_notification = attributes & EX_TIMER_NOTIFICATION != 0;
    let kind = if is_notification { NotificationTimer } else { SynchronizationTimer };
    // SAFETY: the memory was just allocated for a timer, of which zeroes are a valid one.
    let (timer_part, dpc) = unsafe {
        (*timer).magic = MAGIC;
        (*timer).callback = callback;
        (*timer).context = context;
        (*timer).is_high_resolution = attributes & EX_TIMER_HIGH_RESOLUTION != 0;
        (&raw mut (*timer).timer, &raw mut (*timer).dpc)
    };
    // SAFETY: the memory was just allocated for a timer.
    unsafe { initialize_timer(timer_part, kind, NAME) };
    // SAFETY: the memory was just allocated for a timer.
    unsafe { initialize_dpc(dpc, Some(expire), timer.cast()) };
    current().timers().allocate(dpc.addr());
    timer
}

/// The parts of a timer that was allocated and not deleted. Stops a client that passes anything else.
///
/// # Safety
///
/// The pointer is to readable memory.
unsafe fn parts(kernel: &Kernel, timer: *mut ExTimer, function: &str) -> (PKTIMER, PKDPC) {
    let freed = kernel.pool().freed_at(timer.addr());
    if let Some(freed) = freed {
        kernel_violation(&format!("{function}: the timer was deleted: {freed}"));
    }
    // SAFETY: the memory is readable (this function's contract).
    if unsafe { (*timer).magic } != MAGIC {
        kernel_violation(&format!("{function}: the timer is not one of ExAllocateTimer"));
    }
    // SAFETY: the timer is one.
    unsafe { (&raw mut (*timer).timer, &raw mut (*timer).dpc) }
}

/// Whether a timer was deleted that its callback still uses: it cannot be set or cancelled any more.
///
/// # Safety
///
/// The timer is one.
unsafe fn is_deleted(timer: *const ExTimer) -> bool {
    let kernel = current();
    let _timers = kernel.timers();
    // SAFETY: the timer is one (this function's contract), and the lock over all timers is held.
    unsafe { (*timer).is_deleted }
}

/// The period is in units of 100 ns, and zero for a timer that expires once. A timer may be late, and need not be.
#[wsk_host_macros::export]
unsafe extern "C" fn ExSetTimer(
    timer: *mut ExTimer,
    due: i64,
    period: i64,
    _parameters: PVOID,
) -> BOOLEAN {
    const NAME: &str = "ExSetTimer";
    require_at_most(DISPATCH_LEVEL, NAME);
    // SAFETY: the caller passes a timer.
    let (timer_part, dpc) = unsafe { parts(&current(), timer, NAME) };
    let Some(period) = u64::try_from(period).ok().filter(|period| *period <= 0x7FFF_FFFF) else {
        kernel_violation(&format!("{NAME}: the period of {period} is not 0 to MAXLONG"));
    };
    // SAFETY: the timer is one, and its attributes do not change.
    if unsafe { (*timer).is_high_resolution } && due >= 0 {
        kernel_violation(&format!("{NAME}: the due time of a high-resolution timer is relative"));
    }
    // SAFETY: the timer is one.
    if unsafe { is_deleted(timer) } {
        return FALSE;
    }
    // Also without a callback: the call frees a timer that was deleted while it was set.
    // SAFETY: the timer is one, and is freed when it is no longer set and its calls have returned.
    unsafe { set(timer_part, due, period, dpc, NAME) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExCancelTimer(timer: *mut ExTimer, _parameters: PVOID) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "ExCancelTimer");
    interrupt();
    let kernel = current();
    // SAFETY: the caller passes a timer.
    let (timer_part, _) = unsafe { parts(&kernel, timer, "ExCancelTimer") };
    // SAFETY: the timer is one.
    if unsafe { is_deleted(timer) } {
        return FALSE;
    }
    if cancel(&kernel, timer_part.addr()) { TRUE } else { FALSE }
}

/// `EXT_DELETE_PARAMETERS`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DeleteParameters {
    version: ULONG,
    reserved: ULONG,
    callback: DeleteCallback,
    context: PVOID,
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExDeleteTimer(
    timer: *mut ExTimer,
    cancels: BOOLEAN,
    waits: BOOLEAN,
    parameters: *const DeleteParameters,
) -> BOOLEAN {
    const NAME: &str = "ExDeleteTimer";
    let (cancels, waits) = (cancels != FALSE, waits != FALSE);
    require_at_most(if waits { APC_LEVEL } else { DISPATCH_LEVEL }, NAME);
    if waits && !cancels {
        kernel_violation(&format!("{NAME}: Wait is TRUE, and Cancel is FALSE"));
    }
    interrupt();
    let kernel = current();
    // SAFETY: the caller passes a timer.
    let (timer_part, dpc) = unsafe { parts(&kernel, timer, NAME) };
    let mut timers = kernel.timers();
    // SAFETY: the caller passes parameters, or null.
    let parameters = unsafe { parameters.as_ref() };
    // SAFETY: the timer is one, and the lock over all timers is held.
    let was_deleted = unsafe {
        (*timer).delete_callback = parameters.and_then(|parameters| parameters.callback);
        (*timer).delete_context =
            parameters.map_or(std::ptr::null_mut(), |parameters| parameters.context);
        std::mem::replace(&mut (*timer).is_deleted, true)
    };
    if was_deleted {
        kernel_violation(&format!("{NAME}: the timer was deleted"));
    }
    // From here on, its calls do not free it.
    timers.begin_allocated(dpc.addr());
    drop(timers);
    let was_set = cancels && cancel(&kernel, timer_part.addr());
    if waits {
        flush(NAME);
    }
    let mut timers = kernel.timers();
    timers.end_allocated(dpc.addr());
    let is_idle = timers.remove_allocated(timer.addr(), dpc.addr());
    drop(timers);
    if is_idle {
        // SAFETY: the timer is deleted, and was just forgotten.
        unsafe { finish(timer) };
    }
    if was_set { TRUE } else { FALSE }
}
