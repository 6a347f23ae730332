//! System threads that run closures, and the calls at which they can be preempted.

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use wsk_sys::{
    FALSE, HANDLE, KEVENT, KeClearEvent, KeInitializeEvent, KeSetEvent, KeWaitForSingleObject,
    NotificationEvent, PVOID, PsCreateSystemThread, STATUS_SUCCESS, ZwClose, ZwWaitForSingleObject,
};

/// The state that the threads of a client share: numbers without a lock, an event, and the failures that they saw.
pub(crate) struct Shared {
    numbers: [AtomicI64; 4],
    event: Event,
    other: Event,
    failures: AtomicU32,
}

// SAFETY: the kernel's functions allow any thread to use an event.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// An event at an address of its own, where it stays.
struct Event(Box<UnsafeCell<KEVENT>>);

impl Event {
    fn new() -> Self {
        // SAFETY: an event is plain data, and initialized next.
        let event: Box<UnsafeCell<KEVENT>> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: the event has its own memory.
        unsafe { KeInitializeEvent(event.get(), NotificationEvent, FALSE) };
        Self(event)
    }

    fn get(&self) -> *mut KEVENT {
        self.0.get()
    }
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            numbers: Default::default(),
            event: Event::new(),
            other: Event::new(),
            failures: AtomicU32::new(0),
        })
    }

    pub(crate) fn get(&self, number: usize) -> i64 {
        self.numbers[number].load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, number: usize, value: i64) {
        self.numbers[number].store(value, Ordering::SeqCst);
    }

    /// A kernel call that changes nothing here: the thread can be preempted in it.
    pub(crate) fn call(&self) {
        // SAFETY: the event is initialized.
        unsafe { KeSetEvent(self.other.get(), 0, FALSE) };
    }

    pub(crate) fn calls(&self, count: usize) {
        (0..count).for_each(|_| self.call());
    }

    pub(crate) fn signal(&self) {
        // SAFETY: the event is initialized.
        unsafe { KeSetEvent(self.event.get(), 0, FALSE) };
    }

    pub(crate) fn clear(&self) {
        // SAFETY: the event is initialized.
        unsafe { KeClearEvent(self.event.get()) };
    }

    /// Waits for the signal for a second at most, and returns whether it came.
    pub(crate) fn wait(&self) -> bool {
        let mut second = -10_000_000;
        // SAFETY: the event is initialized, and the time is this function's.
        let status = unsafe {
            KeWaitForSingleObject(self.event.get().cast(), 0, 0, FALSE, (&raw mut second).cast())
        };
        status == STATUS_SUCCESS
    }

    /// A thread requires something. A panic in a thread would end the process.
    pub(crate) fn require(&self, holds: bool) {
        if !holds {
            self.failures.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The client's own view, after its threads have ended.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures.load(Ordering::SeqCst) != 0
    }
}

/// The code of a thread.
pub(crate) type Code = Box<dyn FnOnce() + Send>;

unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: `run_all` passes a box, once.
    let code = unsafe { Box::from_raw(context.cast::<Code>()) };
    code();
}

/// Runs each closure on a thread, and waits for all of them.
pub(crate) fn run_all(codes: Vec<Code>) {
    let start = |code: Code| {
        let mut handle: HANDLE = ptr::null_mut();
        let (null, context) = (ptr::null_mut::<()>(), Box::into_raw(Box::new(code)));
        // SAFETY: the context is a box, which the thread takes.
        let status = unsafe {
            PsCreateSystemThread(
                &raw mut handle,
                0,
                null.cast(),
                null.cast(),
                null.cast(),
                Some(run),
                context.cast(),
            )
        };
        assert_eq!(status, STATUS_SUCCESS);
        handle
    };
    let handles: Vec<HANDLE> = codes.into_iter().map(start).collect();
    for handle in handles {
        // SAFETY: the handle is a thread's.
        unsafe { ZwWaitForSingleObject(handle, 0, ptr::null_mut()) };
        // SAFETY: as above; it is closed once.
        unsafe { ZwClose(handle) };
    }
}
