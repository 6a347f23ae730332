//! Names of hosts and services: any text.
//!
//! `Provider::resolve` checks a name and hands it to `WskGetAddressInfo` as UTF-16; the host parses it, and `wsk` reads
//! the list that comes back. The first byte is the length of the host's name; the service's is the rest.

use std::net::{IpAddr, Ipv4Addr};

use test_support::scenario::passive;
use wsk::resolve::{Hints, Service};
use wsk::rt::block_on;

/// The longest name, in characters.
const LONGEST: usize = 255;

/// Runs the target.
///
/// # Panics
///
/// If a name is accepted that cannot be one, or an address as text stands for another address.
pub fn run(data: &[u8]) {
    let Some((&length, rest)) = data.split_first() else {
        return;
    };
    let (name, service) = rest.split_at(usize::from(length).min(rest.len()));
    let (name, service) = (String::from_utf8_lossy(name), String::from_utf8_lossy(service));
    super::with_provider(|host, wsk| {
        host.add_name("server.example", Ipv4Addr::new(192, 0, 2, 1));
        let lookup = wsk.resolve(&*name, Service::Name(&service), Hints::stream());
        let found = block_on(passive(), lookup).expect("this thread may wait");
        if let Ok(list) = &found {
            for text in [&name, &service] {
                let characters = text.chars().count();
                assert!((1..=LONGEST).contains(&characters), "{text:?} is accepted");
                assert!(!text.contains('\0'), "{text:?} is accepted");
            }
            let addresses: Vec<IpAddr> = list.addresses().map(|address| address.ip()).collect();
            assert!(!addresses.is_empty(), "a look-up that succeeds has addresses");
            if let Ok(address) = name.parse::<IpAddr>() {
                assert_eq!(addresses, [address]);
            }
            let _ = format!("{list:?}");
        }
    });
}
