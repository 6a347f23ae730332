//! Socket options: their sockets, their phases, and their values.

use std::collections::BTreeMap;

use wsk_sys::since::{self, WindowsVersion};
use wsk_sys::{
    ADDRESS_FAMILY, AF_INET6, GROUP_SOURCE_REQ, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
    IP_BLOCK_SOURCE, IP_DONTFRAGMENT, IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_ECN,
    IP_HOPLIMIT, IP_MREQ, IP_MREQ_SOURCE, IP_MTU, IP_MTU_DISCOVER, IP_MULTICAST_IF,
    IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_PKTINFO, IP_RECVERR, IP_RECVTOS, IP_TOS, IP_TTL,
    IP_UNBLOCK_SOURCE, IP_UNICAST_IF, IP_USER_MTU, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP,
    IPPROTO_UDP, IPV6_ADD_MEMBERSHIP, IPV6_DONTFRAG, IPV6_DROP_MEMBERSHIP, IPV6_ECN, IPV6_HOPLIMIT,
    IPV6_MREQ, IPV6_MTU, IPV6_MTU_DISCOVER, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_IF,
    IPV6_MULTICAST_LOOP, IPV6_PKTINFO, IPV6_RECVERR, IPV6_RECVTCLASS, IPV6_TCLASS,
    IPV6_UNICAST_HOPS, IPV6_UNICAST_IF, IPV6_USER_MTU, IPV6_V6ONLY, MCAST_BLOCK_SOURCE,
    MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP, MCAST_UNBLOCK_SOURCE, SO_BROADCAST,
    SO_CONDITIONAL_ACCEPT, SO_EXCLUSIVEADDRUSE, SO_KEEPALIVE, SO_RCVBUF, SO_REUSEADDR, SO_SNDBUF,
    SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, TCP_FASTOPEN, TCP_KEEPALIVE, TCP_KEEPCNT, TCP_KEEPINTVL,
    TCP_MAXRT, TCP_NODELAY, TCP_TIMESTAMPS, UDP_CHECKSUM_COVERAGE, UDP_NOCHECKSUM,
    UDP_RECV_MAX_COALESCED_SIZE, UDP_SEND_MSG_SIZE, ULONG, USHORT,
};

use super::category::{BASIC, CONNECTION, DATAGRAM, LISTEN, STREAM};
use crate::kernel::config::Windows;

/// An option with a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) level: ULONG,
    pub(super) name: ULONG,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(ULONG),
    /// A structure, such as `IP_MREQ`.
    Structure(Vec<u8>),
}

/// When an option may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionPhase {
    BeforeBind,
    Any,
}

/// The form in which the value of an option is passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueForm {
    /// A number of four bytes.
    Number,
    /// A number that is given as one byte or four, and answered so.
    ByteOrNumber,
    /// A number that is given as one byte or four, and answered as four.
    GivenAsByte,
    /// Set in network byte order, and returned in the processor's.
    Interface,
    /// As `Interface`, and given also as an address of the interface, which has another first byte than zero.
    InterfaceOrAddress,
}

/// The index of the only interface that a host has.
const INTERFACE: ULONG = 1;

/// An option.
#[derive(Clone, Copy)]
pub(super) struct OptionSpecification {
    level: ULONG,
    name: ULONG,
    /// The value that a socket begins with.
    initial: ULONG,
    /// The size of its structure; zero for a number.
    structure: usize,
    /// Whether it has a value that can be asked for only.
    is_fixed: bool,
    form: ValueForm,
    pub(super) phase: OptionPhase,
    /// The categories whose sockets have the option.
    categories: u8,
    /// The first Windows that has the option; `None` if all have it.
    since: Option<WindowsVersion>,
}

const ALL: u8 = BASIC | LISTEN | DATAGRAM | CONNECTION | STREAM;
/// Those of bytes, where a listener's value is its connections' too.
const BYTES: u8 = BASIC | LISTEN | CONNECTION | STREAM;
const DATAGRAMS: u8 = BASIC | DATAGRAM;

const fn number(level: ULONG, name: ULONG, initial: ULONG, categories: u8) -> OptionSpecification {
    OptionSpecification {
        level,
        name,
        initial,
        structure: 0,
        is_fixed: false,
        form: ValueForm::Number,
        phase: OptionPhase::Any,
        categories,
        since: None,
    }
}

const fn before_bind(option: OptionSpecification) -> OptionSpecification {
    OptionSpecification { phase: OptionPhase::BeforeBind, ..option }
}

const fn later(since: WindowsVersion, option: OptionSpecification) -> OptionSpecification {
    OptionSpecification { since: Some(since), ..option }
}

const fn structure(level: ULONG, name: ULONG, size: usize) -> OptionSpecification {
    OptionSpecification { structure: size, ..number(level, name, 0, DATAGRAMS) }
}

/// A boolean, which Windows takes and answers as one byte or as four.
const fn boolean(option: OptionSpecification) -> OptionSpecification {
    OptionSpecification { form: ValueForm::ByteOrNumber, ..option }
}

const fn of_form(form: ValueForm, option: OptionSpecification) -> OptionSpecification {
    OptionSpecification { form, ..option }
}

/// A property of the path of a connection.
const fn of_path(level: ULONG, name: ULONG, value: ULONG) -> OptionSpecification {
    OptionSpecification { is_fixed: true, ..number(level, name, value, CONNECTION | STREAM) }
}

/// The MTU of every path, in bytes.
const PACKET: ULONG = 1500;

const V4: ULONG = IPPROTO_IP;
const V6: ULONG = IPPROTO_IPV6;

static OPTIONS: &[OptionSpecification] = &[
    boolean(before_bind(number(
        SOL_SOCKET,
        SO_REUSEADDR,
        0,
        LISTEN | DATAGRAM | CONNECTION | STREAM,
    ))),
    boolean(before_bind(number(
        SOL_SOCKET,
        SO_EXCLUSIVEADDRUSE,
        0,
        LISTEN | DATAGRAM | CONNECTION | STREAM,
    ))),
    // Said of listeners only, by documentation that leaves stream sockets out throughout.
    boolean(before_bind(number(SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 0, LISTEN | STREAM))),
    boolean(number(SOL_SOCKET, SO_KEEPALIVE, 0, LISTEN | CONNECTION | STREAM)),
    number(SOL_SOCKET, SO_RCVBUF, 64 << 10, LISTEN | DATAGRAM | CONNECTION | STREAM),
    number(SOL_SOCKET, SO_SNDBUF, 64 << 10, LISTEN | DATAGRAM | CONNECTION | STREAM),
    boolean(number(SOL_SOCKET, SO_BROADCAST, 0, DATAGRAM)),
    boolean(number(IPPROTO_TCP, TCP_NODELAY, 0, BYTES)),
    number(IPPROTO_TCP, TCP_KEEPALIVE, 7200, BYTES),
    number(IPPROTO_TCP, TCP_KEEPCNT, 10, BYTES),
    number(IPPROTO_TCP, TCP_KEEPINTVL, 1, BYTES),
    number(IPPROTO_TCP, TCP_MAXRT, 0, BYTES),
    number(IPPROTO_TCP, TCP_TIMESTAMPS, 0, BYTES),
    later(since::TCP_FASTOPEN, number(IPPROTO_TCP, TCP_FASTOPEN, 0, BYTES)),
    number(IPPROTO_UDP, UDP_NOCHECKSUM, 0, DATAGRAMS),
    number(IPPROTO_UDP, UDP_CHECKSUM_COVERAGE, 0, DATAGRAMS),
    later(since::UDP_SEND_MSG_SIZE, number(IPPROTO_UDP, UDP_SEND_MSG_SIZE, 0, DATAGRAMS)),
    later(
        since::UDP_RECV_MAX_COALESCED_SIZE,
        number(IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, 0, DATAGRAMS),
    ),
    number(V4, IP_TOS, 0, ALL),
    of_form(ValueForm::GivenAsByte, number(V4, IP_TTL, 128, ALL)),
    of_form(ValueForm::InterfaceOrAddress, number(V4, IP_MULTICAST_IF, 0, DATAGRAMS)),
    number(V4, IP_MULTICAST_TTL, 1, DATAGRAMS),
    number(V4, IP_MULTICAST_LOOP, 1, DATAGRAMS),
    structure(V4, IP_ADD_MEMBERSHIP, size_of::<IP_MREQ>()),
    structure(V4, IP_DROP_MEMBERSHIP, size_of::<IP_MREQ>()),
    structure(V4, IP_ADD_SOURCE_MEMBERSHIP, size_of::<IP_MREQ_SOURCE>()),
    structure(V4, IP_DROP_SOURCE_MEMBERSHIP, size_of::<IP_MREQ_SOURCE>()),
    structure(V4, IP_BLOCK_SOURCE, size_of::<IP_MREQ_SOURCE>()),
    structure(V4, IP_UNBLOCK_SOURCE, size_of::<IP_MREQ_SOURCE>()),
    structure(V4, MCAST_JOIN_SOURCE_GROUP, size_of::<GROUP_SOURCE_REQ>()),
    structure(V4, MCAST_LEAVE_SOURCE_GROUP, size_of::<GROUP_SOURCE_REQ>()),
    structure(V4, MCAST_BLOCK_SOURCE, size_of::<GROUP_SOURCE_REQ>()),
    structure(V4, MCAST_UNBLOCK_SOURCE, size_of::<GROUP_SOURCE_REQ>()),
    number(V4, IP_DONTFRAGMENT, 0, ALL),
    number(V4, IP_PKTINFO, 0, DATAGRAMS),
    number(V4, IP_HOPLIMIT, 0, DATAGRAMS),
    of_form(ValueForm::Interface, number(V4, IP_UNICAST_IF, 0, ALL)),
    number(V4, IP_RECVTOS, 0, DATAGRAMS),
    number(V4, IP_ECN, 0, DATAGRAMS),
    // The options of version 1709 appear in the next version that a host emulates.
    later(since::IP_RECVERR, number(V4, IP_RECVERR, 0, DATAGRAMS)),
    later(since::IP_MTU_DISCOVER, number(V4, IP_MTU_DISCOVER, 0, ALL)),
    later(since::IP_MTU, of_path(V4, IP_MTU, PACKET)),
    later(since::IP_USER_MTU, number(V4, IP_USER_MTU, ULONG::MAX, ALL)),
    boolean(before_bind(number(V6, IPV6_V6ONLY, 1, ALL))),
    number(V6, IPV6_UNICAST_HOPS, 128, ALL),
    number(V6, IPV6_MULTICAST_IF, 0, DATAGRAMS),
    number(V6, IPV6_MULTICAST_HOPS, 1, DATAGRAMS),
    number(V6, IPV6_MULTICAST_LOOP, 1, DATAGRAMS),
    structure(V6, IPV6_ADD_MEMBERSHIP, size_of::<IPV6_MREQ>()),
    structure(V6, IPV6_DROP_MEMBERSHIP, size_of::<IPV6_MREQ>()),
    structure(V6, MCAST_JOIN_SOURCE_GROUP, size_of::<GROUP_SOURCE_REQ>()),
    structure(V6, MCAST_LEAVE_SOURCE_GROUP, size_of::<GROUP_SOURCE_REQ>()),
    structure(V6, MCAST_BLOCK_SOURCE, size_of::<GROUP_SOURCE_REQ>()),
    structure(V6, MCAST_UNBLOCK_SOURCE, size_of::<GROUP_SOURCE_REQ>()),
    number(V6, IPV6_DONTFRAG, 0, ALL),
    number(V6, IPV6_PKTINFO, 0, DATAGRAMS),
    number(V6, IPV6_HOPLIMIT, 0, DATAGRAMS),
    number(V6, IPV6_UNICAST_IF, 0, ALL),
    number(V6, IPV6_TCLASS, 0, ALL),
    number(V6, IPV6_RECVTCLASS, 0, DATAGRAMS),
    number(V6, IPV6_ECN, 0, DATAGRAMS),
    later(since::IPV6_RECVERR, number(V6, IPV6_RECVERR, 0, DATAGRAMS)),
    later(since::IPV6_MTU_DISCOVER, number(V6, IPV6_MTU_DISCOVER, 0, ALL)),
    later(since::IPV6_MTU, of_path(V6, IPV6_MTU, PACKET)),
    later(since::IPV6_USER_MTU, number(V6, IPV6_USER_MTU, ULONG::MAX, ALL)),
];

impl OptionSpecification {
    /// The option with a name, if the given Windows has it for the category.
    pub(super) fn find(
        level: ULONG,
        name: ULONG,
        category: u8,
        windows: Windows,
    ) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| {
            option.level == level
                && option.name == name
                && option.categories & category != 0
                && option.since.is_none_or(|since| windows.has(since))
        })
    }

    /// Whether sockets of a family and a type have the option: an IPv6 socket may have IPv4 peers.
    pub(super) fn is_for(&self, family: ADDRESS_FAMILY, socket_type: USHORT) -> bool {
        match self.level {
            IPPROTO_IPV6 => family == AF_INET6,
            IPPROTO_TCP => socket_type == SOCK_STREAM,
            IPPROTO_UDP => socket_type == SOCK_DGRAM,
            _ => true,
        }
    }

    /// A value as a client gave it; none if it has the wrong size.
    pub(super) fn setting(&self, bytes: &[u8]) -> Option<Setting> {
        let takes_byte = matches!(self.form, ValueForm::ByteOrNumber | ValueForm::GivenAsByte);
        let value = if let ([byte], true) = (bytes, takes_byte) {
            Value::Number((*byte).into())
        } else if self.structure == 0 {
            Value::Number(ULONG::from_ne_bytes(bytes.try_into().ok()?))
        } else {
            Value::Structure(Some(bytes).filter(|bytes| bytes.len() == self.structure)?.to_vec())
        };
        Some(Setting { level: self.level, name: self.name, value })
    }

    /// The answer to a client with room for `room` bytes: its bytes, and how many of them count. None if there is too
    /// little room.
    pub(super) fn answer(&self, number: ULONG, room: usize) -> Option<([u8; 4], usize)> {
        let number = match self.form {
            ValueForm::ByteOrNumber if (1..4).contains(&room) => {
                return Some(([u8::from(number != 0), 0, 0, 0], 1));
            }
            ValueForm::InterfaceOrAddress if number.to_ne_bytes()[0] != 0 => INTERFACE,
            ValueForm::Interface | ValueForm::InterfaceOrAddress => ULONG::from_be(number),
            ValueForm::Number | ValueForm::ByteOrNumber | ValueForm::GivenAsByte => number,
        };
        (room >= 4).then_some((number.to_ne_bytes(), 4))
    }

    /// Whether it can be set.
    pub(super) fn is_writable(&self) -> bool {
        !self.is_fixed
    }

    pub(super) fn is_nodelay(&self) -> bool {
        (self.level, self.name) == (IPPROTO_TCP, TCP_NODELAY)
    }

    /// Whether it has a value that can be asked for.
    pub(super) fn is_readable(&self) -> bool {
        self.structure == 0
    }
}

/// The address sharing, as set by `SO_REUSEADDR` and `SO_EXCLUSIVEADDRUSE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sharing {
    #[default]
    Neither,
    Reuse,
    Exclusive,
}

/// The options of a socket that were set.
#[derive(Clone, Debug, Default)]
pub(super) struct OptionValues(BTreeMap<(ULONG, ULONG), ULONG>);

impl OptionValues {
    pub(super) fn get(&self, level: ULONG, name: ULONG) -> ULONG {
        let initial = || {
            let option = OPTIONS.iter().find(|o| (o.level, o.name) == (level, name));
            option.map_or(0, |option| option.initial)
        };
        self.0.get(&(level, name)).copied().unwrap_or_else(initial)
    }

    pub(super) fn set(&mut self, setting: &Setting) {
        if let Value::Number(number) = setting.value {
            self.0.insert((setting.level, setting.name), number);
        }
    }

    pub(super) fn wants(&self, level: ULONG, name: ULONG) -> bool {
        self.get(level, name) != 0
    }

    pub(super) fn wants_traffic_class(&self, level: ULONG) -> bool {
        let name = if level == V4 { IP_RECVTOS } else { IPV6_RECVTCLASS };
        self.wants(level, name)
    }

    pub(super) fn sharing(&self) -> Sharing {
        if self.wants(SOL_SOCKET, SO_EXCLUSIVEADDRUSE) {
            Sharing::Exclusive
        } else if self.wants(SOL_SOCKET, SO_REUSEADDR) {
            Sharing::Reuse
        } else {
            Sharing::Neither
        }
    }

    /// The set options, for a new endpoint.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |(&(level, name), &number): (&(ULONG, ULONG), &ULONG)| Setting {
            level,
            name,
            value: Value::Number(number),
        };
        self.0.iter().map(setting).collect()
    }

    /// The options that a connection inherits from its listener.
    pub(super) fn inherited(&self) -> Self {
        let is_inherited = |(level, name): &(ULONG, ULONG)| {
            !matches!(
                (*level, *name),
                (SOL_SOCKET, SO_REUSEADDR | SO_EXCLUSIVEADDRUSE | SO_CONDITIONAL_ACCEPT)
            )
        };
        Self(self.0.iter().filter(|(key, _)| is_inherited(key)).map(|(k, v)| (*k, *v)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_for_its_categories_and_releases() {
        let find = |category, windows| {
            let option =
                OptionSpecification::find(IPPROTO_UDP, UDP_SEND_MSG_SIZE, category, windows);
            option.is_some()
        };
        assert!(find(DATAGRAM, Windows::ELEVEN));
        assert!(find(BASIC, Windows::TEN_2004));
        assert!(!find(DATAGRAM, Windows::TEN_1803));
        assert!(!find(CONNECTION, Windows::ELEVEN));
        let [older, newer] =
            [10586, 14393].map(|build| Windows { major: 10, minor: 0, build }).map(|windows| {
                OptionSpecification::find(IPPROTO_TCP, TCP_FASTOPEN, CONNECTION, windows).is_some()
            });
        assert!(!older && newer);
    }

    #[test]
    fn a_value_has_its_size() {
        let option = OptionSpecification::find(V4, IP_TTL, DATAGRAM, Windows::VISTA).unwrap();
        let setting = option.setting(&64_u32.to_ne_bytes()).unwrap();
        assert_eq!(setting.value, Value::Number(64));
        assert!(option.setting(&[64]).is_some_and(|byte| byte.value == setting.value));
        assert_eq!(option.setting(&[64, 0]), None);
        let number = OptionSpecification::find(V4, IP_TOS, DATAGRAM, Windows::VISTA).unwrap();
        assert_eq!(number.setting(&[64]), None);
        let mut options = OptionValues::default();
        assert_eq!(options.get(V4, IP_TTL), 128);
        options.set(&setting);
        assert_eq!(options.get(V4, IP_TTL), 64);
    }
}
