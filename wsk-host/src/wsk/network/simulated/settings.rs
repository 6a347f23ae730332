//! Options on the network in memory: groups, and coalescing.

use std::net::{IpAddr, Ipv4Addr};

use wsk_sys::{
    IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_RECVERR, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP,
    IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, IPV6_RECVERR, NTSTATUS, STATUS_INVALID_PARAMETER,
    UDP_RECV_MAX_COALESCED_SIZE,
};

use super::endpoint::Endpoint;
use crate::wsk::options::{Setting, Value};

impl Endpoint {
    pub(super) fn set(&mut self, setting: &Setting) -> Result<(), NTSTATUS> {
        match (setting.level, setting.name, &setting.value) {
            (IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, Value::Number(size)) => {
                self.coalesces = *size as usize;
            }
            (IPPROTO_IP, IP_ADD_MEMBERSHIP, Value::Structure(bytes)) => {
                return self.join(group::<4>(bytes)?);
            }
            (IPPROTO_IP, IP_DROP_MEMBERSHIP, Value::Structure(bytes)) => {
                return self.leave(group::<4>(bytes)?);
            }
            (IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, Value::Structure(bytes)) => {
                return self.join(group::<16>(bytes)?);
            }
            (IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, Value::Structure(bytes)) => {
                return self.leave(group::<16>(bytes)?);
            }
            (IPPROTO_IP, IP_RECVERR, Value::Number(value)) => self.report(true, *value != 0),
            (IPPROTO_IPV6, IPV6_RECVERR, Value::Number(value)) => self.report(false, *value != 0),
            // Settings that change nothing in memory.
            _ => {}
        }
        Ok(())
    }

    fn report(&mut self, is_v4: bool, wants: bool) {
        if wants {
            self.errors.insert(is_v4);
        } else {
            self.errors.remove(&is_v4);
        }
    }

    fn join(&mut self, group: IpAddr) -> Result<(), NTSTATUS> {
        if !group.is_multicast() || !self.groups.insert(group) {
            return Err(STATUS_INVALID_PARAMETER);
        }
        Ok(())
    }

    fn leave(&mut self, group: IpAddr) -> Result<(), NTSTATUS> {
        if self.groups.remove(&group) { Ok(()) } else { Err(STATUS_INVALID_PARAMETER) }
    }
}

/// An interface in a client's request.
pub(super) enum Interface {
    /// By one of its addresses.
    Address(Ipv4Addr),
    /// By its index, or by zero for any interface.
    Index(u32),
}

/// The interface in an `IP_MREQ` or an `IPV6_MREQ`, which end with it.
pub(super) fn interface(setting: &Setting) -> Option<Interface> {
    let Value::Structure(bytes) = &setting.value else { return None };
    let last = *bytes.last_chunk::<4>()?;
    match (setting.level, setting.name) {
        // An address whose first byte is zero is an index, in network order.
        (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) if last[0] == 0 => {
            Some(Interface::Index(u32::from_be_bytes(last)))
        }
        (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => {
            Some(Interface::Address(last.into()))
        }
        (IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP | IPV6_DROP_MEMBERSHIP) => {
            Some(Interface::Index(u32::from_ne_bytes(last)))
        }
        _ => None,
    }
}

/// The group in an `IP_MREQ` or an `IPV6_MREQ`, which begin with it.
fn group<const N: usize>(bytes: &[u8]) -> Result<IpAddr, NTSTATUS>
where
    IpAddr: From<[u8; N]>,
{
    let octets: Option<[u8; N]> = bytes.get(..N).and_then(|octets| octets.try_into().ok());
    octets.map(IpAddr::from).ok_or(STATUS_INVALID_PARAMETER)
}
