//! Multicast groups: requests about them, and whose datagrams a member receives.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr};

use wsk_sys::{
    AF_INET, AF_INET6, GROUP_SOURCE_REQ, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
    IP_BLOCK_SOURCE, IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_UNBLOCK_SOURCE, IPPROTO_IP,
    IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, MCAST_BLOCK_SOURCE,
    MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP, MCAST_UNBLOCK_SOURCE, NTSTATUS, SOCKADDR_IN,
    SOCKADDR_IN6, STATUS_INVALID_ADDRESS_COMPONENT, STATUS_INVALID_PARAMETER, ULONG,
};

use super::options::{Setting, Value};

/// An option that joins or leaves a group, or changes its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MembershipRequest {
    pub(super) change: Change,
    pub(super) group: IpAddr,
    pub(super) interface: Interface,
}

/// What a request does with its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Join,
    Leave,
    Source(SourceChange, IpAddr),
}

/// What a request does with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceChange {
    Join,
    Leave,
    Block,
    Unblock,
}

/// An interface in a client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// By one of its addresses.
    Address(Ipv4Addr),
    /// By its index, or by zero for any interface.
    Index(u32),
}

impl Interface {
    /// An interface as options of IPv4 take it: an address whose first byte is zero is an index in network order.
    pub(super) fn of_ipv4(octets: [u8; 4]) -> Self {
        match octets {
            index @ [0, ..] => Self::Index(u32::from_be_bytes(index)),
            address => Self::Address(address.into()),
        }
    }
}

impl MembershipRequest {
    /// The request of a setting. None if the setting is of another option.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if an address is of another family than the option.
    pub(super) fn of(setting: &Setting) -> Result<Option<Self>, NTSTATUS> {
        let Value::Structure(bytes) = &setting.value else { return Ok(None) };
        let request = match (setting.level, setting.name) {
            (IPPROTO_IP, IP_ADD_MEMBERSHIP) => ip_mreq(Change::Join, bytes),
            (IPPROTO_IP, IP_DROP_MEMBERSHIP) => ip_mreq(Change::Leave, bytes),
            (IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP) => ip_mreq_source(SourceChange::Join, bytes),
            (IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP) => ip_mreq_source(SourceChange::Leave, bytes),
            (IPPROTO_IP, IP_BLOCK_SOURCE) => ip_mreq_source(SourceChange::Block, bytes),
            (IPPROTO_IP, IP_UNBLOCK_SOURCE) => ip_mreq_source(SourceChange::Unblock, bytes),
            (IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP) => ipv6_mreq(Change::Join, bytes),
            (IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP) => ipv6_mreq(Change::Leave, bytes),
            (level, MCAST_JOIN_SOURCE_GROUP) => group_source(SourceChange::Join, level, bytes),
            (level, MCAST_LEAVE_SOURCE_GROUP) => group_source(SourceChange::Leave, level, bytes),
            (level, MCAST_BLOCK_SOURCE) => group_source(SourceChange::Block, level, bytes),
            (level, MCAST_UNBLOCK_SOURCE) => group_source(SourceChange::Unblock, level, bytes),
            _ => return Ok(None),
        };
        request.map(Some).ok_or(STATUS_INVALID_PARAMETER)
    }
}

/// The `N` bytes at an offset.
fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// The interface at an offset of a structure of IPv4.
fn ipv4_interface(bytes: &[u8], offset: usize) -> Option<Interface> {
    bytes_at(bytes, offset).map(Interface::of_ipv4)
}

/// An `IP_MREQ`.
fn ip_mreq(change: Change, bytes: &[u8]) -> Option<MembershipRequest> {
    let group = IpAddr::from(bytes_at::<4>(bytes, 0)?);
    Some(MembershipRequest { change, group, interface: ipv4_interface(bytes, 4)? })
}

/// An `IP_MREQ_SOURCE`.
fn ip_mreq_source(change: SourceChange, bytes: &[u8]) -> Option<MembershipRequest> {
    let group = IpAddr::from(bytes_at::<4>(bytes, 0)?);
    let change = Change::Source(change, bytes_at::<4>(bytes, 4)?.into());
    Some(MembershipRequest { change, group, interface: ipv4_interface(bytes, 8)? })
}

/// An `IPV6_MREQ`.
fn ipv6_mreq(change: Change, bytes: &[u8]) -> Option<MembershipRequest> {
    let group = IpAddr::from(bytes_at::<16>(bytes, 0)?);
    let interface = Interface::Index(u32::from_ne_bytes(bytes_at(bytes, 16)?));
    Some(MembershipRequest { change, group, interface })
}

/// A `GROUP_SOURCE_REQ`. None if an address is of another family than the option's level.
fn group_source(change: SourceChange, level: ULONG, bytes: &[u8]) -> Option<MembershipRequest> {
    let address = |offset| {
        let bytes = bytes.get(offset..)?;
        match (level, u16::from_ne_bytes(bytes_at(bytes, 0)?)) {
            (IPPROTO_IP, AF_INET) => {
                bytes_at::<4>(bytes, offset_of!(SOCKADDR_IN, sin_addr)).map(IpAddr::from)
            }
            (IPPROTO_IPV6, AF_INET6) => {
                bytes_at::<16>(bytes, offset_of!(SOCKADDR_IN6, sin6_addr)).map(IpAddr::from)
            }
            _ => None,
        }
    };
    let interface = Interface::Index(u32::from_ne_bytes(bytes_at(bytes, 0)?));
    let group = address(offset_of!(GROUP_SOURCE_REQ, gsr_group))?;
    let source = address(offset_of!(GROUP_SOURCE_REQ, gsr_source))?;
    Some(MembershipRequest { change: Change::Source(change, source), group, interface })
}

/// The groups of a socket, on a host's only interface.
///
/// The statuses are those of the Winsock errors on Microsoft's page "Multicast Socket Option Behavior":
/// `WSAEADDRNOTAVAIL` is `STATUS_INVALID_ADDRESS_COMPONENT`, `WSAEINVAL` is `STATUS_INVALID_PARAMETER`.
#[derive(Debug, Default)]
pub(super) struct Memberships(BTreeMap<IpAddr, Sources>);

/// The sources whose datagrams a member receives.
#[derive(Debug)]
enum Sources {
    /// All but the blocked ones. None if none has ever been blocked.
    Exclude(Option<BTreeSet<IpAddr>>),
    /// These alone. When the last source is left, so is the group.
    Include(BTreeSet<IpAddr>),
}

impl Memberships {
    /// Whether the socket receives the datagrams that a source sends to a group.
    pub(super) fn receives(&self, group: IpAddr, source: IpAddr) -> bool {
        match self.0.get(&group) {
            Some(Sources::Exclude(blocked)) => {
                !blocked.as_ref().is_some_and(|blocked| blocked.contains(&source))
            }
            Some(Sources::Include(sources)) => sources.contains(&source),
            None => false,
        }
    }

    /// Joins or leaves a group, or changes its sources.
    pub(super) fn change(&mut self, group: IpAddr, change: Change) -> Result<(), NTSTATUS> {
        if !group.is_multicast() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        match change {
            Change::Join => self.join(group),
            Change::Leave => match self.0.remove(&group) {
                Some(sources) if !sources.is_left() => Ok(()),
                _ => Err(STATUS_INVALID_PARAMETER),
            },
            Change::Source(SourceChange::Join, source) => self.join_source(group, source),
            Change::Source(SourceChange::Leave, source) => self.leave_source(group, source),
            Change::Source(SourceChange::Block, source) => self.block(group, source),
            Change::Source(SourceChange::Unblock, source) => self.unblock(group, source),
        }
    }

    fn join(&mut self, group: IpAddr) -> Result<(), NTSTATUS> {
        match self.0.get(&group) {
            Some(Sources::Exclude(Some(blocked))) if !blocked.is_empty() => {
                Err(STATUS_INVALID_PARAMETER)
            }
            Some(sources) if !sources.is_left() => Err(STATUS_INVALID_ADDRESS_COMPONENT),
            _ => {
                self.0.insert(group, Sources::Exclude(None));
                Ok(())
            }
        }
    }

    fn join_source(&mut self, group: IpAddr, source: IpAddr) -> Result<(), NTSTATUS> {
        match self.0.entry(group).or_insert_with(|| Sources::Include(BTreeSet::new())) {
            Sources::Exclude(Some(blocked)) if blocked.contains(&source) => {
                Err(STATUS_INVALID_PARAMETER)
            }
            Sources::Exclude(_) => Err(STATUS_INVALID_ADDRESS_COMPONENT),
            Sources::Include(sources) => available(sources.insert(source)),
        }
    }

    fn leave_source(&mut self, group: IpAddr, source: IpAddr) -> Result<(), NTSTATUS> {
        match self.0.get_mut(&group) {
            Some(Sources::Include(sources)) => available(sources.remove(&source)),
            Some(Sources::Exclude(_)) | None => Err(STATUS_INVALID_PARAMETER),
        }
    }

    /// Microsoft's page leaves open what blocking does where sources were joined; in RFC 3678 it is an invalid argument.
    fn block(&mut self, group: IpAddr, source: IpAddr) -> Result<(), NTSTATUS> {
        match self.0.get_mut(&group) {
            Some(Sources::Exclude(blocked)) => {
                available(blocked.get_or_insert_default().insert(source))
            }
            Some(Sources::Include(_)) | None => Err(STATUS_INVALID_PARAMETER),
        }
    }

    fn unblock(&mut self, group: IpAddr, source: IpAddr) -> Result<(), NTSTATUS> {
        match self.0.get_mut(&group) {
            Some(Sources::Exclude(Some(blocked))) => available(blocked.remove(&source)),
            Some(Sources::Exclude(None) | Sources::Include(_)) | None => {
                Err(STATUS_INVALID_PARAMETER)
            }
        }
    }
}

impl Sources {
    /// Whether the last source was left.
    fn is_left(&self) -> bool {
        matches!(self, Self::Include(sources) if sources.is_empty())
    }
}

/// The result of a change of a list, which fails if it changed nothing.
fn available(has_changed: bool) -> Result<(), NTSTATUS> {
    if has_changed { Ok(()) } else { Err(STATUS_INVALID_ADDRESS_COMPONENT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(232, 1, 2, 3));
    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const JOIN: Change = Change::Join;
    const LEAVE: Change = Change::Leave;
    const ADD_SOURCE: Change = Change::Source(SourceChange::Join, ONE);
    const DROP_SOURCE: Change = Change::Source(SourceChange::Leave, ONE);
    const BLOCK: Change = Change::Source(SourceChange::Block, ONE);
    const UNBLOCK: Change = Change::Source(SourceChange::Unblock, ONE);

    /// The rows of Microsoft's page: what was done before, the conflicting request, and its error.
    #[test]
    fn conflicting_requests_fail_as_on_microsofts_page() {
        const NOT_AVAILABLE: NTSTATUS = STATUS_INVALID_ADDRESS_COMPONENT;
        const INVALID: NTSTATUS = STATUS_INVALID_PARAMETER;
        let rows: &[(&[Change], Change, NTSTATUS)] = &[
            (&[JOIN], JOIN, NOT_AVAILABLE),
            (&[JOIN], ADD_SOURCE, NOT_AVAILABLE),
            (&[JOIN], DROP_SOURCE, INVALID),
            (&[JOIN], UNBLOCK, INVALID),
            (&[JOIN, LEAVE], LEAVE, INVALID),
            (&[JOIN, LEAVE], DROP_SOURCE, INVALID),
            (&[JOIN, LEAVE], BLOCK, INVALID),
            (&[JOIN, LEAVE], UNBLOCK, INVALID),
            (&[ADD_SOURCE], JOIN, NOT_AVAILABLE),
            (&[ADD_SOURCE], ADD_SOURCE, NOT_AVAILABLE),
            (&[ADD_SOURCE], UNBLOCK, INVALID),
            (&[ADD_SOURCE, DROP_SOURCE], UNBLOCK, INVALID),
            (&[ADD_SOURCE, DROP_SOURCE], DROP_SOURCE, NOT_AVAILABLE),
            (&[JOIN, BLOCK], BLOCK, NOT_AVAILABLE),
            (&[JOIN, BLOCK], ADD_SOURCE, INVALID),
            (&[JOIN, BLOCK], JOIN, INVALID),
            (&[JOIN, BLOCK, UNBLOCK], UNBLOCK, NOT_AVAILABLE),
            // Not on the page: a group that was never joined, or whose last source was left.
            (&[], LEAVE, INVALID),
            (&[], DROP_SOURCE, INVALID),
            (&[], BLOCK, INVALID),
            (&[ADD_SOURCE], BLOCK, INVALID),
            (&[ADD_SOURCE, DROP_SOURCE], LEAVE, INVALID),
        ];
        for (before, conflicting, expected) in rows {
            let mut groups = Memberships::default();
            for change in *before {
                groups.change(GROUP, *change).unwrap();
            }
            let row = format!("{before:?}, {conflicting:?}");
            assert_eq!(groups.change(GROUP, *conflicting), Err(*expected), "{row}");
        }
        for change in [JOIN, LEAVE, ADD_SOURCE, DROP_SOURCE, BLOCK, UNBLOCK] {
            assert_eq!(Memberships::default().change(ONE, change), Err(INVALID), "no group");
        }
    }

    #[test]
    fn a_member_receives_from_its_sources() {
        let other = IpAddr::from([192, 0, 2, 2]);
        let mut groups = Memberships::default();
        let mut after = |change| {
            groups.change(GROUP, change).unwrap();
            (groups.receives(GROUP, ONE), groups.receives(GROUP, other))
        };
        assert_eq!(after(ADD_SOURCE), (true, false));
        assert_eq!(after(Change::Source(SourceChange::Join, other)), (true, true));
        assert_eq!(after(DROP_SOURCE), (false, true));
        assert_eq!(after(LEAVE), (false, false));
        assert_eq!(after(JOIN), (true, true));
        assert_eq!(after(BLOCK), (false, true));
        assert_eq!(after(UNBLOCK), (true, true));
        assert_eq!(after(LEAVE), (false, false));
        // The group of a last source can be joined for all.
        assert_eq!(after(ADD_SOURCE), (true, false));
        assert_eq!(after(DROP_SOURCE), (false, false));
        assert_eq!(after(JOIN), (true, true));
    }
}
