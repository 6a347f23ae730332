//! The kernel's rules, each broken by raw calls in a separate process, and the message that is printed
//! then.

use std::ptr;

use test_support::kernel::TAG;
use wsk_sys::*;

use crate::stops::reports;

const HOUR: LARGE_INTEGER = LARGE_INTEGER { QuadPart: -36_000_000_000 };

/// Pool of this size, which is not freed.
fn pool<T>() -> *mut T {
    // SAFETY: the IRQL is PASSIVE_LEVEL.
    unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<T>(), TAG).cast() }
}

fn free<T>(memory: *mut T) {
    // SAFETY: it came from `pool`; the scenario is about a free while it is in use.
    unsafe { ExFreePoolWithTag(memory.cast(), TAG) };
}

fn timer() -> PKTIMER {
    let timer = pool();
    // SAFETY: there is room for a timer.
    unsafe { KeInitializeTimer(timer) };
    timer
}

unsafe extern "C" fn nothing(_: *mut KDPC, _: PVOID, _: PVOID, _: PVOID) {}

unsafe extern "C" fn waits(_: *mut KDPC, _: PVOID, _: PVOID, _: PVOID) {
    // SAFETY: breaks the kernel's rule: no waits at this level.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut *Box::new(HOUR)) };
}

fn dpc(routine: PKDEFERRED_ROUTINE) -> PKDPC {
    let dpc = pool();
    // SAFETY: there is room for a call.
    unsafe { KeInitializeDpc(dpc, routine, ptr::null_mut()) };
    dpc
}

/// A timer that is set, with a call.
fn set() -> (PKTIMER, PKDPC) {
    let (timer, dpc) = (timer(), dpc(Some(nothing)));
    // SAFETY: both are initialized.
    unsafe { KeSetTimer(timer, HOUR, dpc) };
    (timer, dpc)
}

/// Stands for a device object, whose contents are never read.
static DEVICE: u64 = 0;

fn device() -> PVOID {
    (&raw const DEVICE).cast_mut().cast()
}

unsafe extern "C" fn works(_: PDEVICE_OBJECT, _: PVOID) {}

unsafe extern "C" fn raises(_: PDEVICE_OBJECT, _: PVOID) {
    // SAFETY: breaks the kernel's rule: a routine returns at the level that it was called at.
    unsafe { KfRaiseIrql(DISPATCH_LEVEL) };
}

/// An item that is queued.
fn queued() -> PIO_WORKITEM {
    // SAFETY: the item is new.
    unsafe {
        let item = IoAllocateWorkItem(device().cast());
        IoQueueWorkItem(item, Some(works), DelayedWorkQueue, ptr::null_mut());
        item
    }
}

/// The caller's memory as a queued work item.
fn queued_in_pool() -> *mut [usize; 64] {
    let memory = pool::<[usize; 64]>();
    // SAFETY: there is room for an item.
    unsafe {
        assert!(IoSizeofWorkItem() as usize <= size_of::<[usize; 64]>());
        IoInitializeWorkItem(device(), memory.cast());
        IoQueueWorkItem(memory.cast(), Some(works), DelayedWorkQueue, ptr::null_mut());
    }
    memory
}

fn protection() -> PEX_RUNDOWN_REF {
    let protection = pool();
    // SAFETY: there is room for a protection.
    unsafe { ExInitializeRundownProtection(protection) };
    protection
}

/// Runs a routine in a system thread, and waits for the thread.
fn in_thread(routine: unsafe extern "C" fn(PVOID)) {
    let (mut handle, none): (HANDLE, PVOID) = (ptr::null_mut(), ptr::null_mut());
    let (to, of, id) = (&raw mut handle, ptr::null_mut(), ptr::null_mut());
    // SAFETY: the handle is closed once.
    unsafe {
        let created = PsCreateSystemThread(to, 0, of, none, id, Some(routine), none);
        assert_eq!(created, STATUS_SUCCESS);
        ZwWaitForSingleObject(handle, FALSE, ptr::null_mut());
        ZwClose(handle);
    }
}

unsafe extern "C" fn terminates_with_a_timer(_: PVOID) {
    let mut timer = std::mem::MaybeUninit::<KTIMER>::uninit();
    // SAFETY: breaks the rule: the timer is on the stack of a thread that ends.
    unsafe {
        KeInitializeTimer(timer.as_mut_ptr());
        KeSetTimer(timer.as_mut_ptr(), HOUR, ptr::null_mut());
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
}

unsafe extern "C" fn returns_with_a_timer(_: PVOID) {
    let mut timer = std::mem::MaybeUninit::<KTIMER>::uninit();
    // SAFETY: breaks the rule: the timer is on the stack of a thread that ends.
    unsafe {
        KeInitializeTimer(timer.as_mut_ptr());
        KeSetTimer(timer.as_mut_ptr(), HOUR, ptr::null_mut());
    }
}

unsafe extern "C" fn terminates_at_a_raised_level(_: PVOID) {
    // SAFETY: breaks the rule: a thread ends at PASSIVE_LEVEL.
    unsafe {
        KfRaiseIrql(APC_LEVEL);
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
}

// SAFETY, of the unsafe blocks below: each breaks the rule that its test is named after.
#[allow(clippy::undocumented_unsafe_blocks, reason = "see above")]
mod rules {
    use super::*;

    reports! {
        a_thread_terminated_with_a_timer_on_its_stack
            says ["PsTerminateSystemThread, with the thread's stack: the memory is a set timer", "since:   by KeSetTimer"]:
            |_| in_thread(terminates_with_a_timer);
        a_thread_that_returns_with_a_timer_on_its_stack
            says ["the end of a system thread, with the thread's stack: the memory is a set timer", "since:   by KeSetTimer"]:
            |_| in_thread(returns_with_a_timer);
        a_thread_terminated_at_a_raised_level
            says ["PsTerminateSystemThread: called at IRQL 1, the maximum is 0"]:
            |_| in_thread(terminates_at_a_raised_level);
        a_timer_freed_while_it_is_set
            says ["ExFreePoolWithTag: the memory is a set timer", "since:   by KeSetTimer"]:
            |_| free(set().0);
        a_call_freed_while_its_timer_is_set
            says ["ExFreePoolWithTag: the memory is the DPC of a set timer"]:
            |_| free(set().1);
        a_call_freed_while_it_is_queued
            says ["ExFreePoolWithTag: the memory is a queued DPC"]:
            |_| {
                let (timer, dpc) = (timer(), dpc(Some(nothing)));
                unsafe {
                    KeSetTimer(timer, LARGE_INTEGER { QuadPart: 0 }, dpc);
                    KeWaitForSingleObject(timer.cast(), Executive, KernelMode, FALSE, ptr::null_mut());
                    KeCancelTimer(timer);
                }
                free(dpc);
            };
        a_timer_initialized_while_it_is_set
            says ["KeInitializeTimerEx: the memory is a set timer"]:
            |_| unsafe { KeInitializeTimer(set().0) };
        a_call_initialized_while_its_timer_is_set
            says ["KeInitializeDpc: the memory is the DPC of a set timer"]:
            |_| unsafe { KeInitializeDpc(set().1, Some(nothing), ptr::null_mut()) };
        a_timer_that_is_not_initialized
            says ["KeSetTimer: the timer is not initialized"]:
            |_| unsafe { _ = KeSetTimer(pool(), HOUR, ptr::null_mut()) };
        a_wait_in_a_deferred_procedure_call
            says ["KeDelayExecutionThread: called at IRQL 2, the maximum is 1"]:
            |_| unsafe {
                KeSetTimer(timer(), LARGE_INTEGER { QuadPart: 0 }, dpc(Some(waits)));
                KeFlushQueuedDpcs();
                KeDelayExecutionThread(KernelMode, FALSE, &raw mut *Box::new(HOUR));
            };
        a_flush_at_dispatch_level
            says ["KeFlushQueuedDpcs: called at IRQL 2, the maximum is 0"]:
            |_| unsafe {
                KfRaiseIrql(DISPATCH_LEVEL);
                KeFlushQueuedDpcs();
            };
        an_item_freed_while_it_is_queued
            says ["IoFreeWorkItem: the memory is a queued work item", "by IoQueueWorkItem"]:
            |_| unsafe { IoFreeWorkItem(queued()) };
        an_items_memory_freed_while_it_is_queued
            says ["ExFreePoolWithTag: the memory is a queued work item"]:
            |_| free(queued_in_pool());
        an_item_uninitialized_while_it_is_queued
            says ["IoUninitializeWorkItem: the memory is a queued work item"]:
            |_| unsafe { IoUninitializeWorkItem(queued_in_pool().cast()) };
        an_item_initialized_while_it_is_queued
            says ["IoInitializeWorkItem: the memory is a queued work item"]:
            |_| unsafe { IoInitializeWorkItem(device(), queued_in_pool().cast()) };
        an_item_queued_twice
            says ["IoQueueWorkItem: the memory is a queued work item", "by IoQueueWorkItem"]:
            |_| unsafe {
                IoQueueWorkItem(queued(), Some(works), DelayedWorkQueue, ptr::null_mut());
            };
        an_item_freed_that_was_not_allocated
            says ["IoFreeWorkItem: not a work item of the matching kind (allocated or initialized)"]:
            |host| unsafe {
                let item = queued_in_pool();
                host.settle();
                IoFreeWorkItem(item.cast());
            };
        an_item_queued_after_its_uninitialization
            says ["IoQueueWorkItemEx: the work item is not initialized"]:
            |_| unsafe {
                unsafe extern "C" fn works(_: PVOID, _: PVOID, _: PIO_WORKITEM) {}
                let item = pool::<[usize; 64]>().cast();
                IoInitializeWorkItem(device(), item);
                IoUninitializeWorkItem(item);
                IoQueueWorkItemEx(item, Some(works), DelayedWorkQueue, ptr::null_mut());
            };
        an_item_in_too_little_memory
            says ["IoInitializeWorkItem: the memory is smaller than IoSizeofWorkItem()"]:
            |_| unsafe { IoInitializeWorkItem(device(), pool::<usize>().cast()) };
        an_item_without_a_device
            says ["IoAllocateWorkItem: the device or driver object is null"]:
            |_| unsafe { _ = IoAllocateWorkItem(ptr::null_mut()) };
        a_routine_that_returns_at_another_level
            says ["the end of a work item's routine: called at IRQL 2, the maximum is 0"]:
            |host| unsafe {
                let item = IoAllocateWorkItem(device().cast());
                IoQueueWorkItem(item, Some(raises), DelayedWorkQueue, ptr::null_mut());
                host.settle();
            };
        a_protection_released_that_is_not_held
            says ["ExReleaseRundownProtection: the rundown protection is not held"]:
            |_| unsafe { ExReleaseRundownProtection(protection()) };
        a_protection_waited_for_at_dispatch_level
            says ["ExWaitForRundownProtectionRelease: called at IRQL 2, the maximum is 1"]:
            |_| unsafe {
                let protection = protection();
                KfRaiseIrql(DISPATCH_LEVEL);
                ExWaitForRundownProtectionRelease(protection);
            };
        pool_that_raises_exceptions
            says ["ExAllocatePool2: the flags are 0x60; the host raises no exceptions"]:
            |_| unsafe {
                unsafe extern "C" {
                    fn ExAllocatePool2(flags: POOL_FLAGS, size: SIZE_T, tag: ULONG) -> PVOID;
                }
                ExAllocatePool2(0x60, 10, TAG);
            };
        a_reference_to_no_object
            says ["ObfReferenceObject: the pointer is not to an object of this host, or the object was freed"]:
            |_| unsafe { _ = ObReferenceObject(pool::<usize>().cast()) };
        a_dereference_of_no_object
            says ["ObfDereferenceObject: the pointer is not to an object of this host, or the object was freed"]:
            |_| unsafe { _ = ObDereferenceObject(pool::<usize>().cast()) };
        a_process_dereferenced_too_often
            says ["ObfDereferenceObject: the driver holds no reference to the process"]:
            |_| unsafe { _ = ObDereferenceObject(IoGetCurrentProcess().cast()) };
        a_timer_left_set
            says ["failed with", "timers are still set: 1"]:
            |_| {
                static mut TIMER: KTIMER = unsafe { std::mem::zeroed() };
                unsafe {
                    KeInitializeTimer(&raw mut TIMER);
                    KeSetTimer(&raw mut TIMER, HOUR, ptr::null_mut());
                }
            };
    }
}
