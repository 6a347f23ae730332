//! Which addresses sockets may be bound to, beside each other.

use std::net::SocketAddr;

use wsk_sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_ADDRESS_ALREADY_EXISTS,
    STATUS_INVALID_ADDRESS_COMPONENT, STATUS_TOO_MANY_ADDRESSES,
};

use super::super::{Binding, NetworkBackend};
use super::SimulatedNetwork;
use super::endpoint::{Endpoint, EndpointState};
use crate::wsk::options::Sharing;

impl SimulatedNetwork {
    pub(super) fn bind_port(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        let mut local = binding.local;
        if !local.ip().is_unspecified() && !self.has_address(local.ip()) {
            return Err(STATUS_INVALID_ADDRESS_COMPONENT);
        }
        if local.port() == 0 {
            local.set_port(self.free_port(binding).ok_or(STATUS_TOO_MANY_ADDRESSES)?);
        } else {
            for (_, first) in self.endpoints.at_port(local.port()) {
                may_share(binding, first)?;
            }
        }
        let mut endpoint = Endpoint::new(local, binding.clone());
        for setting in &binding.settings {
            endpoint.set(setting);
        }
        self.endpoints.insert(id, endpoint);
        Ok(())
    }

    /// The next port of the dynamic range that no other socket has at the binding's address. None if all are taken.
    fn free_port(&mut self, binding: &Binding) -> Option<u16> {
        let (is_datagram, ip) = (binding.kind.is_datagram(), binding.local.ip());
        let port = self.endpoints.dynamic_ports().next(is_datagram, ip, self.last_port)?;
        self.last_port = port;
        Some(port)
    }
}

/// The outcome of binding a second socket to an address.
#[derive(Clone, Copy)]
enum SharingDecision {
    Allowed,
    /// The first socket's security descriptor decides.
    Checked,
    Denied,
    InUse,
}

/// By the second socket (row) and the first (column): each neither, reusing or exclusive, at the wildcard
/// address and then at a specific one. The table of "Sharing Transport Addresses" in Microsoft's
/// documentation.
const VERDICTS: [[SharingDecision; 6]; 6] = {
    const A: SharingDecision = SharingDecision::Allowed;
    const C: SharingDecision = SharingDecision::Checked;
    const D: SharingDecision = SharingDecision::Denied;
    const U: SharingDecision = SharingDecision::InUse;
    [
        [U, A, U, A, U, A],
        [C, U, C, D, D, U],
        [D, A, A, A, D, A],
        [C, D, A, A, D, D],
        [U, U, U, U, U, U],
        [C, U, C, U, D, U],
    ]
};

/// Whether two sockets with the same port have different transports or addresses.
fn is_elsewhere(second: &Binding, first: &Endpoint) -> bool {
    let wild = |address: SocketAddr| address.ip().is_unspecified();
    let ip = |address: SocketAddr| address.ip().to_canonical();
    second.kind.is_datagram() != first.binding.kind.is_datagram()
        || !wild(second.local) && !wild(first.local) && ip(second.local) != ip(first.local)
}

/// Whether a second socket may be bound beside a first.
fn may_share(second: &Binding, first: &Endpoint) -> Result<(), NTSTATUS> {
    let is_same_port = second.local.port() == first.local.port();
    // The remote address distinguishes a connection.
    let is_connection = matches!(first.role, EndpointState::Connected(_));
    if !is_same_port
        || is_connection
        || is_elsewhere(second, first)
        || !share_a_family(second, first)
    {
        return Ok(());
    }
    let wild = |address: SocketAddr| address.ip().is_unspecified();
    let place = |sharing: Sharing, address| {
        let row = match sharing {
            Sharing::Neither => 0,
            Sharing::Reuse => 2,
            Sharing::Exclusive => 4,
        };
        row + usize::from(!wild(address))
    };
    let row = place(second.sharing, second.local);
    let column = place(first.binding.sharing, first.local);
    match VERDICTS[row][column] {
        SharingDecision::Allowed => Ok(()),
        SharingDecision::Checked if first.binding.has_security => Ok(()),
        SharingDecision::Checked | SharingDecision::Denied => Err(STATUS_ACCESS_DENIED),
        SharingDecision::InUse => Err(STATUS_ADDRESS_ALREADY_EXISTS),
    }
}

/// Whether two addresses have a family in common.
fn share_a_family(second: &Binding, first: &Endpoint) -> bool {
    let both = |is_v4: bool, only_v6: bool| (is_v4 || !only_v6, !is_v4);
    let second = both(second.local.is_ipv4(), second.only_v6);
    let first = both(first.is_v4(), first.binding.only_v6);
    (second.0 && first.0) || (second.1 && first.1)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::super::super::{EndpointKind, NetworkBackend};
    use super::*;
    use crate::kernel::choices::Choices;
    use crate::kernel::config::Timing;
    use crate::wsk::config::Config;

    const WILD: [u8; 4] = [0; 4];
    const SPECIFIC: [u8; 4] = [127, 0, 0, 1];

    fn binding(ip: [u8; 4], sharing: Sharing, has_security: bool) -> Binding {
        Binding {
            local: SocketAddr::from((ip, 7)),
            kind: EndpointKind::IncomingDatagram,
            sharing,
            has_security,
            only_v6: true,
            settings: Vec::new(),
        }
    }

    fn network(timing: Timing) -> SimulatedNetwork {
        SimulatedNetwork::new(timing, Choices::new(0, 0, None), &Config::default())
    }

    /// The result for a second socket: `-` is allowed, `C` depends on the security descriptor of the first.
    fn second(second: ([u8; 4], Sharing), first: ([u8; 4], Sharing)) -> char {
        let results = [false, true].map(|has_security| {
            let mut network = network(Timing::Inline);
            network.bind(1, &binding(first.0, first.1, has_security)).unwrap();
            network.bind(2, &binding(second.0, second.1, false))
        });
        match results {
            [Ok(()), Ok(())] => '-',
            [Err(STATUS_ACCESS_DENIED), Ok(())] => 'C',
            [Err(STATUS_ACCESS_DENIED), Err(STATUS_ACCESS_DENIED)] => 'D',
            [Err(STATUS_ADDRESS_ALREADY_EXISTS), Err(STATUS_ADDRESS_ALREADY_EXISTS)] => 'U',
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_shared_as_documented() {
        let all = [Sharing::Neither, Sharing::Reuse, Sharing::Exclusive]
            .map(|sharing| [(WILD, sharing), (SPECIFIC, sharing)])
            .concat();
        let rows: Vec<String> = all
            .iter()
            .map(|&later| all.iter().map(|&earlier| second(later, earlier)).collect())
            .collect();
        assert_eq!(rows, ["U-U-U-", "CUCDDU", "D---D-", "CD--DD", "UUUUUU", "CUCUDU"]);
    }

    #[test]
    fn the_last_free_port_is_found_and_then_none() {
        let mut network = network(Timing::Inline);
        let at = |port| Binding {
            local: SocketAddr::from((WILD, port)),
            ..binding(WILD, Sharing::Neither, false)
        };
        let ports: Vec<u16> = (0..16_384)
            .map(|id| {
                network.bind(id, &at(0)).unwrap();
                network.local(id).unwrap().port()
            })
            .collect();
        assert_eq!((ports.first(), ports.last()), (Some(&49_152), Some(&u16::MAX)));
        assert_eq!(network.bind(20_000, &at(0)), Err(STATUS_TOO_MANY_ADDRESSES));
        network.close(7, true);
        network.bind(20_000, &at(0)).unwrap();
        assert_eq!(network.local(20_000).unwrap().port(), ports[7]);
    }

    #[test]
    fn each_address_and_transport_has_its_own_dynamic_ports() {
        let mut network = network(Timing::Inline);
        let at = |last, kind| Binding {
            local: SocketAddr::from(([127, 0, 0, last], 0)),
            kind,
            ..binding(SPECIFIC, Sharing::Neither, false)
        };
        let wild = Binding { local: SocketAddr::from((WILD, 0)), ..at(1, EndpointKind::Stream) };
        let mut id = 0;
        for binding in [
            at(1, EndpointKind::Stream),
            at(2, EndpointKind::Stream),
            at(1, EndpointKind::IncomingDatagram),
        ] {
            for _ in 0..16_384 {
                id += 1;
                network.bind(id, &binding).unwrap();
            }
            assert_eq!(network.bind(0, &binding), Err(STATUS_TOO_MANY_ADDRESSES));
            assert_eq!(network.bind(0, &wild), Err(STATUS_TOO_MANY_ADDRESSES));
        }
        network.bind(0, &at(3, EndpointKind::Stream)).unwrap();
    }

    #[test]
    fn a_socket_without_a_port_gets_one_of_its_own() {
        let mut network = network(Timing::Mixed(0));
        let any = Binding {
            local: SocketAddr::from((WILD, 0)),
            ..binding(WILD, Sharing::Neither, false)
        };
        network.bind(1, &any).unwrap();
        network.bind(2, &any).unwrap();
        assert_ne!(network.local(1), network.local(2));
        assert!(matches!(network.receive_from(1), Poll::Pending));
    }
}
