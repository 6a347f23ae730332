//! Reading control messages.

use core::fmt;

use wsk_sys::fields::length;
use wsk_sys::{
    CMSGHDR, INT, IP_ECN, IP_HOPLIMIT, IP_PKTINFO, IP_RECVERR, IP_TOS, IP_TTL, IPPROTO_IP,
    IPPROTO_IPV6, IPPROTO_UDP, IPV6_ECN, IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_RECVERR, IPV6_TCLASS,
    SIZE_T, UDP_COALESCED_INFO, ULONG, WSA_CMSG_LEN, WSA_CMSGHDR_ALIGN,
};

use super::{Ecn, PacketInfo, ReceivedError};

/// A control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlMessage<'a> {
    /// The level: the protocol that defines it, such as `IPPROTO_IP`.
    pub level: ULONG,
    /// The type, such as `IP_PKTINFO`.
    pub kind: ULONG,
    /// The data: the bytes of a structure, or of a number.
    pub data: &'a [u8],
}

impl ControlMessage<'_> {
    /// Returns the local address and the interface, if the message is packet info.
    #[must_use]
    pub fn packet_info(&self) -> Option<PacketInfo> {
        match (self.level, self.kind) {
            (IPPROTO_IP, IP_PKTINFO) => PacketInfo::from_v4(self.data),
            (IPPROTO_IPV6, IPV6_PKTINFO) => PacketInfo::from_v6(self.data),
            _ => None,
        }
    }

    /// Returns the ECN bits, if the message has them.
    #[must_use]
    pub fn ecn(&self) -> Option<Ecn> {
        match (self.level, self.kind) {
            (IPPROTO_IP, IP_ECN) | (IPPROTO_IPV6, IPV6_ECN) => self.byte().map(Ecn::from_bits),
            _ => None,
        }
    }

    /// Returns the type of service or traffic class, if the message is one.
    #[must_use]
    pub fn traffic_class(&self) -> Option<u8> {
        match (self.level, self.kind) {
            (IPPROTO_IP, IP_TOS) | (IPPROTO_IPV6, IPV6_TCLASS) => self.byte(),
            _ => None,
        }
    }

    /// Returns the hop limit (time to live), if the message is one.
    #[must_use]
    pub fn hop_limit(&self) -> Option<u8> {
        match (self.level, self.kind) {
            // The option and the message have different names, and Windows has been seen to use either.
            (IPPROTO_IP, IP_HOPLIMIT | IP_TTL) | (IPPROTO_IPV6, IPV6_HOPLIMIT) => self.byte(),
            _ => None,
        }
    }

    /// Returns the size in bytes of each coalesced datagram, if the message is one of coalescing. The last datagram may be
    /// shorter.
    #[must_use]
    pub fn segment_size(&self) -> Option<usize> {
        match (self.level, self.kind) {
            (IPPROTO_UDP, UDP_COALESCED_INFO) => {
                self.number().map(|size| size as usize).filter(|size| *size > 0)
            }
            _ => None,
        }
    }

    /// Returns the error, if the message reports one. The peer did not send such a datagram.
    #[must_use]
    pub fn received_error(&self) -> Option<ReceivedError> {
        match (self.level, self.kind) {
            (IPPROTO_IP, IP_RECVERR) | (IPPROTO_IPV6, IPV6_RECVERR) => {
                ReceivedError::from_bytes(self.data)
            }
            _ => None,
        }
    }

    fn number(&self) -> Option<ULONG> {
        self.data.first_chunk().copied().map(ULONG::from_ne_bytes)
    }

    fn byte(&self) -> Option<u8> {
        u8::try_from(self.number()?).ok()
    }
}

/// An iterator over control messages.
///
/// It yields only complete messages, even from malformed bytes ([INV-26](crate::rules#inv-26)).
#[derive(Clone)]
pub struct ControlMessages<'a>(&'a [u8]);

impl<'a> ControlMessages<'a> {
    /// Reads control data, such as bytes that `WskReceiveFrom` wrote.
    ///
    /// ```
    /// use wsk::cmsg::ControlMessages;
    ///
    /// // The length exceeds the bytes: no message is complete.
    /// assert!(ControlMessages::new(&[0xFF; 40]).next().is_none());
    /// ```
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn find<T>(&self, what: impl Fn(&ControlMessage<'a>) -> Option<T>) -> Option<T> {
        self.clone().find_map(|message| what(&message))
    }

    /// Returns the local address and the interface of the first packet info.
    #[must_use]
    pub fn packet_info(&self) -> Option<PacketInfo> {
        self.find(ControlMessage::packet_info)
    }

    /// Returns the ECN bits of the first message with them, or else those of the traffic class.
    #[must_use]
    pub fn ecn(&self) -> Option<Ecn> {
        self.find(ControlMessage::ecn).or_else(|| self.traffic_class().map(Ecn::from_bits))
    }

    /// Returns the type of service or traffic class of the first message with one.
    #[must_use]
    pub fn traffic_class(&self) -> Option<u8> {
        self.find(ControlMessage::traffic_class)
    }

    /// Returns the hop limit (time to live) of the first message with one.
    #[must_use]
    pub fn hop_limit(&self) -> Option<u8> {
        self.find(ControlMessage::hop_limit)
    }

    /// Returns the size in bytes of each coalesced datagram. The last one may be shorter.
    #[must_use]
    pub fn segment_size(&self) -> Option<usize> {
        self.find(ControlMessage::segment_size)
    }

    /// Returns the error of the first message that reports one. The peer did not send such a datagram.
    #[must_use]
    pub fn received_error(&self) -> Option<ReceivedError> {
        self.find(ControlMessage::received_error)
    }
}

/// The offsets of a header's fields.
const LEVEL: usize = core::mem::offset_of!(CMSGHDR, cmsg_level);
const KIND: usize = core::mem::offset_of!(CMSGHDR, cmsg_type);
const _: () = assert!(core::mem::offset_of!(CMSGHDR, cmsg_len) == 0);

/// Reads a field of the header at the start of the bytes. `None` if the bytes end before it.
fn number(header: &[u8], at: usize) -> Option<ULONG> {
    let number = INT::from_ne_bytes(*header.get(at..)?.first_chunk()?);
    // No level and no type is negative.
    Some(ULONG::try_from(number).unwrap_or(ULONG::MAX))
}

impl<'a> Iterator for ControlMessages<'a> {
    type Item = ControlMessage<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = core::mem::take(&mut self.0);
        let length = length(SIZE_T::from_ne_bytes(*bytes.first_chunk()?));
        let (level, kind) = (number(bytes, LEVEL)?, number(bytes, KIND)?);
        // An invalid length ends the iteration: the start of the next message is unknown.
        let data = bytes.get(WSA_CMSG_LEN(0)..length)?;
        self.0 = bytes.get(WSA_CMSGHDR_ALIGN(length)..).unwrap_or_default();
        Some(ControlMessage { level, kind, data })
    }
}

impl core::iter::FusedIterator for ControlMessages<'_> {}

impl fmt::Debug for ControlMessages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the tests stand in for the system")]
mod tests {
    use core::net::IpAddr;
    use std::vec::Vec;

    use wsk_sys::{PCMSGHDR, WSA_CMSG_DATA, WSA_CMSG_SPACE, first_cmsg, next_cmsg};

    use super::*;
    use crate::status::known;

    fn push(all: &mut Vec<u8>, level: ULONG, kind: ULONG, data: &[u8]) {
        let start = all.len();
        all.extend_from_slice(&WSA_CMSG_LEN(data.len()).to_ne_bytes());
        all.extend_from_slice(&level.to_ne_bytes());
        all.extend_from_slice(&kind.to_ne_bytes());
        all.extend_from_slice(data);
        all.resize(start + WSA_CMSG_SPACE(data.len()), 0);
    }

    #[test]
    fn known_messages_are_read() {
        let mut all = Vec::new();
        push(&mut all, IPPROTO_IP, IP_PKTINFO, &[192, 0, 2, 1, 7, 0, 0, 0]);
        push(&mut all, IPPROTO_IP, IP_TOS, &0x2A_u32.to_ne_bytes());
        push(&mut all, IPPROTO_IP, IP_TTL, &64_u32.to_ne_bytes());
        push(&mut all, IPPROTO_UDP, UDP_COALESCED_INFO, &1200_u32.to_ne_bytes());
        push(&mut all, 0xFFFF, 99, b"own");
        let messages = ControlMessages::new(&all);
        let address = IpAddr::from([192, 0, 2, 1]);
        let interface = u32::from_ne_bytes([7, 0, 0, 0]);
        assert_eq!(messages.packet_info(), Some(PacketInfo { address, interface }));
        assert_eq!(messages.traffic_class(), Some(0x2A));
        assert_eq!(messages.ecn(), Some(Ecn::Ect0), "it is a part of the class");
        assert_eq!(messages.hop_limit(), Some(64));
        assert_eq!(messages.segment_size(), Some(1200));
        let own = ControlMessage { level: 0xFFFF, kind: 99, data: b"own" };
        assert_eq!(messages.last(), Some(own));
    }

    #[test]
    fn errors_are_read_and_named() {
        let mut all = Vec::new();
        let report = |protocol: u8, info: u8, kind: u8, code: u8| {
            [protocol, 0, 0, 0, info, 0, 0, 0, kind, code, 0, 0]
        };
        push(&mut all, IPPROTO_IP, IP_TTL, &64_u32.to_ne_bytes());
        push(&mut all, IPPROTO_IP, IP_RECVERR, &report(1, 0, 3, 3));
        let error = ControlMessages::new(&all).received_error().expect("a report");
        let expected = ReceivedError { is_v6: false, kind: 3, code: 3, info: 0 };
        assert_eq!((error, error.mtu()), (expected, None));
        assert_eq!(error.error(), known::STATUS_PORT_UNREACHABLE);
        let of = |level, kind, bytes: &[u8]| {
            ControlMessage { level, kind, data: bytes }.received_error()
        };
        for (level, kind, bytes, mtu, status) in [
            (
                IPPROTO_IP,
                IP_RECVERR,
                report(1, 99, 3, 4),
                Some(99),
                known::STATUS_INVALID_BUFFER_SIZE,
            ),
            (IPPROTO_IP, IP_RECVERR, report(1, 0, 3, 1), None, known::STATUS_HOST_UNREACHABLE),
            (IPPROTO_IP, IP_RECVERR, report(1, 0, 11, 0), None, known::STATUS_HOPLIMIT_EXCEEDED),
            (IPPROTO_IPV6, IPV6_RECVERR, report(58, 0, 1, 4), None, known::STATUS_PORT_UNREACHABLE),
            (
                IPPROTO_IPV6,
                IPV6_RECVERR,
                report(58, 9, 2, 0),
                Some(9),
                known::STATUS_INVALID_BUFFER_SIZE,
            ),
            // The same numbers have another meaning in IPv6 messages.
            (
                IPPROTO_IPV6,
                IPV6_RECVERR,
                report(58, 0, 3, 3),
                None,
                known::STATUS_HOPLIMIT_EXCEEDED,
            ),
        ] {
            let error = of(level, kind, &bytes).expect("a report");
            assert_eq!((error.mtu(), error.error()), (mtu, status), "{error:?}");
        }
        assert_eq!(of(IPPROTO_IP, IP_RECVERR, &report(1, 0, 3, 3)[..9]), None);
        assert_eq!(of(IPPROTO_IP, IP_TTL, &report(1, 0, 3, 3)), None);
    }

    #[test]
    fn messages_of_a_wrong_size_have_no_value() {
        fn message(level: ULONG, kind: ULONG, data: &[u8]) -> ControlMessage<'_> {
            ControlMessage { level, kind, data }
        }
        assert_eq!(message(IPPROTO_IP, IP_PKTINFO, &[1; 7]).packet_info(), None);
        assert_eq!(message(IPPROTO_IPV6, IPV6_PKTINFO, &[1; 19]).packet_info(), None);
        assert_eq!(message(IPPROTO_IP, IP_ECN, &[1; 3]).ecn(), None);
        assert_eq!(message(IPPROTO_IPV6, IPV6_HOPLIMIT, &256_u32.to_ne_bytes()).hop_limit(), None);
        assert_eq!(message(IPPROTO_UDP, UDP_COALESCED_INFO, &[0; 4]).segment_size(), None);
    }

    /// The messages that the functions of `wsk_sys` find, which are written after C's macros.
    fn as_in_c(words: &mut [u64], length: usize) -> Vec<(ULONG, Vec<u8>)> {
        let start: PCMSGHDR = words.as_mut_ptr().cast();
        let mut found = Vec::new();
        // SAFETY: the words are aligned, initialized, and have at least `length` bytes.
        let mut next = unsafe { first_cmsg(start, length) };
        while !next.is_null() {
            // SAFETY: the message is complete.
            let header = unsafe { next.read() };
            let length_of_data = header.cmsg_len - WSA_CMSG_LEN(0);
            // SAFETY: the message is complete.
            let data = unsafe {
                core::slice::from_raw_parts(WSA_CMSG_DATA(next).cast_const(), length_of_data)
            };
            found.push((ULONG::try_from(header.cmsg_type).unwrap_or(ULONG::MAX), data.to_vec()));
            // SAFETY: the message is of this control data.
            next = unsafe { next_cmsg(start, length, next) };
        }
        found
    }

    /// Bytes of a hostile peer: headers with lengths that are right, nearly right, or random.
    #[test]
    fn any_bytes_are_read_as_c_reads_them() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let mut found = 0;
        for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
            let mut words = [0_u64; 12];
            for word in &mut words {
                *word = match random(4) {
                    0 => 16 + random(30),
                    1 => random(100),
                    2 => u64::MAX - random(40),
                    _ => random(1 << 31),
                };
            }
            let length = usize::try_from(random(97)).unwrap();
            let expected = as_in_c(&mut words, length);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let read: Vec<_> = ControlMessages::new(&bytes[..length])
                .map(|message| (message.kind, message.data.to_vec()))
                .collect();
            assert_eq!(read, expected, "{words:x?}, {length}");
            found += read.len();
        }
        assert!(cfg!(miri) || found > 1000, "only {found} messages were found");
    }
}
