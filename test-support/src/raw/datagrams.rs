//! Calls of datagram sockets, and control data.

#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "tests make mistakes on purpose; see the crate's documentation"
)]

use std::net::SocketAddr;
use std::ptr;

use wsk_sys::*;

use super::{Client, PoolAddress, PoolBuffer, Request, bind, call, control, datagram};
use super::{set_option, socket_of};

/// The loopback address of IPv4.
pub const V4: [u8; 4] = [127, 0, 0, 1];
/// The loopback address of IPv6.
pub const V6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An address of a family's loopback interface, at any port.
pub fn any_port(family: ADDRESS_FAMILY) -> SocketAddr {
    if family == AF_INET { (V4, 0).into() } else { (V6, 0).into() }
}

/// A datagram socket that is not bound.
#[track_caller]
pub fn unbound(client: &Client, family: ADDRESS_FAMILY) -> PWSK_SOCKET {
    with_callback(client, family, ptr::null_mut(), ptr::null())
}

/// A datagram socket with a callback table, not bound.
#[track_caller]
pub fn with_callback(
    client: &Client,
    family: ADDRESS_FAMILY,
    context: PVOID,
    dispatch: *const WSK_CLIENT_DATAGRAM_DISPATCH,
) -> PWSK_SOCKET {
    let kind = (family, SOCK_DGRAM, IPPROTO_UDP);
    let request = client.create(WSK_FLAG_DATAGRAM_SOCKET, kind, context, dispatch.cast());
    socket_of(request.succeed())
}

/// The local address of a bound datagram socket.
#[track_caller]
pub fn local_address(socket: PWSK_SOCKET) -> SocketAddr {
    let address = PoolAddress::empty();
    // SAFETY: the socket is open, and the memory stays.
    let request =
        call(|irp| unsafe { datagram(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) });
    request.succeed();
    address.get()
}

/// A socket bound to `address`, and its local address.
#[track_caller]
pub fn bound(client: &Client, address: impl Into<SocketAddr>) -> (PWSK_SOCKET, SocketAddr) {
    let address = address.into();
    let socket = unbound(client, if address.is_ipv4() { AF_INET } else { AF_INET6 });
    bind(socket, address).succeed();
    (socket, local_address(socket))
}

/// A bound dual-stack socket, and its port.
#[track_caller]
pub fn dual(client: &Client) -> (PWSK_SOCKET, u16) {
    let socket = unbound(client, AF_INET6);
    assert_eq!(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0), STATUS_SUCCESS);
    bind(socket, ([0_u16; 8], 0)).succeed();
    (socket, local_address(socket).port())
}

/// `WskSendTo`. The caller keeps the buffer and the control data until the request has completed.
pub fn send_with(
    socket: PWSK_SOCKET,
    buffer: &PoolBuffer,
    to: Option<SocketAddr>,
    control: Option<&PoolBuffer>,
) -> Request {
    let to = to.map(PoolAddress::new);
    let address = to.as_ref().map_or(ptr::null_mut(), |to| to.0);
    let (length, data) = parts(control);
    // SAFETY: the socket is open, and the request keeps the address.
    let mut request = call(|irp| unsafe {
        let send = datagram(socket).WskSendTo.unwrap();
        send(socket, buffer.buffer, 0, address, length, data, irp)
    });
    request.keep(to);
    request
}

fn parts(control: Option<&PoolBuffer>) -> (ULONG, PCMSGHDR) {
    match control {
        Some(control) => (control.size.try_into().unwrap(), control.bytes.cast()),
        None => (0, ptr::null_mut()),
    }
}

/// Sends a datagram, and waits until it was sent.
pub fn send(socket: PWSK_SOCKET, bytes: &[u8], to: Option<SocketAddr>) -> (NTSTATUS, usize) {
    let buffer = PoolBuffer::with(bytes);
    send_with(socket, &buffer, to, None).wait()
}

/// Sends a datagram, which must succeed.
#[track_caller]
pub fn send_to(socket: PWSK_SOCKET, bytes: &[u8], to: SocketAddr) {
    assert_eq!(send(socket, bytes, Some(to)), (STATUS_SUCCESS, bytes.len()));
}

/// Sends a datagram with control data, and waits until it was sent.
pub fn send_with_control(
    socket: PWSK_SOCKET,
    bytes: &[u8],
    to: SocketAddr,
    messages: &[RawControlMessage],
) -> NTSTATUS {
    let (buffer, control) = (PoolBuffer::with(bytes), control_data(messages));
    send_with(socket, &buffer, Some(to), Some(&control)).wait().0
}

/// `WskSendMessages`: several datagrams for one address. Waits until they were sent.
pub fn send_messages(
    socket: PWSK_SOCKET,
    messages: &[&[u8]],
    to: Option<SocketAddr>,
) -> (NTSTATUS, usize) {
    let buffers: Vec<PoolBuffer> = messages.iter().map(|bytes| PoolBuffer::with(bytes)).collect();
    let list = PoolBuffer::new(messages.len() * size_of::<WSK_BUF_LIST>());
    let nodes: PWSK_BUF_LIST = list.bytes.cast();
    for (index, buffer) in buffers.iter().enumerate() {
        let is_last = index + 1 == buffers.len();
        // SAFETY: there is room for as many nodes as there are buffers.
        unsafe {
            let next = if is_last { ptr::null_mut() } else { nodes.add(index + 1) };
            nodes.add(index).write(WSK_BUF_LIST { Next: next, Buffer: *buffer.buffer });
        }
    }
    let to = to.map(PoolAddress::new);
    let address = to.as_ref().map_or(ptr::null_mut(), |to| to.0);
    let none = ptr::null_mut();
    // SAFETY: the socket is open, and the request is waited for before the list is freed.
    let request = call(|irp| unsafe {
        let send = datagram(socket).WskSendMessages.unwrap();
        send(socket, nodes, 0, address, 0, none, irp)
    });
    request.wait()
}

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawControlMessage {
    /// The protocol, such as `IPPROTO_IP`.
    pub level: ULONG,
    /// The type, such as `IP_PKTINFO`.
    pub kind: ULONG,
    /// The data after the header.
    pub data: Vec<u8>,
}

/// A control message with these bytes.
pub fn message(level: ULONG, kind: ULONG, data: &[u8]) -> RawControlMessage {
    RawControlMessage { level, kind, data: data.to_vec() }
}

/// A control message with a number.
pub fn number(level: ULONG, kind: ULONG, number: ULONG) -> RawControlMessage {
    message(level, kind, &number.to_ne_bytes())
}

/// The control data of a send, in nonpaged pool.
pub fn control_data(messages: &[RawControlMessage]) -> PoolBuffer {
    let size = messages.iter().map(|message| WSA_CMSG_SPACE(message.data.len())).sum();
    let control = PoolBuffer::new(size);
    // SAFETY: `size` is the space of all messages, each of which begins aligned for a header.
    unsafe {
        control.bytes.write_bytes(0, size);
        let mut place: PCMSGHDR = control.bytes.cast();
        for RawControlMessage { level, kind, data } in messages {
            let (level, kind) = ((*level).try_into().unwrap(), (*kind).try_into().unwrap());
            let length = WSA_CMSG_LEN(data.len());
            place.write(CMSGHDR { cmsg_len: length, cmsg_level: level, cmsg_type: kind });
            WSA_CMSG_DATA(place).copy_from_nonoverlapping(data.as_ptr(), data.len());
            place = place.byte_add(WSA_CMSG_SPACE(data.len()));
        }
    }
    control
}

/// Parses control data.
///
/// # Safety
///
/// The pointer is to `length` bytes, or null.
pub unsafe fn messages(control: PCMSGHDR, length: ULONG) -> Vec<RawControlMessage> {
    let length = length as usize;
    let mut all = Vec::new();
    // SAFETY: the pointer is to `length` bytes, or null: the caller's contract.
    let mut next = unsafe { first_cmsg(control, length) };
    while !next.is_null() {
        // SAFETY: `first_cmsg` and `next_cmsg` return whole messages or null.
        unsafe {
            let CMSGHDR { cmsg_len, cmsg_level, cmsg_type } = *next;
            let data = std::slice::from_raw_parts(WSA_CMSG_DATA(next), cmsg_len - WSA_CMSG_LEN(0));
            let (level, kind) = (cmsg_level.try_into().unwrap(), cmsg_type.try_into().unwrap());
            all.push(message(level, kind, data));
            next = next_cmsg(control, length, next);
        }
    }
    all
}

/// The destination in an `IN_PKTINFO` or `IN6_PKTINFO`.
pub fn destination(messages: &[RawControlMessage]) -> Option<std::net::IpAddr> {
    messages.iter().find_map(|message| match (message.level, message.kind) {
        (IPPROTO_IP, IP_PKTINFO) => {
            assert_eq!(message.data.len(), size_of::<IN_PKTINFO>());
            Some(<[u8; 4]>::try_from(&message.data[..4]).unwrap().into())
        }
        (IPPROTO_IPV6, IPV6_PKTINFO) => {
            assert_eq!(message.data.len(), size_of::<IN6_PKTINFO>());
            Some(<[u8; 16]>::try_from(&message.data[..16]).unwrap().into())
        }
        _ => None,
    })
}

/// The number in the first message of this kind.
pub fn number_in(messages: &[RawControlMessage], level: ULONG, kind: ULONG) -> Option<ULONG> {
    let found = messages.iter().find(|found| (found.level, found.kind) == (level, kind))?;
    Some(ULONG::from_ne_bytes(found.data.as_slice().try_into().unwrap()))
}

/// A `WskReceiveFrom` in flight.
pub struct Receive {
    /// The request.
    pub request: Request,
    bytes: PoolBuffer,
    from: PoolAddress,
    control: PoolBuffer,
    /// The length of the control data, and the flags.
    numbers: PoolBuffer,
}

/// A received datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedDatagram {
    /// The datagram's bytes.
    pub bytes: Vec<u8>,
    /// The sender.
    pub from: SocketAddr,
    /// The control data.
    pub messages: Vec<RawControlMessage>,
    /// The flags that WSK set, such as `MSG_TRUNC`.
    pub flags: ULONG,
}

impl Receive {
    /// Receives up to `size` bytes, and up to `room` bytes of control data.
    pub fn new(socket: PWSK_SOCKET, size: usize, room: usize) -> Self {
        let (bytes, control) = (PoolBuffer::new(size), PoolBuffer::new(room));
        let numbers = PoolBuffer::new(8);
        let from = PoolAddress::empty();
        let length: PULONG = numbers.bytes.cast();
        let data = if room == 0 { ptr::null_mut() } else { control.bytes.cast() };
        // SAFETY: the receive owns all memory until `wait`, which waits for the request.
        let request = call(|irp| unsafe {
            length.write(room.try_into().unwrap());
            let flags = length.add(1);
            flags.write(!0);
            let receive = datagram(socket).WskReceiveFrom.unwrap();
            receive(socket, bytes.buffer, 0, from.0, length, data, flags, irp)
        });
        Self { request, bytes, from, control, numbers }
    }

    /// Waits until a datagram has arrived.
    pub fn wait(self) -> Result<ReceivedDatagram, NTSTATUS> {
        let Self { request, bytes, from, control, numbers } = self;
        let (status, count) = request.wait();
        if !matches!(status, STATUS_SUCCESS | STATUS_BUFFER_OVERFLOW) {
            return Err(status);
        }
        // SAFETY: the request has written the flags, the length, and that many bytes of control data.
        let (mut flags, messages) = unsafe {
            let length: PULONG = numbers.bytes.cast();
            (*length.add(1), messages(control.bytes.cast(), *length))
        };
        // A flag or the status reports that the datagram was truncated.
        if status == STATUS_BUFFER_OVERFLOW {
            assert_eq!(flags & MSG_TRUNC, 0, "both the status and a flag say that it was cut off");
            flags |= MSG_TRUNC;
        }
        Ok(ReceivedDatagram { bytes: bytes.read(count), from: from.get(), messages, flags })
    }
}

/// Receives a datagram of any size, and waits for it.
#[track_caller]
pub fn receive(socket: PWSK_SOCKET) -> ReceivedDatagram {
    Receive::new(socket, 64 << 10, 256).wait().unwrap()
}

/// Receives `count` datagrams and sorts them: the network may reorder them.
#[track_caller]
pub fn receive_sorted(socket: PWSK_SOCKET, count: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (0..count).map(|_| receive(socket).bytes).collect();
    all.sort();
    all
}

/// Asserts that no datagram arrives. On the simulated network this takes no real time.
#[track_caller]
pub fn nothing_arrives(socket: PWSK_SOCKET) {
    let receive = Receive::new(socket, 16, 0);
    assert!(!receive.request.completes_within(50), "{:?}", receive.wait());
    receive.request.cancel();
    assert_eq!(receive.wait(), Err(STATUS_CANCELLED));
}

/// An ioctl whose input is an address, or empty.
pub fn set_address(socket: PWSK_SOCKET, code: ULONG, address: Option<SocketAddr>) -> NTSTATUS {
    let input = address.map(|address| {
        let (address, is_v4) = (PoolAddress::new(address), address.is_ipv4());
        let size = if is_v4 { size_of::<SOCKADDR_IN>() } else { size_of::<SOCKADDR_IN6>() };
        let input = PoolBuffer::new(size);
        // SAFETY: both have this size.
        unsafe { input.bytes.copy_from_nonoverlapping(address.0.cast(), size) };
        input
    });
    control(socket, (WskIoctl, code, 0), input.as_ref(), None).wait().0
}
