//! Memory that is not the client's own: INV-72 to INV-75.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use test_support::raw::{Client, PoolBuffer, call, connection, receive, send};
use wsk_sys::*;

use crate::events::{CONNECTION, connected};
use crate::stops::{breaks, breaks_on, inline};

/// Pages of another, which are locked.
fn locked(irp: PIRP) -> PMDL {
    let pages: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
    // SAFETY: the pages stay.
    unsafe {
        let mdl = IoAllocateMdl(pages.as_mut_ptr().cast(), 64, FALSE, FALSE, irp);
        MmProbeAndLockPages(mdl, 0, IoWriteAccess);
        mdl
    }
}

/// An MDL of the first 8 bytes of another one.
fn partial(source: PMDL) -> PMDL {
    // SAFETY: the source is valid.
    unsafe {
        let address = (*source).StartVa.wrapping_byte_add((*source).ByteOffset as usize);
        let mdl = IoAllocateMdl(address, 8, FALSE, FALSE, ptr::null_mut());
        IoBuildPartialMdl(source, mdl, address, 8);
        mdl
    }
}

/// Receives into the first 8 bytes of an MDL, which waits. Returns the other side of the connection.
fn receives(client: &Client, mdl: PMDL) -> PWSK_SOCKET {
    let [_, socket, peer] = client.connections();
    let mut buffer = WSK_BUF { Mdl: mdl, Offset: 0, Length: 8 };
    // SAFETY: the MDL stays, or breaks the rule of the test.
    call(|irp| unsafe { connection(socket).WskReceive.unwrap()(socket, &raw mut buffer, 0, irp) });
    peer
}

/// An IRP with direct I/O, as a driver above has sent it, and its MDL.
fn with_direct_io() -> (PIRP, PMDL) {
    // SAFETY: the IRP is new, and has a location for this driver.
    let irp = unsafe {
        let irp = IoAllocateIrp(1, FALSE);
        IoSetNextIrpStackLocation(irp);
        irp
    };
    (irp, locked(irp))
}

const LENT: &str = "the memory of the IRP is the memory of a request in flight";

#[test]
fn an_irp_completed_while_a_request_has_its_mdl() {
    breaks(72, ["IofCompleteRequest", LENT, "WskReceive"], |client| {
        let (irp, mdl) = with_direct_io();
        receives(&client, mdl);
        // SAFETY: breaks INV-72.
        unsafe { IoCompleteRequest(irp, 0) };
    });
}

/// The request has an MDL of its own, of the same memory.
#[test]
fn an_irp_completed_while_a_request_has_a_part_of_its_memory() {
    breaks(72, ["IofCompleteRequest", LENT, "WskReceive"], |client| {
        let (irp, mdl) = with_direct_io();
        receives(&client, partial(mdl));
        // SAFETY: breaks INV-72.
        unsafe { IoCompleteRequest(irp, 0) };
    });
}

/// Receives into two MDLs, changes the first one, and lets the receive complete.
fn changes(client: &Client, change: impl FnOnce(&mut MDL)) {
    let [_, socket, peer] = client.connections();
    let [first, second]: [&PoolBuffer; 2] =
        [(); 2].map(|()| &*Box::leak(Box::new(PoolBuffer::new(8))));
    // SAFETY: the buffers stay.
    unsafe {
        (*(*first.buffer).Mdl).Next = (*second.buffer).Mdl;
        (*first.buffer).Length = 16;
    }
    receive(socket, first, 0);
    // SAFETY: breaks INV-73: the request has the MDL.
    change(unsafe { &mut *(*first.buffer).Mdl });
    send(peer, Box::leak(Box::new(PoolBuffer::with(b"hello"))));
}

#[test]
fn the_length_of_an_mdl_changed_in_flight() {
    let found = "MDL 1 of the request was changed in flight: its ByteCount was 8, and is 4";
    breaks(73, ["WskReceive", found, "WskReceive"], |client| {
        changes(&client, |mdl| mdl.ByteCount = 4);
    });
}

#[test]
fn the_place_of_an_mdl_changed_in_flight() {
    let found = "MDL 1 of the request was changed in flight: its StartVa is another address";
    breaks(73, ["WskReceive", found, "WskReceive"], |client| {
        changes(&client, |mdl| mdl.StartVa = mdl.StartVa.wrapping_byte_add(PAGE_SIZE));
    });
}

#[test]
fn a_chain_cut_in_flight() {
    let found = "MDL 1 of the request was changed in flight: its Next is another MDL";
    breaks(73, ["WskReceive", found, "WskReceive"], |client| {
        changes(&client, |mdl| mdl.Next = ptr::null_mut());
    });
}

/// What follows the MDLs of a request is not the request's.
#[test]
fn an_mdl_appended_to_those_of_a_request() {
    let client = Client::new(inline());
    let [listener, socket, peer] = client.connections();
    let (room, other) = (PoolBuffer::new(8), PoolBuffer::new(8));
    let sent = PoolBuffer::with(b"hello");
    let request = receive(socket, &room, 0);
    // SAFETY: the MDLs are the test's.
    unsafe { (*(*room.buffer).Mdl).Next = (*other.buffer).Mdl };
    assert_eq!((send(peer, &sent).succeed(), request.succeed()), (5, 5));
    // SAFETY: the MDLs are the test's.
    unsafe { (*(*room.buffer).Mdl).Next = ptr::null_mut() };
    for socket in [socket, peer, listener] {
        test_support::raw::close(socket);
    }
    drop((room, other, sent));
    client.end();
}

#[test]
fn pages_unlocked_while_a_request_has_a_partial_mdl_of_them() {
    let found = "a partial MDL of the MDL is the MDL of a request in flight";
    breaks(74, ["MmUnlockPages", found, "WskReceive"], |client| {
        let source = locked(ptr::null_mut());
        receives(&client, partial(partial(source)));
        // SAFETY: breaks INV-74.
        unsafe { MmUnlockPages(source) };
    });
}

#[test]
fn a_partial_mdl_used_after_its_source() {
    let found = "the pages of the MDL that this partial MDL is of were unlocked";
    breaks(74, ["WskReceive", found, ""], |client| {
        let source = locked(ptr::null_mut());
        let partial = partial(source);
        // SAFETY: no request uses the pages.
        unsafe { MmUnlockPages(source) };
        receives(&client, partial);
    });
}

static RETAINED: AtomicPtr<WSK_DATA_INDICATION> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn retains(
    _context: PVOID,
    _flags: ULONG,
    list: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    RETAINED.store(list, Ordering::SeqCst);
    STATUS_PENDING
}

#[test]
fn a_list_released_while_a_request_sends_it() {
    let found = "an MDL of the list is the MDL of a request in flight";
    breaks_on(inline().window(16), 75, ["WskRelease", found, "WskSend"], |client| {
        let table = WSK_CLIENT_CONNECTION_DISPATCH { WskReceiveEvent: Some(retains), ..CONNECTION };
        let [_, from, peer] = connected(&client, table, WSK_EVENT_RECEIVE);
        send(peer, Box::leak(Box::new(PoolBuffer::with(b"hello"))));
        let list = RETAINED.load(Ordering::SeqCst);
        // More than its peer has room for, so that what follows waits.
        let [_, to, _] = client.connections();
        send(to, Box::leak(Box::new(PoolBuffer::new(100))));
        // SAFETY: the list is retained; breaks INV-75.
        unsafe {
            let buffer = &raw mut (*list).Buffer;
            call(|irp| connection(to).WskSend.unwrap()(to, buffer, 0, irp));
            connection(from).WskRelease.unwrap()(from, list);
        }
    });
}
