//! The memory of requests: INV-21 to INV-29.

use std::net::SocketAddr;
use std::ptr;

use test_support::raw::{
    Client, PoolAddress, PoolBuffer, Request, TAG, bind, call, close, connection, datagram, listen,
    receive, send,
};
use wsk_sys::*;

use crate::stops::{breaks, breaks_on, deferred, inline};

/// A buffer that is never freed, but by the test.
fn leaked(size: usize) -> &'static PoolBuffer {
    Box::leak(Box::new(PoolBuffer::new(size)))
}

/// A connection without traffic, and a receive that waits on it.
fn waits(client: &Client) -> &'static PoolBuffer {
    let buffer = leaked(10);
    receive(client.connections()[1], buffer, 0);
    buffer
}

const FREE: &str = "ExFreePoolWithTag";

/// WSK copies a `WSK_BUF`: shipped drivers have it on the stack of a function that returns at once.
#[test]
fn a_buffer_description_is_needed_during_its_call_only() {
    for config in [inline(), deferred()] {
        let client = Client::new(config);
        let [listener, socket, peer] = client.connections();
        let (buffer, sent) = (PoolBuffer::new(10), PoolBuffer::with(b"hello"));
        // SAFETY: the test's buffer has the description.
        let mut description = Box::new(unsafe { buffer.buffer.read() });
        // SAFETY: the buffer outlives the request.
        let request = call(|irp| unsafe {
            connection(socket).WskReceive.unwrap()(socket, &raw mut *description, 0, irp)
        });
        description.Length = 1;
        drop(description);
        assert_eq!(send(peer, &sent).succeed(), 5);
        assert_eq!((request.succeed(), buffer.read(5)), (5, b"hello".to_vec()));
        for socket in [socket, peer, listener] {
            close(socket);
        }
        drop((buffer, sent));
        client.end();
    }
}

#[test]
fn bytes_freed_in_flight() {
    let found = "the memory is the buffer of a request in flight";
    breaks(21, [FREE, found, "WskReceive"], |client| {
        // SAFETY: breaks INV-21.
        unsafe { ExFreePoolWithTag(waits(&client).bytes.cast(), TAG) };
    });
}

#[test]
fn an_mdl_freed_in_flight() {
    let found = "the memory is the MDL of a request in flight";
    breaks(21, ["IoFreeMdl", found, "WskReceive"], |client| {
        // SAFETY: breaks INV-21.
        unsafe { IoFreeMdl((*waits(&client).buffer).Mdl) };
    });
}

#[test]
fn memory_that_is_not_resident() {
    let found = "the memory of the MDL is neither nonpaged nor locked";
    breaks(21, ["WskReceive", found, ""], |client| {
        let buffer = leaked(10);
        // SAFETY: breaks INV-21: the pages of this MDL were neither locked nor built in.
        unsafe {
            (*buffer.buffer).Mdl =
                IoAllocateMdl(buffer.bytes.cast(), 10, FALSE, FALSE, ptr::null_mut());
        }
        receive(client.connections()[1], buffer, 0);
    });
}

/// Receives with a buffer that breaks INV-22.
fn receives(client: &Client, change: impl FnOnce(&mut WSK_BUF)) {
    let buffer = leaked(10);
    // SAFETY: no request uses the buffer yet.
    change(unsafe { &mut *buffer.buffer });
    receive(client.connections()[1], buffer, 0);
}

#[test]
fn a_buffer_that_begins_beyond_its_mdl() {
    breaks(22, ["WskReceive", "the buffer starts past the end of its first MDL", ""], |client| {
        receives(&client, |buffer| {
            buffer.Offset = 10;
            buffer.Length = 0;
        });
    });
}

#[test]
fn a_buffer_that_ends_beyond_its_mdls() {
    breaks(22, ["WskReceive", "the buffer extends past its last MDL", ""], |client| {
        receives(&client, |buffer| buffer.Offset = 1);
    });
}

#[test]
fn a_chain_of_mdls_that_is_a_circle() {
    let found = "the chain of MDLs returns to an MDL that it has left";
    breaks(22, ["WskReceive", found, ""], |client| {
        receives(&client, |buffer| {
            buffer.Length = 40;
            // SAFETY: the buffer has an MDL.
            unsafe { (*buffer.Mdl).Next = buffer.Mdl };
        });
    });
}

/// An MDL of no bytes never shortens the remaining walk.
#[test]
fn an_empty_mdl_that_is_its_own_successor() {
    let found = "the chain of MDLs returns to an MDL that it has left";
    breaks(22, ["WskReceive", found, ""], |client| {
        receives(&client, |buffer| {
            // SAFETY: the buffer has an MDL.
            let mdl = unsafe { &mut *buffer.Mdl };
            mdl.ByteCount = 0;
            mdl.Next = buffer.Mdl;
        });
    });
}

#[test]
fn a_length_without_an_mdl() {
    breaks(22, ["WskReceive", "the buffer has a length, but no MDL", ""], |client| {
        receives(&client, |buffer| buffer.Mdl = ptr::null_mut());
    });
}

#[test]
fn a_null_buffer() {
    breaks(22, ["WskReceive", "the buffer is null", ""], |client| {
        let socket = client.connections()[1];
        let none = ptr::null_mut();
        // SAFETY: breaks INV-22.
        call(|irp| unsafe { connection(socket).WskReceive.unwrap()(socket, none, 0, irp) });
    });
}

#[test]
fn an_mdl_of_the_stack() {
    let says = ["MmBuildMdlForNonPagedPool", "the memory is not nonpaged pool", ""];
    breaks(23, says, |_| {
        let mut local = [0_u8; 10];
        // SAFETY: breaks INV-23.
        unsafe {
            let address = local.as_mut_ptr().cast();
            let mdl = IoAllocateMdl(address, 10, FALSE, FALSE, ptr::null_mut());
            MmBuildMdlForNonPagedPool(mdl);
        }
    });
}

/// `WskAccept` with memory for an address, which waits.
fn accepts(client: &Client, address: PSOCKADDR) -> Request {
    let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
    let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the socket listens.
    call(|irp| unsafe {
        listen(listener).WskAccept.unwrap()(listener, 0, none, ptr::null(), address, nowhere, irp)
    })
}

#[test]
fn memory_for_an_address_on_the_stack() {
    let says = ["WskAccept", "the memory for an address is on the stack", ""];
    breaks(25, says, |client| {
        let mut room = [0_u64; 16];
        accepts(&client, room.as_mut_ptr().cast());
    });
}

#[test]
fn memory_for_an_address_that_is_too_small() {
    let says = ["WskAccept", "the memory for an address has 8 bytes, 16 are required", ""];
    breaks(25, says, |client| {
        // SAFETY: nothing is asked of the arguments.
        let memory = unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, 8, TAG) };
        accepts(&client, memory.cast());
    });
}

#[test]
fn memory_for_an_address_freed_in_flight() {
    let found = "the memory is the memory for an address of a request in flight";
    breaks(25, [FREE, found, "WskAccept"], |client| {
        let address = PoolAddress::empty();
        accepts(&client, address.0);
        drop(address);
    });
}

/// A datagram socket at a port of the loopback address.
fn bound(client: &Client) -> PWSK_SOCKET {
    let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    socket
}

/// The local address of a datagram socket.
pub(crate) fn datagram_address(socket: PWSK_SOCKET) -> SocketAddr {
    let address = PoolAddress::empty();
    // SAFETY: the socket is bound.
    call(|irp| unsafe { datagram(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) })
        .succeed();
    address.get()
}

/// `WskSendTo` to itself, with control data.
fn sends_to(client: &Client, control: PCMSGHDR, length: ULONG) {
    let (socket, buffer) = (bound(client), leaked(4));
    let to = PoolAddress::new(datagram_address(socket));
    // SAFETY: breaks INV-26.
    call(|irp| unsafe {
        let send_to = datagram(socket).WskSendTo.unwrap();
        send_to(socket, buffer.buffer, 0, to.0, length, control, irp)
    });
}

#[test]
fn control_data_with_a_length_only() {
    let found = "control data has a length but no pointer, or a pointer but no length";
    breaks(26, ["WskSendTo", found, ""], |client| sends_to(&client, ptr::null_mut(), 24));
}

#[test]
fn a_control_message_longer_than_its_buffer() {
    let found = "the control message in the last 24 bytes is truncated";
    breaks(26, ["WskSendTo", found, ""], |client| {
        let control = leaked(24).bytes.cast::<CMSGHDR>();
        // SAFETY: there is room for a header; breaks INV-26.
        unsafe {
            control.write(CMSGHDR { cmsg_len: 100, cmsg_level: 0, cmsg_type: 0 });
        }
        sends_to(&client, control, 24);
    });
}

#[test]
fn a_control_message_that_is_shorter_than_its_header() {
    let found = "the control message in the last 24 bytes is truncated";
    breaks(26, ["WskSendTo", found, ""], |client| {
        let control = leaked(24).bytes.cast::<CMSGHDR>();
        // SAFETY: the memory has room for a header, and is leaked.
        unsafe {
            control.write(CMSGHDR { cmsg_len: 3, cmsg_level: 0, cmsg_type: 0 });
        }
        sends_to(&client, control, 24);
    });
}

/// `WskReceiveFrom` with room for control data, which waits.
fn receives_from(client: &Client, length: PULONG, control: PCMSGHDR, flags: PULONG) {
    let (socket, buffer, nowhere) = (bound(client), leaked(10), ptr::null_mut());
    // SAFETY: the socket is bound.
    call(|irp| unsafe {
        let receive_from = datagram(socket).WskReceiveFrom.unwrap();
        receive_from(socket, buffer.buffer, 0, nowhere, length, control, flags, irp)
    });
}

/// Receives with room for control data, and frees one of its parts.
fn frees_control(client: &Client, part: usize) {
    let [length, control, flags] = [4, 64, 4].map(leaked);
    // SAFETY: there is room for a length.
    unsafe { length.bytes.cast::<ULONG>().write_unaligned(64) };
    receives_from(client, length.bytes.cast(), control.bytes.cast(), flags.bytes.cast());
    let memory = [length, control, flags][part].bytes;
    // SAFETY: breaks INV-26.
    unsafe { ExFreePoolWithTag(memory.cast(), TAG) };
}

#[test]
fn a_control_length_freed_in_flight() {
    let found = "the memory is the control length of a request in flight";
    breaks(26, [FREE, found, "WskReceiveFrom"], |client| frees_control(&client, 0));
}

#[test]
fn control_data_freed_in_flight() {
    let found = "the memory is the control data of a request in flight";
    breaks(26, [FREE, found, "WskReceiveFrom"], |client| frees_control(&client, 1));
}

#[test]
fn control_flags_freed_in_flight() {
    let found = "the memory is the control flags of a request in flight";
    breaks(26, [FREE, found, "WskReceiveFrom"], |client| frees_control(&client, 2));
}

#[test]
fn a_control_of_the_client_with_an_irp() {
    let found =
        format!("the code {WSK_SET_STATIC_EVENT_CALLBACKS} takes no IRP, but one is passed");
    breaks(27, ["WskControlClient", &found, ""], |client| {
        let (input, output, returned) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let (provider, code) = (client.provider, WSK_SET_STATIC_EVENT_CALLBACKS);
        // SAFETY: breaks INV-27.
        call(|irp| unsafe {
            let control = (*provider.Dispatch).WskControlClient.unwrap();
            control(provider.Client, code, 0, input, 0, output, returned, irp)
        });
    });
}

/// `WskControlSocket` with everything.
fn controls(
    socket: PWSK_SOCKET,
    (kind, code, level): (WSK_CONTROL_SOCKET_TYPE, ULONG, ULONG),
    buffer: &PoolBuffer,
    returned: PSIZE_T,
) {
    let (size, bytes) = (buffer.size, buffer.bytes.cast());
    // SAFETY: the socket is open.
    call(|irp| unsafe {
        let control = test_support::raw::basic(socket).WskControlSocket.unwrap();
        control(socket, kind, code, level, 0, ptr::null_mut(), size, bytes, returned, irp)
    });
}

#[test]
fn a_control_of_a_socket_with_an_irp() {
    let found = format!("the code {SIO_ADDRESS_LIST_QUERY:#x} takes no IRP, but one is passed");
    breaks(27, ["WskControlSocket", &found, ""], |client| {
        let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        let code = (WskIoctl, SIO_ADDRESS_LIST_QUERY, 0);
        controls(socket, code, leaked(100), ptr::null_mut());
    });
}

#[test]
fn a_returned_size_beside_an_irp() {
    let found = "both an IRP and OutputSizeReturned are passed";
    breaks(27, ["WskControlSocket", found, ""], |client| {
        let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        let mut returned = 0;
        let option = (WskGetOption, SO_BROADCAST, SOL_SOCKET);
        controls(socket, option, leaked(4), &raw mut returned);
    });
}

#[test]
fn a_control_buffer_freed_in_flight() {
    let found = "the memory is the control buffer of a request in flight";
    breaks_on(deferred(), 27, [FREE, found, "WskControlSocket"], |client| {
        let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        let buffer = leaked(4);
        controls(socket, (WskGetOption, SO_BROADCAST, SOL_SOCKET), buffer, ptr::null_mut());
        // SAFETY: breaks INV-27.
        unsafe { ExFreePoolWithTag(buffer.bytes.cast(), TAG) };
    });
}

#[test]
fn a_list_of_buffers_freed_in_flight() {
    let found = "the memory is the list of buffers of a request in flight";
    breaks_on(deferred(), 28, [FREE, found, "WskSendMessages"], |client| {
        let socket = bound(&client);
        let to = PoolAddress::new(datagram_address(socket));
        let control = ptr::null_mut();
        // SAFETY: there is room for the nodes; breaks INV-28.
        unsafe {
            let nodes = [leaked(4), leaked(4)].map(|buffer| {
                let size = size_of::<WSK_BUF_LIST>();
                let node: PWSK_BUF_LIST = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG).cast();
                node.write(WSK_BUF_LIST { Next: ptr::null_mut(), Buffer: *buffer.buffer });
                node
            });
            (*nodes[0]).Next = nodes[1];
            call(|irp| {
                let send_messages = datagram(socket).WskSendMessages.unwrap();
                send_messages(socket, nodes[0], 0, to.0, 0, control, irp)
            });
            ExFreePoolWithTag(nodes[1].cast(), TAG);
        }
    });
}

/// INV-29: the first bytes of a connection are limited, and take no flags.
#[test]
fn too_many_first_bytes() {
    let client = Client::new(inline());
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    let to = PoolAddress::new(address);
    for (size, flags, status) in
        [(65_536, 0, STATUS_BUFFER_OVERFLOW), (1, 1, STATUS_INVALID_PARAMETER)]
    {
        let buffer = PoolBuffer::new(size);
        // SAFETY: the socket is bound.
        let request = call(|irp| unsafe {
            let connect = connection(socket).WskConnectEx.unwrap();
            connect(socket, to.0, buffer.buffer, flags, irp)
        });
        request.fail(status);
    }
    drop(to);
    [socket, listener].into_iter().for_each(test_support::raw::close);
    client.end();
}
