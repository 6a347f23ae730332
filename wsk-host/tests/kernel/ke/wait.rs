//! Waits: one object, several objects, signals that are reset at once.

use std::mem::MaybeUninit;
use std::ptr;

use test_support::kernel::*;
use wsk_sys::*;

use crate::io::work_item::Work;
use crate::{host, milliseconds};

#[test]
fn a_wait_for_several_objects_takes_one_or_all() {
    let (_host, _entered) = host();
    let mut events = [const { MaybeUninit::<KEVENT>::uninit() }; 2];
    let [first, second] = events.each_mut().map(MaybeUninit::as_mut_ptr);
    let mut objects: [PVOID; 2] = [first.cast(), second.cast()];
    let mut timeout = milliseconds(1);
    let mut wait = |wait_type| {
        // SAFETY: the events are initialized below, before the first wait.
        unsafe {
            KeWaitForMultipleObjects(
                2,
                objects.as_mut_ptr(),
                wait_type,
                Executive,
                KernelMode,
                FALSE,
                &raw mut timeout,
                ptr::null_mut(),
            )
        }
    };
    // SAFETY: the events are here.
    unsafe {
        KeInitializeEvent(first, SynchronizationEvent, FALSE);
        KeInitializeEvent(second, SynchronizationEvent, FALSE);
        assert_eq!(wait(WaitAny), STATUS_TIMEOUT);
        KeSetEvent(second, 0, FALSE);
        assert_eq!(wait(WaitAll), STATUS_TIMEOUT);
        assert_eq!(wait(WaitAny), STATUS_SUCCESS + 1);
        assert_eq!(wait(WaitAny), STATUS_TIMEOUT);
        KeSetEvent(first, 0, FALSE);
        KeSetEvent(second, 0, FALSE);
        assert_eq!(wait(WaitAll), STATUS_SUCCESS);
        assert_eq!((KeReadStateEvent(first), KeReadStateEvent(second)), (0, 0));
    }
}

#[test]
fn an_event_set_and_reset_at_once_releases_its_waiter() {
    on_simulated_hosts(|host| {
        let log = Pool::new(CallLog::default());
        let (gate, done) = (event(), event());
        let mut work = Work::new(&log, 0, &done);
        work.waits_for = gate.0;
        work.queue(DelayedWorkQueue);
        // It waits.
        host.settle();
        // SAFETY: the event is initialized; the lock is here, and nothing comes between while it is held.
        unsafe {
            let lock = Pool::new(0);
            let irql = KeAcquireSpinLockRaiseToDpc(lock.0);
            assert_eq!((KeSetEvent(gate.0, 0, FALSE), KeResetEvent(gate.0)), (0, 1));
            KeReleaseSpinLock(lock.0, irql);
        }
        assert!(wait(&done, None) && !wait(&gate, Some(0)));
        // SAFETY: it has run.
        unsafe { IoFreeWorkItem(work.item) };
    });
}
