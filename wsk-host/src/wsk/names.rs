//! Names and addresses of a host.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a host's names stand for.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, Vec<IpAddr>>);

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

impl Names {
    pub(crate) fn add(&mut self, name: &str, address: IpAddr) {
        self.0.entry(name.to_ascii_lowercase()).or_default().push(address);
    }

    /// The addresses of a name; none if it is not known here.
    pub(crate) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match self.0.get(&name) {
            Some(addresses) => addresses.clone(),
            None if name == "localhost" => {
                vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
            }
            None => Vec::new(),
        }
    }

    /// The name of an address.
    pub(crate) fn name(&self, address: IpAddr) -> Option<String> {
        let found = self.0.iter().find(|(_, addresses)| addresses.contains(&address));
        match found {
            Some((name, _)) => Some(name.clone()),
            None => address.is_loopback().then(|| "localhost".to_owned()),
        }
    }
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
        let mut names = Names::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        names.add("Server.example", address);
        assert_eq!(names.addresses("server.EXAMPLE."), [address]);
        assert_eq!(names.name(address).as_deref(), Some("server.example"));
        assert_eq!(names.addresses("localhost").len(), 2);
        assert!(names.addresses("nowhere").is_empty());
        assert_eq!(port("http"), Some(80));
        assert_eq!(port("8080"), Some(8080));
        assert_eq!(service(443), Some("https"));
    }
}
