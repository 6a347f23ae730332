//! A spawned future: its state, its waker, and its memory.
//!
//! One nonpaged allocation, counted: by the scheduler's list of all tasks until the future is gone, by
//! the run queue while it is queued, by each waker, and by its [`JoinHandle`](super::JoinHandle). So the future is
//! always dropped by a thread of the runtime, at `PASSIVE_LEVEL`; what the last waker frees, at any level, is the
//! bare memory.
//!
//! The output takes the future's place. It is the handle's, if there still is one when the task is done; else it
//! is dropped where it was made.
//!
//! # Safety
//!
//! A task is one allocation that begins with a header; its state decides which thread may access the future or the
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
use crate::pool::{PoolArc, PoolBox};
use crate::status::Result;
use crate::sync::SpinLock;

/// Queued, or to be queued when it has been polled.
const SCHEDULED: usize = 0b001;
/// Being polled.
const RUNNING: usize = 0b010;
/// The future is gone.
const DONE: usize = 0b100;
/// The output is there, in the future's place.
const OUTPUT: usize = 0b1000;
/// There is a handle, whose the output is.
const HANDLE: usize = 0b1_0000;
/// One count of the memory.
const REFERENCE: usize = 0b10_0000;

/// What is known of a task without knowing its future.
#[repr(C)]
pub(super) struct TaskHeader {
    state: AtomicUsize,
    scheduler: PoolArc<Scheduler>,
    functions: &'static Functions,
    /// Who waits for the output.
    joiner: SpinLock<Option<Waker>>,
    /// The scheduler's lock protects both.
    pub(super) links: UnsafeCell<Links>,
}

/// A task's places in the scheduler's lists.
pub(super) struct Links {
    pub(super) next_queued: Option<Task>,
    pub(super) previous: Option<Task>,
    pub(super) next: Option<Task>,
}

struct Functions {
    /// Puts the output in the future's place when it is ready.
    poll: unsafe fn(NonNull<TaskHeader>, &mut Context<'_>) -> Poll<()>,
    drop_future: unsafe fn(NonNull<TaskHeader>),
    drop_output: unsafe fn(NonNull<TaskHeader>),
    /// Where the output is.
    output: unsafe fn(NonNull<TaskHeader>) -> NonNull<()>,
    free: unsafe fn(NonNull<TaskHeader>),
}

#[repr(C)]
struct TaskMemory<F: Future> {
    header: TaskHeader,
    stage: UnsafeCell<Stage<F>>,
}

/// The state says which of them it is, or that it is neither any more. Both begin where this does.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
}

/// A pointer to a task. Counts nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Task(NonNull<TaskHeader>);

// SAFETY: the header is shared by its own rules, and the future is `Send`, see `allocate`.
unsafe impl Send for Task {}

impl Task {
    /// A task that is scheduled, with three counts: for the list, for the queue, and for its handle.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the future is dropped.
    pub(super) fn allocate<F>(scheduler: PoolArc<Scheduler>, future: F) -> Result<Self>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        // Piece by piece: the future may be too large to be on the stack once more.
        let mut memory = PoolBox::new_with(MaybeUninit::<TaskMemory<F>>::uninit)?;
        let place: *mut TaskMemory<F> = memory.as_mut_ptr().cast();
        let header = TaskHeader {
            state: AtomicUsize::new(SCHEDULED | HANDLE | (3 * REFERENCE)),
            scheduler,
            functions: const {
                &Functions {
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
        // SAFETY: the memory is there.
        let place_of_header = unsafe { &raw mut (*place).header };
        // SAFETY: the memory is there, and no other code uses it.
        unsafe { place_of_header.write(header) };
        // The cell and what is in it are laid out as the future, which is where the stage begins.
        // SAFETY: the memory is there, and no other code uses it.
        let place_of_future: *mut F = unsafe { &raw mut (*place).stage }.cast();
        // SAFETY: the memory is there, and no other code uses it.
        unsafe { place_of_future.write(future) };
        Ok(Self(memory.into_raw().cast()))
    }

    pub(super) fn header(&self) -> &TaskHeader {
        // SAFETY: whoever has a task has, or stands under, a count of it.
        unsafe { self.0.as_ref() }
    }

    /// Polls a task that was queued, with the count that the queue had.
    pub(super) fn run(self) {
        let state = &self.header().state;
        // Queued tasks are scheduled and not running.
        state.fetch_xor(SCHEDULED | RUNNING, Ordering::AcqRel);
        // A waker that counts nothing, for the duration of the call.
        let waker = ManuallyDrop::new(self.waker());
        // SAFETY: only one thread runs a task, and its future is there until it is done.
        let poll =
            unsafe { (self.header().functions.poll)(self.0, &mut Context::from_waker(&waker)) };
        if poll.is_ready() {
            self.complete();
            self.header().scheduler.forget(self);
            self.release();
            self.release();
        } else if state.fetch_and(!RUNNING, Ordering::AcqRel) & SCHEDULED != 0 {
            // Woken meanwhile. The count goes back to the queue.
            self.header().scheduler.queue(self);
        } else {
            self.release();
        }
    }

    /// The future was ready, and its output is in its place.
    fn complete(self) {
        let before = self.header().state.fetch_or(DONE | OUTPUT, Ordering::AcqRel);
        if before & HANDLE != 0 {
            self.wake_joiner();
        } else {
            // SAFETY: the output is there, and no handle to take it.
            unsafe { (self.header().functions.drop_output)(self.0) };
        }
    }

    /// Drops the future of a task that is not polled any more.
    pub(super) fn finish(self) {
        // SAFETY: the future was not dropped yet, and is not being polled.
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

    /// Whether the future is gone.
    pub(super) fn is_done(self) -> bool {
        self.header().state.load(Ordering::Acquire) & DONE != 0
    }

    /// For the handle: whether the task is done; if not, `waker` will be woken when it is.
    pub(super) fn poll_done(self, waker: &Waker) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        // Cloned, and the former one dropped, without the lock: both are others' code.
        let waker = waker.clone();
        let former = self.header().joiner.lock().replace(waker);
        drop(former);
        // A task that was done before that has found no waker, or the former one.
        if self.is_done() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// For the handle of a task that is done: the output, unless there is none, or it was taken.
    ///
    /// # Safety
    ///
    /// `T` is the output of the task's future.
    pub(super) unsafe fn take_output<T>(self) -> Option<T> {
        if self.header().state.fetch_and(!OUTPUT, Ordering::AcqRel) & OUTPUT == 0 {
            return None;
        }
        // SAFETY: the output is there, as the state said.
        let output = unsafe { (self.header().functions.output)(self.0) };
        // SAFETY: it is of this type, as the caller promises, and no other code takes it.
        Some(unsafe { output.cast::<T>().read() })
    }

    /// For the handle, which gives up its count: the output is not wanted any more.
    pub(super) fn detach(self) {
        let before = self.header().state.fetch_and(!HANDLE, Ordering::AcqRel);
        let joiner = self.header().joiner.lock().take();
        drop(joiner);
        if before & OUTPUT != 0 {
            // SAFETY: the output was made for the handle, which did not take it.
            unsafe { (self.header().functions.drop_output)(self.0) };
        }
        self.release();
    }

    /// Gives up a count; the last one frees the memory.
    pub(super) fn release(self) {
        if self.header().state.fetch_sub(REFERENCE, Ordering::Release) / REFERENCE != 1 {
            return;
        }
        // What the other counts' holders did happens before the memory is freed.
        fence(Ordering::Acquire);
        let free = self.header().functions.free;
        // SAFETY: this was the last count, and the list's was given up after the future was dropped.
        unsafe { free(self.0) };
    }

    fn schedule(self) {
        let state = &self.header().state;
        let before = state.fetch_or(SCHEDULED, Ordering::AcqRel);
        if before & (SCHEDULED | RUNNING | DONE) == 0 {
            state.fetch_add(REFERENCE, Ordering::Relaxed);
            self.header().scheduler.queue(self);
        }
    }

    /// A waker with the count that the caller has.
    fn waker(self) -> Waker {
        let data: *const TaskHeader = self.0.as_ptr();
        // SAFETY: the table's functions treat the data as the task that it is, and count it.
        unsafe { Waker::new(data.cast(), VTABLE) }
    }
}

/// # Safety
///
/// The header is that of a task of this future.
unsafe fn stage<F: Future>(header: NonNull<TaskHeader>) -> *mut Stage<F> {
    // SAFETY: the header is the first field of this memory.
    let memory = unsafe { header.cast::<TaskMemory<F>>().as_ref() };
    memory.stage.get()
}

unsafe fn poll<F: Future>(header: NonNull<TaskHeader>, context: &mut Context<'_>) -> Poll<()> {
    // SAFETY: the functions of a task are for its future.
    let stage = unsafe { stage::<F>(header) };
    let output = {
        // SAFETY: the caller promises that the future is there, and that no other code uses it.
        let future = unsafe { &mut *stage.cast::<F>() };
        // SAFETY: the future stays in its memory until it is dropped.
        match unsafe { Pin::new_unchecked(future) }.poll(context) {
            Poll::Ready(output) => output,
            Poll::Pending => return Poll::Pending,
        }
    };
    // SAFETY: this function's contract is the other's, and the future is not polled any more.
    unsafe { drop_future::<F>(header) };
    // SAFETY: nothing is in this place.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) };
    Poll::Ready(())
}

unsafe fn drop_future<F: Future>(header: NonNull<TaskHeader>) {
    // SAFETY: the functions of a task are for its future.
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: the caller promises that the future is there, and that it is not used any more.
    unsafe { stage.cast::<F>().drop_in_place() };
}

unsafe fn drop_output<F: Future>(header: NonNull<TaskHeader>) {
    // SAFETY: the functions of a task are for its future.
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: the caller promises that the output is there, and that it is not in use.
    unsafe { stage.cast::<F::Output>().drop_in_place() };
}

unsafe fn output<F: Future>(header: NonNull<TaskHeader>) -> NonNull<()> {
    // SAFETY: the functions of a task are for its future.
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: a place in the task's memory is not null.
    unsafe { NonNull::new_unchecked(stage.cast()) }
}

unsafe fn free<F: Future>(header: NonNull<TaskHeader>) {
    // SAFETY: the memory came from a `PoolBox` of this type; what its stage was is dropped, or never was its.
    drop(unsafe { PoolBox::from_raw(header.cast::<TaskMemory<F>>()) });
}

static VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Whether a waker is one of this module's. Wakers of this crate only queue a task or wake a thread.
pub(super) fn is_own(waker: &Waker) -> bool {
    core::ptr::eq(waker.vtable(), VTABLE)
}

/// The task of a waker's data.
///
/// # Safety
///
/// The data is that of a task's waker.
unsafe fn task(data: *const ()) -> Task {
    // SAFETY: a waker's data is the pointer of a task, which is not null.
    Task(unsafe { NonNull::new_unchecked(data.cast_mut().cast()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data is that of a task's waker.
    let task = unsafe { task(data) };
    task.header().state.fetch_add(REFERENCE, Ordering::Relaxed);
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
