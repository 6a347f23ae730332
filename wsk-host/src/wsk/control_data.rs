//! Control data of datagrams: messages behind a `CMSGHDR` each.
//!
//! # Safety
//!
//! Control data is read by `first_cmsg` and `next_cmsg`, which stay within its length, and written within the room
//! that the client has passed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::slice;

use wsk_sys::fields;
use wsk_sys::{
    CMSGHDR, IN_ADDR, IN_ADDR_0, IN_PKTINFO, IN6_ADDR, IN6_ADDR_0, IN6_PKTINFO, INT, IP_ECN,
    IP_HOPLIMIT, IP_OPTIONS, IP_PKTINFO, IP_RECVERR, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6,
    IPPROTO_UDP, IPV6_ECN, IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_RECVERR, IPV6_RTHDR, IPV6_TCLASS,
    MSG_BCAST, MSG_CTRUNC, MSG_MCAST, MSG_TRUNC, PCMSGHDR, PULONG, UDP_COALESCED_INFO,
    UDP_SEND_MSG_SIZE, ULONG, WSA_CMSG_DATA, WSA_CMSG_LEN, WSA_CMSGHDR_ALIGN, first_cmsg,
    next_cmsg,
};

use super::network::{IcmpError, IncomingDatagram};
use super::options::OptionValues;
use crate::kernel::config::Windows;
use crate::verifier::{Rule, rule_violation, tolerated_violation};
use crate::wsk::config::Stripping;

/// The congestion notification that routers set, and that a sender must not.
const ECN_CE: u8 = 3;

/// A sender's control messages for its datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SendControl {
    /// The number of messages.
    count: usize,
    pub(super) from: Option<IpAddr>,
    /// The index of the interface that the datagrams leave by; zero leaves the choice to the system.
    pub(super) interface: u32,
    pub(super) traffic_class: Option<u8>,
    pub(super) ecn: Option<u8>,
    pub(super) hop_limit: Option<u8>,
    pub(super) segment: Option<usize>,
}

impl SendControl {
    /// Reads a sender's control data. None if it contains a message that no network supports.
    ///
    /// # Safety
    ///
    /// The pointer is to that many bytes, or null without any.
    pub(super) unsafe fn read(control: PCMSGHDR, length: usize, call: &str) -> Option<Self> {
        const FOUND: &str = "control data has a length but no pointer, or a pointer but no length";
        if control.is_null() && length > 0 {
            rule_violation(Rule::CONTROL_DATA, call, FOUND, None);
            return None;
        }
        if !control.is_null() && length == 0 {
            tolerated_violation(Rule::CONTROL_DATA, call, FOUND, None);
        }
        let mut data = Self::default();
        if length == 0 {
            return Some(data);
        }
        if !control.is_aligned() {
            rule_violation(
                Rule::CONTROL_DATA,
                call,
                "control data is not aligned for a CMSGHDR",
                None,
            );
            return None;
        }
        let mut end = 0;
        // SAFETY: the bytes are readable, by this function's contract, and their alignment was checked.
        let mut next = unsafe { first_cmsg(control, length) };
        while !next.is_null() {
            // SAFETY: the message is whole.
            let header = unsafe { next.read() };
            let whole = fields::length(header.cmsg_len);
            // SAFETY: `next_cmsg` and `first_cmsg` return only whole messages.
            let bytes =
                unsafe { slice::from_raw_parts(WSA_CMSG_DATA(next), whole - WSA_CMSG_LEN(0)) };
            data.take(header.cmsg_level, header.cmsg_type, bytes)?;
            data.count += 1;
            end = next.addr() - control.addr() + WSA_CMSGHDR_ALIGN(whole);
            // SAFETY: the message is of this control data.
            next = unsafe { next_cmsg(control, length, next) };
        }
        // The rest after the last message is too short for another one.
        if length.saturating_sub(end) >= size_of::<CMSGHDR>() {
            let found =
                format!("the control message in the last {} bytes is truncated", length - end);
            rule_violation(Rule::CONTROL_DATA, call, &found, None);
            return None;
        }
        Some(data)
    }

    /// The control data that arrives if the machine or its filters strip part of it.
    pub(super) fn stripped(mut self, stripping: Stripping, bypasses_tdi: bool) -> Self {
        match stripping {
            Stripping::PacketInfoAlone if self.count == 1 => {
                (self.from, self.interface) = (None, 0);
            }
            Stripping::TdiFilter if !bypasses_tdi => self = Self::default(),
            Stripping::Nothing | Stripping::PacketInfoAlone | Stripping::TdiFilter => {}
        }
        self
    }

    fn take(&mut self, level: INT, kind: INT, data: &[u8]) -> Option<()> {
        let (level, kind) = (ULONG::try_from(level).ok()?, ULONG::try_from(kind).ok()?);
        let number = || Some(ULONG::from_ne_bytes(data.get(..4)?.try_into().ok()?));
        match (level, kind) {
            (IPPROTO_IP, IP_PKTINFO) => {
                let ip: [u8; 4] = data.get(..4)?.try_into().ok()?;
                self.from = Some(IpAddr::from(ip)).filter(|ip| !ip.is_unspecified());
                self.interface = u32::from_ne_bytes(data.get(4..8)?.try_into().ok()?);
            }
            (IPPROTO_IPV6, IPV6_PKTINFO) => {
                let ip: [u8; 16] = data.get(..16)?.try_into().ok()?;
                self.from = Some(IpAddr::from(ip)).filter(|ip| !ip.is_unspecified());
                self.interface = u32::from_ne_bytes(data.get(16..20)?.try_into().ok()?);
            }
            (IPPROTO_IP, IP_TOS) | (IPPROTO_IPV6, IPV6_TCLASS) => {
                self.traffic_class = Some(u8::try_from(number()?).ok()?);
            }
            (IPPROTO_IP, IP_ECN) | (IPPROTO_IPV6, IPV6_ECN) => {
                self.ecn = Some(u8::try_from(number()?).ok().filter(|ecn| *ecn < ECN_CE)?);
            }
            (IPPROTO_IP, IP_HOPLIMIT) | (IPPROTO_IPV6, IPV6_HOPLIMIT) => {
                self.hop_limit = Some(u8::try_from(number()?).ok()?);
            }
            // There are no options, as if there were no message.
            (IPPROTO_IP, IP_OPTIONS) | (IPPROTO_IPV6, IPV6_RTHDR) if data.is_empty() => {}
            (IPPROTO_UDP, UDP_SEND_MSG_SIZE) => {
                self.segment = Some(number()? as usize).filter(|size| *size > 0);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The control data of a datagram that the socket's options request.
pub(super) fn describe(
    datagram: &IncomingDatagram,
    options: &OptionValues,
    windows: Windows,
) -> Vec<u8> {
    let mut all = Vec::new();
    let is_v4 = match datagram.to {
        Some(to) => to.is_ipv4(),
        None => datagram.from.is_ipv4(),
    };
    let (level, pktinfo, hop_limit, traffic_class, ecn) = if is_v4 {
        (IPPROTO_IP, IP_PKTINFO, IP_HOPLIMIT, IP_TOS, IP_ECN)
    } else {
        (IPPROTO_IPV6, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_ECN)
    };
    if let Some(to) = datagram.to.filter(|_| options.wants(level, pktinfo)) {
        let info = match to {
            IpAddr::V4(ip) => v4_info(ip, datagram.interface).to_vec(),
            IpAddr::V6(ip) => v6_info(ip, datagram.interface).to_vec(),
        };
        push(&mut all, level, pktinfo, &info);
    }
    if let Some(limit) = datagram.hop_limit.filter(|_| options.wants(level, hop_limit)) {
        // Over IPv4, its name differs from that of the option, since Windows 10 1703.
        let is_ttl = is_v4 && windows >= Windows::TEN_1703;
        let kind = if is_ttl { IP_TTL } else { hop_limit };
        push(&mut all, level, kind, &u32::from(limit).to_ne_bytes());
    }
    if options.wants_traffic_class(level) {
        push(&mut all, level, traffic_class, &u32::from(datagram.traffic_class).to_ne_bytes());
    }
    if options.wants(level, ecn) {
        push(&mut all, level, ecn, &u32::from(datagram.traffic_class & 3).to_ne_bytes());
    }
    if let Some(error) = datagram.error {
        push(
            &mut all,
            level,
            if is_v4 { IP_RECVERR } else { IPV6_RECVERR },
            &received(error, is_v4),
        );
    }
    if let Some(segment) = datagram.segment {
        let segment = ULONG::try_from(segment).unwrap_or(ULONG::MAX);
        push(&mut all, IPPROTO_UDP, UDP_COALESCED_INFO, &segment.to_ne_bytes());
    }
    all
}

fn push(all: &mut Vec<u8>, level: ULONG, kind: ULONG, data: &[u8]) {
    all.resize(WSA_CMSGHDR_ALIGN(all.len()), 0);
    let [level, kind] = [level, kind].map(|number| INT::try_from(number).unwrap_or(INT::MAX));
    let cmsg_len = fields::size_t(WSA_CMSG_LEN(data.len()));
    let header = CMSGHDR { cmsg_len, cmsg_level: level, cmsg_type: kind };
    all.extend_from_slice(&header.cmsg_len.to_ne_bytes());
    all.extend_from_slice(&header.cmsg_level.to_ne_bytes());
    all.extend_from_slice(&header.cmsg_type.to_ne_bytes());
    all.extend_from_slice(data);
}

/// An `IN_RECVERR`: the protocol, further information about the error, its type and code, and padding.
fn received(error: IcmpError, is_v4: bool) -> [u8; 12] {
    let protocol = if is_v4 { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&protocol.to_ne_bytes());
    bytes[4..8].copy_from_slice(&error.info.to_ne_bytes());
    bytes[8..10].copy_from_slice(&[error.kind, error.code]);
    bytes
}

/// ICMP's number, which bindings leave out.
const IPPROTO_ICMP: ULONG = 1;
/// That of ICMP for IPv6.
const IPPROTO_ICMPV6: ULONG = 58;

/// The size in bytes of the messages that fit as a whole.
fn whole_messages(all: &[u8], room: usize) -> usize {
    let (mut start, mut whole) = (0, 0);
    while let Some(length) = all.get(start..).and_then(|rest| rest.first_chunk()) {
        let end = start + usize::from_ne_bytes(*length);
        if end > room {
            break;
        }
        whole = end;
        start = WSA_CMSGHDR_ALIGN(end);
    }
    whole
}

fn v4_info(ip: Ipv4Addr, interface: u32) -> [u8; size_of::<IN_PKTINFO>()] {
    let ip = u32::from_ne_bytes(ip.octets());
    let info =
        IN_PKTINFO { ipi_addr: IN_ADDR { S_un: IN_ADDR_0 { S_addr: ip } }, ipi_ifindex: interface };
    // SAFETY: the structure has no padding.
    unsafe { std::mem::transmute(info) }
}

fn v6_info(ip: Ipv6Addr, interface: u32) -> [u8; size_of::<IN6_PKTINFO>()] {
    let ip = IN6_ADDR { u: IN6_ADDR_0 { Byte: ip.octets() } };
    let info = IN6_PKTINFO { ipi6_addr: ip, ipi6_ifindex: interface };
    // SAFETY: the structure has no padding, and any bytes are valid.
    unsafe { std::mem::transmute(info) }
}

/// The client's memory that receives control data.
///
/// # Invariants
///
/// Each pointer is null or valid for writes, `data` for `room` bytes, until the request has completed.
pub(super) struct ControlRoom {
    pub(super) length: PULONG,
    pub(super) data: PCMSGHDR,
    /// The size of the memory at `data` in bytes, from the call.
    pub(super) room: usize,
    pub(super) flags: PULONG,
}

impl ControlRoom {
    /// Writes a datagram's control data and flags; `is_truncated`: one of them says that it was cut off.
    ///
    /// # Safety
    ///
    /// The request has not completed.
    pub(super) unsafe fn write(
        &self,
        datagram: &IncomingDatagram,
        (options, windows): (&OptionValues, Windows),
        is_truncated: bool,
    ) {
        let data = describe(datagram, options, windows);
        let mut flags = flags(datagram);
        if is_truncated {
            flags |= MSG_TRUNC;
        }
        let whole = whole_messages(&data, self.room);
        if whole < data.len() {
            flags |= MSG_CTRUNC;
        }
        let data = &data[..whole];
        // SAFETY: the client's memory has this much room until the IRP is completed.
        unsafe { self.data.cast::<u8>().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        let length = ULONG::try_from(data.len()).unwrap_or(ULONG::MAX);
        // SAFETY: the caller passes room for a length, by this function's contract.
        unsafe { self.length.write_unaligned(length) };
        if !self.flags.is_null() {
            // SAFETY: the caller passes room for flags, by this function's contract.
            unsafe { self.flags.write_unaligned(flags) };
        }
    }
}

/// The flags of a datagram that follow from its destination.
pub(super) fn flags(datagram: &IncomingDatagram) -> ULONG {
    match datagram.to {
        Some(IpAddr::V4(ip)) if ip.is_broadcast() => MSG_BCAST,
        Some(ip) if ip.is_multicast() => MSG_MCAST,
        _ => 0,
    }
}
