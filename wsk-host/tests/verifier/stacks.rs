//! Memory on the stack of a function that returns before its request has completed, and of one that waits.

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ptr;

use test_support::raw::datagrams::{any_port, bound};
use test_support::raw::{Client, PoolAddress, PoolBuffer, Request, call, close, datagram};
use wsk_host::rules::Levels;
use wsk_host::{Config, Timing};
use wsk_sys::*;

use crate::stops::{breaks_on, deferred};

fn tolerant(timing: Timing) -> Config {
    Config { rules: Levels::TOLERANT, ..Config::default().timing(timing) }
}

/// A control message of a send: the traffic class.
#[repr(C, align(8))]
struct TrafficClassMessage {
    header: CMSGHDR,
    value: [u8; 8],
}

fn control() -> TrafficClassMessage {
    let header = CMSGHDR {
        cmsg_len: WSA_CMSG_LEN(size_of::<INT>()),
        cmsg_level: IPPROTO_IP.try_into().unwrap(),
        cmsg_type: IP_TOS.try_into().unwrap(),
    };
    TrafficClassMessage { header, value: [0; 8] }
}

/// The arguments of `WskSendTo` that are on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnStack {
    Address,
    ControlData,
}

/// Sends a datagram with arguments on the stack of this function. Waits for the request, or returns before it completes.
#[inline(never)]
fn send(socket: PWSK_SOCKET, to: SocketAddr, on_stack: OnStack, waits: bool) -> Option<Request> {
    let (buffer, pool) = (Box::leak(Box::new(PoolBuffer::with(b"x"))), PoolAddress::new(to));
    let mut address = MaybeUninit::<SOCKADDR_IN>::uninit();
    let mut control = control();
    // SAFETY: both have room for an address of IPv4.
    unsafe { pool.0.cast::<u8>().copy_to(address.as_mut_ptr().cast(), size_of::<SOCKADDR_IN>()) };
    let (address, length, control) = match on_stack {
        OnStack::Address => (address.as_mut_ptr().cast(), 0, ptr::null_mut()),
        OnStack::ControlData => {
            (pool.0, size_of::<TrafficClassMessage>(), (&raw mut control).cast())
        }
    };
    let length = length.try_into().unwrap();
    // SAFETY: the arguments are valid; whether they stay so is what is tested.
    let request = call(|irp| unsafe {
        datagram(socket).WskSendTo.unwrap()(socket, buffer.buffer, 0, address, length, control, irp)
    });
    if waits {
        assert_eq!(request.succeed(), 1);
        // SAFETY: `leak` was called above.
        drop(unsafe { Box::from_raw(buffer) });
        return None;
    }
    std::mem::forget(pool);
    Some(request)
}

/// Sends, returns from the sending function, and waits.
fn send_and_return(client: &Client, on_stack: OnStack) {
    let (socket, address) = bound(client, any_port(AF_INET));
    send(socket, address, on_stack, false).unwrap().wait();
}

#[test]
fn control_data_of_a_function_that_has_returned() {
    let found =
        "the control data of a request in flight is on the stack of a function that has returned";
    let config = Config { rules: Levels::TOLERANT, ..deferred() };
    breaks_on(config, 26, ["KeWaitForSingleObject", found, "WskSendTo"], |client| {
        send_and_return(&client, OnStack::ControlData);
    });
}

#[test]
fn a_destination_of_a_function_that_has_returned() {
    let found =
        "the address of a request in flight is on the stack of a function that has returned";
    let config = Config { rules: Levels::TOLERANT, ..deferred() };
    breaks_on(config, 25, ["KeWaitForSingleObject", found, "WskSendTo"], |client| {
        send_and_return(&client, OnStack::Address);
    });
}

/// A thread that is terminated in the function that has sent.
#[test]
fn control_data_of_a_thread_that_is_terminated() {
    unsafe extern "C" fn sends_and_terminates(client: PVOID) {
        // SAFETY: the test passes a client, and waits for this thread.
        let client = unsafe { &*client.cast::<Client>() };
        let (socket, address) = bound(client, any_port(AF_INET));
        let pool = PoolAddress::new(address);
        let buffer = Box::leak(Box::new(PoolBuffer::with(b"x")));
        let mut control = control();
        let length = size_of::<TrafficClassMessage>().try_into().unwrap();
        call(|irp| {
            // SAFETY: the arguments are valid; that the control data stays so is what is tested.
            unsafe {
                let send = datagram(socket).WskSendTo.unwrap();
                let control = (&raw mut control).cast();
                send(socket, buffer.buffer, 0, pool.0, length, control, irp)
            }
        });
        // SAFETY: it is a system thread; breaks INV-26.
        unsafe { PsTerminateSystemThread(STATUS_SUCCESS) };
    }
    let found = "the memory is the control data of a request in flight";
    let config = Config { rules: Levels::TOLERANT, ..deferred() };
    let call = "PsTerminateSystemThread, with the thread's stack";
    breaks_on(config, 26, [call, found, "WskSendTo"], |client| {
        let mut handle: HANDLE = ptr::null_mut();
        let (to, of, process, id) =
            (&raw mut handle, ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let context = (&raw const client).cast_mut().cast();
        // SAFETY: the thread is waited for.
        unsafe {
            PsCreateSystemThread(to, 0, of, process, id, Some(sends_and_terminates), context);
            ZwWaitForSingleObject(handle, FALSE, ptr::null_mut());
        }
    });
}

/// The function does not return before its request has completed, whichever thread completes it.
#[test]
fn arguments_on_the_stack_of_a_function_that_waits() {
    let seeds = if cfg!(miri) { 0..1 } else { 0..16 };
    let timings = seeds.map(Timing::Mixed).chain([Timing::Inline, Timing::Deferred]);
    for timing in timings {
        let client = Client::new(tolerant(timing));
        let (socket, address) = bound(&client, any_port(AF_INET));
        for on_stack in [OnStack::Address, OnStack::ControlData] {
            assert!(send(socket, address, on_stack, true).is_none());
        }
        close(socket);
        client.end();
    }
}
