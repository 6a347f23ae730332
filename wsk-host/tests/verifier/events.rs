//! Callbacks: INV-51, INV-55, INV-58, INV-59 and INV-62, and the calls that return a status.

use std::net::SocketAddr;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use test_support::raw::{
    Client, PoolAddress, PoolBuffer, Request, accept, bind, call, datagram, disconnect, npi, send,
    set_events, socket_of,
};
use wsk_sys::*;

use crate::buffers::datagram_address;
use crate::inspections::{connecting, inspecting, pends};
use crate::stops::{breaks, inline};

pub(crate) const CONNECTION: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
    WskReceiveEvent: None,
    WskDisconnectEvent: None,
    WskSendBacklogEvent: None,
};

pub(crate) const LISTEN: WSK_CLIENT_LISTEN_DISPATCH =
    WSK_CLIENT_LISTEN_DISPATCH { WskAcceptEvent: None, WskInspectEvent: None, WskAbortEvent: None };

/// A table that stays.
pub(crate) fn keep<T>(table: T) -> &'static T {
    Box::leak(Box::new(table))
}

/// A listener, a connection with callbacks that are enabled, and the other side of it.
pub(crate) fn connected(
    client: &Client,
    table: WSK_CLIENT_CONNECTION_DISPATCH,
    events: ULONG,
) -> [PWSK_SOCKET; 3] {
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.connected_to(address, ptr::null_mut(), keep(table));
    let peer = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
    assert_eq!(set_events(socket, events), STATUS_SUCCESS);
    [listener, socket, peer]
}

/// A listener with callbacks, and where it listens.
fn listening(
    client: &Client,
    table: WSK_CLIENT_LISTEN_DISPATCH,
    events: ULONG,
) -> (PWSK_SOCKET, SocketAddr) {
    let (listener, address) = client.listener(ptr::null_mut(), keep(table));
    assert_eq!(set_events(listener, events), STATUS_SUCCESS);
    (listener, address)
}

// INV-51

#[test]
fn an_event_of_another_category() {
    let events = WSK_EVENT_RECEIVE_FROM;
    let found = format!("a listen socket has no events {events:#x}");
    breaks(51, ["WskControlSocket", &found, "WskSocket"], |client| {
        listening(&client, LISTEN, WSK_EVENT_RECEIVE_FROM);
    });
}

#[test]
fn an_event_without_a_callback() {
    let found = format!("the event {WSK_EVENT_ACCEPT:#x} is enabled, but has no callback");
    breaks(51, ["WskControlSocket", &found, ""], |client| {
        listening(&client, LISTEN, WSK_EVENT_ACCEPT);
    });
}

#[test]
fn a_static_event_without_a_callback() {
    let found = format!("the event {WSK_EVENT_RECEIVE_FROM:#x} is enabled, but has no callback");
    breaks(51, ["WskSocket", &found, ""], |client| {
        client.set_static_events(WSK_EVENT_RECEIVE_FROM);
        client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    });
}

unsafe extern "C" fn accepts_without_callbacks(
    _context: PVOID,
    _flags: ULONG,
    _local: PSOCKADDR,
    _remote: PSOCKADDR,
    _socket: PWSK_SOCKET,
    _accepted_context: *mut PVOID,
    _table: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> NTSTATUS {
    STATUS_SUCCESS
}

#[test]
fn an_inherited_event_without_a_callback() {
    let found = format!("the event {WSK_EVENT_RECEIVE:#x} is enabled, but has no callback");
    breaks(51, ["WskAcceptEvent", &found, ""], |client| {
        let table = WSK_CLIENT_LISTEN_DISPATCH {
            WskAcceptEvent: Some(accepts_without_callbacks),
            ..LISTEN
        };
        let (_, address) = listening(&client, table, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE);
        client.connected_to(address, ptr::null_mut(), ptr::null());
    });
}

#[test]
fn several_events_disabled_at_once() {
    let found = "several events are disabled in one call";
    breaks(51, ["WskControlSocket", found, "WskSocket"], |client| {
        let events = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_DISABLE;
        connected(&client, CONNECTION, events);
    });
}

/// `SO_WSK_EVENT_CALLBACK` with an IRP.
fn set_events_with_irp(socket: PWSK_SOCKET, mask: ULONG) -> Request {
    let control = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: mask };
    let input = PoolBuffer::new(size_of_val(&control));
    // SAFETY: there is room for it.
    unsafe { input.bytes.cast::<WSK_EVENT_CALLBACK_CONTROL>().write(control) };
    let option = (WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET);
    test_support::raw::control(socket, option, Some(&input), None)
}

#[test]
fn events_enabled_with_an_irp() {
    let says = ["WskControlSocket", "events are enabled with an IRP", "WskSocket"];
    breaks(51, says, |client| {
        let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
        set_events_with_irp(listener, WSK_EVENT_ACCEPT);
    });
}

#[test]
fn events_of_a_basic_socket() {
    let says = ["WskControlSocket", "a basic socket has no events", "WskSocket"];
    breaks(51, says, |client| {
        set_events(client.socket(WSK_FLAG_BASIC_SOCKET), WSK_EVENT_RECEIVE);
    });
}

// INV-55, INV-58: received data

/// The last MDL that a callback got.
static MDL_SEEN: AtomicPtr<MDL> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn receives<const STATUS: NTSTATUS, const TOO_MANY: usize>(
    _context: PVOID,
    _flags: ULONG,
    data: PWSK_DATA_INDICATION,
    indicated: SIZE_T,
    accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: indicated data is valid until the callback returns.
    unsafe {
        MDL_SEEN.store((*data).Buffer.Mdl, Ordering::SeqCst);
        *accepted = indicated + TOO_MANY;
    }
    STATUS
}

/// Lets a callback receive five bytes.
fn receives_with(client: &Client, callback: PFN_WSK_RECEIVE_EVENT) -> [PWSK_SOCKET; 3] {
    let table = WSK_CLIENT_CONNECTION_DISPATCH { WskReceiveEvent: callback, ..CONNECTION };
    let sockets = connected(client, table, WSK_EVENT_RECEIVE);
    send(sockets[2], &PoolBuffer::with(b"hello")).succeed();
    sockets
}

#[test]
fn a_receive_callback_with_another_status() {
    let says = ["WskReceiveEvent", "the callback returned STATUS_CANCELLED", "WskSocket"];
    breaks(55, says, |client| {
        receives_with(&client, Some(receives::<STATUS_CANCELLED, 0>));
    });
}

#[test]
fn a_receive_callback_that_accepts_too_much() {
    let says = ["WskReceiveEvent", "the callback accepted 6 of 5 bytes", "WskSocket"];
    breaks(55, says, |client| {
        receives_with(&client, Some(receives::<STATUS_SUCCESS, 1>));
    });
}

unsafe extern "C" fn receives_datagrams(
    _context: PVOID,
    _flags: ULONG,
    _data: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    STATUS_CANCELLED
}

#[test]
fn a_datagram_callback_with_another_status() {
    let says = ["WskReceiveFromEvent", "the callback returned STATUS_CANCELLED", "WskSocket"];
    breaks(55, says, |client| {
        let table: *const _ =
            keep(WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(receives_datagrams) });
        let socket = client.socket_with(WSK_FLAG_DATAGRAM_SOCKET, ptr::null_mut(), table.cast());
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        let (to, buffer) = (PoolAddress::new(datagram_address(socket)), PoolBuffer::with(b"hello"));
        let control = ptr::null_mut();
        // SAFETY: the socket is bound.
        call(|irp| unsafe {
            let send_to = datagram(socket).WskSendTo.unwrap();
            send_to(socket, buffer.buffer, 0, to.0, 0, control, irp)
        })
        .succeed();
    });
}

const GIVEN_BACK: &str = "the MDL describes indicated data that is already released";

#[test]
fn data_mapped_after_its_callback() {
    breaks(58, ["MmMapLockedPagesSpecifyCache", GIVEN_BACK, "WskReceiveEvent"], |client| {
        receives_with(&client, Some(receives::<STATUS_SUCCESS, 0>));
        // SAFETY: breaks INV-58.
        unsafe { MmGetSystemAddressForMdlSafe(MDL_SEEN.load(Ordering::SeqCst), 16) };
    });
}

#[test]
fn data_sent_on_after_its_callback() {
    breaks(58, ["WskSend", GIVEN_BACK, "WskReceiveEvent"], |client| {
        let [_, socket, _] = receives_with(&client, Some(receives::<STATUS_SUCCESS, 0>));
        let buffer = PoolBuffer::new(1);
        // SAFETY: breaks INV-58.
        unsafe { (*buffer.buffer).Mdl = MDL_SEEN.load(Ordering::SeqCst) };
        send(socket, &buffer);
    });
}

/// Where the bytes begin that a callback got last.
static BYTES_SEEN: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn remembers(
    _context: PVOID,
    _flags: ULONG,
    data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: indicated data is valid until the callback returns, and nonpaged.
    unsafe {
        let WSK_BUF { Mdl, Offset, .. } = (*data).Buffer;
        let bytes = MmGetSystemAddressForMdlSafe(Mdl, 16).cast::<u8>().add(Offset as usize);
        assert!(b"hello".contains(&*bytes));
        BYTES_SEEN.store(bytes, Ordering::SeqCst);
    }
    STATUS_SUCCESS
}

/// A client that reads the data after its callback (INV-58) finds other bytes. The host keeps overwritten memory for
/// a while.
#[test]
fn data_is_overwritten_after_its_callback() {
    let client = Client::new(inline());
    let sockets = receives_with(&client, Some(remembers));
    // SAFETY: the memory is still the host's; a client must not do this.
    let byte = unsafe { BYTES_SEEN.load(Ordering::SeqCst).read_volatile() };
    assert_eq!(byte, 0xDD);
    sockets.into_iter().for_each(test_support::raw::close);
    client.end();
}

// INV-59: accepted connections

static OFFERED: AtomicPtr<WSK_SOCKET> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn is_offered<const STATUS: NTSTATUS>(
    _context: PVOID,
    _flags: ULONG,
    _local: PSOCKADDR,
    _remote: PSOCKADDR,
    socket: PWSK_SOCKET,
    _accepted_context: *mut PVOID,
    _table: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> NTSTATUS {
    OFFERED.store(socket, Ordering::SeqCst);
    STATUS
}

#[test]
fn an_accept_callback_with_another_status() {
    let says = ["WskAcceptEvent", "the callback returned STATUS_PENDING", "WskSocket"];
    breaks(59, says, |client| {
        let offered = is_offered::<STATUS_PENDING>;
        let table = WSK_CLIENT_LISTEN_DISPATCH { WskAcceptEvent: Some(offered), ..LISTEN };
        let (_, address) = listening(&client, table, WSK_EVENT_ACCEPT);
        connecting(&client, address);
    });
}

/// The callback must not use the socket that it refuses (INV-59).
#[test]
fn a_refused_socket_that_is_closed() {
    let says = ["WskCloseSocket", "the socket is closed", "WskAcceptEvent"];
    breaks(44, says, |client| {
        let offered = is_offered::<STATUS_REQUEST_NOT_ACCEPTED>;
        let table = WSK_CLIENT_LISTEN_DISPATCH { WskAcceptEvent: Some(offered), ..LISTEN };
        let (_, address) = listening(&client, table, WSK_EVENT_ACCEPT);
        connecting(&client, address);
        test_support::raw::close(OFFERED.load(Ordering::SeqCst));
    });
}

// INV-62: notifications

const NOT_SUCCESS: &str = "the callback returned STATUS_CANCELLED";

unsafe extern "C" fn ends(_context: PVOID, _flags: ULONG) -> NTSTATUS {
    STATUS_CANCELLED
}

#[test]
fn a_disconnect_callback_with_another_status() {
    breaks(62, ["WskDisconnectEvent", NOT_SUCCESS, "WskSocket"], |client| {
        let table = WSK_CLIENT_CONNECTION_DISPATCH { WskDisconnectEvent: Some(ends), ..CONNECTION };
        let [_, _, peer] = connected(&client, table, WSK_EVENT_DISCONNECT);
        disconnect(peer).succeed();
    });
}

unsafe extern "C" fn grows(_context: PVOID, _size: SIZE_T) -> NTSTATUS {
    STATUS_CANCELLED
}

#[test]
fn a_backlog_callback_with_another_status() {
    breaks(62, ["WskSendBacklogEvent", NOT_SUCCESS, "WskSocket"], |client| {
        let table =
            WSK_CLIENT_CONNECTION_DISPATCH { WskSendBacklogEvent: Some(grows), ..CONNECTION };
        let [_, socket, peer] = connected(&client, table, WSK_EVENT_SEND_BACKLOG);
        let sent = PoolBuffer::new(200_000);
        let request = send(socket, &sent);
        test_support::raw::receive_exactly(peer, 200_000);
        request.succeed();
    });
}

unsafe extern "C" fn is_aborted_wrongly(_context: PVOID, _id: PWSK_INSPECT_ID) -> NTSTATUS {
    STATUS_CANCELLED
}

#[test]
fn an_abort_callback_with_another_status() {
    breaks(62, ["WskAbortEvent", NOT_SUCCESS, "WskSocket"], |client| {
        let table =
            WSK_CLIENT_LISTEN_DISPATCH { WskAbortEvent: Some(is_aborted_wrongly), ..pends() };
        let (_, address) = inspecting(&client, table);
        let (socket, _) = connecting(&client, address);
        test_support::raw::close(socket);
    });
}

// Calls that return a status: INV-52, INV-53, INV-60

static STATUS_THERE: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" fn disables_itself(
    context: PVOID,
    _flags: ULONG,
    _data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the context is the socket's place.
    let socket = unsafe { *context.cast::<PWSK_SOCKET>() };
    let status = set_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE);
    STATUS_THERE.store(status, Ordering::SeqCst);
    STATUS_SUCCESS
}

/// INV-52: the status reports that callbacks still run.
#[test]
fn an_event_disabled_while_its_callback_runs() {
    let client = Client::new(inline());
    let table = keep(WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: Some(disables_itself),
        ..CONNECTION
    });
    let place = Box::new(std::cell::Cell::new(ptr::null_mut::<WSK_SOCKET>()));
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.connected_to(address, ptr::from_ref(&*place).cast_mut().cast(), table);
    place.set(socket);
    let peer = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
    send(peer, &PoolBuffer::with(b"hello")).succeed();
    client.host.settle();
    let status = STATUS_THERE.load(Ordering::SeqCst);
    assert_eq!(status, STATUS_EVENT_PENDING);
    // Afterwards none runs.
    let disable = WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE;
    assert_eq!(set_events(socket, disable), STATUS_SUCCESS);
    set_events_with_irp(socket, disable).succeed();
    [socket, peer, listener].into_iter().for_each(test_support::raw::close);
    client.end();
}

/// INV-53: an event that is enabled for all sockets cannot be disabled for one.
#[test]
fn a_static_event_is_not_disabled() {
    let client = Client::new(inline());
    let accepts = Some(accepts_without_callbacks as unsafe extern "C" fn(_, _, _, _, _, _, _) -> _);
    assert_eq!(client.set_static_events(WSK_EVENT_ACCEPT), STATUS_SUCCESS);
    let table = keep(WSK_CLIENT_LISTEN_DISPATCH { WskAcceptEvent: accepts, ..LISTEN });
    let (listener, _) = client.listener(ptr::null_mut(), table);
    let status = set_events(listener, WSK_EVENT_ACCEPT | WSK_EVENT_DISABLE);
    assert_eq!(status, STATUS_INVALID_PARAMETER);
    test_support::raw::close(listener);
    client.end();
}

/// INV-60: events that a listener has enabled for its connections cannot be disabled there.
#[test]
fn an_inherited_event_is_not_disabled() {
    unsafe extern "C" fn accepts(
        context: PVOID,
        _flags: ULONG,
        _local: PSOCKADDR,
        _remote: PSOCKADDR,
        socket: PWSK_SOCKET,
        _accepted_context: *mut PVOID,
        table: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
    ) -> NTSTATUS {
        // SAFETY: WSK gives room for a table, and the context is a socket's place.
        unsafe {
            let receives =
                Some(receives::<STATUS_SUCCESS, 0> as unsafe extern "C" fn(_, _, _, _, _) -> _);
            *table =
                keep(WSK_CLIENT_CONNECTION_DISPATCH { WskReceiveEvent: receives, ..CONNECTION });
            context.cast::<PWSK_SOCKET>().write(socket);
        }
        STATUS_SUCCESS
    }

    let client = Client::new(inline());
    let table = keep(WSK_CLIENT_LISTEN_DISPATCH { WskAcceptEvent: Some(accepts), ..LISTEN });
    let place = keep(std::cell::Cell::new(ptr::null_mut::<WSK_SOCKET>()));
    let (listener, address) = client.listener(ptr::from_ref(place).cast_mut().cast(), table);
    let events = WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE;
    assert_eq!(set_events(listener, events), STATUS_SUCCESS);
    let socket = client.connected_to(address, ptr::null_mut(), ptr::null());
    client.host.settle();
    let accepted = place.get();
    let status = set_events(accepted, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE);
    assert_eq!(status, STATUS_INVALID_PARAMETER);
    [accepted, socket, listener].into_iter().for_each(test_support::raw::close);
    client.end();
}
