//! The memory of a task, and the functions that depend on the types in it.
//!
//! # Safety
//!
//! A pointer to the header has the provenance of the whole memory, whose types are those of the functions.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::future::Future;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

#[cfg(loom)]
use loom::sync::atomic::AtomicUsize;

#[cfg(not(loom))]
use core::sync::atomic::AtomicUsize;

use super::{HANDLE, REFERENCE, SCHEDULED, Schedule, Task, TaskHeader, TaskLinks};
use crate::kernel::SpinLock;
use crate::pool::{Arc, PoolBox};
use crate::status::Result;

/// The functions of a task that depend on the types of its future and its scheduler.
///
/// # Invariants
///
/// All of these functions are for the same types.
pub(super) struct TaskVTable {
    /// Replaces the future by its output when it is ready.
    pub(super) poll: unsafe fn(NonNull<TaskHeader>, &mut Context<'_>) -> Poll<()>,
    pub(super) drop_future: unsafe fn(NonNull<TaskHeader>),
    pub(super) drop_output: unsafe fn(NonNull<TaskHeader>),
    /// The address of the output.
    pub(super) output: unsafe fn(NonNull<TaskHeader>) -> NonNull<()>,
    pub(super) queue: unsafe fn(NonNull<TaskHeader>),
    pub(super) forget: unsafe fn(NonNull<TaskHeader>),
    pub(super) free: unsafe fn(NonNull<TaskHeader>),
}

/// The memory of a task.
///
/// # Invariants
///
/// Those of [`TaskHeader`].
#[repr(C)]
pub(super) struct TaskMemory<F: Future, S> {
    header: TaskHeader,
    scheduler: Arc<S>,
    stage: UnsafeCell<Stage<F>>,
}

/// The future, then the output, then neither, depending on the state. Both have the address of the union.
///
/// # Invariants
///
/// Those of [`TaskHeader`].
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
}

impl Task {
    /// Allocates a scheduled task with three references: for the list, for the queue, and for its handle.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the future is dropped.
    ///
    /// # Safety
    ///
    /// - The future is `Send`; or only one worker of the scheduler polls it, and either it contains only values that are
    ///   `Send` before it is first polled, or the caller's thread is that worker's.
    /// - The output is `Send`, or only the thread of that worker has the task's handle.
    pub(in crate::executor) unsafe fn allocate<F, S>(
        scheduler: Arc<S>,
        worker: Option<usize>,
        future: F,
    ) -> Result<Self>
    where
        F: Future<Output: 'static> + 'static,
        S: Schedule,
    {
        // Field by field: the future may be too large for a second copy on the stack.
        let mut memory = PoolBox::new_with(MaybeUninit::<TaskMemory<F, S>>::uninit)?;
        let place: *mut TaskMemory<F, S> = memory.as_mut_ptr().cast();
        let header = TaskHeader {
            state: AtomicUsize::new(SCHEDULED | HANDLE | (3 * REFERENCE)),
            worker,
            functions: const {
                &TaskVTable {
                    poll: poll::<F, S>,
                    drop_future: drop_future::<F, S>,
                    drop_output: drop_output::<F, S>,
                    output: output::<F, S>,
                    queue: queue::<F, S>,
                    forget: forget::<F, S>,
                    free: free::<F, S>,
                }
            },
            joiner: SpinLock::new(None),
            links: UnsafeCell::new(TaskLinks { next_queued: None, previous: None, next: None }),
        };
        // SAFETY: the allocation has the size of a `TaskMemory<F, S>`.
        let place_of_header = unsafe { &raw mut (*place).header };
        // SAFETY: the place is in the new allocation, which no other code uses.
        unsafe { place_of_header.write(header) };
        // SAFETY: the allocation has the size of a `TaskMemory<F, S>`.
        let place_of_scheduler = unsafe { &raw mut (*place).scheduler };
        // SAFETY: the place is in the new allocation, which no other code uses.
        unsafe { place_of_scheduler.write(scheduler) };
        // The cell and the union have the address of the future.
        // SAFETY: the allocation has the size of a `TaskMemory<F, S>`.
        let place_of_future: *mut F = unsafe { &raw mut (*place).stage }.cast();
        // SAFETY: the place is in the new allocation, which no other code uses.
        unsafe { place_of_future.write(future) };
        // INVARIANT: the three fields were written above, the functions are for `F` and `S`, and the caller receives the
        // three references.
        Ok(Self(memory.into_raw().cast()))
    }
}

/// The address of a task's stage.
///
/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S`.
unsafe fn stage<F: Future, S>(header: NonNull<TaskHeader>) -> *mut Stage<F> {
    // SAFETY: the header is the first field of a `TaskMemory<F, S>` (this function's contract), whose pointer has the
    // provenance of the whole.
    let memory = unsafe { header.cast::<TaskMemory<F, S>>().as_ref() };
    memory.stage.get()
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S` whose stage is the future, which only the caller
/// accesses.
unsafe fn poll<F: Future, S>(header: NonNull<TaskHeader>, context: &mut Context<'_>) -> Poll<()> {
    // SAFETY: the task is of an `F` and an `S` (this function's contract).
    let stage = unsafe { stage::<F, S>(header) };
    let output = {
        // SAFETY: the stage is the future, which only the caller accesses (this function's contract).
        let future = unsafe { &mut *stage.cast::<F>() };
        // SAFETY: the future stays in its memory until it is dropped.
        match unsafe { Pin::new_unchecked(future) }.poll(context) {
            Poll::Ready(output) => output,
            Poll::Pending => return Poll::Pending,
        }
    };
    // SAFETY: the stage is the future, which only the caller accesses (this function's contract), and is not polled any
    // more.
    unsafe { drop_future::<F, S>(header) };
    // SAFETY: the stage is empty now, and only the caller accesses it.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) };
    Poll::Ready(())
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S` whose stage is the future, which only the caller
/// accesses.
unsafe fn drop_future<F: Future, S>(header: NonNull<TaskHeader>) {
    // SAFETY: the task is of an `F` and an `S` (this function's contract).
    let stage = unsafe { stage::<F, S>(header) };
    // SAFETY: the stage is the future, which only the caller accesses (this function's contract).
    unsafe { stage.cast::<F>().drop_in_place() };
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S` whose stage is the output, which belongs to the
/// caller.
unsafe fn drop_output<F: Future, S>(header: NonNull<TaskHeader>) {
    // SAFETY: the task is of an `F` and an `S` (this function's contract).
    let stage = unsafe { stage::<F, S>(header) };
    // SAFETY: the stage is the output, which belongs to the caller (this function's contract).
    unsafe { stage.cast::<F::Output>().drop_in_place() };
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S`.
unsafe fn output<F: Future, S>(header: NonNull<TaskHeader>) -> NonNull<()> {
    // SAFETY: the task is of an `F` and an `S` (this function's contract).
    let stage = unsafe { stage::<F, S>(header) };
    // SAFETY: an address in the task's memory is not null.
    unsafe { NonNull::new_unchecked(stage.cast()) }
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S`, to which the caller has a reference, for the queue.
/// The caller's thread keeps the scheduler, or another reference to the task, during the call.
unsafe fn queue<F: Future, S: Schedule>(header: NonNull<TaskHeader>) {
    // SAFETY: the header is that of a task of an `F` and an `S`, which the caller's reference keeps (this function's contract).
    unsafe { scheduler::<F, S>(&header) }.queue(Task(header));
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S`, to which the caller has a reference.
unsafe fn forget<F: Future, S: Schedule>(header: NonNull<TaskHeader>) {
    // SAFETY: the header is that of a task of an `F` and an `S`, which the caller's reference keeps (this function's contract).
    unsafe { scheduler::<F, S>(&header) }.forget(Task(header));
}

/// The scheduler of a task.
///
/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S`. The scheduler is kept while the result is used, by a
/// reference to the task or otherwise.
unsafe fn scheduler<F: Future, S: Schedule>(header: &NonNull<TaskHeader>) -> &S {
    let memory: *const TaskMemory<F, S> = header.cast().as_ptr();
    // SAFETY: the memory is that of a task (this function's contract), and the field is written once, in `allocate`.
    let scheduler = unsafe { &(*memory).scheduler };
    let scheduler: *const S = &raw const **scheduler;
    // SAFETY: the scheduler is in an allocation of its own, which is kept while the result is used (this function's
    // contract). The result does not borrow the task's memory, which may be freed meanwhile.
    unsafe { &*scheduler }
}

/// # Safety
///
/// The header belongs to a task with future `F` and scheduler `S`, whose last reference was released, and whose stage
/// is empty.
unsafe fn free<F: Future, S>(header: NonNull<TaskHeader>) {
    // SAFETY: the memory came from a `PoolBox` of this type (Invariants of `TaskHeader`), and has no other user (this
    // function's contract).
    drop(unsafe { PoolBox::from_raw(header.cast::<TaskMemory<F, S>>()) });
}
