//! The values of control messages.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wsk_sys::{IN_PKTINFO, IN6_PKTINFO};

use crate::status::{Error, known};

/// The local address and the interface of a datagram: its destination when received, its source when sent.
///
/// `IP_PKTINFO` and `IPV6_PKTINFO`.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2ipdef/ns-ws2ipdef-in_pktinfo).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketInfo {
    /// The local address. On a send, unspecified leaves the choice to the system.
    pub address: IpAddr,
    /// The index of the interface. On a send, zero leaves the choice to the system.
    pub interface: u32,
}

// The structures that are read from and written as bytes below. They have no padding.
const _: () = {
    assert!(core::mem::offset_of!(IN_PKTINFO, ipi_addr) == 0);
    assert!(core::mem::offset_of!(IN_PKTINFO, ipi_ifindex) == 4);
    assert!(size_of::<IN_PKTINFO>() == 8);
    assert!(core::mem::offset_of!(IN6_PKTINFO, ipi6_addr) == 0);
    assert!(core::mem::offset_of!(IN6_PKTINFO, ipi6_ifindex) == 16);
    assert!(size_of::<IN6_PKTINFO>() == 20);
};

impl PacketInfo {
    pub(super) fn from_v4(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<IN_PKTINFO>()] = bytes.first_chunk()?;
        let (address, interface) = (bytes.first_chunk::<4>()?, bytes.last_chunk()?);
        Some(Self {
            address: Ipv4Addr::from(*address).into(),
            interface: u32::from_ne_bytes(*interface),
        })
    }

    pub(super) fn from_v6(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<IN6_PKTINFO>()] = bytes.first_chunk()?;
        let (address, interface) = (bytes.first_chunk::<16>()?, bytes.last_chunk()?);
        Some(Self {
            address: Ipv6Addr::from(*address).into(),
            interface: u32::from_ne_bytes(*interface),
        })
    }

    /// Encodes an `IN_PKTINFO` or `IN6_PKTINFO`, and returns it with its size. `None` if the address is of the other family.
    pub(super) fn to_bytes(self, is_v4: bool) -> Option<([u8; LARGEST], usize)> {
        let mut bytes = [0; LARGEST];
        let address_size = match (is_v4, self.address.to_canonical()) {
            (true, IpAddr::V4(address)) => {
                *bytes.first_chunk_mut()? = address.octets();
                4
            }
            (false, IpAddr::V6(address)) => {
                *bytes.first_chunk_mut()? = address.octets();
                16
            }
            // Unspecified is zero in either family.
            (_, address) if address.is_unspecified() => {
                if is_v4 {
                    4
                } else {
                    16
                }
            }
            _ => return None,
        };
        *bytes.get_mut(address_size..)?.first_chunk_mut()? = self.interface.to_ne_bytes();
        Some((bytes, address_size + 4))
    }
}

/// The delivery error of a sent datagram, as an ICMP message reports it: an `IN_RECVERR`.
///
/// A socket with [`ip::RECEIVE_ERRORS`] or [`ipv6::RECEIVE_ERRORS`] receives it with a datagram that the peer did not send:
/// its sender is the address that could not be reached, and its bytes are unspecified. ICMP messages are easily forged, so
/// act on them with care.
///
/// [`ip::RECEIVE_ERRORS`]: crate::options::ip::RECEIVE_ERRORS
/// [`ipv6::RECEIVE_ERRORS`]: crate::options::ipv6::RECEIVE_ERRORS
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceivedError {
    /// Whether the message is of ICMP for IPv6, whose types and codes differ.
    pub is_v6: bool,
    /// The type of the ICMP message.
    pub kind: u8,
    /// The code of the ICMP message.
    pub code: u8,
    /// The MTU in bytes, if the datagram was too large for a link. Otherwise unspecified.
    pub info: u32,
}

/// ICMP's number in IPv6's headers.
const ICMP_V6: u32 = 58;

impl ReceivedError {
    /// `IN_RECVERR`: the protocol and the information, each a `ULONG`, then the type and the code, each a byte.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (protocol, rest) = bytes.split_first_chunk()?;
        let (info, rest) = rest.split_first_chunk()?;
        let [kind, code] = *rest.first_chunk()?;
        let is_v6 = u32::from_ne_bytes(*protocol) == ICMP_V6;
        Some(Self { is_v6, kind, code, info: u32::from_ne_bytes(*info) })
    }

    /// Returns the MTU in bytes, if the datagram was too large for a link.
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        match (self.is_v6, self.kind, self.code) {
            (false, 3, 4) | (true, 2, _) => Some(self.info),
            _ => None,
        }
    }

    /// Returns the status that names the error, such as `STATUS_PORT_UNREACHABLE`.
    #[must_use]
    pub const fn error(&self) -> Error {
        match (self.is_v6, self.kind, self.code) {
            (false, 3, 3) | (true, 1, 4) => known::STATUS_PORT_UNREACHABLE,
            (false, 3, 2) => known::STATUS_PROTOCOL_UNREACHABLE,
            (false, 3, 0 | 6 | 9 | 11) | (true, 1, 0) => known::STATUS_NETWORK_UNREACHABLE,
            (false, 3, 4) | (true, 2, _) => known::STATUS_INVALID_BUFFER_SIZE,
            (false, 11, _) | (true, 3, _) => known::STATUS_HOPLIMIT_EXCEEDED,
            _ => known::STATUS_HOST_UNREACHABLE,
        }
    }
}

/// The size of the larger structure.
const LARGEST: usize = size_of::<IN6_PKTINFO>();

/// Explicit congestion notification: two bits of every packet's header.
///
/// [RFC 3168](https://www.rfc-editor.org/rfc/rfc3168).
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/winsock-ecn).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// The sender does not react to congestion.
    NotCapable = 0,
    /// The sender reacts to congestion: `ECT(1)`.
    Ect1 = 1,
    /// The sender reacts to congestion: `ECT(0)`.
    Ect0 = 2,
    /// A router reported congestion. Only routers set this value: Windows refuses to send it.
    CongestionExperienced = 3,
}

impl Ecn {
    /// Returns the value of the two lowest bits of a number, such as a type of service.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotCapable,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::CongestionExperienced,
        }
    }

    /// Returns the two bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self as u8
    }
}
