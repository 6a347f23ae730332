//! Timers that the kernel allocates, on every kind of host.

use std::ptr;

use test_support::kernel::*;
use wsk_sys::*;

type Callback = Option<unsafe extern "C" fn(PVOID, PVOID)>;

/// `EXT_DELETE_PARAMETERS`.
#[repr(C)]
struct DeleteParameters {
    version: ULONG,
    reserved: ULONG,
    callback: Option<unsafe extern "C" fn(PVOID)>,
    context: PVOID,
}

unsafe extern "C" {
    fn ExAllocateTimer(callback: Callback, context: PVOID, attributes: ULONG) -> PVOID;
    fn ExSetTimer(timer: PVOID, due: i64, period: i64, parameters: PVOID) -> BOOLEAN;
    fn ExCancelTimer(timer: PVOID, parameters: PVOID) -> BOOLEAN;
    fn ExDeleteTimer(
        timer: PVOID,
        cancels: BOOLEAN,
        waits: BOOLEAN,
        parameters: *const DeleteParameters,
    ) -> BOOLEAN;
}

unsafe extern "C" fn sets(_timer: PVOID, event: PVOID) {
    assert_eq!(wsk_host::current_irql(), DISPATCH_LEVEL);
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(event.cast(), 0, FALSE) };
}

unsafe extern "C" fn was_deleted(event: PVOID) {
    // SAFETY: the test passes an event.
    unsafe { sets(ptr::null_mut(), event) };
}

/// A timer is freed once its callback has returned, whether it is deleted before, while or after that is called.
#[test]
fn a_deleted_timer_is_freed_after_its_callback() {
    on_hosts(|host| {
        let (expired, deleted) = (event(), event());
        let parameters = DeleteParameters {
            version: 0,
            reserved: 0,
            callback: Some(was_deleted),
            context: deleted.raw(),
        };
        for waits_first in [false, true] {
            let allocated = host.outstanding_allocations();
            // SAFETY: the callback and its context fit, and the timer is deleted once.
            unsafe {
                let timer = ExAllocateTimer(Some(sets), expired.raw(), 0);
                assert_eq!(ExSetTimer(timer, -10_000, 0, ptr::null_mut()), FALSE);
                if waits_first {
                    assert!(wait(&expired, None));
                }
                assert_eq!(ExDeleteTimer(timer, FALSE, FALSE, &raw const parameters), FALSE);
                if !waits_first {
                    assert!(wait(&expired, None));
                }
            }
            assert!(wait(&deleted, None));
            flush();
            assert_eq!(host.outstanding_allocations(), allocated);
            for object in [&expired, &deleted] {
                // SAFETY: the event is initialized.
                unsafe { KeResetEvent(object.0) };
            }
        }
    });
}

/// After a deletion that waits, no callback is called.
#[test]
fn a_deletion_that_waits_is_the_end() {
    on_hosts(|_| {
        let expired = event();
        // SAFETY: the callback and its context fit, and the timer is deleted once.
        unsafe {
            let timer = ExAllocateTimer(Some(sets), expired.raw(), 0);
            ExSetTimer(timer, -10_000, 10_000, ptr::null_mut());
            assert!(wait(&expired, None));
            assert_eq!(ExCancelTimer(timer, ptr::null_mut()), TRUE);
            assert_eq!(ExCancelTimer(timer, ptr::null_mut()), FALSE);
            ExSetTimer(timer, -10_000, 10_000, ptr::null_mut());
            assert_eq!(ExDeleteTimer(timer, TRUE, TRUE, ptr::null()), TRUE);
            KeResetEvent(expired.0);
        }
        assert!(!wait(&expired, Some(-50_000)));
    });
}
