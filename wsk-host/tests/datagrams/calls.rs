//! Calls of datagram sockets, and control data.

use std::net::SocketAddr;
use std::ptr;

use wsk_host::{Config, Timing};
use wsk_sys::*;

use crate::raw::{Client, PoolAddress, PoolBuffer, Request, bind, call, control, datagram};
use crate::raw::{set_option, socket_of};

/// The simulated network, with all timings.
pub(crate) fn simulated() -> Vec<Config> {
    let seeds = if cfg!(miri) { 2 } else { 40 };
    let mut configs =
        vec![Config::default().timing(Timing::Inline), Config::default().timing(Timing::Deferred)];
    configs.extend((0..seeds).map(|seed| Config::default().seed(seed)));
    configs
}

/// The machine's network, which Miri has none of.
pub(crate) fn real() -> Vec<Config> {
    if cfg!(miri) {
        return Vec::new();
    }
    let mut configs =
        vec![Config::real().timing(Timing::Inline), Config::real().timing(Timing::Deferred)];
    configs.extend((0..4).map(|seed| Config::real().seed(seed)));
    configs
}

/// Runs a scenario on hosts, each with a client of its own that leaves nothing behind.
pub(crate) fn on(hosts: impl IntoIterator<Item = Config>, scenario: impl Fn(&Client)) {
    for config in hosts {
        eprintln!("{config:?}");
        let client = Client::new(config);
        scenario(&client);
        client.end();
    }
}

/// Runs a scenario on both networks.
pub(crate) fn everywhere(scenario: impl Fn(&Client)) {
    on(simulated().into_iter().chain(real()), scenario);
}

pub(crate) const V4: [u8; 4] = [127, 0, 0, 1];
pub(crate) const V6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An address of a family's loopback interface, at any port.
pub(crate) fn any_port(family: ADDRESS_FAMILY) -> SocketAddr {
    if family == AF_INET { (V4, 0).into() } else { (V6, 0).into() }
}

/// A datagram socket that is not bound.
#[track_caller]
pub(crate) fn unbound(client: &Client, family: ADDRESS_FAMILY) -> PWSK_SOCKET {
    with_callback(client, family, ptr::null_mut(), ptr::null())
}

#[track_caller]
pub(crate) fn with_callback(
    client: &Client,
    family: ADDRESS_FAMILY,
    context: PVOID,
    dispatch: *const WSK_CLIENT_DATAGRAM_DISPATCH,
) -> PWSK_SOCKET {
    let kind = (family, SOCK_DGRAM, IPPROTO_UDP);
    let request = client.create(WSK_FLAG_DATAGRAM_SOCKET, kind, context, dispatch.cast());
    socket_of(request.succeed())
}

#[track_caller]
pub(crate) fn local_address(socket: PWSK_SOCKET) -> SocketAddr {
    let address = PoolAddress::empty();
    // SAFETY: the socket is open, and the memory stays.
    let request =
        call(|irp| unsafe { datagram(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) });
    request.succeed();
    address.get()
}

/// A datagram socket at an address, and the address that it has then.
#[track_caller]
pub(crate) fn bound(client: &Client, address: impl Into<SocketAddr>) -> (PWSK_SOCKET, SocketAddr) {
    let address = address.into();
    let socket = unbound(client, if address.is_ipv4() { AF_INET } else { AF_INET6 });
    bind(socket, address).succeed();
    (socket, local_address(socket))
}

/// A socket of IPv6 that takes IPv4, too, at a port of its own.
#[track_caller]
pub(crate) fn dual(client: &Client) -> (PWSK_SOCKET, u16) {
    let socket = unbound(client, AF_INET6);
    assert_eq!(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0), STATUS_SUCCESS);
    bind(socket, ([0_u16; 8], 0)).succeed();
    (socket, local_address(socket).port())
}

/// `WskSendTo`, of what stays until the request is waited for.
pub(crate) fn send_with(
    socket: PWSK_SOCKET,
    buffer: &PoolBuffer,
    to: Option<SocketAddr>,
    control: Option<&PoolBuffer>,
) -> Request {
    let to = to.map(PoolAddress::new);
    let address = to.as_ref().map_or(ptr::null_mut(), |to| to.0);
    let (length, data) = parts(control);
    // SAFETY: the socket is open. Addresses are read during the call.
    call(|irp| unsafe {
        let send = datagram(socket).WskSendTo.unwrap();
        send(socket, buffer.buffer, 0, address, length, data, irp)
    })
}

fn parts(control: Option<&PoolBuffer>) -> (ULONG, PCMSGHDR) {
    match control {
        Some(control) => (control.size.try_into().unwrap(), control.bytes.cast()),
        None => (0, ptr::null_mut()),
    }
}

/// Sends bytes, and waits for it.
pub(crate) fn send(socket: PWSK_SOCKET, bytes: &[u8], to: Option<SocketAddr>) -> (NTSTATUS, usize) {
    let buffer = PoolBuffer::with(bytes);
    send_with(socket, &buffer, to, None).wait()
}

/// Sends bytes, and expects that it succeeds.
#[track_caller]
pub(crate) fn send_to(socket: PWSK_SOCKET, bytes: &[u8], to: SocketAddr) {
    assert_eq!(send(socket, bytes, Some(to)), (STATUS_SUCCESS, bytes.len()));
}

/// Sends bytes with control data, and waits for it.
pub(crate) fn send_saying(
    socket: PWSK_SOCKET,
    bytes: &[u8],
    to: SocketAddr,
    messages: &[Message],
) -> NTSTATUS {
    let (buffer, control) = (PoolBuffer::with(bytes), control_data(messages));
    send_with(socket, &buffer, Some(to), Some(&control)).wait().0
}

/// `WskSendMessages`: several datagrams for one address. Waits for it.
pub(crate) fn send_messages(
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
    // SAFETY: the socket is open, and everything stays until the request was waited for.
    let request = call(|irp| unsafe {
        let send = datagram(socket).WskSendMessages.unwrap();
        send(socket, nodes, 0, address, 0, none, irp)
    });
    request.wait()
}

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) level: ULONG,
    pub(crate) kind: ULONG,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn message(level: ULONG, kind: ULONG, data: &[u8]) -> Message {
    Message { level, kind, data: data.to_vec() }
}

pub(crate) fn number(level: ULONG, kind: ULONG, number: ULONG) -> Message {
    message(level, kind, &number.to_ne_bytes())
}

/// Control data as a sender has it, in nonpaged pool.
pub(crate) fn control_data(messages: &[Message]) -> PoolBuffer {
    let size = messages.iter().map(|message| WSA_CMSG_SPACE(message.data.len())).sum();
    let control = PoolBuffer::new(size);
    // SAFETY: there is room for the messages, which begin where headers can.
    unsafe {
        control.bytes.write_bytes(0, size);
        let mut place: PCMSGHDR = control.bytes.cast();
        for Message { level, kind, data } in messages {
            let (level, kind) = ((*level).try_into().unwrap(), (*kind).try_into().unwrap());
            let length = WSA_CMSG_LEN(data.len());
            place.write(CMSGHDR { cmsg_len: length, cmsg_level: level, cmsg_type: kind });
            WSA_CMSG_DATA(place).copy_from_nonoverlapping(data.as_ptr(), data.len());
            place = place.byte_add(WSA_CMSG_SPACE(data.len()));
        }
    }
    control
}

/// The messages of control data.
///
/// # Safety
///
/// The pointer is to so many bytes, or null.
pub(crate) unsafe fn messages(control: PCMSGHDR, length: ULONG) -> Vec<Message> {
    let length = length as usize;
    let mut all = Vec::new();
    // SAFETY: the caller's promises are the same.
    let mut next = unsafe { first_cmsg(control, length) };
    while !next.is_null() {
        // SAFETY: the message is whole.
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
pub(crate) fn destination(messages: &[Message]) -> Option<std::net::IpAddr> {
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

/// The number in the message of a kind.
pub(crate) fn number_in(messages: &[Message], level: ULONG, kind: ULONG) -> Option<ULONG> {
    let found = messages.iter().find(|found| (found.level, found.kind) == (level, kind))?;
    Some(ULONG::from_ne_bytes(found.data.as_slice().try_into().unwrap()))
}

/// A `WskReceiveFrom` in flight.
pub(crate) struct Receive {
    pub(crate) request: Request,
    bytes: PoolBuffer,
    from: PoolAddress,
    control: PoolBuffer,
    /// The length of the control data, and the flags.
    numbers: PoolBuffer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) from: SocketAddr,
    pub(crate) messages: Vec<Message>,
    pub(crate) flags: ULONG,
}

impl Receive {
    /// With room for so many bytes, and for so much control data.
    pub(crate) fn new(socket: PWSK_SOCKET, size: usize, room: usize) -> Self {
        let (bytes, control) = (PoolBuffer::new(size), PoolBuffer::new(room));
        let numbers = PoolBuffer::new(8);
        let from = PoolAddress::empty();
        let length: PULONG = numbers.bytes.cast();
        let data = if room == 0 { ptr::null_mut() } else { control.bytes.cast() };
        // SAFETY: everything stays until the request was waited for.
        let request = call(|irp| unsafe {
            length.write(room.try_into().unwrap());
            let flags = length.add(1);
            flags.write(!0);
            let receive = datagram(socket).WskReceiveFrom.unwrap();
            receive(socket, bytes.buffer, 0, from.0, length, data, flags, irp)
        });
        Self { request, bytes, from, control, numbers }
    }

    pub(crate) fn wait(self) -> Result<Received, NTSTATUS> {
        let Self { request, bytes, from, control, numbers } = self;
        let (status, count) = request.wait();
        if status != STATUS_SUCCESS {
            return Err(status);
        }
        // SAFETY: the request has written both, and so much control data.
        let (flags, messages) = unsafe {
            let length: PULONG = numbers.bytes.cast();
            (*length.add(1), messages(control.bytes.cast(), *length))
        };
        Ok(Received { bytes: bytes.read(count), from: from.get(), messages, flags })
    }
}

/// Receives a datagram, with room for all.
#[track_caller]
pub(crate) fn receive(socket: PWSK_SOCKET) -> Received {
    Receive::new(socket, 64 << 10, 256).wait().unwrap()
}

/// Receives so many datagrams, and puts their bytes in order: on their way they overtake one another.
#[track_caller]
pub(crate) fn receive_sorted(socket: PWSK_SOCKET, count: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (0..count).map(|_| receive(socket).bytes).collect();
    all.sort();
    all
}

/// Nothing arrives. On the simulated network time takes none.
#[track_caller]
pub(crate) fn nothing_arrives(socket: PWSK_SOCKET) {
    let receive = Receive::new(socket, 16, 0);
    assert!(!receive.request.completes_within(50), "{:?}", receive.wait());
    receive.request.cancel();
    assert_eq!(receive.wait(), Err(STATUS_CANCELLED));
}

/// An ioctl whose input is an address, or none.
pub(crate) fn set_address(
    socket: PWSK_SOCKET,
    code: ULONG,
    address: Option<SocketAddr>,
) -> NTSTATUS {
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
