//! Queues, on every kind of host.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::kernel::*;
use wsk_sys::*;

/// `KQUEUE`.
type Queue = [u64; 8];

unsafe extern "C" {
    fn KeInitializeQueue(queue: *mut Queue, count: ULONG);
    fn KeInsertQueue(queue: *mut Queue, entry: *mut LIST_ENTRY) -> LONG;
    fn KeRemoveQueue(
        queue: *mut Queue,
        mode: KPROCESSOR_MODE,
        timeout: PLARGE_INTEGER,
    ) -> *mut LIST_ENTRY;
    fn KeRundownQueue(queue: *mut Queue) -> *mut LIST_ENTRY;
}

const ABANDONED: usize = 0x80;
const JOBS: usize = 100;

/// A queue, and the number of jobs that its threads have done.
struct Jobs {
    queue: Queue,
    done: AtomicUsize,
    all_done: PRKEVENT,
}

unsafe extern "C" fn serve(jobs: PVOID) {
    let jobs: *mut Jobs = jobs.cast();
    // SAFETY: the test keeps the jobs until its threads have ended.
    unsafe {
        loop {
            let job = KeRemoveQueue(&raw mut (*jobs).queue, KernelMode, ptr::null_mut());
            if job.addr() == ABANDONED {
                return;
            }
            // Each job comes once.
            assert!(!(*job).Blink.is_null());
            (*job).Blink = ptr::null_mut();
            if (*jobs).done.fetch_add(1, Ordering::SeqCst) + 1 == JOBS {
                KeSetEvent((*jobs).all_done, 0, FALSE);
            }
        }
    }
}

/// Three threads share the entries of a queue, and end when it is run down.
#[test]
fn each_entry_is_removed_once() {
    on_hosts(|_| {
        let all_done = event();
        let jobs =
            Pool::new(Jobs { queue: [0; 8], done: AtomicUsize::new(0), all_done: all_done.0 });
        let jobs: *mut Jobs = jobs.raw().cast();
        let mut entries: Vec<LIST_ENTRY> = (0..JOBS)
            .map(|_| LIST_ENTRY { Flink: ptr::null_mut(), Blink: ptr::null_mut() })
            .collect();
        let entries = entries.as_mut_ptr();
        // SAFETY: the queue and its entries stay until the threads have ended.
        unsafe {
            KeInitializeQueue(&raw mut (*jobs).queue, 0);
            let threads = [(); 3].map(|()| {
                let (mut thread, none) = (ptr::null_mut(), ptr::null_mut());
                let (attributes, client) = (ptr::null_mut(), ptr::null_mut());
                let status = PsCreateSystemThread(
                    &raw mut thread,
                    0,
                    attributes,
                    none,
                    client,
                    Some(serve),
                    jobs.cast(),
                );
                assert_eq!(status, STATUS_SUCCESS);
                thread
            });
            for index in 0..JOBS {
                KeInsertQueue(&raw mut (*jobs).queue, entries.add(index));
            }
            assert!(wait(&all_done, None));
            assert!(KeRundownQueue(&raw mut (*jobs).queue).is_null());
            for thread in threads {
                let mut object = ptr::null_mut();
                let none = ptr::null_mut();
                let status = ObReferenceObjectByHandle(
                    thread,
                    0,
                    none,
                    KernelMode,
                    &raw mut object,
                    ptr::null_mut(),
                );
                assert_eq!(status, STATUS_SUCCESS);
                KeWaitForSingleObject(object, Executive, KernelMode, FALSE, ptr::null_mut());
                ObfDereferenceObject(object);
                ZwClose(thread);
            }
            assert_eq!((*jobs).done.load(Ordering::SeqCst), JOBS);
        }
    });
}
