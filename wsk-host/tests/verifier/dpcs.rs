//! Deferred procedure calls: INV-71.

use std::ptr;

use test_support::kernel::{dpc, flush};
use test_support::raw::{Client, close, set_events};
use wsk_sys::*;

use crate::events::{LISTEN, keep};
use crate::stops::{breaks, inline};

/// Runs a closure in a deferred procedure call, and waits for it.
fn in_dpc(mut run: impl FnMut()) {
    unsafe extern "C" fn routine(_: *mut KDPC, context: PVOID, _: PVOID, _: PVOID) {
        // SAFETY: the context is that of `in_dpc`, which waits.
        unsafe { (*context.cast::<&mut dyn FnMut()>())() };
    }

    let mut run: &mut dyn FnMut() = &mut run;
    let call = dpc(Some(routine), (&raw mut run).cast());
    // SAFETY: the call is initialized, and stays until it was flushed.
    let is_queued =
        unsafe { KeInsertQueueDpc(call.raw().cast(), ptr::null_mut(), ptr::null_mut()) };
    assert_eq!(is_queued, TRUE);
    flush();
}

/// Makes a number of requests: each disables an event that is not enabled.
fn requests(listener: PWSK_SOCKET, count: usize) -> impl FnMut() {
    move || {
        for _ in 0..count {
            set_events(listener, WSK_EVENT_DISABLE | WSK_EVENT_ACCEPT);
        }
    }
}

fn listener(client: &Client) -> PWSK_SOCKET {
    client.listener(ptr::null_mut(), keep(LISTEN)).0
}

fn stalls(microseconds: ULONG) {
    unsafe extern "C" {
        fn KeStallExecutionProcessor(microseconds: ULONG);
    }
    // SAFETY: the host defines it, for any level.
    unsafe { KeStallExecutionProcessor(microseconds) };
}

#[test]
fn a_call_that_makes_too_many_requests() {
    let found = "the deferred procedure call has made 4097 requests, the maximum is 4096";
    breaks(71, ["WskControlSocket", found, ""], |client| in_dpc(requests(listener(&client), 5000)));
}

#[test]
fn a_call_that_stalls_its_processor() {
    let found = "the deferred procedure call has stalled its processor for 1200 microseconds, the maximum is 1000";
    breaks(71, ["KeStallExecutionProcessor", found, ""], |client| {
        requests(listener(&client), 1)();
        in_dpc(|| (0..3).for_each(|_| stalls(400)));
    });
}

/// As much as is allowed, in one call after another, and more outside of a call.
#[test]
fn short_calls_and_long_threads() {
    let client = Client::new(inline());
    let listener = listener(&client);
    let mut most = requests(listener, 4096);
    for _ in 0..2 {
        in_dpc(&mut most);
        in_dpc(|| stalls(1000));
    }
    most();
    most();
    stalls(1500);
    close(listener);
    client.end();
}
