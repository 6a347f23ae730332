//! Which addresses sockets may be bound to, beside each other.

use std::net::{IpAddr, SocketAddr};

use wsk_sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_INVALID_ADDRESS_COMPONENT,
};

use super::super::{Binding, Sharing};
use super::{Endpoint, Role, Simulated};

impl Simulated {
    pub(super) fn bind_port(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        let mut local = binding.local;
        let ip = local.ip().to_canonical();
        let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if ip.is_multicast() || is_broadcast {
            return Err(STATUS_INVALID_ADDRESS_COMPONENT);
        }
        if local.port() == 0 {
            local.set_port(self.free_port());
        } else {
            for first in self.endpoints.values() {
                may_share(binding, first)?;
            }
        }
        let mut endpoint = Endpoint::new(local, binding.clone());
        for setting in &binding.settings {
            endpoint.set(setting)?;
        }
        self.endpoints.insert(id, endpoint);
        Ok(())
    }

    pub(super) fn free_port(&mut self) -> u16 {
        loop {
            self.last_port = self.last_port.checked_add(1).unwrap_or(49_152);
            if self.endpoints.values().all(|endpoint| endpoint.local.port() != self.last_port) {
                return self.last_port;
            }
        }
    }
}

/// What becomes of a second socket.
#[derive(Clone, Copy)]
enum Verdict {
    Allowed,
    /// The first socket's security descriptor decides.
    Checked,
    Denied,
    InUse,
}

/// By the second socket (row) and the first (column): each neither, reusing or exclusive, at the wildcard
/// address and then at a specific one. The table of "Sharing Transport Addresses" in Microsoft's
/// documentation.
const VERDICTS: [[Verdict; 6]; 6] = {
    const A: Verdict = Verdict::Allowed;
    const C: Verdict = Verdict::Checked;
    const D: Verdict = Verdict::Denied;
    const U: Verdict = Verdict::InUse;
    [
        [U, A, U, A, U, A],
        [C, U, C, D, D, U],
        [D, A, A, A, D, A],
        [C, D, A, A, D, D],
        [U, U, U, U, U, U],
        [C, U, C, U, D, U],
    ]
};

/// Whether a second socket may be bound beside a first.
fn may_share(second: &Binding, first: &Endpoint) -> Result<(), NTSTATUS> {
    let is_same_kind = second.kind.is_datagram() == first.binding.kind.is_datagram();
    let is_same_port = second.local.port() == first.local.port();
    // A connection that a listener has accepted has no address of its own.
    let is_accepted = matches!(first.role, Role::Connected(_));
    let wild = |address: SocketAddr| address.ip().is_unspecified();
    let ip = |address: SocketAddr| address.ip().to_canonical();
    let is_apart = !wild(second.local) && !wild(first.local) && ip(second.local) != ip(first.local);
    if !is_same_kind || !is_same_port || is_accepted || is_apart || !meet(second, first) {
        return Ok(());
    }
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
        Verdict::Allowed => Ok(()),
        Verdict::Checked if first.binding.has_security => Ok(()),
        Verdict::Checked | Verdict::Denied => Err(STATUS_ACCESS_DENIED),
        Verdict::InUse => Err(STATUS_ADDRESS_ALREADY_EXISTS),
    }
}

/// Whether two addresses have a family in common.
fn meet(second: &Binding, first: &Endpoint) -> bool {
    let both = |is_v4: bool, only_v6: bool| (is_v4 || !only_v6, !is_v4);
    let second = both(second.local.is_ipv4(), second.only_v6);
    let first = both(first.is_v4(), first.binding.only_v6);
    (second.0 && first.0) || (second.1 && first.1)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::super::super::{Kind, Network};
    use super::*;
    use crate::config::{Config, Timing};

    const WILD: [u8; 4] = [0; 4];
    const SPECIFIC: [u8; 4] = [127, 0, 0, 1];

    fn binding(ip: [u8; 4], sharing: Sharing, has_security: bool) -> Binding {
        Binding {
            local: SocketAddr::from((ip, 7)),
            kind: Kind::Datagram,
            sharing,
            has_security,
            only_v6: true,
            settings: Vec::new(),
        }
    }

    /// What becomes of a second socket: `-` is allowed, `C` depends on the first's security descriptor.
    fn second(second: ([u8; 4], Sharing), first: ([u8; 4], Sharing)) -> char {
        let results = [false, true].map(|has_security| {
            let config = Config::default().timing(Timing::Inline);
            let mut network = Simulated::new(&config);
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
    fn a_port_is_found_for_whoever_wants_any() {
        let mut network = Simulated::new(&Config::default());
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
