//! A deferred procedure call (DPC), on one processor.
//!
//! # Safety
//!
//! The kernel's object is initialized in the place where it stays.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;

use wsk_sys::{
    ALL_PROCESSOR_GROUPS, KDPC, KeGetProcessorNumberFromIndex, KeInitializeDpc, KeInsertQueueDpc,
    KeQueryActiveProcessorCountEx, KeSetImportanceDpc, KeSetTargetProcessorDpcEx,
    MediumHighImportance, PROCESSOR_NUMBER, PVOID, ULONG,
};

use crate::status::{Result, check, known};

/// A `KDPC`.
///
/// # Invariants
///
/// After [`initialize`](Self::initialize), it is a `KDPC` in nonpaged memory that does not move, and only the kernel's
/// functions access it.
pub(crate) struct Dpc(UnsafeCell<MaybeUninit<KDPC>>);

/// The routine of a DPC.
pub(crate) type DpcRoutine = unsafe extern "C" fn(*mut KDPC, PVOID, PVOID, PVOID);

// SAFETY: only the kernel's functions access it (Invariants), in any thread; before its initialization it is plain
// memory.
unsafe impl Send for Dpc {}
// SAFETY: only the kernel's functions access it (Invariants), and they synchronize.
unsafe impl Sync for Dpc {}

/// The number of active processors.
pub(crate) fn active_processors() -> usize {
    // SAFETY: this crate runs in the kernel, or on a host that defines the function.
    let count = unsafe { KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) };
    usize::try_from(count).unwrap_or(1).max(1)
}

impl Dpc {
    /// Creates an uninitialized DPC; see [`Dpc::initialize`].
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Initializes the DPC for a processor, before any other use. The kernel interrupts another processor than the current one at
    /// once when the DPC is queued.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the processor does not exist.
    /// - Any other status of `KeSetTargetProcessorDpcEx`.
    ///
    /// # Safety
    ///
    /// The DPC is in nonpaged memory, does not move afterwards, and was not initialized before. When it is queued, `routine` may
    /// be called with `context`.
    pub(crate) unsafe fn initialize(
        &self,
        routine: DpcRoutine,
        context: PVOID,
        processor: usize,
    ) -> Result<()> {
        let index = ULONG::try_from(processor).map_err(|_| known::STATUS_INVALID_PARAMETER)?;
        let mut number = PROCESSOR_NUMBER::default();
        // SAFETY: the number is valid during the call.
        check(unsafe { KeGetProcessorNumberFromIndex(index, &raw mut number) })?;
        // INVARIANT: the memory is nonpaged and does not move (this function's contract), and becomes a `KDPC` here.
        // SAFETY: the memory has the size of a DPC, is nonpaged, and has no other user before the initialization.
        unsafe { KeInitializeDpc(self.as_ptr(), Some(routine), context) };
        // SAFETY: the DPC was initialized above, and is not queued.
        unsafe { KeSetImportanceDpc(self.as_ptr(), MediumHighImportance) };
        // SAFETY: the DPC was initialized above, and is not queued; the number is valid during the call.
        check(unsafe { KeSetTargetProcessorDpcEx(self.as_ptr(), &raw mut number) })
    }

    /// Queues the DPC. IRQL: <= `DISPATCH_LEVEL`. The routine may run, and free the DPC, before this function returns.
    ///
    /// # Safety
    ///
    /// The DPC was initialized, and may run once more.
    pub(crate) unsafe fn queue(&self) {
        // The result is ignored: a DPC that is queued already runs once, after this call.
        // SAFETY: the DPC was initialized (this function's contract), and its routine ignores these arguments.
        unsafe { KeInsertQueueDpc(self.as_ptr(), ptr::null_mut(), ptr::null_mut()) };
    }

    const fn as_ptr(&self) -> *mut KDPC {
        self.0.get().cast()
    }
}
