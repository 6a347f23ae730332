//! Work items.

use std::collections::BTreeSet;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::kernel::*;
use wsk_host::{Config, testing};
use wsk_sys::*;

/// The context of work items.
pub(crate) struct Work {
    pub(crate) item: PIO_WORKITEM,
    entry: Pool<LogEntry>,
    pub(crate) waits_for: PRKEVENT,
    sets: PRKEVENT,
    times: AtomicUsize,
}

/// Stands for a device object, whose contents are never read.
static DEVICE: u64 = 0;

pub(crate) fn device() -> PDEVICE_OBJECT {
    (&raw const DEVICE).cast_mut().cast()
}

unsafe extern "C" fn works(object: PDEVICE_OBJECT, context: PVOID) {
    assert_eq!(wsk_host::current_irql(), PASSIVE_LEVEL);
    assert_eq!(object, device());
    // SAFETY: the test passes such a context; its events are initialized.
    unsafe {
        let work = context.cast::<Work>();
        if !(*work).waits_for.is_null() {
            let event = (*work).waits_for.cast();
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut());
        }
        LogEntry::write((*work).entry.raw());
        KeSetEvent((*work).sets, 0, FALSE);
    }
}

/// Queues itself again, and in the end frees itself.
unsafe extern "C" fn repeats(object: PVOID, context: PVOID, item: PIO_WORKITEM) {
    // SAFETY: the context is a `Work`, which outlives the item.
    unsafe {
        let work = context.cast::<Work>();
        assert_eq!(item, (*work).item);
        LogEntry::write((*work).entry.raw());
        if (*work).times.fetch_sub(1, Ordering::Relaxed) > 1 {
            IoQueueWorkItemEx(item, Some(repeats), DelayedWorkQueue, context);
        } else {
            IoFreeWorkItem(item);
            works(object.cast(), context);
        }
    }
}

impl Work {
    pub(crate) fn new(log: &Pool<CallLog>, number: usize, sets: &Pool<KEVENT>) -> Self {
        // SAFETY: the IRQL is PASSIVE_LEVEL.
        let item = unsafe { IoAllocateWorkItem(device()) };
        assert!(!item.is_null());
        let (waits_for, times) = (ptr::null_mut(), AtomicUsize::new(1));
        Self { item, entry: LogEntry::new(log, number), waits_for, sets: sets.0, times }
    }

    pub(crate) fn queue(&self, queue: WORK_QUEUE_TYPE) {
        // SAFETY: the test keeps the context until the item has run.
        unsafe { IoQueueWorkItem(self.item, Some(works), queue, ptr::from_ref(self) as PVOID) };
    }
}

#[test]
fn waiting_work_items_do_not_block_later_ones() {
    on_hosts(|_| {
        let log = Pool::new(CallLog::default());
        let events = [(); 4].map(|()| event());
        let mut works = [0, 1, 2, 3].map(|number| Work::new(&log, number, &events[number]));
        for number in 0..3 {
            works[number].waits_for = events[number + 1].0;
        }
        for work in &works {
            work.queue(DelayedWorkQueue);
        }
        assert!(wait(&events[0], None));
        assert_eq!(log.take(), [3, 2, 1, 0]);
        for work in &works {
            // SAFETY: each has run.
            unsafe { IoFreeWorkItem(work.item) };
        }
    });
}

#[test]
fn a_work_item_queues_and_frees_itself() {
    on_hosts(|_| {
        let log = Pool::new(CallLog::default());
        let done = event();
        let mut work = Work::new(&log, 7, &done);
        work.times = AtomicUsize::new(5);
        // SAFETY: the context lives until the item has run.
        unsafe {
            let context = ptr::from_ref(&work) as PVOID;
            IoQueueWorkItemEx(work.item, Some(repeats), CriticalWorkQueue, context);
        }
        assert!(wait(&done, None));
        assert_eq!(log.take(), [7; 6]);
    });
}

#[test]
fn a_work_item_in_the_callers_memory_is_queued_at_dispatch_level() {
    on_hosts(|_| {
        let log = Pool::new(CallLog::default());
        let done = event();
        let mut work = Work::new(&log, 1, &done);
        // SAFETY: the item has not been queued; the lock is here; the memory has the size that it needs.
        unsafe {
            IoFreeWorkItem(work.item);
            let size = IoSizeofWorkItem() as usize;
            let memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG);
            work.item = memory.cast();
            IoInitializeWorkItem(device().cast(), work.item);
            let lock = Pool::new(0);
            let irql = KeAcquireSpinLockRaiseToDpc(lock.0);
            work.queue(CustomPriorityWorkQueue + 12);
            KeReleaseSpinLock(lock.0, irql);
            assert!(wait(&done, None));
            IoUninitializeWorkItem(work.item);
            ExFreePoolWithTag(memory, TAG);
        }
    });
}

#[test]
fn the_seed_decides_the_order_of_work_items() {
    let order = |seed| {
        let orders = Mutex::new(Vec::new());
        testing::run(Config::default(), seed..seed + 1, |host| {
            let log = Pool::new(CallLog::default());
            let done = event();
            let works = [0, 1, 2].map(|number| Work::new(&log, number, &done));
            for work in &works {
                work.queue(DelayedWorkQueue);
            }
            host.settle();
            for work in &works {
                // SAFETY: each has run.
                unsafe { IoFreeWorkItem(work.item) };
            }
            orders.lock().unwrap().push(log.take());
        });
        orders.into_inner().unwrap()
    };
    let orders: BTreeSet<_> = testing::SEEDS
        .map(|seed| {
            let first = order(seed);
            assert_eq!(first, order(seed), "seed {seed}");
            assert_eq!(first[0].len(), 3);
            first
        })
        .collect();
    assert!(cfg!(miri) || orders.len() == 6, "{orders:?}");
}

#[test]
fn a_work_item_survives_a_failed_allocation() {
    on_hosts(|host| {
        host.fail_allocation(1);
        // SAFETY: the IRQL is PASSIVE_LEVEL.
        assert!(unsafe { IoAllocateWorkItem(device()) }.is_null());
    });
}
