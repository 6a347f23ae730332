//! Work items, and the threads that run them.
//!
//! Each item gets its own thread as soon as it is queued, so an item that waits blocks no other: the kernel
//! guarantees neither an order nor that two items never run at once. The machine's threads are kept for later items;
//! between two items, a thread belongs to no kernel.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use wsk_sys::fields::size_t;
use wsk_sys::{
    CustomPriorityWorkQueue, DISPATCH_LEVEL, NonPagedPoolNx, PASSIVE_LEVEL, PDEVICE_OBJECT,
    PIO_WORKITEM, PIO_WORKITEM_ROUTINE, PIO_WORKITEM_ROUTINE_EX, PVOID, ULONG, WORK_QUEUE_TYPE,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::ex::pool::{ExAllocatePoolWithTag, ExFreePoolWithTag};
use crate::kernel::holdings::{give_back, take};
use crate::kernel::io::work_queue::WorkItem;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::resources::Resource;
use crate::kernel::{Kernel, current, interrupt};
use crate::verifier::{Origin, kernel_violation};

/// Of [`IoAllocateWorkItem`], or of [`IoInitializeWorkItem`]; anything else is none.
const ALLOCATED: usize = 0x4957_6B41;
const INITIALIZED: usize = 0x4957_6B49;

/// The tag of work items that the kernel allocates.
const TAG: ULONG = u32::from_le_bytes(*b"IoWi");

#[wsk_host_macros::export]
extern "C" fn IoSizeofWorkItem() -> ULONG {
    #[expect(clippy::cast_possible_truncation, reason = "a few words")]
    const SIZE: ULONG = size_of::<WorkItem>() as ULONG;
    SIZE
}

#[wsk_host_macros::export]
extern "C" fn IoAllocateWorkItem(device: PDEVICE_OBJECT) -> PIO_WORKITEM {
    require_at_most(DISPATCH_LEVEL, "IoAllocateWorkItem");
    require_object(device.cast(), "IoAllocateWorkItem");
    let item: *mut WorkItem =
        ExAllocatePoolWithTag(NonPagedPoolNx, size_t(size_of::<WorkItem>()), TAG).cast();
    if !item.is_null() {
        let value = WorkItem { state: ALLOCATED, object: device.cast(), reserved: [0; 6] };
        // SAFETY: the memory was allocated with this size.
        unsafe { item.write(value) };
    }
    item.cast()
}

/// Stops a client whose item has no object, on which the kernel takes a reference.
fn require_object(object: PVOID, function: &str) {
    if object.is_null() {
        kernel_violation(&format!("{function}: the device or driver object is null"));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoFreeWorkItem(item: PIO_WORKITEM) {
    require_at_most(DISPATCH_LEVEL, "IoFreeWorkItem");
    // SAFETY: the caller passes a work item.
    unsafe { end(item.cast(), ALLOCATED, "IoFreeWorkItem") };
    ExFreePoolWithTag(item.cast(), TAG);
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoInitializeWorkItem(object: PVOID, item: PIO_WORKITEM) {
    require_object(object, "IoInitializeWorkItem");
    let (kernel, start) = (current(), item.addr());
    kernel.work_items().require_unused(&(start..start + 1), "IoInitializeWorkItem");
    if kernel.pool().end_of_block(start).is_some_and(|end| start + size_of::<WorkItem>() > end) {
        kernel_violation("IoInitializeWorkItem: the memory is smaller than IoSizeofWorkItem()");
    }
    let value = WorkItem { state: INITIALIZED, object, reserved: [0; 6] };
    // SAFETY: the caller passes memory of this size.
    unsafe { item.cast::<WorkItem>().write(value) };
    // Initialized anew, it is still one.
    give_back(Resource::WorkItem, start);
    take(Resource::WorkItem, start, "IoInitializeWorkItem");
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoUninitializeWorkItem(item: PIO_WORKITEM) {
    // SAFETY: the caller passes a work item.
    unsafe { end(item.cast(), INITIALIZED, "IoUninitializeWorkItem") };
    give_back(Resource::WorkItem, item.addr());
}

/// Makes a work item, which must be of this kind, none.
///
/// # Safety
///
/// The memory is initialized.
unsafe fn end(item: *mut WorkItem, kind: usize, function: &str) {
    current().work_items().require_unused(&(item.addr()..item.addr() + 1), function);
    // SAFETY: the memory is initialized, and an item that is not queued has no other user.
    let state = unsafe { &mut (*item).state };
    if std::mem::replace(state, 0) != kind {
        kernel_violation(&format!(
            "{function}: not a work item of the matching kind (allocated or initialized)"
        ));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoQueueWorkItem(
    item: PIO_WORKITEM,
    routine: PIO_WORKITEM_ROUTINE,
    queue: WORK_QUEUE_TYPE,
    context: PVOID,
) {
    let Some(routine) = routine else { kernel_violation("IoQueueWorkItem: WorkerRoutine is null") };
    let call = move |call: &RoutineCall| {
        // SAFETY: the client queued the item with this routine for this context.
        unsafe { routine.invoke((call.object.cast(), call.context)) };
    };
    // SAFETY: the caller passes an item that stays until its routine is called, and a routine for the context.
    unsafe { enqueue(item, queue, context, call, "IoQueueWorkItem") };
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoQueueWorkItemEx(
    item: PIO_WORKITEM,
    routine: PIO_WORKITEM_ROUTINE_EX,
    queue: WORK_QUEUE_TYPE,
    context: PVOID,
) {
    let Some(routine) = routine else {
        kernel_violation("IoQueueWorkItemEx: WorkerRoutine is null")
    };
    let call = move |call: &RoutineCall| {
        // SAFETY: the client queued the item with this routine for this context.
        unsafe { routine.invoke((call.object, call.context, call.item)) };
    };
    // SAFETY: the caller passes an item that stays until its routine is called, and a routine for the context.
    unsafe { enqueue(item, queue, context, call, "IoQueueWorkItemEx") };
}

/// The arguments of a routine's call.
///
/// # Invariants
///
/// The client queued the item: any thread may call its routine with these pointers.
struct RoutineCall {
    object: PVOID,
    context: PVOID,
    item: PIO_WORKITEM,
}

// SAFETY: any thread may use the pointers (Invariants).
unsafe impl Send for RoutineCall {}

/// Stops a client that names no queue.
pub(crate) fn require_queue(queue: WORK_QUEUE_TYPE, function: &str) {
    /// The number of the system's own queues, and of priorities of threads.
    const QUEUES: WORK_QUEUE_TYPE = 7;
    const PRIORITIES: WORK_QUEUE_TYPE = 32;
    let custom = CustomPriorityWorkQueue..CustomPriorityWorkQueue + PRIORITIES;
    if !(0..QUEUES).contains(&queue) && !custom.contains(&queue) {
        kernel_violation(&format!("{function}: {queue} is not a WORK_QUEUE_TYPE"));
    }
}

/// Queues an item.
///
/// # Safety
///
/// The item is one, and stays until its routine is called; the routine may be called with the context.
unsafe fn enqueue(
    item: PIO_WORKITEM,
    queue: WORK_QUEUE_TYPE,
    context: PVOID,
    routine: impl FnOnce(&RoutineCall) + Send + 'static,
    function: &'static str,
) {
    require_at_most(DISPATCH_LEVEL, function);
    require_queue(queue, function);
    let kernel = current();
    let mut items = kernel.work_items();
    items.require_unused(&(item.addr()..item.addr() + 1), function);
    items.insert(item.addr(), Origin::here(function));
    drop(items);
    // SAFETY: the caller passes an item, which has no other user while it is queued.
    let WorkItem { state, object, .. } = unsafe { item.cast::<WorkItem>().read() };
    if !matches!(state, ALLOCATED | INITIALIZED) {
        kernel_violation(&format!("{function}: the work item is not initialized"));
    }
    let call = RoutineCall { object, context, item };
    // Announced here, so that its number does not depend on when the machine's thread starts it.
    let announced = kernel.announce();
    let kernel = kernel.clone();
    run(Box::new(move || {
        let call = call;
        let _entered = kernel.enter_announced(announced);
        // From here on the item may be freed, or queued again.
        kernel.work_items().remove(call.item.addr());
        routine(&call);
        require_at_most(PASSIVE_LEVEL, "the end of a work item's routine");
    }));
    interrupt();
}

/// Runs a closure at `PASSIVE_LEVEL` in a system thread of the kernel.
pub(crate) fn in_worker_thread(kernel: &Kernel, work: impl FnOnce() + Send + 'static) {
    let (kernel, announced) = (kernel.clone(), kernel.announce());
    run(Box::new(move || {
        let _entered = kernel.enter_announced(announced);
        work();
    }));
}

type Work = Box<dyn FnOnce() + Send>;

/// The machine's idle threads.
static IDLE: Mutex<Vec<Sender<Work>>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Sender<Work>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a closure on an idle thread of the machine.
fn run(work: Work) {
    let idler = idle().pop();
    let work = match idler {
        None => work,
        Some(idler) => match idler.send(work) {
            Ok(()) => return,
            Err(returned) => returned.0,
        },
    };
    let thread = thread::Builder::new().name("system worker thread".to_owned());
    let spawned = thread.spawn(move || {
        let (sender, receiver) = channel();
        let mut work = work;
        loop {
            work();
            idle().push(sender.clone());
            let Ok(next) = receiver.recv() else { return };
            work = next;
        }
    });
    if let Err(error) = spawned {
        kernel_violation(&format!("cannot start a thread for work items: {error}"));
    }
}
