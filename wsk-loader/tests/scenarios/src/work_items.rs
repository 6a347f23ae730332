//! The system's work items.
//!
//! # Safety
//!
//! The scenario runs to its end: the start polls it until it is finished. It frees a work item after the item's routine
//! has been called. The system uses neither the item nor its memory from then on.

#![expect(unsafe_code, reason = "wsk has no work items")]

use wsk::Buffer;
use wsk::sync::oneshot;
use wsk_driver::{Driver, Result};
use wsk_sys::{
    CriticalWorkQueue, DelayedWorkQueue, IoInitializeWorkItem, IoQueueWorkItemEx, IoSizeofWorkItem,
    IoUninitializeWorkItem, KeGetCurrentIrql, PIO_WORKITEM, PVOID,
};

use crate::check::check;

/// The channel on which a work item's routine reports its level, once.
type Report = Option<oneshot::Sender<u8>>;

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    // SAFETY: this reads a constant of the system.
    let size = unsafe { IoSizeofWorkItem() };
    for queue in [CriticalWorkQueue, DelayedWorkQueue] {
        let mut memory = Buffer::new(size.try_into().unwrap_or(usize::MAX))?;
        let item: PIO_WORKITEM = memory.as_mut_ptr().cast();
        let (sender, level) = oneshot::channel()?;
        let mut report: Report = Some(sender);
        // SAFETY: the memory is nonpaged, of the item's size, and aligned like all of the pool; the driver object is
        // this driver's.
        unsafe { IoInitializeWorkItem(driver.object().cast(), item) };
        let context: *mut Report = &raw mut report;
        // SAFETY: the item is initialized and not queued; `routine` takes such a context, which stays until the routine
        // has sent its report.
        unsafe { IoQueueWorkItemEx(item, Some(routine), queue, context.cast()) };
        let level = level.await;
        // SAFETY: the routine was called, so the item is not queued (see Safety).
        unsafe { IoUninitializeWorkItem(item) };
        check(level? == 0, "a work item runs at PASSIVE_LEVEL")?;
    }
    Ok(())
}

/// Reports its level, and uses nothing of the scenario's from then on.
///
/// # Safety
///
/// `context` points to a [`Report`] that is not accessed elsewhere meanwhile.
unsafe extern "C" fn routine(_object: PVOID, context: PVOID, _item: PIO_WORKITEM) {
    // SAFETY: the context is a report that nothing else accesses (this function's contract).
    let report = unsafe { (*context.cast::<Report>()).take() };
    // SAFETY: this reads the level.
    let level = unsafe { KeGetCurrentIrql() };
    if let Some(report) = report {
        // The scenario waits for it.
        let _ = report.send(level);
    }
}
