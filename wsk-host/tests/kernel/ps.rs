//! System threads and the process.

use std::mem::MaybeUninit;
use std::ptr;

use test_support::kernel::*;
use wsk_host::{Config, Host};
use wsk_sys::*;

use crate::{host, milliseconds};

unsafe extern "C" fn returns(context: PVOID) {
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
}

unsafe extern "C" fn terminates(context: PVOID) {
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
    // SAFETY: it is a system thread.
    unsafe { PsTerminateSystemThread(STATUS_SUCCESS) };
    unreachable!("the thread has ended");
}

#[test]
fn a_thread_is_waited_for_by_handle_and_as_an_object() {
    let (_host, _entered) = host();
    for routine in [returns, terminates] {
        let mut event = MaybeUninit::<KEVENT>::uninit();
        let event = event.as_mut_ptr();
        let mut handle: HANDLE = ptr::null_mut();
        let mut object: PVOID = ptr::null_mut();
        // SAFETY: each call gets what the one before has made.
        unsafe {
            KeInitializeEvent(event, NotificationEvent, FALSE);
            let status = PsCreateSystemThread(
                &raw mut handle,
                0,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                Some(routine),
                event.cast(),
            );
            assert_eq!(status, STATUS_SUCCESS);
            let status = ObReferenceObjectByHandle(
                handle,
                0,
                ptr::null_mut(),
                KernelMode,
                &raw mut object,
                ptr::null_mut(),
            );
            assert_eq!(status, STATUS_SUCCESS);
            ObfReferenceObject(object);
            for _ in 0..2 {
                let status =
                    KeWaitForSingleObject(object, Executive, KernelMode, FALSE, ptr::null_mut());
                assert_eq!(status, STATUS_SUCCESS);
            }
            assert_ne!(KeReadStateEvent(event), 0);
            let mut timeout = milliseconds(10_000);
            let status = ZwWaitForSingleObject(handle, FALSE, &raw mut timeout);
            assert_eq!(status, STATUS_SUCCESS);
            assert_eq!(ZwClose(handle), STATUS_SUCCESS);
            ObfDereferenceObject(object);
            ObfDereferenceObject(object);
            assert_eq!(
                ZwWaitForSingleObject(handle, FALSE, ptr::null_mut()),
                STATUS_INVALID_HANDLE
            );
        }
    }
}

/// It may end before the call that creates it has returned.
#[test]
fn a_native_thread_may_end_at_once() {
    let host = Host::new(Config::real());
    let _entered = host.enter();
    for _ in 0..if cfg!(miri) { 1 } else { 2000 } {
        let mut event = MaybeUninit::<KEVENT>::uninit();
        let event = event.as_mut_ptr();
        let mut handle: HANDLE = ptr::null_mut();
        // SAFETY: each call gets what the one before has made; the event outlives the thread.
        unsafe {
            KeInitializeEvent(event, NotificationEvent, FALSE);
            let status = PsCreateSystemThread(
                &raw mut handle,
                0,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                Some(terminates),
                event.cast(),
            );
            assert_eq!(status, STATUS_SUCCESS);
            let status = ZwWaitForSingleObject(handle, FALSE, ptr::null_mut());
            assert_eq!(status, STATUS_SUCCESS);
            assert_eq!(ZwClose(handle), STATUS_SUCCESS);
        }
    }
}

unsafe extern "C" fn compares(object: PDEVICE_OBJECT, context: PVOID) {
    // SAFETY: the test passes an event.
    unsafe {
        assert_eq!(PsGetCurrentProcess(), object.cast());
        KeSetEvent(context.cast(), 0, FALSE);
    }
}

#[test]
fn all_threads_belong_to_one_process() {
    on_hosts(|_| {
        let done = event();
        // SAFETY: the process stands for a device object here; the item is freed when it has run.
        unsafe {
            let process = IoGetCurrentProcess();
            let item = IoAllocateWorkItem(process.cast());
            IoQueueWorkItem(item, Some(compares), DelayedWorkQueue, done.raw());
            assert!(wait(&done, None));
            IoFreeWorkItem(item);
            assert!(ObReferenceObject(process.cast()) > 1);
            assert!(ObDereferenceObject(process.cast()) > 0);
        }
    });
}
