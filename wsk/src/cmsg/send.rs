//! Writing control messages.
//!
//! # Safety
//!
//! Messages are written to a control buffer, which is aligned for headers and checked for room.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::net::SocketAddr;

use wsk_sys::fields::size_t;
use wsk_sys::{
    INT, IP_ECN, IP_OPTIONS, IP_PKTINFO, IP_TOS, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_ECN,
    IPV6_PKTINFO, IPV6_RTHDR, IPV6_TCLASS, UDP_SEND_MSG_SIZE, ULONG, WSA_CMSG_LEN, WSA_CMSG_SPACE,
};

use super::{ControlMessages, Ecn, PacketInfo};
use crate::operation::ControlBuffer;
use crate::status::{Result, known};

/// Control messages to send with a datagram or a batch.
///
/// A value can be created once, even as a constant, and used for many datagrams. It is copied into the request without
/// allocating.
///
/// ```
/// use wsk::cmsg::{Ecn, SendControl};
///
/// // Splits a buffer into datagrams of 1,200 bytes, marked as ECN-capable.
/// const PACED: SendControl = SendControl::new().segment_size(1200).ecn(Ecn::Ect0);
/// # _ = PACED;
/// ```
#[derive(Clone)]
#[must_use = "it says nothing until something is sent with it"]
pub struct SendControl {
    packet_info: Option<PacketInfo>,
    keeps_packet_info: bool,
    ecn: Option<Ecn>,
    traffic_class: Option<u8>,
    segment_size: Option<u16>,
    /// Complete messages of `length` bytes in all.
    raw: [u8; Self::RAW_ROOM],
    raw_length: usize,
}

/// The bytes of a number.
const NUMBER: usize = size_of::<ULONG>();

impl SendControl {
    /// The room for raw messages in bytes. Each takes a header of 16 bytes, and is padded to a multiple of 8.
    pub const RAW_ROOM: usize = 128;

    /// Creates an empty set of control messages.
    pub const fn new() -> Self {
        Self {
            packet_info: None,
            keeps_packet_info: false,
            ecn: None,
            traffic_class: None,
            segment_size: None,
            raw: [0; Self::RAW_ROOM],
            raw_length: 0,
        }
    }

    /// Selects the source address and the interface.
    ///
    /// The address is of the destination's family, or [unspecified](core::net::IpAddr::is_unspecified). To answer from the
    /// address that a request was sent to, pass the request's [`ControlMessages::packet_info`]. See also
    /// [`keep_packet_info`](Self::keep_packet_info).
    pub const fn packet_info(mut self, info: PacketInfo) -> Self {
        self.packet_info = Some(info);
        self
    }

    /// Keeps [`packet_info`](Self::packet_info) from being stripped, by an empty message beside it.
    ///
    /// Some systems drop that message if it is the only one, before filters of the Windows Filtering Platform see
    /// it. Where a filter takes datagrams and sends them again later, as those that inspect traffic do, they then
    /// leave by another address or interface. The added message sets empty IP options (IPv4), or no routing header
    /// (IPv6), which is the default anyway. `WireGuard` does the same; Microsoft documents neither the defect nor the
    /// remedy.
    ///
    /// Nothing is added if there are other messages.
    pub const fn keep_packet_info(mut self) -> Self {
        self.keeps_packet_info = true;
        self
    }

    /// Sets the ECN bits.
    ///
    /// Minimum Windows: Windows Server 2022, Windows 11. There, sending [`Ecn::CongestionExperienced`] fails.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/winsock-ecn).
    pub const fn ecn(mut self, ecn: Ecn) -> Self {
        self.ecn = Some(ecn);
        self
    }

    /// Sets the type of service or traffic class: a differentiated services code point in the upper six bits, and [`Ecn`] in
    /// the lower two.
    ///
    /// Windows reserves it for its own quality of service, except in newer releases, which have the option `IPV6_TCLASS`.
    pub const fn traffic_class(mut self, class: u8) -> Self {
        self.traffic_class = Some(class);
        self
    }

    /// Splits the send into datagrams of `size` bytes; the last one may be shorter. Zero disables splitting.
    ///
    /// Datagrams must not exceed the path MTU to the destination, or the request fails.
    ///
    /// Minimum Windows: Windows 10, version 2004.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-udp-socket-options).
    pub const fn segment_size(mut self, size: u16) -> Self {
        self.segment_size = if size == 0 { None } else { Some(size) };
        self
    }

    /// Adds a raw control message, of a type that this crate has no method for.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the level or the kind is not positive as C's `INT`.
    /// - `STATUS_INVALID_BUFFER_SIZE` if the message does not fit into the [room](Self::RAW_ROOM).
    ///
    /// # Safety
    ///
    /// The transport of each socket that sends the message accepts it, with this data, from a driver. A pointer in the data
    /// is valid until the request completes.
    pub unsafe fn raw(mut self, level: ULONG, kind: ULONG, data: &[u8]) -> Result<Self> {
        if INT::try_from(level).is_err() || INT::try_from(kind).is_err() {
            return Err(known::STATUS_INVALID_PARAMETER);
        }
        let mut writer = MessageWriter { area: &mut self.raw, length: self.raw_length };
        writer.push(level, kind, data).ok_or(known::STATUS_INVALID_BUFFER_SIZE)?;
        self.raw_length = writer.length;
        Ok(self)
    }

    /// Fails if the packet info is of another family than the destination ([INV-32](crate::rules#inv-32)).
    pub(crate) fn check_family(&self, to: SocketAddr) -> Result<()> {
        match self.packet_info {
            Some(info) if info.to_bytes(is_v4(to)).is_none() => {
                Err(known::STATUS_INVALID_ADDRESS_COMPONENT)
            }
            _ => Ok(()),
        }
    }

    /// Writes the messages for a datagram to an address of a family that [`SendControl::check_family`] has checked.
    pub(crate) fn write(&self, to: SocketAddr, area: &mut ControlBuffer) {
        let mut writer = MessageWriter { area: area.bytes_mut(), length: 0 };
        // There is room: see the assertion below.
        let _: Option<()> = self.write_to(is_v4(to), &mut writer);
        // CAST: an area is far shorter than 4 GiB.
        area.length = ULONG::try_from(writer.length).unwrap_or(0);
    }

    fn write_to(&self, is_v4: bool, writer: &mut MessageWriter<'_>) -> Option<()> {
        let (level, packet_info, ecn, class, nothing) = if is_v4 {
            (IPPROTO_IP, IP_PKTINFO, IP_ECN, IP_TOS, IP_OPTIONS)
        } else {
            (IPPROTO_IPV6, IPV6_PKTINFO, IPV6_ECN, IPV6_TCLASS, IPV6_RTHDR)
        };
        if let Some((info, size)) = self.packet_info.and_then(|info| info.to_bytes(is_v4)) {
            writer.push(level, packet_info, info.get(..size)?)?;
            if self.keeps_packet_info && self.is_only_packet_info() {
                writer.push(level, nothing, &[])?;
            }
        }
        if let Some(bits) = self.ecn {
            writer.push(level, ecn, &ULONG::from(bits.to_bits()).to_ne_bytes())?;
        }
        if let Some(bits) = self.traffic_class {
            writer.push(level, class, &ULONG::from(bits).to_ne_bytes())?;
        }
        if let Some(size) = self.segment_size {
            writer.push(IPPROTO_UDP, UDP_SEND_MSG_SIZE, &ULONG::from(size).to_ne_bytes())?;
        }
        writer.append(self.raw_messages())
    }

    fn raw_messages(&self) -> &[u8] {
        self.raw.get(..self.raw_length).unwrap_or_default()
    }

    /// Whether packet info is the only message.
    const fn is_only_packet_info(&self) -> bool {
        self.ecn.is_none()
            && self.traffic_class.is_none()
            && self.segment_size.is_none()
            && self.raw_length == 0
    }
}

/// Whether datagrams to an address are sent by IPv4, also from a dual-stack socket, and so need IPv4's control messages.
fn is_v4(to: SocketAddr) -> bool {
    to.ip().to_canonical().is_ipv4()
}

// A request has room for all messages at once.
const _: () = {
    use wsk_sys::IN6_PKTINFO;
    let typed = WSA_CMSG_SPACE(size_of::<IN6_PKTINFO>()) + 3 * WSA_CMSG_SPACE(NUMBER);
    assert!(typed + SendControl::RAW_ROOM <= ControlBuffer::SIZE);
};

impl Default for SendControl {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SendControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendControl")
            .field("ecn", &self.ecn)
            .field("traffic_class", &self.traffic_class)
            .field("segment_size", &self.segment_size)
            .field("raw", &ControlMessages::new(self.raw_messages()))
            .finish_non_exhaustive()
    }
}

/// Writes control messages one after the other.
struct MessageWriter<'a> {
    area: &'a mut [u8],
    /// The number of bytes written. They are complete messages.
    length: usize,
}

impl MessageWriter<'_> {
    /// Writes a message. Returns `None` if it does not fit.
    fn push(&mut self, level: ULONG, kind: ULONG, data: &[u8]) -> Option<()> {
        let end = self.length.checked_add(WSA_CMSG_SPACE(data.len()))?;
        let message = self.area.get_mut(self.length..end)?;
        // Zeroes the padding as well.
        message.fill(0);
        let (header, rest) = message.split_at_mut_checked(WSA_CMSG_LEN(0))?;
        let (length, numbers) = header.split_first_chunk_mut()?;
        *length = size_t(WSA_CMSG_LEN(data.len())).to_ne_bytes();
        let (first, second) = numbers.split_first_chunk_mut()?;
        *first = level.to_ne_bytes();
        *second.first_chunk_mut()? = kind.to_ne_bytes();
        rest.get_mut(..data.len())?.copy_from_slice(data);
        self.length = end;
        Some(())
    }

    /// Writes an encoded message like [`MessageWriter::push`].
    fn append(&mut self, messages: &[u8]) -> Option<()> {
        let end = self.length.checked_add(messages.len())?;
        self.area.get_mut(self.length..end)?.copy_from_slice(messages);
        self.length = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    use super::*;
    use crate::cmsg::ControlMessage;

    const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7);
    const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 7);

    fn written(control: &SendControl, to: SocketAddr) -> (ControlBuffer, usize) {
        let mut area = ControlBuffer::EMPTY;
        // Bytes that another request left.
        area.bytes_mut().fill(0xFF);
        control.check_family(to).unwrap();
        control.write(to, &mut area);
        let length = usize::try_from(area.length).unwrap();
        (area, length)
    }

    fn kinds(control: &SendControl, to: SocketAddr) -> Vec<(ULONG, ULONG)> {
        let (area, length) = written(control, to);
        ControlMessages::new(&area.bytes()[..length])
            .map(|message| (message.level, message.kind))
            .collect()
    }

    #[test]
    fn empty_control_data_has_no_messages() {
        assert_eq!(kinds(&SendControl::new(), V4), []);
        assert_eq!(kinds(&SendControl::new().segment_size(9).segment_size(0), V4), []);
    }

    #[test]
    fn everything_at_once_has_room_and_is_read_again() {
        let info = PacketInfo { address: Ipv6Addr::LOCALHOST.into(), interface: 9 };
        let mut control = SendControl::new()
            .packet_info(info)
            .keep_packet_info()
            .ecn(Ecn::Ect1)
            .traffic_class(0xB8)
            .segment_size(1200);
        let data = [7; SendControl::RAW_ROOM - 16];
        // SAFETY: the message is not sent.
        control = unsafe { control.raw(0xFFFF, 99, &data) }.unwrap();
        let (area, length) = written(&control, V6);
        let messages = ControlMessages::new(&area.bytes()[..length]);
        assert_eq!(messages.packet_info(), Some(info));
        assert_eq!(messages.ecn(), Some(Ecn::Ect1));
        assert_eq!(messages.traffic_class(), Some(0xB8));
        assert_eq!(messages.clone().count(), 5);
        let own = ControlMessage { level: 0xFFFF, kind: 99, data: &data };
        assert_eq!(messages.last(), Some(own));
        // SAFETY: the message is not sent.
        let full = unsafe { control.raw(0xFFFF, 100, &[]) };
        assert_eq!(full.unwrap_err(), known::STATUS_INVALID_BUFFER_SIZE);
    }

    #[test]
    fn the_level_is_the_destinations() {
        let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), 7);
        let control = SendControl::new().ecn(Ecn::Ect0).traffic_class(1);
        let v4 = [(IPPROTO_IP, IP_ECN), (IPPROTO_IP, IP_TOS)];
        assert_eq!(kinds(&control, V4), v4);
        assert_eq!(kinds(&control, mapped), v4);
        assert_eq!(kinds(&control, V6), [(IPPROTO_IPV6, IPV6_ECN), (IPPROTO_IPV6, IPV6_TCLASS)]);
    }

    #[test]
    fn a_source_is_of_the_destinations_family_or_none() {
        let from =
            |address: IpAddr| SendControl::new().packet_info(PacketInfo { address, interface: 3 });
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        for (address, to, is_right) in [
            (V4.ip(), V4, true),
            (mapped, V4, true),
            (V6.ip(), V4, false),
            (Ipv6Addr::UNSPECIFIED.into(), V4, true),
            (V6.ip(), V6, true),
            (V4.ip(), V6, false),
            (mapped, V6, false),
            (Ipv4Addr::UNSPECIFIED.into(), V6, true),
        ] {
            let result = from(address).check_family(to);
            assert_eq!(result.is_ok(), is_right, "{address} to {to}");
        }
        let (area, length) = written(&from(mapped), V4);
        let info = ControlMessages::new(&area.bytes()[..length]).packet_info();
        assert_eq!(info, Some(PacketInfo { address: V4.ip(), interface: 3 }));
    }

    #[test]
    fn lone_packet_info_gets_a_second_message_on_request() {
        let info = PacketInfo { address: Ipv4Addr::LOCALHOST.into(), interface: 0 };
        let alone = SendControl::new().packet_info(info);
        assert_eq!(kinds(&alone, V4), [(IPPROTO_IP, IP_PKTINFO)]);
        let kept = alone.keep_packet_info();
        assert_eq!(kinds(&kept, V4), [(IPPROTO_IP, IP_PKTINFO), (IPPROTO_IP, IP_OPTIONS)]);
        let any = PacketInfo { address: Ipv6Addr::UNSPECIFIED.into(), interface: 0 };
        let kept_v6 = kept.clone().packet_info(any);
        assert_eq!(kinds(&kept_v6, V6), [(IPPROTO_IPV6, IPV6_PKTINFO), (IPPROTO_IPV6, IPV6_RTHDR)]);
        let others = kept.ecn(Ecn::NotCapable);
        assert_eq!(kinds(&others, V4), [(IPPROTO_IP, IP_PKTINFO), (IPPROTO_IP, IP_ECN)]);
        assert_eq!(kinds(&SendControl::new().keep_packet_info(), V4), []);
    }

    #[test]
    fn raw_messages_are_checked() {
        for (level, kind) in [(1 << 31, 1), (1, ULONG::MAX)] {
            // SAFETY: the message is not sent.
            let result = unsafe { SendControl::new().raw(level, kind, &[]) };
            assert_eq!(result.unwrap_err(), known::STATUS_INVALID_PARAMETER);
        }
        for size in [SendControl::RAW_ROOM - 15, 1 << 20] {
            let data = std::vec![0; size];
            // SAFETY: the message is not sent.
            let result = unsafe { SendControl::new().raw(1, 1, &data) };
            assert_eq!(result.unwrap_err(), known::STATUS_INVALID_BUFFER_SIZE);
        }
    }
}
