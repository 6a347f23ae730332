//! A system thread.
//!
//! # Safety
//!
//! A thread's routine may use its context until the thread has ended. A [`Thread`] owns its record, from a [`PoolBox`].

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::time::Duration;

use wsk_sys::{
    FALSE, LARGE_INTEGER, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES, PLARGE_INTEGER, PVOID,
    PsCreateSystemThread, STATUS_TIMEOUT, THREAD_ALL_ACCESS, ULONG, ZwClose, ZwWaitForSingleObject,
};

use super::ticks;
use crate::irql::Passive;
use crate::pool::PoolBox;
use crate::rundown::{ObjectKind, Rundown, RundownGuard, ThreadRecord};
use crate::status::{Result, check};

/// A thread of the system process. [`Thread::join`] waits for its end; dropping it leaves the wait to
/// [`join_ended`](Self::join_ended). A forgotten thread keeps the driver loaded.
///
/// # Invariants
///
/// It owns the record, which came from a [`PoolBox`], and whose handle is open.
#[must_use]
pub(crate) struct Thread(NonNull<ThreadRecord>);

// SAFETY: a kernel handle is valid in every thread.
unsafe impl Send for Thread {}
// SAFETY: a kernel handle is valid in every thread; it has no methods on a shared reference.
unsafe impl Sync for Thread {}

impl Thread {
    /// Starts a thread, and cleans up after dropped threads that have ended.
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `PsCreateSystemThread`.
    ///
    /// # Safety
    ///
    /// `routine` may be called with `context` in another thread.
    pub(crate) unsafe fn start(
        passive: Passive,
        routine: unsafe extern "C" fn(PVOID),
        context: PVOID,
    ) -> Result<Self> {
        Self::join_ended(passive);
        let running = RundownGuard::new(ObjectKind::Thread);
        let mut record = PoolBox::new(ThreadRecord::new(ptr::null_mut(), running))?;
        #[expect(clippy::cast_possible_truncation, reason = "48 bytes")]
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: size_of::<OBJECT_ATTRIBUTES>() as ULONG,
            RootDirectory: ptr::null_mut(),
            ObjectName: ptr::null_mut(),
            // The handle is valid in every process: a thread of another process may join this one.
            Attributes: OBJ_KERNEL_HANDLE,
            SecurityDescriptor: ptr::null_mut(),
            SecurityQualityOfService: ptr::null_mut(),
        };
        // SAFETY: the token proves PASSIVE_LEVEL; the handle and the attributes are valid during the call, and
        // `routine` takes `context` (this function's contract).
        let status = unsafe {
            PsCreateSystemThread(
                &raw mut record.handle,
                THREAD_ALL_ACCESS,
                &raw mut attributes,
                ptr::null_mut(),
                ptr::null_mut(),
                Some(routine),
                context,
            )
        };
        check(status)?;
        // INVARIANT: the record is from a `PoolBox`, and its handle was opened just now.
        Ok(Self(record.into_raw()))
    }

    /// Waits until the thread has ended: it runs no instruction afterwards. Calls `report` after `patience`, and then
    /// each time that the time since the last report has doubled. Without a patience, it waits without reports.
    pub(crate) fn join(self, passive: Passive, mut patience: Option<Duration>, report: impl Fn()) {
        let record = self.0;
        core::mem::forget(self);
        loop {
            // Negative is relative.
            let mut timeout = patience.map(|time| LARGE_INTEGER { QuadPart: -ticks(time) });
            // SAFETY: the record was owned by this value, and its handle is open (Invariants).
            if unsafe { wait(record, timeout.as_mut(), passive) } {
                break;
            }
            report();
            patience = patience.map(|time| time.saturating_mul(2));
        }
        // SAFETY: the record was owned by this value (Invariants), and its thread has ended.
        unsafe { free(record, passive) };
    }

    /// Cleans up after dropped threads that have ended. Does not wait for the others.
    pub(crate) fn join_ended(passive: Passive) {
        let ended = &Rundown::current().ended_threads;
        ended.take_all(|record| {
            let mut now = LARGE_INTEGER { QuadPart: 0 };
            // SAFETY: `take_all` gives the record to this closure, and the handle of a record is open.
            if unsafe { wait(record, Some(&mut now), passive) } {
                // SAFETY: `take_all` gives the record to this closure, and its thread has ended.
                unsafe { free(record, passive) };
            } else {
                // SAFETY: the record is valid, and this closure gives it back to the list.
                unsafe { ended.push(record) };
            }
        });
    }
}

impl Drop for Thread {
    /// IRQL: <= `DISPATCH_LEVEL`.
    fn drop(&mut self) {
        // SAFETY: this value owns the record (Invariants).
        let rundown = unsafe { self.0.as_ref() }.running.rundown();
        // SAFETY: this value owns the record (Invariants), and gives it to the list.
        unsafe { rundown.ended_threads.push(self.0) };
    }
}

/// Waits for a thread's end. Returns false if the timeout has passed first.
///
/// # Safety
///
/// The caller owns the record, and its handle is open.
unsafe fn wait(
    record: NonNull<ThreadRecord>,
    timeout: Option<&mut LARGE_INTEGER>,
    _passive: Passive,
) -> bool {
    // SAFETY: the caller owns the record (this function's contract), so it is valid.
    let handle = unsafe { record.as_ref() }.handle;
    let timeout: PLARGE_INTEGER = timeout.map_or(ptr::null_mut(), ptr::from_mut);
    // A wait that is not alertable ends in one of two ways.
    // SAFETY: the handle is open, the timeout is valid or null, and the token proves that this thread may wait.
    unsafe { ZwWaitForSingleObject(handle, FALSE, timeout) != STATUS_TIMEOUT }
}

/// Closes the handle of an ended thread, and frees its record.
///
/// # Safety
///
/// The caller gives up ownership of the record, whose thread has ended.
unsafe fn free(record: NonNull<ThreadRecord>, _passive: Passive) {
    // SAFETY: the record came from a `PoolBox`, and its owner gives it up (this function's contract).
    let record = unsafe { PoolBox::from_raw(record) };
    // SAFETY: the handle belongs to the record, which ends here; the token proves PASSIVE_LEVEL.
    unsafe { ZwClose(record.handle) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate wsk_host as _;

    use core::cell::Cell;

    use wsk_host::kernel::{Config, Kernel};

    use super::*;
    use crate::kernel::delay;

    unsafe extern "C" fn takes_a_while(_context: PVOID) {
        // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
        delay(unsafe { Passive::assume() }, Duration::from_millis(50));
    }

    #[test]
    fn a_long_wait_is_reported_after_times_that_double() {
        let kernel = Kernel::new(Config::default());
        let _entered = kernel.enter();
        // SAFETY: a test's thread runs at PASSIVE_LEVEL, and is no callback.
        let passive = unsafe { Passive::assume() };
        // After 10 and 30 milliseconds; the next report would follow 70.
        for (patience, expected) in [(Some(Duration::from_millis(10)), 2), (None, 0)] {
            // SAFETY: the routine takes any context.
            let thread = unsafe { Thread::start(passive, takes_a_while, ptr::null_mut()) }.unwrap();
            let reports = Cell::new(0);
            thread.join(passive, patience, || reports.set(reports.get() + 1));
            assert_eq!(reports.get(), expected);
        }
        assert!(Rundown::current().is_empty());
    }
}
