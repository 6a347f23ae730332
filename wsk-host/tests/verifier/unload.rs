//! Client code that runs when its image is unloaded, or afterwards: INV-18.

use std::ptr;
use std::thread;

use test_support::raw::{Client, PoolBuffer, TAG, receive, send};
use wsk_host::{Config, Timing};
use wsk_sys::*;

use crate::stops::{breaks, breaks_on, breaks_without_client, deferred};

const AFTERWARDS: &str = "it is called after the driver was unloaded";
const STILL: &str = "it is still running when the driver is unloaded";

/// Waits, at `PASSIVE_LEVEL`.
fn delay(milliseconds: i64) {
    let mut interval = LARGE_INTEGER { QuadPart: -10_000 * milliseconds };
    // SAFETY: the interval is valid.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut interval) };
}

unsafe extern "C" fn does_nothing(_: *mut KDPC, _: PVOID, _: PVOID, _: PVOID) {}

#[test]
fn a_dpc_after_the_unload() {
    breaks(18, ["a deferred procedure call", AFTERWARDS, ""], |client| {
        let due = LARGE_INTEGER { QuadPart: -10_000 };
        // SAFETY: the pool has room for a timer and a call, which are never freed.
        unsafe {
            let timer = ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<KTIMER>(), TAG).cast();
            let dpc = ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<KDPC>(), TAG).cast();
            KeInitializeTimer(timer);
            KeInitializeDpc(dpc, Some(does_nothing), ptr::null_mut());
            KeSetTimer(timer, due, dpc);
        }
        client.host.unload();
        delay(2);
    });
}

#[test]
fn a_completion_routine_after_the_unload() {
    breaks_on(deferred(), 18, ["a completion routine", AFTERWARDS, ""], |client| {
        let request = client.create(
            WSK_FLAG_DATAGRAM_SOCKET,
            (AF_INET, SOCK_DGRAM, IPPROTO_UDP),
            ptr::null_mut(),
            ptr::null(),
        );
        client.host.unload();
        request.wait();
    });
}

unsafe extern "C" fn waits_for_ever(event: PVOID) {
    // SAFETY: the test passes an event that is never freed.
    unsafe { KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut()) };
}

#[test]
fn a_thread_that_has_not_ended() {
    breaks(18, ["a system thread", STILL, "PsCreateSystemThread"], |client| {
        // SAFETY: the event is never freed, and the routine takes it.
        unsafe {
            let event: PRKEVENT = Box::into_raw(Box::<KEVENT>::new_uninit()).cast();
            KeInitializeEvent(event, NotificationEvent, FALSE);
            let mut handle = ptr::null_mut();
            let status = PsCreateSystemThread(
                &raw mut handle,
                THREAD_ALL_ACCESS,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                Some(waits_for_ever),
                event.cast(),
            );
            assert_eq!(status, STATUS_SUCCESS);
        }
        delay(1);
        client.host.unload();
    });
}

/// A routine signals its event, and the thread that has waited for it runs before the routine has returned.
#[test]
fn a_completion_routine_that_has_signaled_its_event() {
    breaks_without_client(18, ["a completion routine", STILL, ""], || {
        for seed in 0..1000 {
            let client = Client::new(Config::default().timing(Timing::Mixed(seed)));
            let host = client.host.clone();
            let [_listener, sender, receiver] = client.connections();
            let buffer = PoolBuffer::new(1);
            let received = receive(receiver, &buffer, 0);
            let other = {
                let (host, sender) = (host.clone(), sender.expose_provenance());
                thread::spawn(move || {
                    let _entered = host.enter();
                    let sender = ptr::with_exposed_provenance_mut(sender);
                    let buffer = PoolBuffer::with(&[1]);
                    send(sender, &buffer).wait();
                })
            };
            received.wait();
            host.unload();
            // This seed did not meet the window. The other thread's request may still be in flight, so the image is
            // loaded again for its routine.
            host.load();
            host.blocking(|| other.join().unwrap());
        }
    });
}
