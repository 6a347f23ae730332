//! The values of options, in Rust and as bytes.

use core::mem::offset_of;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use wsk_sys::{
    AF_INET6, GROUP_SOURCE_REQ, IP_MREQ_SOURCE, IP_PMTUDISC_DO, IP_PMTUDISC_DONT,
    IP_PMTUDISC_NOT_SET, IP_PMTUDISC_PROBE, SIZE_T, SOCKADDR_IN6, SOCKADDR_STORAGE, ULONG,
};

use crate::status::{Result, known};

/// The maximum size of a value in bytes. For larger ones, use [`BufferIoctl`](super::BufferIoctl), or an option that can
/// only be set.
pub const MAX_SIZE: usize = 128;

/// The maximum size in bytes of the value of an option that can only be set ([`WriteOnly`](super::WriteOnly)): that of the
/// longest structure, `GROUP_SOURCE_REQ`.
pub const MAX_SIZE_WRITE_ONLY: usize = size_of::<GROUP_SOURCE_REQ>();

/// The type of an option's or control code's values, and their encoding as bytes.
///
/// ```
/// use wsk::options::{AllSockets, OptionValue, SocketOption};
///
/// /// A number that the system stores in tenths.
/// enum Tenths {}
///
/// impl OptionValue for Tenths {
///     type Value = u32;
///     const SIZE: usize = 4;
///
///     fn encode(value: &u32, bytes: &mut [u8]) -> wsk::Result<()> {
///         u32::encode(&value.saturating_mul(10), bytes)
///     }
///
///     fn decode(bytes: &[u8]) -> Option<u32> {
///         u32::decode(bytes).map(|tenths| tenths / 10)
///     }
/// }
/// ```
pub trait OptionValue: 'static {
    /// The Rust type of a value.
    type Value: Send;

    /// The size of a value in bytes, at most [`MAX_SIZE`] or [`MAX_SIZE_WRITE_ONLY`]. Checked by the compiler where an option
    /// is defined.
    const SIZE: usize;

    /// Encodes a value into `bytes`: [`SIZE`](Self::SIZE) bytes, initially zero.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if the value is not valid for the option.
    fn encode(value: &Self::Value, bytes: &mut [u8]) -> Result<()>;

    /// Decodes the bytes written by the system, at most [`SIZE`](Self::SIZE). Returns `None` if they are not a valid value.
    fn decode(bytes: &[u8]) -> Option<Self::Value>;
}

/// No value: zero bytes.
impl OptionValue for () {
    type Value = ();
    const SIZE: usize = 0;

    fn encode(_value: &(), _bytes: &mut [u8]) -> Result<()> {
        Ok(())
    }

    fn decode(_bytes: &[u8]) -> Option<()> {
        Some(())
    }
}

macro_rules! number {
    ($($type:ty as $c:ty: $doc:literal),*) => {$(
        #[doc = $doc]
        impl OptionValue for $type {
            type Value = Self;
            const SIZE: usize = size_of::<$c>();

            fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
                put(bytes, value.to_ne_bytes())
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_ne_bytes)
            }
        }
    )*};
}

number!(u32 as ULONG: "A `ULONG`.", usize as SIZE_T: "A `SIZE_T`.");

/// A `ULONG` that is 0 or 1. The system may also return a single byte.
impl OptionValue for bool {
    type Value = Self;
    const SIZE: usize = size_of::<ULONG>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        u32::encode(&u32::from(*value), bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { None } else { Some(bytes.iter().any(|byte| *byte != 0)) }
    }
}

/// A single byte, C's `BOOLEAN`, as a `bool`.
#[derive(Clone, Copy, Debug)]
pub enum Boolean {}

impl OptionValue for Boolean {
    type Value = bool;
    const SIZE: usize = 1;

    fn encode(value: &bool, bytes: &mut [u8]) -> Result<()> {
        put(bytes, [u8::from(*value)])
    }

    fn decode(bytes: &[u8]) -> Option<bool> {
        bool::decode(bytes)
    }
}

/// Raw bytes: a C structure, for options of your own.
impl<const N: usize> OptionValue for [u8; N] {
    type Value = Self;
    const SIZE: usize = N;

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        put(bytes, *value)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

/// Seconds in a `ULONG`, as a [`Duration`], rounded up.
#[derive(Clone, Copy, Debug)]
pub enum Seconds {}

impl OptionValue for Seconds {
    type Value = Duration;
    const SIZE: usize = size_of::<ULONG>();

    fn encode(value: &Duration, bytes: &mut [u8]) -> Result<()> {
        // Not by way of a number of 128 bits: a driver for arm64 cannot be linked with its division.
        let whole = u32::try_from(value.as_secs()).ok();
        let seconds = whole.and_then(|whole| whole.checked_add((value.subsec_nanos() > 0).into()));
        u32::encode(&seconds.ok_or(known::STATUS_INVALID_PARAMETER)?, bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Duration> {
        u32::decode(bytes).map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// The index of an IPv4 interface, as a `u32`. It is set in network byte order, and read in the processor's.
#[derive(Clone, Copy, Debug)]
pub enum InterfaceIndex {}

impl OptionValue for InterfaceIndex {
    type Value = u32;
    const SIZE: usize = size_of::<ULONG>();

    fn encode(value: &u32, bytes: &mut [u8]) -> Result<()> {
        put(bytes, value.to_be_bytes())
    }

    fn decode(bytes: &[u8]) -> Option<u32> {
        u32::decode(bytes)
    }
}

/// An IPv4 interface for multicast datagrams. It is set by an address or by the index, and read as the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MulticastInterface {
    /// The index, less than 2²⁴. Zero leaves the choice to the system.
    Index(u32),
    /// One of its addresses. Unspecified leaves the choice to the system.
    Address(Ipv4Addr),
}

impl From<Ipv4Addr> for MulticastInterface {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

/// A `ULONG`. It is set in network byte order, since the system takes an address whose first byte is zero for an index, and
/// read in the processor's byte order.
impl OptionValue for MulticastInterface {
    type Value = Self;
    const SIZE: usize = size_of::<ULONG>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        let is_index = |octets: [u8; 4]| octets[0] == 0;
        let octets = match value {
            Self::Index(index) => index.to_be_bytes(),
            Self::Address(address) => address.octets(),
        };
        let is_ambiguous = match value {
            Self::Index(_) => !is_index(octets),
            Self::Address(address) => is_index(octets) && !address.is_unspecified(),
        };
        if is_ambiguous { Err(known::STATUS_INVALID_PARAMETER) } else { put(bytes, octets) }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u32::decode(bytes).map(Self::Index)
    }
}

/// An `IN_ADDR`, in network byte order as in C.
impl OptionValue for Ipv4Addr {
    type Value = Self;
    const SIZE: usize = 4;

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        put(bytes, value.octets())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        <[u8; 4]>::try_from(bytes).ok().map(Self::from)
    }
}

/// An IPv4 multicast group, and the interface to join or leave it on: an `IP_MREQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MembershipV4 {
    /// The address of the group.
    pub group: Ipv4Addr,
    /// An address of the interface, or `0.0.0.n` for the one with the index `n`; unspecified for the default interface.
    pub interface: Ipv4Addr,
}

impl OptionValue for MembershipV4 {
    type Value = Self;
    const SIZE: usize = size_of::<wsk_sys::IP_MREQ>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        let (group, interface) = split(bytes, 4)?;
        put(group, value.group.octets())?;
        put(interface, value.interface.octets())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (group, interface) = bytes.split_at_checked(4)?;
        Some(Self { group: Ipv4Addr::decode(group)?, interface: Ipv4Addr::decode(interface)? })
    }
}

/// An IPv6 multicast group, and the interface to join or leave it on: an `IPV6_MREQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MembershipV6 {
    /// The address of the group.
    pub group: Ipv6Addr,
    /// The index of the interface, or zero for the default interface.
    pub interface: u32,
}

impl OptionValue for MembershipV6 {
    type Value = Self;
    const SIZE: usize = size_of::<wsk_sys::IPV6_MREQ>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        let (group, interface) = split(bytes, 16)?;
        put(group, value.group.octets())?;
        u32::encode(&value.interface, interface)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (group, interface) = bytes.split_at_checked(16)?;
        let group = <[u8; 16]>::try_from(group).ok()?;
        Some(Self { group: group.into(), interface: u32::decode(interface)? })
    }
}

/// A source of an IPv4 multicast group, and the interface: an `IP_MREQ_SOURCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceMembershipV4 {
    /// The address of the group.
    pub group: Ipv4Addr,
    /// The address of the source.
    pub source: Ipv4Addr,
    /// An address of the interface, or `0.0.0.n` for the one with the index `n`; unspecified for the default interface.
    pub interface: Ipv4Addr,
}

impl OptionValue for SourceMembershipV4 {
    type Value = Self;
    const SIZE: usize = size_of::<IP_MREQ_SOURCE>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        let (group, rest) = split(bytes, offset_of!(IP_MREQ_SOURCE, imr_sourceaddr))?;
        let (source, interface) = split(rest, 4)?;
        put(group, value.group.octets())?;
        put(source, value.source.octets())?;
        put(interface, value.interface.octets())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (group, rest) = bytes.split_at_checked(4)?;
        let (source, interface) = rest.split_at_checked(4)?;
        let address = Ipv4Addr::decode;
        Some(Self {
            group: address(group)?,
            source: address(source)?,
            interface: address(interface)?,
        })
    }
}

/// A source of an IPv6 multicast group, and the interface: a `GROUP_SOURCE_REQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceMembershipV6 {
    /// The address of the group.
    pub group: Ipv6Addr,
    /// The address of the source.
    pub source: Ipv6Addr,
    /// The index of the interface, or zero for the default interface.
    pub interface: u32,
}

impl OptionValue for SourceMembershipV6 {
    type Value = Self;
    const SIZE: usize = size_of::<GROUP_SOURCE_REQ>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        let (interface, rest) = split(bytes, offset_of!(GROUP_SOURCE_REQ, gsr_group))?;
        let (group, source) = split(rest, size_of::<SOCKADDR_STORAGE>())?;
        let interface = interface.first_chunk_mut().ok_or(known::STATUS_INVALID_BUFFER_SIZE)?;
        *interface = value.interface.to_ne_bytes();
        put_storage(group, value.group)?;
        put_storage(source, value.source)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (interface, rest) = bytes.split_at_checked(offset_of!(GROUP_SOURCE_REQ, gsr_group))?;
        let (group, source) = rest.split_at_checked(size_of::<SOCKADDR_STORAGE>())?;
        Some(Self {
            group: address_in_storage(group)?,
            source: address_in_storage(source)?,
            interface: u32::from_ne_bytes(*interface.first_chunk()?),
        })
    }
}

/// The mode of path MTU discovery: an `IP_PMTUDISC_…` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathMtuDiscovery(ULONG);

impl PathMtuDiscovery {
    /// The system's setting: `IP_PMTUDISC_NOT_SET`.
    pub const DEFAULT: Self = Self(IP_PMTUDISC_NOT_SET);
    /// Discovery is performed; sending a longer datagram fails: `IP_PMTUDISC_DO`.
    pub const ALWAYS: Self = Self(IP_PMTUDISC_DO);
    /// Discovery is not performed; a datagram longer than the interface's MTU is fragmented: `IP_PMTUDISC_DONT`.
    pub const NEVER: Self = Self(IP_PMTUDISC_DONT);
    /// Discovery is left to the sender; datagrams are never fragmented: `IP_PMTUDISC_PROBE`.
    pub const PROBE: Self = Self(IP_PMTUDISC_PROBE);

    /// Its number.
    #[must_use]
    pub const fn to_raw(self) -> u32 {
        self.0
    }
}

impl OptionValue for PathMtuDiscovery {
    type Value = Self;
    const SIZE: usize = size_of::<ULONG>();

    fn encode(value: &Self, bytes: &mut [u8]) -> Result<()> {
        u32::encode(&value.0, bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u32::decode(bytes).map(Self)
    }
}

/// Keep-alive parameters: a `tcp_keepalive`, in milliseconds, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    /// The idle time before the first packet.
    pub idle: Duration,
    /// The time between unanswered packets.
    pub interval: Duration,
}

/// None turns it off.
impl OptionValue for KeepAlive {
    type Value = Option<Self>;
    const SIZE: usize = size_of::<wsk_sys::tcp_keepalive>();

    fn encode(value: &Option<Self>, bytes: &mut [u8]) -> Result<()> {
        let Some(value) = value else {
            return Ok(());
        };
        // Rounded up, as other times are. Not by way of a number of 128 bits: see `Seconds`.
        let milliseconds = |duration: Duration| {
            let part = duration.subsec_nanos().div_ceil(1_000_000);
            let whole = u32::try_from(duration.as_secs()).ok();
            let whole = whole.and_then(|seconds| seconds.checked_mul(1000));
            whole.and_then(|whole| whole.checked_add(part)).ok_or(known::STATUS_INVALID_PARAMETER)
        };
        let (on, times) = split(bytes, 4)?;
        let (idle, interval) = split(times, 4)?;
        u32::encode(&1, on)?;
        u32::encode(&milliseconds(value.idle)?, idle)?;
        u32::encode(&milliseconds(value.interval)?, interval)
    }

    fn decode(bytes: &[u8]) -> Option<Option<Self>> {
        let (on, times) = bytes.split_at_checked(4)?;
        let (idle, interval) = times.split_at_checked(4)?;
        let duration = |bytes| u32::decode(bytes).map(|ms| Duration::from_millis(ms.into()));
        let value = Self { idle: duration(idle)?, interval: duration(interval)? };
        Some(bool::decode(on)?.then_some(value))
    }
}

/// Writes all of the bytes. They fit, unless `encode` is called with other bytes than it is meant for.
fn put<const N: usize>(bytes: &mut [u8], value: [u8; N]) -> Result<()> {
    let place: &mut [u8; N] = bytes.try_into().map_err(|_| known::STATUS_INVALID_BUFFER_SIZE)?;
    *place = value;
    Ok(())
}

/// Writes an address into the zeros of a `SOCKADDR_STORAGE`.
fn put_storage(storage: &mut [u8], address: Ipv6Addr) -> Result<()> {
    if storage.len() != size_of::<SOCKADDR_STORAGE>() {
        return Err(known::STATUS_INVALID_BUFFER_SIZE);
    }
    let (family, rest) = split(storage, offset_of!(SOCKADDR_IN6, sin6_port))?;
    put(family, AF_INET6.to_ne_bytes())?;
    let skipped = offset_of!(SOCKADDR_IN6, sin6_addr) - offset_of!(SOCKADDR_IN6, sin6_port);
    let octets = split(rest, skipped)?.1.first_chunk_mut();
    *octets.ok_or(known::STATUS_INVALID_BUFFER_SIZE)? = address.octets();
    Ok(())
}

/// The address in a `SOCKADDR_STORAGE`, if it is one of IPv6.
fn address_in_storage(storage: &[u8]) -> Option<Ipv6Addr> {
    let is_v6 = *storage.first_chunk()? == AF_INET6.to_ne_bytes();
    let octets = storage.get(offset_of!(SOCKADDR_IN6, sin6_addr)..)?.first_chunk::<16>()?;
    is_v6.then(|| Ipv6Addr::from(*octets))
}

/// See [`put`].
fn split(bytes: &mut [u8], at: usize) -> Result<(&mut [u8], &mut [u8])> {
    bytes.split_at_mut_checked(at).ok_or(known::STATUS_INVALID_BUFFER_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn there_and_back<T: OptionValue>(value: &T::Value, expected: &[u8])
    where
        T::Value: PartialEq + core::fmt::Debug,
    {
        let mut bytes = [0; MAX_SIZE_WRITE_ONLY];
        let bytes = &mut bytes[..T::SIZE];
        T::encode(value, bytes).expect("a value");
        assert_eq!(bytes, expected);
        assert_eq!(T::decode(bytes).as_ref(), Some(value));
        if T::SIZE > 1 {
            assert!(
                T::encode(value, &mut [0; MAX_SIZE_WRITE_ONLY + 1]).is_err(),
                "bytes of another size"
            );
        }
    }

    #[test]
    fn values_are_those_of_c() {
        let interface = Ipv4Addr::new(192, 0, 2, 7);
        there_and_back::<u32>(&0x0102_0304, &0x0102_0304_u32.to_ne_bytes());
        there_and_back::<usize>(&7, &7_usize.to_ne_bytes());
        there_and_back::<bool>(&true, &1_u32.to_ne_bytes());
        there_and_back::<bool>(&false, &[0; 4]);
        there_and_back::<Boolean>(&true, &[1]);
        there_and_back::<Ipv4Addr>(&interface, &[192, 0, 2, 7]);
        there_and_back::<[u8; 3]>(&[1, 2, 3], &[1, 2, 3]);
        there_and_back::<Seconds>(&Duration::from_secs(60), &60_u32.to_ne_bytes());
        there_and_back::<PathMtuDiscovery>(&PathMtuDiscovery::PROBE, &3_u32.to_ne_bytes());
        let group = Ipv4Addr::new(239, 0, 0, 1);
        there_and_back::<MembershipV4>(
            &MembershipV4 { group, interface },
            &[239, 0, 0, 1, 192, 0, 2, 7],
        );
        let source = Ipv4Addr::new(192, 0, 2, 9);
        there_and_back::<SourceMembershipV4>(
            &SourceMembershipV4 { group, source, interface },
            &[239, 0, 0, 1, 192, 0, 2, 9, 192, 0, 2, 7],
        );
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
        // Two structures `SOCKADDR_STORAGE` of 128 bytes, of the family 23, behind the index and its padding.
        let mut expected = [0; 264];
        expected[..4].copy_from_slice(&5_u32.to_ne_bytes());
        for (start, address) in [(8, group), (136, source)] {
            expected[start..start + 2].copy_from_slice(&23_u16.to_ne_bytes());
            expected[start + 8..start + 24].copy_from_slice(&address.octets());
        }
        there_and_back::<SourceMembershipV6>(
            &SourceMembershipV6 { group, source, interface: 5 },
            &expected,
        );
        expected[136] = 2;
        assert_eq!(SourceMembershipV6::decode(&expected), None, "a source of IPv4");
        let mut expected = std::vec![0xff, 2];
        expected.resize(15, 0);
        expected.push(1);
        expected.extend(9_u32.to_ne_bytes());
        there_and_back::<MembershipV6>(&MembershipV6 { group, interface: 9 }, &expected);
        let keep = KeepAlive { idle: Duration::from_secs(2), interval: Duration::from_millis(3) };
        let expected: std::vec::Vec<u8> =
            [1_u32, 2000, 3].iter().flat_map(|number| number.to_ne_bytes()).collect();
        there_and_back::<KeepAlive>(&Some(keep), &expected);
        // On zeroes, as the contract of `encode` requires.
        there_and_back_none();
    }

    fn there_and_back_none() {
        let mut bytes = [0; 12];
        KeepAlive::encode(&None, &mut bytes).expect("a value");
        assert_eq!((bytes, KeepAlive::decode(&bytes)), ([0; 12], Some(None)));
    }

    #[test]
    fn an_interface_is_set_in_another_form_than_it_is_read_in() {
        let mut bytes = [0; 4];
        InterfaceIndex::encode(&0x0102_0304, &mut bytes).expect("an index");
        assert_eq!(bytes, [1, 2, 3, 4]);
        assert_eq!(InterfaceIndex::decode(&7_u32.to_ne_bytes()), Some(7));
        for (interface, expected) in [
            (MulticastInterface::Index(0x0002_0304), Some([0, 2, 3, 4])),
            (MulticastInterface::Index(0x0100_0000), None),
            (Ipv4Addr::new(192, 0, 2, 7).into(), Some([192, 0, 2, 7])),
            (Ipv4Addr::UNSPECIFIED.into(), Some([0; 4])),
            (Ipv4Addr::new(0, 0, 0, 7).into(), None),
        ] {
            let mut bytes = [0; 4];
            let encoded = MulticastInterface::encode(&interface, &mut bytes).map(|()| bytes);
            assert_eq!(encoded.ok(), expected, "{interface:?}");
        }
        let read = MulticastInterface::decode(&7_u32.to_ne_bytes());
        assert_eq!(read, Some(MulticastInterface::Index(7)));
    }

    #[test]
    fn only_a_bool_may_be_answered_in_fewer_bytes() {
        assert_eq!(bool::decode(&[1]), Some(true));
        assert_eq!(bool::decode(&[0, 1, 0, 0]), Some(true));
        assert_eq!(bool::decode(&[]), None);
        assert_eq!(u32::decode(&[1]), None);
        assert_eq!(u32::decode(&[1; 5]), None);
        assert_eq!(<[u8; 3]>::decode(&[1; 2]), None);
        assert_eq!(MembershipV4::decode(&[1; 7]), None);
        assert_eq!(MembershipV6::decode(&[1; 3]), None);
        assert_eq!(KeepAlive::decode(&[1; 11]), None);
    }

    #[test]
    fn seconds_are_rounded_up_and_do_not_wrap() {
        let mut bytes = [0; 4];
        Seconds::encode(&Duration::from_millis(1), &mut bytes).expect("a value");
        assert_eq!(bytes, 1_u32.to_ne_bytes());
        let long = Duration::from_secs(u64::from(u32::MAX));
        Seconds::encode(&long, &mut bytes).expect("a value");
        let longer = long + Duration::from_nanos(1);
        assert_eq!(Seconds::encode(&longer, &mut bytes), Err(known::STATUS_INVALID_PARAMETER));
        assert!(Seconds::encode(&Duration::MAX, &mut bytes).is_err());
        let mut bytes = [0; 12];
        for (idle, fits) in [
            (Duration::from_millis(u64::from(u32::MAX)), true),
            (Duration::from_millis(u64::from(u32::MAX) + 1), false),
            (Duration::from_millis(u64::from(u32::MAX)) + Duration::from_nanos(1), false),
            (Duration::MAX, false),
        ] {
            let value = KeepAlive { idle, interval: Duration::ZERO };
            assert_eq!(KeepAlive::encode(&Some(value), &mut bytes).is_ok(), fits, "{idle:?}");
        }
    }

    #[test]
    fn parts_of_a_millisecond_are_rounded_up() {
        let mut bytes = [0; 12];
        let value =
            KeepAlive { idle: Duration::from_micros(500), interval: Duration::from_micros(1001) };
        KeepAlive::encode(&Some(value), &mut bytes).expect("it fits");
        let rounded =
            KeepAlive { idle: Duration::from_millis(1), interval: Duration::from_millis(2) };
        assert_eq!(KeepAlive::decode(&bytes), Some(Some(rounded)));
    }
}
