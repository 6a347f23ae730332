//! Work items of `ExQueueWorkItem`, on every kind of host.

use std::ptr;

use test_support::kernel::*;
use wsk_sys::*;

/// `WORK_QUEUE_ITEM`.
#[repr(C)]
struct Item {
    list: LIST_ENTRY,
    routine: Option<unsafe extern "C" fn(PVOID)>,
    parameter: PVOID,
}

unsafe extern "C" {
    fn ExQueueWorkItem(item: *mut Item, queue: WORK_QUEUE_TYPE);
}

/// The item, and what its routine uses.
struct Work {
    item: Item,
    done: PRKEVENT,
    rounds: u32,
}

unsafe extern "C" fn works(work: PVOID) {
    assert_eq!(wsk_host::current_irql(), PASSIVE_LEVEL);
    let work: *mut Work = work.cast();
    // SAFETY: the test passes such a value, which the item's only routine uses until it sets the event.
    unsafe {
        (*work).rounds -= 1;
        if (*work).rounds > 0 {
            ExQueueWorkItem(&raw mut (*work).item, DelayedWorkQueue);
        } else {
            KeSetEvent((*work).done, 0, FALSE);
        }
    }
}

/// A routine may queue its item again.
#[test]
fn an_item_runs_as_often_as_it_is_queued() {
    on_hosts(|host| {
        let done = event();
        let list = LIST_ENTRY { Flink: ptr::null_mut(), Blink: ptr::null_mut() };
        let item = Item { list, routine: Some(works), parameter: ptr::null_mut() };
        let work = Pool::new(Work { item, done: done.0, rounds: 5 });
        // SAFETY: the memory is the test's until the event is set.
        unsafe {
            let work: *mut Work = work.raw().cast();
            (*work).item.parameter = work.cast();
            ExQueueWorkItem(&raw mut (*work).item, DelayedWorkQueue);
        }
        assert!(wait(&done, None));
        // SAFETY: no routine runs any more that uses it.
        assert_eq!(unsafe { (*work.raw().cast::<Work>()).rounds }, 0);
        // The last routine returns.
        host.settle();
        delay(-10_000);
    });
}
