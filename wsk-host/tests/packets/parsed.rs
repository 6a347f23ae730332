//! The packets of a file, read block by block.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

#[derive(Default)]
pub(crate) struct Packets {
    /// By the addresses of the sender and the receiver.
    streams: BTreeMap<(SocketAddr, SocketAddr), Direction>,
    pub(crate) datagrams: Vec<(u16, u16, Vec<u8>)>,
    pub(crate) errors: Vec<IcmpError>,
}

/// What one side of a connection has sent.
#[derive(Default)]
struct Direction {
    first: u32,
    /// By the sequence number, relative to the first.
    parts: BTreeMap<u32, Vec<u8>>,
}

/// An ICMP message that quotes a datagram.
#[derive(Debug)]
pub(crate) struct IcmpError {
    kind: u8,
    code: u8,
    quoted: Vec<u8>,
}

impl IcmpError {
    /// Whether it says that nothing is bound at the port, and quotes a datagram with this payload: of IPv4 its headers
    /// (RFC 792), of IPv6 as much as there is (RFC 4443).
    pub(crate) fn quotes(&self, payload: &[u8]) -> bool {
        match (self.kind, self.code) {
            (3, 3) => self.quoted.len() == 28,
            (1, 4) => self.quoted[48..] == *payload,
            _ => false,
        }
    }
}

impl Packets {
    /// The bytes of one direction. Panics if one is missing, or there twice.
    pub(crate) fn stream(&self, addresses: &(SocketAddr, SocketAddr)) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (sequence, part) in &self.streams[addresses].parts {
            assert_eq!(usize::try_from(*sequence).unwrap(), bytes.len() + 1);
            bytes.extend(part);
        }
        bytes
    }
}

pub(crate) fn read(path: &Path) -> Packets {
    let file = fs::read(path).unwrap();
    let mut packets = Packets::default();
    let mut rest = &file[..];
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let length = usize::try_from(number(4)).unwrap();
        assert_eq!(number(length - 4), number(4));
        if number(0) == 6 {
            let captured = usize::try_from(number(20)).unwrap();
            packets.add(&rest[28..28 + captured]);
        }
        rest = &rest[length..];
    }
    packets
}

impl Packets {
    fn add(&mut self, frame: &[u8]) {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let (from, to): (IpAddr, IpAddr) = match packet.net.unwrap() {
            NetSlice::Ipv4(ip) => {
                (ip.header().source_addr().into(), ip.header().destination_addr().into())
            }
            NetSlice::Ipv6(ip) => {
                (ip.header().source_addr().into(), ip.header().destination_addr().into())
            }
            NetSlice::Arp(_) => panic!("a host has no ARP"),
        };
        match packet.transport.unwrap() {
            TransportSlice::Tcp(tcp) => {
                let addresses = (
                    SocketAddr::new(from, tcp.source_port()),
                    SocketAddr::new(to, tcp.destination_port()),
                );
                let sequence = tcp.sequence_number();
                let Direction { first, parts } = self.streams.entry(addresses).or_default();
                if tcp.syn() {
                    *first = sequence;
                } else if !tcp.payload().is_empty() {
                    let place = sequence.wrapping_sub(*first);
                    assert_eq!(parts.insert(place, tcp.payload().to_vec()), None);
                }
            }
            TransportSlice::Udp(udp) => {
                let payload = udp.payload().to_vec();
                self.datagrams.push((udp.source_port(), udp.destination_port(), payload));
            }
            TransportSlice::Icmpv4(icmp) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                self.errors.push(IcmpError { kind, code, quoted: icmp.payload().to_vec() });
            }
            TransportSlice::Icmpv6(icmp) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                self.errors.push(IcmpError { kind, code, quoted: icmp.payload().to_vec() });
            }
            TransportSlice::Igmp(_) => panic!("nothing has joined a group"),
        }
    }
}
