//! `Ps…`: system threads, their objects and their handles.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::cell::{RefCell, UnsafeCell};
use std::collections::{BTreeSet, HashMap};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::atomic::AtomicI32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use wsk_sys::{
    ACCESS_MASK, BOOLEAN, DISPATCHER_HEADER, HANDLE, KPROCESSOR_MODE, NTSTATUS, PASSIVE_LEVEL,
    PCLIENT_ID, PHANDLE, PKSTART_ROUTINE, PLARGE_INTEGER, POBJECT_ATTRIBUTES,
    POBJECT_HANDLE_INFORMATION, POBJECT_TYPE, PVOID, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, ULONG, WaitAny,
};

use crate::call_stack;
use crate::kernel::abi::{self, Routine as _};
use crate::kernel::context::is_in_client_routine;
use crate::kernel::ex::queued_lock;
use crate::kernel::holdings::{give_back, take};
use crate::kernel::ke::dispatcher::{THREAD, change, header};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ke::region;
use crate::kernel::ke::wait::wait;
use crate::kernel::loaded_image::ClientCall;
use crate::kernel::residency::require_frames;
use crate::kernel::resources::Resource;
use crate::kernel::schedule::{ClientPointer, ThreadId};
use crate::kernel::{Entered, Kernel, current};
use crate::verifier::{Origin, kernel_violation};

/// A thread object, referenced by handles and pointers. Signaled when the thread has ended.
///
/// # Invariants
///
/// The header is initialized, and accessed only under the dispatcher lock.
#[repr(C)]
struct ThreadObject {
    header: UnsafeCell<DISPATCHER_HEADER>,
    number: ThreadId,
    join: Mutex<Option<JoinHandle<()>>>,
    priorities: Priorities,
}

/// The priorities of a thread. They have no effect: the seed, or the machine, chooses the thread that runs.
pub(crate) struct Priorities {
    pub(crate) current: AtomicI32,
    /// Relative to the priority of its process.
    pub(crate) increment: AtomicI32,
}

impl Priorities {
    /// That of a new system thread.
    const NEW: i32 = 8;

    fn new() -> Self {
        Self { current: AtomicI32::new(Self::NEW), increment: AtomicI32::new(0) }
    }
}

/// The addresses of all thread objects, to distinguish them from other pointers.
static THREADS: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

fn threads() -> MutexGuard<'static, BTreeSet<usize>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ThreadObject {
    fn drop(&mut self) {
        threads().remove(&ptr::from_ref(self).addr());
    }
}

// SAFETY: the header is accessed only under the dispatcher lock (Invariants).
unsafe impl Send for ThreadObject {}
// SAFETY: the header is accessed only under the dispatcher lock (Invariants).
unsafe impl Sync for ThreadObject {}

impl ThreadObject {
    fn new(number: ThreadId) -> Arc<Self> {
        let thread = Arc::new(Self {
            header: UnsafeCell::new(header(THREAD, 0)),
            number,
            join: Mutex::new(None),
            priorities: Priorities::new(),
        });
        threads().insert(Arc::as_ptr(&thread).addr());
        thread
    }

    fn join(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.join.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) {
        // SAFETY: the object is initialized, and is here.
        unsafe { change(self.header.get(), |_| 1) };
    }
}

/// Open handles.
static HANDLES: Mutex<Option<Handles>> = Mutex::new(None);

#[derive(Default)]
struct Handles {
    threads: HashMap<usize, Arc<ThreadObject>>,
    last: usize,
}

fn handles() -> MutexGuard<'static, Option<Handles>> {
    HANDLES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_of(handle: HANDLE) -> Option<Arc<ThreadObject>> {
    handles().as_ref()?.threads.get(&handle.addr()).cloned()
}

/// The number of a thread that has a handle, by the address of its object.
pub(crate) fn number_of(object: usize) -> Option<ThreadId> {
    let handles = handles();
    let mut threads = handles.as_ref()?.threads.values();
    threads.find(|thread| thread.header.get().addr() == object).map(|thread| thread.number)
}

thread_local! {
    /// The object of the current thread, if it is a system thread.
    static CURRENT: RefCell<Option<(Arc<ThreadObject>, ClientCall, Entered)>> = const { RefCell::new(None) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn PsCreateSystemThread(
    handle: PHANDLE,
    _access: ULONG,
    _attributes: POBJECT_ATTRIBUTES,
    _process: HANDLE,
    _client: PCLIENT_ID,
    routine: PKSTART_ROUTINE,
    context: PVOID,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "PsCreateSystemThread");
    let Some(routine) = routine else {
        kernel_violation("PsCreateSystemThread: StartRoutine is null")
    };
    let kernel = current();
    // A thread also needs memory.
    if !kernel.may_allocate() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // Announced here, so that its number does not depend on when the machine starts it.
    let announced = kernel.announce();
    let thread = ThreadObject::new(announced);
    let (context, this) = (ClientPointer(context), Arc::clone(&thread));
    let of = kernel.clone();
    // From here on, since it may run at any time.
    let origin = Origin::here("PsCreateSystemThread");
    let running = kernel.begin_client("a system thread", Some(origin));
    // Held until the machine's thread is known: the new thread may end before that.
    let mut join = thread.join();
    let spawned = thread::Builder::new().name("system thread".to_owned()).spawn(move || {
        let entered = of.enter_announced(announced);
        CURRENT.set(Some((Arc::clone(&this), running, entered)));
        // SAFETY: the routine may be called with this context, once, in a new thread (the contract of
        // `PsCreateSystemThread`).
        unsafe { routine.invoke((context.get(),)) };
        require_nothing_left(&of, "the end of a system thread");
        let current = CURRENT.take();
        if let Some((_, running, entered)) = current {
            of.end_client(running);
            // Done in its last turn, so that a thread that waits for it is ready before another thread gets a turn.
            this.ended();
            drop(entered);
        }
    });
    let Ok(spawned) = spawned else {
        kernel.withdraw_announced(announced);
        kernel.end_client(running);
        return STATUS_INSUFFICIENT_RESOURCES;
    };
    *join = Some(spawned);
    drop(join);
    let mut handles = handles();
    let handles = handles.get_or_insert_default();
    handles.last += 4;
    handles.threads.insert(handles.last, thread);
    take(Resource::ThreadHandle, handles.last, "PsCreateSystemThread");
    // SAFETY: the caller passes room for a handle.
    unsafe { handle.write(ptr::without_provenance_mut(handles.last)) };
    STATUS_SUCCESS
}

/// Stops a client whose thread ends at a raised IRQL, with locks, in critical regions, or with an object or memory on its
/// stack that is in use.
fn require_nothing_left(kernel: &Kernel, function: &str) {
    require_at_most(PASSIVE_LEVEL, function);
    require_frames(kernel, function);
    region::require_none(function);
    queued_lock::require_none(kernel, function);
    let stack = call_stack::of_current_thread();
    if stack.is_empty() {
        return;
    }
    let function = format!("{function}, with the thread's stack");
    // Where the level of the rule lets the client continue, the memory stays: the machine's thread only stops.
    let _ = kernel.usage().require_unused(&stack, &function);
    kernel.timers().require_unused(&stack, &function);
    kernel.work_items().require_unused(&stack, &function);
}

/// Ends the thread for the kernel: its object is signaled. The machine's thread stays, because its stack must not be
/// unwound.
#[wsk_host_macros::export]
extern "C" fn PsTerminateSystemThread(_status: NTSTATUS) -> NTSTATUS {
    const NAME: &str = "PsTerminateSystemThread";
    require_at_most(PASSIVE_LEVEL, NAME);
    let Some((thread, running, entered)) = CURRENT.take() else {
        kernel_violation(&format!("{NAME}: the current thread is not a system thread"))
    };
    if is_in_client_routine() {
        kernel_violation(&format!(
            "{NAME}: the current thread is in a completion routine or an event callback, which must return"
        ));
    }
    let kernel = current();
    require_nothing_left(&kernel, NAME);
    // The machine's thread never ends, so it must not be joined.
    drop(thread.join().take());
    kernel.end_client(running);
    abi::images::leave_all();
    thread.ended();
    drop(thread);
    drop(entered);
    loop {
        thread::park();
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwWaitForSingleObject(
    handle: HANDLE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwWaitForSingleObject");
    let Some(thread) = thread_of(handle) else {
        return STATUS_INVALID_HANDLE;
    };
    let objects = [thread.header.get()];
    // SAFETY: the object is held here; the caller passes a timeout or null.
    let status = unsafe { wait("ZwWaitForSingleObject", &objects, WaitAny, timeout) };
    if status == STATUS_SUCCESS {
        // It has ended; this waits until the machine's thread has also ended.
        let join = thread.join().take();
        if join.is_some_and(|join| join.join().is_err()) {
            kernel_violation("a system thread panicked");
        }
    }
    status
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ObReferenceObjectByHandle(
    handle: HANDLE,
    _access: ACCESS_MASK,
    object_type: POBJECT_TYPE,
    _mode: KPROCESSOR_MODE,
    object: *mut PVOID,
    _information: POBJECT_HANDLE_INFORMATION,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ObReferenceObjectByHandle");
    if !is_thread_type(object_type) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    let Some(thread) = thread_of(handle) else {
        return STATUS_INVALID_HANDLE;
    };
    let thread = Arc::into_raw(thread);
    take(Resource::ThreadReference, thread.addr(), "ObReferenceObjectByHandle");
    // SAFETY: the caller passes room for a pointer.
    unsafe { object.write(thread.cast_mut().cast()) };
    STATUS_SUCCESS
}

/// The thread of an object, unless the object is of another type.
///
/// # Safety
///
/// The caller has a reference to the object if it is a thread.
unsafe fn thread_at(object: PVOID) -> Option<ManuallyDrop<Arc<ThreadObject>>> {
    if !threads().contains(&object.addr()) {
        return None;
    }
    // SAFETY: the address is a thread's, and the caller's reference keeps it.
    Some(ManuallyDrop::new(unsafe { Arc::from_raw(object.cast::<ThreadObject>()) }))
}

/// Calls a function with the priorities of a thread. `None` if the object is not a thread.
///
/// # Safety
///
/// The object is the current thread, or the caller has a reference to it if it is a thread.
pub(crate) unsafe fn with_priorities<T>(
    object: PVOID,
    function: impl FnOnce(&Priorities) -> T,
) -> Option<T> {
    // SAFETY: a thread keeps itself while it runs, and the caller has a reference to another (this function's contract).
    let thread = unsafe { thread_at(object) }?;
    Some(function(&thread.priorities))
}

/// Adds a reference to a thread, and returns the number of references. `None` if the object is not a thread.
///
/// # Safety
///
/// The caller has a reference to the object if it is a thread.
pub(crate) unsafe fn reference_thread(object: PVOID) -> Option<usize> {
    // SAFETY: the caller has a reference to the object if it is a thread (this function's contract).
    let thread = unsafe { thread_at(object) }?;
    let another = ManuallyDrop::new(Arc::clone(&thread));
    Some(Arc::strong_count(&another))
}

/// Releases a reference to a thread, and returns the number of remaining references. `None` if the object is not a
/// thread.
///
/// # Safety
///
/// The caller gives up one of its references if the object is a thread.
pub(crate) unsafe fn dereference_thread(object: PVOID) -> Option<usize> {
    // SAFETY: the caller owns a reference to the object if it is a thread (this function's contract).
    let thread = ManuallyDrop::into_inner(unsafe { thread_at(object) }?);
    Some(Arc::strong_count(&thread) - 1)
}

/// Closes a handle of a thread. Returns whether it was one.
pub(crate) fn close_thread_handle(handle: HANDLE) -> bool {
    let mut handles = handles();
    let closed = handles.as_mut().and_then(|handles| handles.threads.remove(&handle.addr()));
    drop(handles);
    if closed.is_some() {
        give_back(Resource::ThreadHandle, handle.addr());
    }
    closed.is_some()
}

/// A type of objects. Clients compare its address, and do not read it.
///
/// # Invariants
///
/// The pointer is to a constant.
#[repr(transparent)]
pub(crate) struct TypePointer(*const u8);

// SAFETY: the pointer is to a constant (Invariants), which no thread writes.
unsafe impl Sync for TypePointer {}

static THREAD_TYPE: u8 = 0;
static THREAD_TYPE_POINTER: TypePointer = TypePointer(&raw const THREAD_TYPE);

/// The type of threads: the address of a pointer to it, as the kernel exports it.
#[wsk_host_macros::export]
pub(crate) static PsThreadType: TypePointer = TypePointer((&raw const THREAD_TYPE_POINTER).cast());

/// Whether a type is the type of threads, or null, which accepts every type.
pub(crate) fn is_thread_type(object_type: POBJECT_TYPE) -> bool {
    object_type.is_null() || object_type.addr() == (&raw const THREAD_TYPE).addr()
}

thread_local! {
    /// The address that represents a thread that is not a system thread.
    static FOREIGN: Arc<ThreadObject> = ThreadObject::new(0);
}

/// The current thread's object. It has no reference for the caller.
#[wsk_host_macros::export]
pub(crate) extern "C" fn KeGetCurrentThread() -> PVOID {
    let system =
        CURRENT.with(|current| current.borrow().as_ref().map(|(thread, ..)| Arc::as_ptr(thread)));
    system.unwrap_or_else(|| FOREIGN.with(Arc::as_ptr)).cast_mut().cast()
}

/// A multiple of four, like all handles, and never zero.
#[wsk_host_macros::export]
extern "C" fn PsGetCurrentThreadId() -> HANDLE {
    KeGetCurrentThread()
}

/// Of the system process, which all threads belong to.
#[wsk_host_macros::export]
extern "C" fn PsGetCurrentProcessId() -> HANDLE {
    ptr::without_provenance_mut(4)
}
