//! Calls and waits in completion routines and callbacks: INV-15, INV-16 and INV-48.

use std::ptr;

use test_support::raw::{
    Client, PoolBuffer, basic, close, completed, connection, irp, send, set_events, socket_of,
};
use wsk_sys::*;

use crate::requests::{create, event};
use crate::stops::{Says, breaks};

/// Closes the socket that was created, which is a call.
unsafe extern "C" fn calls(_device: PDEVICE_OBJECT, request: PIRP, _event: PVOID) -> NTSTATUS {
    // SAFETY: the IRP has delivered a socket; breaks INV-15.
    unsafe {
        let socket = socket_of((*request).IoStatus.Information);
        basic(socket).WskCloseSocket.unwrap()(socket, irp(Some(completed), ptr::null_mut()));
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

#[test]
fn a_call_in_a_completion_routine() {
    let says = ["WskCloseSocket", "the current thread is in a completion routine", ""];
    breaks(15, says, |client| {
        create(&client, irp(Some(calls), ptr::null_mut()));
    });
}

/// Waits for the event that it is given.
unsafe extern "C" fn waits_there(_device: PDEVICE_OBJECT, _irp: PIRP, event: PVOID) -> NTSTATUS {
    // SAFETY: the event is initialized; the wait breaks INV-16.
    unsafe { KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut()) };
    STATUS_MORE_PROCESSING_REQUIRED
}

const IN_ROUTINE: Says<'_> =
    ["KeWaitForSingleObject", "the current thread is in a completion routine", ""];
const IN_CALLBACK: &str = "the current thread is in an event callback";

#[test]
fn a_wait_in_a_completion_routine() {
    breaks(16, IN_ROUTINE, |client| {
        create(&client, irp(Some(waits_there), event()));
    });
}

/// INV-48: the close of the socket waits for this routine, and this routine for something after the close.
#[test]
fn a_wait_for_a_close_in_a_completion_routine() {
    breaks(16, IN_ROUTINE, |client| {
        let [_, socket, _] = client.connections();
        let buffer = PoolBuffer::new(10);
        let waiting = irp(Some(waits_there), event());
        // SAFETY: the socket is connected.
        unsafe { connection(socket).WskReceive.unwrap()(socket, buffer.buffer, 0, waiting) };
        close(socket);
    });
}

/// Runs a callback of a connection's: its peer sends to it.
fn be_called(client: &Client, callback: PFN_WSK_RECEIVE_EVENT, context: PVOID) {
    let table = Box::leak(Box::new(WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: callback,
        WskDisconnectEvent: None,
        WskSendBacklogEvent: None,
    }));
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.connected_to(address, context, table);
    // The value in the callback's context, if there is one.
    if !context.is_null() {
        // SAFETY: the test's context is a socket's place.
        unsafe { context.cast::<PWSK_SOCKET>().write(socket) };
    }
    let peer = test_support::raw::accept(listener, ptr::null_mut(), ptr::null()).succeed();
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
    send(socket_of(peer), &PoolBuffer::with(b"hello")).succeed();
}

unsafe extern "C" fn waits_in_callback(
    _context: PVOID,
    _flags: ULONG,
    _data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the event is initialized; the wait breaks INV-16.
    unsafe { KeWaitForSingleObject(event(), Executive, KernelMode, FALSE, ptr::null_mut()) };
    STATUS_SUCCESS
}

#[test]
fn a_wait_in_a_callback() {
    breaks(16, ["KeWaitForSingleObject", IN_CALLBACK, ""], |client| {
        be_called(&client, Some(waits_in_callback), ptr::null_mut());
    });
}

unsafe extern "C" fn waits_for_its_close(
    context: PVOID,
    _flags: ULONG,
    _data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the context is the socket's place; breaks INV-48.
    close(unsafe { *context.cast::<PWSK_SOCKET>() });
    STATUS_SUCCESS
}

/// INV-48: the close waits for the callback, which waits for the close.
#[test]
fn a_wait_for_a_close_in_a_callback() {
    breaks(16, ["KeWaitForSingleObject", IN_CALLBACK, ""], |client| {
        let place = Box::into_raw(Box::new(ptr::null_mut::<WSK_SOCKET>()));
        be_called(&client, Some(waits_for_its_close), place.cast());
    });
}

unsafe extern "C" fn ends_in_callback(
    _context: PVOID,
    _flags: ULONG,
    _data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: breaks INV-16, before anything is read.
    unsafe { WskDeregister(ptr::null_mut()) };
    STATUS_SUCCESS
}

#[test]
fn a_registration_ended_in_a_callback() {
    breaks(16, ["WskDeregister", IN_CALLBACK, ""], |client| {
        be_called(&client, Some(ends_in_callback), ptr::null_mut());
    });
}
