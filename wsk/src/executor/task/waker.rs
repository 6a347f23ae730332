//! The waker of a task.
//!
//! # Safety
//!
//! The data of a waker is a pointer to a task. The waker owns a reference to that task.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::{Task, TaskHeader};

static VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Whether a waker was created by this module. Wakers of this crate only queue a task or wake a thread.
#[cfg(not(loom))]
pub(in crate::executor) fn is_own(waker: &Waker) -> bool {
    core::ptr::eq(waker.vtable(), VTABLE)
}

/// A waker that takes ownership of one of the caller's references.
pub(super) fn of(task: Task) -> Waker {
    let data: *const TaskHeader = task.0.as_ptr();
    // SAFETY: the data is the pointer of a task with a reference, as each function of the table requires.
    unsafe { Waker::new(data.cast(), VTABLE) }
}

/// The task of a waker's data.
///
/// # Safety
///
/// The data belongs to the waker of a task. The waker's reference keeps the task alive while the result is used.
unsafe fn task(data: *const ()) -> Task {
    // SAFETY: a waker's data is the pointer of a task, which is not null.
    Task(unsafe { NonNull::new_unchecked(data.cast_mut().cast()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data is that of a task's waker.
    unsafe { task(data) }.retain();
    RawWaker::new(data, VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the data is that of a task's waker.
    let task = unsafe { task(data) };
    task.schedule();
    task.release();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the data is that of a task's waker.
    unsafe { task(data) }.schedule();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the data is that of a task's waker.
    unsafe { task(data) }.release();
}
