//! Names and addresses of a host.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wsk_sys::NTSTATUS;

/// A host's names, with their addresses and the faults of their next look-ups.
#[derive(Default)]
pub(crate) struct NameTable {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    faults: BTreeMap<String, VecDeque<LookupFault>>,
}

/// A fault of a name's look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupFault {
    /// It fails.
    Failure(NTSTATUS),
    /// It does not complete until it is cancelled.
    Silence,
}

/// Services that have names on every host, with their ports.
const SERVICES: [(&str, u16); 8] = [
    ("domain", 53),
    ("echo", 7),
    ("ftp", 21),
    ("http", 80),
    ("https", 443),
    ("ntp", 123),
    ("smtp", 25),
    ("ssh", 22),
];

impl NameTable {
    pub(crate) fn add(&mut self, name: &str, address: IpAddr) {
        self.addresses.entry(key(name)).or_default().push(address);
    }

    /// Adds a fault for the next look-up of a name that has none yet.
    pub(crate) fn add_fault(&mut self, name: &str, fault: LookupFault) {
        self.faults.entry(key(name)).or_default().push_back(fault);
    }

    /// Takes the fault of the look-up that starts now.
    pub(crate) fn take_fault(&mut self, name: &str) -> Option<LookupFault> {
        self.faults.get_mut(&key(name))?.pop_front()
    }

    /// The addresses of a name; empty if the name is unknown.
    pub(crate) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let name = key(name);
        match self.addresses.get(&name) {
            Some(addresses) => addresses.clone(),
            None if name == "localhost" => {
                vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
            }
            None => Vec::new(),
        }
    }

    /// The name of an address.
    pub(crate) fn name(&self, address: IpAddr) -> Option<String> {
        let found = self.addresses.iter().find(|(_, addresses)| addresses.contains(&address));
        match found {
            Some((name, _)) => Some(name.clone()),
            None => address.is_loopback().then(|| "localhost".to_owned()),
        }
    }
}

/// The canonical form of a name, for comparison.
fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The port of a service.
pub(crate) fn port(service: &str) -> Option<u16> {
    service.parse().ok().or_else(|| {
        let found = SERVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(service));
        found.map(|(_, port)| *port)
    })
}

/// The name of a port.
pub(crate) fn service(port: u16) -> Option<&'static str> {
    SERVICES.iter().find(|(_, of)| *of == port).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_both_directions() {
        let mut names = NameTable::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        names.add("Server.example", address);
        assert_eq!(names.addresses("server.EXAMPLE."), [address]);
        assert_eq!(names.name(address).as_deref(), Some("server.example"));
        assert_eq!(names.addresses("localhost").len(), 2);
        assert!(names.addresses("nowhere").is_empty());
        names.add_fault("server.example.", LookupFault::Failure(-1));
        names.add_fault("server.example", LookupFault::Silence);
        assert_eq!(names.take_fault("SERVER.example"), Some(LookupFault::Failure(-1)));
        assert_eq!(names.take_fault("server.example"), Some(LookupFault::Silence));
        assert_eq!(names.take_fault("server.example"), None);
        assert_eq!(port("http"), Some(80));
        assert_eq!(port("8080"), Some(8080));
        assert_eq!(service(443), Some("https"));
    }
}
