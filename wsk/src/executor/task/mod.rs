//! A spawned future: its state, its waker, and its memory.
//!
//! A task is one nonpaged allocation with a reference count. The scheduler's list of all tasks has a reference until
//! the future is dropped; so have the run queue while the task is queued, each waker, and the
//! [`JoinHandle`](super::JoinHandle). So the future is always dropped by the code that polls it, at its level, and the last waker,
//! which may be dropped at any level, only frees the memory. A task of a worker is polled by that worker alone, which also drops the
//! future once it was polled.
//!
//! The output replaces the future in its place. If the handle still exists when the task is done, it owns the output;
//! otherwise the output is dropped at once.
//!
//! # Safety
//!
//! A task is one allocation that begins with a header. Its state decides which thread may access the future or the
//! output.

#![expect(unsafe_code, reason = "see Safety")]

mod memory;
mod waker;

use core::cell::UnsafeCell;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use self::memory::TaskVTable;
use crate::kernel::SpinLock;

#[cfg(not(loom))]
pub(super) use self::waker::is_own;

/// Queued, or to be queued when it has been polled.
const SCHEDULED: usize = 0b001;
/// Being polled.
const RUNNING: usize = 0b010;
/// The future was dropped.
const DONE: usize = 0b100;
/// The output is in the future's place.
const OUTPUT: usize = 0b1000;
/// The handle exists, and owns the output.
const HANDLE: usize = 0b1_0000;
/// The future must be dropped instead of polled.
const ABORTED: usize = 0b10_0000;
/// One reference.
const REFERENCE: usize = 0b100_0000;

/// The owner of run queues, and of the list of all tasks.
pub(crate) trait Schedule: Send + Sync + 'static {
    /// Adds a new task to the list and the queue, unless the executor is ending. Returns whether it was added, with one reference
    /// for each.
    fn admit(&self, task: Task) -> bool;

    /// Queues a task, and takes over a reference for the queue.
    fn queue(&self, task: Task);

    /// Removes a task from the list of all tasks, whose reference stays with the caller.
    fn forget(&self, task: Task);
}

/// The beginning of a task, for code that does not know the type of its future.
///
/// # Invariants
///
/// - It begins a [`TaskMemory`](memory::TaskMemory) in an allocation of a [`PoolBox`](crate::pool::PoolBox), and
///   `functions` are those for its future and its scheduler.
/// - The allocation is freed when the reference count in `state` becomes zero.
/// - The scheduler's lock protects `links`.
/// - Without `DONE`, the stage is the future, which only the thread that has set `RUNNING` accesses, or a worker of the scheduler
///   that has stopped polling, when no other may poll the task. The future of a task of one worker that was polled is accessed
///   by that worker only. With `OUTPUT`, the stage is the output, which belongs to the code that clears that bit, or to the
///   code that polled the future if `HANDLE` is clear. Otherwise the stage is empty.
#[repr(C)]
pub(crate) struct TaskHeader {
    state: AtomicUsize,
    /// The worker that alone polls the task.
    pub(super) worker: Option<usize>,
    functions: &'static TaskVTable,
    /// The waker of the handle.
    joiner: SpinLock<Option<Waker>>,
    pub(super) links: UnsafeCell<TaskLinks>,
}

/// The links of a task in the scheduler's lists.
pub(super) struct TaskLinks {
    pub(super) next_queued: Option<Task>,
    pub(super) previous: Option<Task>,
    pub(super) next: Option<Task>,
}

/// A pointer to a task, with the provenance of its whole memory. The pointer alone does not count as a reference.
///
/// # Invariants
///
/// The holder of the value owns one of the task's references, or uses the value only while another holder does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Task(NonNull<TaskHeader>);

// SAFETY: the fields of the header are atomic or behind locks (Invariants of `TaskHeader`), and `allocate` requires
// that the future and its output may be used by the threads that use them.
unsafe impl Send for Task {}

impl Task {
    pub(super) fn header(&self) -> &TaskHeader {
        // SAFETY: a reference keeps the task's memory while this value is used (Invariants).
        unsafe { self.0.as_ref() }
    }

    /// Polls a task from the queue, and takes over the queue's reference.
    pub(super) fn run(self) {
        let state = &self.header().state;
        // Queued tasks are scheduled and not running.
        let before = state.fetch_xor(SCHEDULED | RUNNING, Ordering::AcqRel);
        if before & ABORTED != 0 {
            self.finish();
            self.forget();
            return;
        }
        // A waker that borrows the queue's reference, for the duration of the call.
        let waker = ManuallyDrop::new(waker::of(self));
        // SAFETY: this thread has set `RUNNING`, and the task is not done, so the stage is the future, which only this
        // thread accesses (Invariants of `TaskHeader`).
        let poll =
            unsafe { (self.header().functions.poll)(self.0, &mut Context::from_waker(&waker)) };
        if poll.is_ready() {
            self.complete();
            self.forget();
        } else if state.fetch_and(!RUNNING, Ordering::AcqRel) & SCHEDULED != 0 {
            // The task was woken in the meantime. The reference returns to the queue.
            self.queue();
        } else {
            self.release();
        }
    }

    /// Takes a task whose future was dropped out of the list, and releases the references of the list and the queue.
    fn forget(self) {
        // SAFETY: the caller's reference keeps the task, whose functions are for its scheduler (Invariants of `TaskHeader`).
        unsafe { (self.header().functions.forget)(self.0) };
        self.release();
        self.release();
    }

    /// Queues the task, with one of the caller's references.
    fn queue(self) {
        // SAFETY: the caller's reference keeps the task, whose functions are for its scheduler (Invariants of `TaskHeader`).
        unsafe { (self.header().functions.queue)(self.0) };
    }

    /// Ends a task whose future was ready, and was replaced by its output.
    fn complete(self) {
        let before = self.header().state.fetch_or(DONE | OUTPUT, Ordering::AcqRel);
        if before & HANDLE != 0 {
            self.wake_joiner();
        } else {
            // SAFETY: the stage is the output, which belongs to this thread because the handle is gone (Invariants of
            // `TaskHeader`).
            unsafe { (self.header().functions.drop_output)(self.0) };
        }
    }

    /// Drops the future of a task that is not polled any more.
    pub(super) fn finish(self) {
        // SAFETY: the task is not done, so the stage is the future. No other thread accesses it: the task was never queued,
        // this thread has set `RUNNING`, this is the task's worker and has stopped polling, or the task has no worker of its own
        // and all workers of the scheduler have stopped polling.
        unsafe { (self.header().functions.drop_future)(self.0) };
        self.header().state.fetch_or(DONE, Ordering::AcqRel);
        self.wake_joiner();
    }

    fn wake_joiner(self) {
        let joiner = self.header().joiner.lock().take();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// Whether the future was dropped.
    pub(super) fn is_done(self) -> bool {
        self.header().state.load(Ordering::Acquire) & DONE != 0
    }

    /// For the handle: returns whether the task is done. If not, `waker` is woken when it is.
    pub(super) fn poll_done(self, waker: &Waker) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        // The waker is cloned, and the former one dropped, without the lock: both are foreign code.
        let waker = waker.clone();
        let former = self.header().joiner.lock().replace(waker);
        drop(former);
        // Once more: a task that was done before the new waker was stored has not woken it.
        if self.is_done() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// For the handle of a finished task: takes the output, unless there is none.
    ///
    /// # Safety
    ///
    /// `T` is the output of the task's future.
    pub(super) unsafe fn take_output<T>(self) -> Option<T> {
        if self.header().state.fetch_and(!OUTPUT, Ordering::AcqRel) & OUTPUT == 0 {
            return None;
        }
        // SAFETY: the functions are for the task's future (Invariants of `TaskHeader`).
        let output = unsafe { (self.header().functions.output)(self.0) };
        // SAFETY: this call has cleared `OUTPUT`, so the output belongs to it (Invariants of `TaskHeader`), and it is a
        // `T` (this function's contract).
        Some(unsafe { output.cast::<T>().read() })
    }

    /// For the handle, which is dropped: drops the output, now or when the task is done, and releases the handle's
    /// reference.
    pub(super) fn detach(self) {
        let before = self.header().state.fetch_and(!HANDLE, Ordering::AcqRel);
        let joiner = self.header().joiner.lock().take();
        drop(joiner);
        if before & OUTPUT != 0 {
            // SAFETY: the stage is the output, which belongs to the handle (Invariants of `TaskHeader`).
            unsafe { (self.header().functions.drop_output)(self.0) };
        }
        self.release();
    }

    /// Releases a reference; the last one frees the memory.
    pub(super) fn release(self) {
        if self.header().state.fetch_sub(REFERENCE, Ordering::Release) / REFERENCE != 1 {
            return;
        }
        // The accesses through the other references happen before the memory is freed.
        fence(Ordering::Acquire);
        let free = self.header().functions.free;
        // SAFETY: this was the last reference. The list's was released after the future was dropped, and the handle's
        // after the output was.
        unsafe { free(self.0) };
    }

    /// Has the scheduler drop the future instead of polling it again. Without effect on a task that is done.
    pub(super) fn abort(self) {
        self.header().state.fetch_or(ABORTED, Ordering::AcqRel);
        // A task that is being polled is queued again afterwards.
        self.schedule();
    }

    /// Takes one more reference.
    pub(super) fn retain(self) -> Self {
        self.header().state.fetch_add(REFERENCE, Ordering::Relaxed);
        self
    }

    fn schedule(self) {
        let state = &self.header().state;
        let before = state.fetch_or(SCHEDULED, Ordering::AcqRel);
        if before & (SCHEDULED | RUNNING | DONE) == 0 {
            self.retain().queue();
        }
    }
}
