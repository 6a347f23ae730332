//! Sockets, their tables and their close: INV-38, INV-39, and INV-44 to INV-47.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use test_support::raw::{
    Client, PoolAddress, PoolBuffer, Request, TAG, accept, basic, bind, call, close, completed,
    connection, datagram, irp, listen, send, set_events, socket_of,
};
use wsk_host::Config;
use wsk_sys::*;

use crate::buffers::datagram_address;
use crate::stops::{breaks, breaks_without_client};

#[test]
fn a_table_of_another_category() {
    let found =
        "the function is from the table of a connection socket, but the socket is a listen socket";
    breaks(38, ["WskReceive", found, "WskSocket"], |client| {
        let table = connection(client.socket(WSK_FLAG_CONNECTION_SOCKET));
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        let buffer = PoolBuffer::new(1);
        // SAFETY: breaks INV-38.
        call(|irp| unsafe { table.WskReceive.unwrap()(socket, buffer.buffer, 0, irp) });
    });
}

#[test]
fn a_basic_socket_with_a_context() {
    let found = "a basic socket takes no context and no dispatch table";
    breaks(39, ["WskSocket", found, ""], |client| {
        let context = ptr::without_provenance_mut(8);
        client.socket_with(WSK_FLAG_BASIC_SOCKET, context, ptr::null());
    });
}

#[test]
fn a_socket_closed_twice() {
    breaks(44, ["WskCloseSocket", "the socket is closed", "WskSocket"], |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        close(socket);
        close(socket);
    });
}

#[test]
fn a_socket_used_after_its_close() {
    breaks(44, ["WskReceive", "the socket is closed", "WskSocket"], |client| {
        let socket = client.connections()[1];
        close(socket);
        test_support::raw::receive(socket, &PoolBuffer::new(1), 0);
    });
}

#[test]
fn an_accepted_socket_used_after_its_close() {
    breaks(44, ["WskReceive", "the socket is closed", "WskAccept"], |client| {
        let socket = client.connections()[2];
        close(socket);
        test_support::raw::receive(socket, &PoolBuffer::new(1), 0);
    });
}

#[test]
fn memory_that_never_was_a_socket() {
    breaks(44, ["WskCloseSocket", "the pointer is not, and never was, a socket", ""], |client| {
        let table = basic(client.socket(WSK_FLAG_LISTEN_SOCKET));
        let mut socket = WSK_SOCKET { Dispatch: ptr::from_ref(table).cast() };
        // SAFETY: breaks INV-44.
        call(|irp| unsafe { table.WskCloseSocket.unwrap()(&raw mut socket, irp) });
    });
}

/// A thread that makes one call with a socket.
struct CallingThread {
    socket: PWSK_SOCKET,
    progress: AtomicU8,
}

const BEFORE: u8 = 0;
const INSIDE: u8 = 1;
const AFTER: u8 = 2;

unsafe extern "C" fn makes_a_call(context: PVOID) {
    // SAFETY: the test keeps it.
    let caller = unsafe { &*context.cast::<CallingThread>() };
    let address = PoolAddress::empty();
    let mut request = Request::new();
    caller.progress.store(INSIDE, Ordering::SeqCst);
    // SAFETY: the socket is bound; the test breaks INV-45.
    request.returned = unsafe {
        let get = listen(caller.socket).WskGetLocalAddress.unwrap();
        get(caller.socket, address.0, request.irp)
    };
    caller.progress.store(AFTER, Ordering::SeqCst);
    request.succeed();
}

/// One thread of a host runs at a time, and switches occur within calls only: a thread that is seen inside a call stays
/// there.
#[test]
fn a_socket_closed_during_a_call() {
    let found = "another thread is still in WskGetLocalAddress with the socket";
    breaks_without_client(45, ["WskCloseSocket", found, "WskSocket"], || {
        for seed in 0..1000 {
            let client = Client::new(Config::default().seed(seed));
            let (socket, _) = client.listener(ptr::null_mut(), ptr::null());
            let caller: &CallingThread =
                Box::leak(Box::new(CallingThread { socket, progress: AtomicU8::new(BEFORE) }));
            let (mut thread, context) = (ptr::null_mut(), ptr::from_ref(caller).cast_mut());
            let (no, attributes, process) = (0, ptr::null_mut(), ptr::null_mut());
            // SAFETY: the routine is for this context, which stays.
            let status = unsafe {
                let routine = Some(makes_a_call as unsafe extern "C" fn(_));
                let handle = &raw mut thread;
                let id = ptr::null_mut();
                PsCreateSystemThread(handle, no, attributes, process, id, routine, context.cast())
            };
            assert_eq!(status, STATUS_SUCCESS);
            while caller.progress.load(Ordering::SeqCst) == BEFORE {
                // A call, in which the other thread may get its turn.
                test_support::raw::local_address(socket);
            }
            if caller.progress.load(Ordering::SeqCst) == AFTER {
                // SAFETY: the handle is open.
                unsafe {
                    ZwWaitForSingleObject(thread, FALSE, ptr::null_mut());
                    ZwClose(thread);
                }
            }
            close(socket);
            client.end();
        }
    });
}

/// Pool that holds a value, and that is never freed, but by the test.
fn pool<T>(value: T) -> *mut T {
    // SAFETY: there is room for the value.
    unsafe {
        let memory: *mut T = ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<T>(), TAG).cast();
        memory.write(value);
        memory
    }
}

const FREE: &str = "ExFreePoolWithTag";

#[test]
fn a_context_freed_before_the_close() {
    let found = "the memory is the context of socket 1, which is still open";
    breaks(46, [FREE, found, "WskSocket"], |client| {
        let context = pool(7).cast();
        client.socket_with(WSK_FLAG_LISTEN_SOCKET, context, ptr::null());
        // SAFETY: breaks INV-46.
        unsafe { ExFreePoolWithTag(context, TAG) };
    });
}

const NO_CALLBACKS: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
    WskReceiveEvent: None,
    WskDisconnectEvent: None,
    WskSendBacklogEvent: None,
};

#[test]
fn a_table_freed_before_the_close() {
    let found = "the memory is the dispatch table of socket 1, which is still open";
    breaks(46, [FREE, found, "WskSocket"], |client| {
        let table = pool(NO_CALLBACKS).cast();
        client.socket_with(WSK_FLAG_CONNECTION_SOCKET, ptr::null_mut(), table);
        // SAFETY: breaks INV-46.
        unsafe { ExFreePoolWithTag(table, TAG) };
    });
}

#[test]
fn a_context_of_an_accepted_socket_freed_before_its_close() {
    let found = "the memory is the context of socket 3, which is still open";
    breaks(46, [FREE, found, "WskAccept"], |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        client.connected_to(address, ptr::null_mut(), ptr::null());
        let context = pool(7).cast();
        accept(listener, context, ptr::null()).succeed();
        // SAFETY: breaks INV-46.
        unsafe { ExFreePoolWithTag(context, TAG) };
    });
}

static CLOSES: WSK_CLIENT_CONNECTION_DISPATCH =
    WSK_CLIENT_CONNECTION_DISPATCH { WskReceiveEvent: Some(closes_and_frees), ..NO_CALLBACKS };

#[test]
fn a_context_freed_while_the_close_waits_for_its_callback() {
    let found = "the memory is the context of socket 2, which is still open";
    breaks(46, [FREE, found, "WskSocket"], |client| {
        let context = pool(ptr::null_mut::<WSK_SOCKET>());
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let socket = client.connected_to(address, context.cast(), &raw const CLOSES);
        // SAFETY: the place is the test's.
        unsafe { context.write(socket) };
        let peer = accept(listener, ptr::null_mut(), ptr::null()).succeed();
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        send(socket_of(peer), &PoolBuffer::with(b"hello"));
    });
}

unsafe extern "C" fn closes_and_frees(
    context: PVOID,
    _flags: ULONG,
    _data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the context is the socket's place. A close may be begun here, and not waited for; this breaks
    // INV-46.
    unsafe {
        let socket = *context.cast::<PWSK_SOCKET>();
        basic(socket).WskCloseSocket.unwrap()(socket, irp(Some(completed), ptr::null_mut()));
        ExFreePoolWithTag(context, TAG);
    }
    STATUS_SUCCESS
}

static RETAINED: AtomicPtr<WSK_DATA_INDICATION> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn retains(
    _context: PVOID,
    _flags: ULONG,
    data: PWSK_DATA_INDICATION,
    _indicated: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    RETAINED.store(data, Ordering::SeqCst);
    STATUS_PENDING
}

/// A listener, a connection with a retained list, and the other side of it.
fn retaining(client: &Client) -> [PWSK_SOCKET; 3] {
    static TABLE: WSK_CLIENT_CONNECTION_DISPATCH =
        WSK_CLIENT_CONNECTION_DISPATCH { WskReceiveEvent: Some(retains), ..NO_CALLBACKS };
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.connected_to(address, ptr::null_mut(), &raw const TABLE);
    let peer = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
    send(peer, &PoolBuffer::with(b"hello")).succeed();
    assert!(!RETAINED.load(Ordering::SeqCst).is_null());
    [listener, socket, peer]
}

#[test]
fn a_socket_closed_with_a_retained_list() {
    let found = "retained lists of indicated data not released: 1";
    breaks(47, ["WskCloseSocket", found, "WskReceiveEvent"], |client| {
        close(retaining(&client)[1]);
    });
}

fn release(socket: PWSK_SOCKET) {
    let list = RETAINED.load(Ordering::SeqCst);
    // SAFETY: the list is retained, unless the scenario breaks that.
    let status = unsafe { connection(socket).WskRelease.unwrap()(socket, list) };
    assert_eq!(status, STATUS_SUCCESS);
}

#[test]
fn a_list_released_twice() {
    let found = "the list is not retained, or was released before";
    breaks(57, ["WskRelease", found, "WskSocket"], |client| {
        let socket = retaining(&client)[1];
        release(socket);
        release(socket);
    });
}

#[test]
fn a_list_released_with_another_socket() {
    let found = "called with socket 3, but the list belongs to socket 2";
    breaks(57, ["WskRelease", found, "WskSocket"], |client| release(retaining(&client)[2]));
}

static DATAGRAMS: AtomicPtr<WSK_DATAGRAM_INDICATION> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn retains_datagrams(
    _context: PVOID,
    _flags: ULONG,
    data: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    DATAGRAMS.store(data, Ordering::SeqCst);
    STATUS_PENDING
}

/// A datagram socket with a retained list.
fn retaining_datagrams(client: &Client) -> PWSK_SOCKET {
    static TABLE: WSK_CLIENT_DATAGRAM_DISPATCH =
        WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(retains_datagrams) };
    let table = (&raw const TABLE).cast();
    let socket = client.socket_with(WSK_FLAG_DATAGRAM_SOCKET, ptr::null_mut(), table);
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
    let to = PoolAddress::new(datagram_address(socket));
    let (buffer, control) = (PoolBuffer::with(b"hello"), ptr::null_mut());
    // SAFETY: the socket is bound.
    call(|irp| unsafe {
        let send_to = datagram(socket).WskSendTo.unwrap();
        send_to(socket, buffer.buffer, 0, to.0, 0, control, irp)
    })
    .succeed();
    assert!(!DATAGRAMS.load(Ordering::SeqCst).is_null());
    socket
}

#[test]
fn a_socket_closed_with_retained_datagrams() {
    let found = "retained lists of indicated datagrams not released: 1";
    breaks(47, ["WskCloseSocket", found, "WskReceiveFromEvent"], |client| {
        close(retaining_datagrams(&client));
    });
}

#[test]
fn datagrams_released_twice() {
    let found = "the list is not retained, or was released before";
    breaks(57, ["WskRelease", found, "WskSocket"], |client| {
        let socket = retaining_datagrams(&client);
        let list = DATAGRAMS.load(Ordering::SeqCst);
        for _ in 0..2 {
            // SAFETY: the list is retained at first; breaks INV-57.
            unsafe { datagram(socket).WskRelease.unwrap()(socket, list) };
        }
    });
}

#[test]
fn data_used_after_its_release() {
    let found = "the MDL describes indicated data that is already released";
    breaks(58, ["MmMapLockedPagesSpecifyCache", found, "WskReceiveEvent"], |client| {
        let socket = retaining(&client)[1];
        // SAFETY: the list is retained.
        let mdl = unsafe { (*RETAINED.load(Ordering::SeqCst)).Buffer.Mdl };
        release(socket);
        // SAFETY: breaks INV-58.
        unsafe { MmGetSystemAddressForMdlSafe(mdl, 16) };
    });
}
