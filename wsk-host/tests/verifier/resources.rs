//! Resources that a client has not released when its test ends, each in a separate process.

use std::ptr;

use test_support::kernel::TAG;
use wsk_sys::*;

use crate::stops::reports;

unsafe extern "C" {
    fn ExInitializeLookasideListEx(
        list: PVOID,
        allocate: PVOID,
        free: PVOID,
        pool: POOL_TYPE,
        flags: ULONG,
        size: SIZE_T,
        tag: ULONG,
        depth: USHORT,
    ) -> NTSTATUS;
    fn ExAcquirePushLockExclusiveEx(lock: *mut ULONG_PTR, flags: ULONG);
    fn KeEnterCriticalRegion();
    fn KeLeaveCriticalRegion();
}

unsafe extern "C" fn returns(_: PVOID) {}

unsafe extern "C" fn terminates_with_a_push_lock(_: PVOID) {
    // SAFETY: breaks the rule: a thread ends without locks.
    unsafe {
        KeEnterCriticalRegion();
        ExAcquirePushLockExclusiveEx(memory(), 0);
        KeLeaveCriticalRegion();
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
}

/// A thread that has ended.
fn thread() -> HANDLE {
    run(returns)
}

/// Runs a routine in a thread, which has ended then.
fn run(routine: unsafe extern "C" fn(PVOID)) -> HANDLE {
    let mut handle = ptr::null_mut();
    // SAFETY: the routine needs no context.
    unsafe {
        let (null, none) = (ptr::null_mut(), ptr::null_mut());
        let status = PsCreateSystemThread(
            &raw mut handle,
            0,
            none,
            null,
            ptr::null_mut(),
            Some(routine),
            null,
        );
        assert_eq!(status, STATUS_SUCCESS);
        ZwWaitForSingleObject(handle, FALSE, ptr::null_mut());
    }
    handle
}

/// Memory that stays, of zeroes.
fn memory<T>() -> *mut T {
    // SAFETY: the objects of these tests are valid as zeroes.
    Box::into_raw(Box::new(unsafe { std::mem::zeroed::<T>() }))
}

#[repr(align(16))]
struct List(#[expect(dead_code, reason = "only its room is used")] [u64; 12]);

// SAFETY, of the unsafe blocks below: each leaves what its test is named after.
#[allow(clippy::undocumented_unsafe_blocks, reason = "see above")]
mod left {
    use super::*;

    reports! {
        a_lock_of_a_thread_that_is_terminated
            says ["PsTerminateSystemThread: the thread has not released 1 fast mutexes, push locks or resources",
                "acquired: by ExAcquirePushLockExclusiveEx in the thread `system thread`"]:
            |_| _ = run(terminates_with_a_push_lock);
        a_handle
            says ["failed with", "the client has left:\n  a handle of a thread, not closed, opened by PsCreateSystemThread in the thread `"]:
            |_| _ = thread();
        a_reference_to_a_thread
            says ["failed with", "the client has left:\n  a reference to a thread, not released, taken by ObReferenceObjectByHandle in the thread `"]:
            |_| unsafe {
                let (handle, mut object) = (thread(), ptr::null_mut());
                ObReferenceObjectByHandle(handle, 0, ptr::null_mut(), 0, &raw mut object, ptr::null_mut());
                ObReferenceObject(object);
                ObDereferenceObject(object);
                ZwClose(handle);
            };
        two_references_to_the_process
            says ["failed with", "the client has left:\n  2 times a reference to the process, not released, taken by ObfReferenceObject in the thread `"]:
            |_| unsafe {
                for _ in 0..2 {
                    ObReferenceObject(IoGetCurrentProcess().cast());
                }
            };
        a_rundown_protection
            says ["failed with", "a rundown protection, not released, acquired by ExAcquireRundownProtection in the thread `"]:
            |_| unsafe {
                let protection = memory();
                ExInitializeRundownProtection(protection);
                for _ in 0..2 {
                    assert_eq!(ExAcquireRundownProtection(protection), TRUE);
                }
                ExReleaseRundownProtection(protection);
            };
        a_push_lock
            says ["failed with", "a fast mutex or push lock, not released, acquired by ExAcquirePushLockExclusiveEx in the thread `"]:
            |_| unsafe {
                KeEnterCriticalRegion();
                ExAcquirePushLockExclusiveEx(memory(), 0);
            };
        a_critical_region
            says ["failed with", "the thread of the test has not left 1 critical regions"]:
            |_| unsafe { KeEnterCriticalRegion() };
        a_level
            says ["failed with", "the thread of the test is still at IRQL 1"]:
            |_| unsafe { _ = KfRaiseIrql(APC_LEVEL) };
        a_lookaside_list
            says ["failed with", "a lookaside list, not deleted, initialized by ExInitializeLookasideListEx in the thread `"]:
            |_| unsafe {
                let list = memory::<List>().cast();
                let null = ptr::null_mut();
                ExInitializeLookasideListEx(list, null, null, NonPagedPoolNx, 0, 32, TAG, 0);
            };
        a_work_item
            says ["failed with", "a work item, not uninitialized, initialized by IoInitializeWorkItem in the thread `"]:
            |_| unsafe {
                IoInitializeWorkItem(IoGetCurrentProcess().cast(), memory::<[usize; 64]>().cast());
            };
        an_irp_and_an_mdl
            says ["failed with", "with the tag `Irp `, made by IoAllocateIrp in the thread `", "with the tag `Mdl `, made by IoAllocateMdl in the thread `"]:
            |_| unsafe {
                IoAllocateIrp(1, FALSE);
                IoAllocateMdl(memory::<u64>().cast(), 8, FALSE, FALSE, ptr::null_mut());
            };
        a_timer
            says ["failed with", "timers are still set: 1\n  a timer, set by KeSetTimer in the thread `"]:
            |_| unsafe {
                let timer = memory();
                KeInitializeTimer(timer);
                KeSetTimer(timer, LARGE_INTEGER { QuadPart: -36_000_000_000 }, ptr::null_mut());
            };
    }
}
