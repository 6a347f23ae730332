//! The addresses and flags of TCP packets.

use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{IpProtocol, IpVersion, Ipv4Packet, Ipv6Packet, TcpPacket};

/// What decides the way of a TCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TcpHeader {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    syn: bool,
    ack: bool,
    reset: bool,
}

impl TcpHeader {
    /// The header of an IP packet. None if it is not a whole one of TCP.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let (from, to, payload): (IpAddr, IpAddr, &[u8]) =
            match IpVersion::of_packet(packet).ok()? {
                IpVersion::Ipv4 => {
                    let ip = Ipv4Packet::new_checked(packet).ok()?;
                    let is_tcp = ip.next_header() == IpProtocol::Tcp;
                    is_tcp.then(|| (ip.src_addr().into(), ip.dst_addr().into(), ip.payload()))?
                }
                IpVersion::Ipv6 => {
                    let ip = Ipv6Packet::new_checked(packet).ok()?;
                    let is_tcp = ip.next_header() == IpProtocol::Tcp;
                    is_tcp.then(|| (ip.src_addr().into(), ip.dst_addr().into(), ip.payload()))?
                }
            };
        let tcp = TcpPacket::new_checked(payload).ok()?;
        Some(Self {
            from: SocketAddr::new(from, tcp.src_port()),
            to: SocketAddr::new(to, tcp.dst_port()),
            syn: tcp.syn(),
            ack: tcp.ack(),
            reset: tcp.rst(),
        })
    }

    /// Whether it asks for a connection.
    pub(super) fn is_request(self) -> bool {
        self.syn && !self.ack && !self.reset
    }

    pub(super) fn is_reset(self) -> bool {
        self.reset
    }
}
