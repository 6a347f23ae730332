//! Frames of Ethernet, with the headers and checksums of IP, TCP, UDP and ICMP.

use std::io;
use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpDscp, IpEcn, IpHeaders, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6Header,
    PacketBuilder, PacketBuilderStep, TcpHeader, TcpOptionElement,
};

use crate::wsk::network::IcmpError;

/// The hop limit of packets without one of their own.
const HOP_LIMIT: u8 = 128;

/// The most data in one segment: what an Ethernet's packet has room for, over IPv6.
pub(super) const SEGMENT: u16 = 1440;

/// The window in every segment, and the power of two by which it is multiplied.
const WINDOW: (u16, u8) = (u16::MAX, 7);

/// The ends of a packet's path, and what its header says about the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) traffic_class: u8,
    pub(super) hop_limit: Option<u8>,
}

/// A segment of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    pub(super) acknowledgment: Option<u32>,
    pub(super) control: Control,
    pub(super) payload: &'a [u8],
}

/// The control bit of a segment, besides the one for acknowledgments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Control {
    #[default]
    None,
    Syn,
    Push,
    Fin,
    Reset,
}

impl Control {
    /// How many sequence numbers it occupies.
    pub(super) fn length(self) -> usize {
        usize::from(matches!(self, Self::Syn | Self::Fin))
    }
}

impl Route {
    pub(super) fn new(from: SocketAddr, to: SocketAddr) -> Self {
        Self { from, to, traffic_class: 0, hop_limit: None }
    }

    /// The headers of Ethernet and IP.
    fn headers(&self) -> io::Result<PacketBuilderStep<IpHeaders>> {
        let (from, to) = (self.from.ip(), self.to.ip());
        let hop_limit = self.hop_limit.unwrap_or(HOP_LIMIT);
        let ip = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = Ipv4Header {
                    dscp: IpDscp::try_new(self.traffic_class >> 2).map_err(io::Error::other)?,
                    ecn: IpEcn::try_new(self.traffic_class & 3).map_err(io::Error::other)?,
                    time_to_live: hop_limit,
                    source: from.octets(),
                    destination: to.octets(),
                    ..Ipv4Header::default()
                };
                IpHeaders::Ipv4(header, Ipv4Extensions::default())
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let header = Ipv6Header {
                    traffic_class: self.traffic_class,
                    hop_limit,
                    source: from.octets(),
                    destination: to.octets(),
                    ..Ipv6Header::default()
                };
                IpHeaders::Ipv6(header, Ipv6Extensions::default())
            }
            _ => return Err(io::Error::other("no packet has addresses of two families")),
        };
        Ok(PacketBuilder::ethernet2(station(from), station(to)).ip(ip))
    }

    pub(super) fn tcp(&self, segment: &Segment<'_>) -> io::Result<Vec<u8>> {
        let mut header = TcpHeader {
            source_port: self.from.port(),
            destination_port: self.to.port(),
            sequence_number: segment.sequence,
            acknowledgment_number: segment.acknowledgment.unwrap_or(0),
            ack: segment.acknowledgment.is_some(),
            syn: segment.control == Control::Syn,
            fin: segment.control == Control::Fin,
            rst: segment.control == Control::Reset,
            psh: segment.control == Control::Push,
            window_size: WINDOW.0,
            ..TcpHeader::default()
        };
        if segment.control == Control::Syn {
            let options = [
                TcpOptionElement::MaximumSegmentSize(SEGMENT),
                TcpOptionElement::Noop,
                TcpOptionElement::WindowScale(WINDOW.1),
            ];
            header.set_options(&options).map_err(io::Error::other)?;
        }
        let mut frame = Vec::new();
        let packet = self.headers()?.tcp_header(header);
        packet.write_to_vec(&mut frame, segment.payload).map_err(io::Error::other)?;
        Ok(frame)
    }

    /// One datagram, in one packet: nothing is fragmented.
    pub(super) fn udp(&self, payload: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        let packet = self.headers()?.udp(self.from.port(), self.to.port());
        packet.write_to_vec(&mut frame, payload).map_err(io::Error::other)?;
        Ok(frame)
    }

    /// The message that a datagram has not arrived, with what its standard quotes of it.
    pub(super) fn icmp_error(&self, error: IcmpError, quoted: &[u8]) -> io::Result<Vec<u8>> {
        let original = Self::new(self.to, self.from).udp(quoted)?;
        // RFC 792 quotes 64 bits of the data behind the header, RFC 4443 what the least MTU has room for.
        let length = if self.from.is_ipv4() { 28 } else { 1232 };
        let original = original.get(ETHERNET_HEADER..).unwrap_or_default();
        let original = &original[..length.min(original.len())];
        let (kind, code, info) = (error.kind, error.code, error.info.to_be_bytes());
        let mut frame = Vec::new();
        if self.from.is_ipv4() {
            let packet = self.headers()?.icmpv4_raw(kind, code, info);
            packet.write_to_vec(&mut frame, original).map_err(io::Error::other)?;
        } else {
            let packet = self.headers()?.icmpv6_raw(kind, code, info);
            packet.write_to_vec(&mut frame, original).map_err(io::Error::other)?;
        }
        Ok(frame)
    }
}

const ETHERNET_HEADER: usize = 14;

/// The Ethernet address of an IP address: a group's as its standard says, for others a locally administered one.
fn station(ip: IpAddr) -> [u8; 6] {
    match ip {
        IpAddr::V4(ip) if ip.is_broadcast() => [0xFF; 6],
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            if ip.is_multicast() { [1, 0, 0x5E, b & 0x7F, c, d] } else { [2, 4, a, b, c, d] }
        }
        IpAddr::V6(ip) => {
            let [.., a, b, c, d] = ip.octets();
            if ip.is_multicast() { [0x33, 0x33, a, b, c, d] } else { [2, 6, a, b, c, d] }
        }
    }
}
