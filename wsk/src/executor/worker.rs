//! The routine of a runtime's threads.
//!
//! # Safety
//!
//! A thread owns its context.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;

use wsk_sys::PVOID;

use super::scheduler::{NextStep, Scheduler};
use crate::irql::Passive;
use crate::pool::{Arc, PoolBox};

/// The start argument of a runtime's thread.
pub(super) struct WorkerContext {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) worker: usize,
}

/// The routine of each thread.
///
/// # Safety
///
/// The context is a [`WorkerContext`] from [`PoolBox::into_raw`], which belongs to the thread. The thread is a system thread
/// that starts here.
pub(super) unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: the context is a pointer from `into_raw` (this function's contract), and so is not null.
    let context = unsafe { NonNull::new_unchecked(context.cast::<WorkerContext>()) };
    // SAFETY: the context is from `into_raw`, and belongs to this thread (this function's contract).
    let context = PoolBox::into_inner(unsafe { PoolBox::from_raw(context) });
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    work(&context.scheduler, context.worker, passive);
}

/// Runs tasks until the runtime stops, and drops those that are left then.
pub(super) fn work(scheduler: &Scheduler, worker: usize, passive: Passive) {
    loop {
        match scheduler.next(worker) {
            NextStep::Run(task) => task.run(),
            NextStep::Wait if scheduler.wait(worker, passive) => {}
            NextStep::Wait | NextStep::Stop => break,
        }
    }
    // The runtime is stopping, and admits no tasks: this thread polls none any more.
    scheduler.drop_tasks(Some(worker));
    if scheduler.remove_worker() {
        scheduler.drop_tasks(None);
    }
}
