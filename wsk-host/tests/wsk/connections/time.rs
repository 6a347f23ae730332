//! Time passes by work: clients that always have something to do meet their timers, and leave other threads their turns.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use test_support::kernel::delay;
use test_support::raw::{
    Client, PoolAddress, PoolBuffer, close, datagram, disconnect, receive, send,
};
use wsk_host::{Config, Timing};
use wsk_sys::*;

const TIMINGS: [Timing; 3] = [Timing::Inline, Timing::Deferred, Timing::Mixed(0)];

/// Runs a closure in a thread of the host.
fn spawn(client: &Client, run: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    let host = client.host.clone();
    std::thread::spawn(move || {
        let _entered = host.enter();
        run();
    })
}

/// Two threads exchange messages until a third, which sleeps, ends that: one of them is always ready.
#[test]
fn a_delay_ends_while_two_threads_exchange_messages() {
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    for timing in TIMINGS {
        IS_OVER.store(false, Ordering::SeqCst);
        let client = Client::new(Config::default().timing(timing));
        let [listener, socket, peer] = client.connections();
        let ends = [(socket, true), (peer, false)].map(|(socket, begins)| {
            let socket = socket.expose_provenance();
            spawn(&client, move || {
                let socket: PWSK_SOCKET = ptr::with_exposed_provenance_mut(socket);
                let buffer = PoolBuffer::with(b"x");
                if begins {
                    send(socket, &buffer).succeed();
                }
                // The end is the peer's: it has sent nothing more.
                while receive(socket, &buffer, 0).succeed() == 1 {
                    if begins && IS_OVER.load(Ordering::SeqCst) {
                        break;
                    }
                    send(socket, &buffer).succeed();
                }
                disconnect(socket).succeed();
            })
        });
        let start = client.host.elapsed();
        delay(-100 * 10_000);
        IS_OVER.store(true, Ordering::SeqCst);
        let passed = client.host.elapsed().saturating_sub(start);
        assert!(passed.as_millis() >= 100 && passed.as_millis() < 110, "{timing:?}: {passed:?}");
        for end in ends {
            client.host.blocking(|| end.join().unwrap());
        }
        for socket in [listener, socket, peer] {
            close(socket);
        }
        client.end();
    }
}

/// A thread whose calls complete inline never waits, and another, which it has woken, has its turn all the same.
#[test]
fn a_thread_that_never_waits_leaves_others_their_turns() {
    static WAS_RUN: AtomicBool = AtomicBool::new(false);
    for timing in TIMINGS {
        WAS_RUN.store(false, Ordering::SeqCst);
        let client = Client::new(Config::default().timing(timing));
        let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        test_support::raw::bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let event = test_support::kernel::event();
        let awaited = event.raw().expose_provenance();
        let other = spawn(&client, move || {
            let event: PVOID = ptr::with_exposed_provenance_mut(awaited);
            // SAFETY: the event is valid until this thread has ended.
            unsafe { KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut()) };
            WAS_RUN.store(true, Ordering::SeqCst);
        });
        // It waits.
        delay(-10_000);
        // SAFETY: the event is initialized.
        unsafe { KeSetEvent(event.raw().cast(), 0, FALSE) };
        let (address, mut calls) = (PoolAddress::empty(), 0);
        let irp = test_support::raw::irp(Some(test_support::raw::completed), ptr::null_mut());
        while !WAS_RUN.load(Ordering::SeqCst) {
            calls += 1;
            assert!(
                calls < 20_000,
                "{timing:?}: the other thread has had no turn in {calls} calls"
            );
            // SAFETY: the arguments are valid; the IRP completes inline, or is not used again before it has.
            unsafe {
                if timing == Timing::Inline {
                    IoReuseIrp(irp, STATUS_SUCCESS);
                    let routine = Some(test_support::raw::completed as _);
                    IoSetCompletionRoutine(irp, routine, ptr::null_mut(), TRUE, TRUE, TRUE);
                    datagram(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp);
                } else {
                    // Answered at once whatever the timing: no event is enabled.
                    let mask = WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE;
                    assert_eq!(test_support::raw::set_events(socket, mask), STATUS_SUCCESS);
                }
            }
        }
        client.host.blocking(|| other.join().unwrap());
        // SAFETY: it has completed.
        unsafe { IoFreeIrp(irp) };
        close(socket);
        drop((address, event));
        client.end();
    }
}
