//! A spawned future: its state, its waker, and its memory.
//!
//! A task is one nonpaged allocation with a reference count. The scheduler's list of all tasks has a reference until
//! the future is dropped; so have the run queue while the task is queued, each waker, and the
//! [`JoinHandle`](super::JoinHandle). So the future is always dropped by a thread of the runtime, at `PASSIVE_LEVEL`,
//! and the last waker, which may be dropped at any level, only frees the memory. A pinned task belongs to one thread of the
//! runtime, which alone polls the future and drops it once it was polled.
//!
//! The output replaces the future in its place. If the handle still exists when the task is done, it owns the output;
//! otherwise the output is dropped at once.
//!
//! # Safety
//!
//! A task is one allocation that begins with a header. Its state decides which thread may access the future or the
//! output.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::future::Future;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::pin::Pin;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering, fence};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::runtime::Scheduler;
use crate::kernel::SpinLock;
use crate::pool::{Arc, PoolBox};
use crate::status::Result;

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
/// The future is to be dropped instead of being polled.
const ABORTED: usize = 0b10_0000;
/// One reference.
const REFERENCE: usize = 0b100_0000;

/// The beginning of a task, for code that does not know the type of its future.
///
/// # Invariants
///
/// - It begins a [`TaskMemory<F>`] in an allocation of a [`PoolBox`], and `functions` are those for `F`.
/// - The allocation is freed when the reference count in `state` becomes zero.
/// - The scheduler's lock protects `links`.
/// - Without `DONE`, the stage is the future, which only the thread that has set `RUNNING` accesses, or a thread of the runtime
///   that has stopped polling, when no other may poll the task. The future of a pinned task that was polled is accessed by
///   the thread of its worker only. With `OUTPUT`, the stage is the output, which belongs to the code that clears that bit, or to the
///   runtime's thread if `HANDLE` is clear. Otherwise the stage is empty.
#[repr(C)]
pub(super) struct TaskHeader {
    state: AtomicUsize,
    scheduler: Arc<Scheduler>,
    /// The worker to whose thread the task is pinned.
    pub(super) worker: Option<usize>,
    functions: &'static TaskVTable,
    /// The waker of the handle.
    joiner: SpinLock<Option<Waker>>,
    pub(super) links: UnsafeCell<Links>,
}

/// The links of a task in the scheduler's lists.
pub(super) struct Links {
    pub(super) next_queued: Option<Task>,
    pub(super) previous: Option<Task>,
    pub(super) next: Option<Task>,
}

/// The functions of a task that depend on the type of its future.
///
/// # Invariants
///
/// All of them are for the same type.
struct TaskVTable {
    /// Replaces the future by its output when it is ready.
    poll: unsafe fn(NonNull<TaskHeader>, &mut Context<'_>) -> Poll<()>,
    drop_future: unsafe fn(NonNull<TaskHeader>),
    drop_output: unsafe fn(NonNull<TaskHeader>),
    /// The address of the output.
    output: unsafe fn(NonNull<TaskHeader>) -> NonNull<()>,
    free: unsafe fn(NonNull<TaskHeader>),
}

/// The memory of a task.
///
/// # Invariants
///
/// Those of [`TaskHeader`].
#[repr(C)]
struct TaskMemory<F: Future> {
    header: TaskHeader,
    stage: UnsafeCell<Stage<F>>,
}

/// The future, then the output, then neither, as the state says. Both have the address of the union.
///
/// # Invariants
///
/// Those of [`TaskHeader`].
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
}

/// A pointer to a task, with the provenance of its whole memory. It is no reference by itself.
///
/// # Invariants
///
/// The holder of the value owns one of the task's references, or uses the value only while another holder does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Task(NonNull<TaskHeader>);

// SAFETY: the fields of the header are atomic or behind locks (Invariants of `TaskHeader`), and `allocate` requires
// that the future and its output may be used by the threads that use them.
unsafe impl Send for Task {}

impl Task {
    /// Allocates a scheduled task with three references: for the list, for the queue, and for its handle.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the future is dropped.
    ///
    /// # Safety
    ///
    /// - The future is `Send`; or it is pinned to a worker of the scheduler, and either it contains only values that are
    ///   `Send` before it is first polled, or the caller's thread is that worker's.
    /// - The output is `Send`, or only the thread of that worker has the task's handle.
    pub(super) unsafe fn allocate<F>(
        scheduler: Arc<Scheduler>,
        worker: Option<usize>,
        future: F,
    ) -> Result<Self>
    where
        F: Future<Output: 'static> + 'static,
    {
        // Field by field: the future may be too large for a second copy on the stack.
        let mut memory = PoolBox::new_with(MaybeUninit::<TaskMemory<F>>::uninit)?;
        let place: *mut TaskMemory<F> = memory.as_mut_ptr().cast();
        let header = TaskHeader {
            state: AtomicUsize::new(SCHEDULED | HANDLE | (3 * REFERENCE)),
            scheduler,
            worker,
            functions: const {
                &TaskVTable {
                    poll: poll::<F>,
                    drop_future: drop_future::<F>,
                    drop_output: drop_output::<F>,
                    output: output::<F>,
                    free: free::<F>,
                }
            },
            joiner: SpinLock::new(None),
            links: UnsafeCell::new(Links { next_queued: None, previous: None, next: None }),
        };
        // SAFETY: the allocation has the size of a `TaskMemory<F>`.
        let place_of_header = unsafe { &raw mut (*place).header };
        // SAFETY: the place is in the new allocation, which no other code uses.
        unsafe { place_of_header.write(header) };
        // The cell and the union have the address of the future.
        // SAFETY: the allocation has the size of a `TaskMemory<F>`.
        let place_of_future: *mut F = unsafe { &raw mut (*place).stage }.cast();
        // SAFETY: the place is in the new allocation, which no other code uses.
        unsafe { place_of_future.write(future) };
        // INVARIANT: the header and the future were written above, the functions are for `F`, and the caller receives
        // the three references.
        Ok(Self(memory.into_raw().cast()))
    }

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
            self.header().scheduler.forget(self);
            self.release();
            self.release();
            return;
        }
        // A waker that borrows the queue's reference, for the duration of the call.
        let waker = ManuallyDrop::new(self.waker());
        // SAFETY: this thread has set `RUNNING`, and the task is not done, so the stage is the future, which only this
        // thread accesses (Invariants of `TaskHeader`).
        let poll =
            unsafe { (self.header().functions.poll)(self.0, &mut Context::from_waker(&waker)) };
        if poll.is_ready() {
            self.complete();
            self.header().scheduler.forget(self);
            self.release();
            self.release();
        } else if state.fetch_and(!RUNNING, Ordering::AcqRel) & SCHEDULED != 0 {
            // Woken meanwhile. The reference returns to the queue.
            self.header().scheduler.queue(self);
        } else {
            self.release();
        }
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
        // SAFETY: the task is not done, so the stage is the future. No other thread accesses it: the task was never queued, this
        // thread has set `RUNNING`, this is the thread of the task's worker and has stopped polling, or the task is not
        // pinned and all threads of the runtime have stopped polling.
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

    /// For the handle of a done task: takes the output, unless there is none.
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

    /// Has a thread of the runtime drop the future instead of polling it again. Without effect on a task that is done.
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
            self.header().scheduler.queue(self.retain());
        }
    }

    /// A waker that takes over one of the caller's references.
    fn waker(self) -> Waker {
        let data: *const TaskHeader = self.0.as_ptr();
        // SAFETY: the data is the pointer of a task with a reference, as each function of the table requires.
        unsafe { Waker::new(data.cast(), VTABLE) }
    }
}

/// The address of a task's stage.
///
/// # Safety
///
/// The header is that of a task of an `F`.
unsafe fn stage<F: Future>(header: NonNull<TaskHeader>) -> *mut Stage<F> {
    // SAFETY: the header is the first field of a `TaskMemory<F>` (this function's contract), whose pointer has the
    // provenance of the whole.
    let memory = unsafe { header.cast::<TaskMemory<F>>().as_ref() };
    memory.stage.get()
}

/// # Safety
///
/// The header is that of a task of an `F`, whose stage is the future, which only the caller accesses.
unsafe fn poll<F: Future>(header: NonNull<TaskHeader>, context: &mut Context<'_>) -> Poll<()> {
    // SAFETY: the task is of an `F` (this function's contract).
    let stage = unsafe { stage::<F>(header) };
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
    unsafe { drop_future::<F>(header) };
    // SAFETY: the stage is empty now, and only the caller accesses it.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) };
    Poll::Ready(())
}

/// # Safety
///
/// The header is that of a task of an `F`, whose stage is the future, which only the caller accesses.
unsafe fn drop_future<F: Future>(header: NonNull<TaskHeader>) {
    // SAFETY: the task is of an `F` (this function's contract).
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: the stage is the future, which only the caller accesses (this function's contract).
    unsafe { stage.cast::<F>().drop_in_place() };
}

/// # Safety
///
/// The header is that of a task of an `F`, whose stage is the output, which belongs to the caller.
unsafe fn drop_output<F: Future>(header: NonNull<TaskHeader>) {
    // SAFETY: the task is of an `F` (this function's contract).
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: the stage is the output, which belongs to the caller (this function's contract).
    unsafe { stage.cast::<F::Output>().drop_in_place() };
}

/// # Safety
///
/// The header is that of a task of an `F`.
unsafe fn output<F: Future>(header: NonNull<TaskHeader>) -> NonNull<()> {
    // SAFETY: the task is of an `F` (this function's contract).
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: an address in the task's memory is not null.
    unsafe { NonNull::new_unchecked(stage.cast()) }
}

/// # Safety
///
/// The header is that of a task of an `F`, whose last reference was released, and whose stage is empty.
unsafe fn free<F: Future>(header: NonNull<TaskHeader>) {
    // SAFETY: the memory came from a `PoolBox` of this type (Invariants of `TaskHeader`), and has no other user (this
    // function's contract).
    drop(unsafe { PoolBox::from_raw(header.cast::<TaskMemory<F>>()) });
}

static VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Whether a waker is one of this module's. Wakers of this crate only queue a task or wake a thread.
#[cfg(not(loom))]
pub(super) fn is_own(waker: &Waker) -> bool {
    core::ptr::eq(waker.vtable(), VTABLE)
}

/// The task of a waker's data.
///
/// # Safety
///
/// The data is that of a waker of a task, whose reference keeps the task while the result is used.
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
