//! Rundown protection.

use test_support::kernel::*;
use wsk_sys::*;

use crate::io::work_item::device;

/// The context of an item that holds a protection.
struct Holder {
    protection: PEX_RUNDOWN_REF,
    log: *const CallLog,
}

unsafe extern "C" fn releases(_: PVOID, context: PVOID, item: PIO_WORKITEM) {
    // SAFETY: the test passes such a context, and holds the protection for it.
    unsafe {
        let Holder { protection, log } = context.cast::<Holder>().read();
        IoFreeWorkItem(item);
        delay(-MILLISECOND);
        (*log).push(1);
        ExReleaseRundownProtection(protection);
    }
}

#[test]
fn a_rundown_wait_ends_with_the_last_release() {
    on_hosts(|host| {
        let log = Pool::new(CallLog::default());
        // SAFETY: there is room for a protection.
        let protection = object(|place| unsafe { ExInitializeRundownProtection(place) });
        let acquire = || {
            // SAFETY: it is initialized.
            unsafe { ExAcquireRundownProtection(protection.0) != FALSE }
        };
        let holder = Pool::new(Holder { protection: protection.0, log: log.0 });
        for _ in 0..3 {
            assert!(acquire());
            // SAFETY: the context lives until the protection is released.
            unsafe {
                let item = IoAllocateWorkItem(device());
                IoQueueWorkItemEx(item, Some(releases), DelayedWorkQueue, holder.raw());
            }
        }
        assert!(acquire());
        // SAFETY: it is held.
        unsafe { ExReleaseRundownProtection(protection.0) };
        // SAFETY: it is initialized, and the IRQL is PASSIVE_LEVEL.
        unsafe { ExWaitForRundownProtectionRelease(protection.0) };
        assert_eq!(log.take(), [1, 1, 1]);
        assert!(!acquire());
        // SAFETY: the protection is initialized and run down; the wait returns at once.
        unsafe { ExWaitForRundownProtectionRelease(protection.0) };
        // SAFETY: the protection is run down, so that no thread uses it.
        unsafe { ExInitializeRundownProtection(protection.0) };
        assert!(acquire());
        // SAFETY: it is held.
        unsafe { ExReleaseRundownProtection(protection.0) };
        host.settle();
    });
}
