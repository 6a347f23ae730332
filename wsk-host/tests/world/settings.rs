//! Contradictory settings, which are refused in words.

use std::time::Duration;

use wsk_host::{Config, Faults, Link, World};

use super::driver::{ip, pair};

#[test]
fn contradictory_machines_are_refused() {
    let world = World::new(0);
    let _pair = pair(&world);
    let refusal = |name: &str, config, addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| ip(address));
        world.add(name, config, addresses).unwrap_err().to_string()
    };
    let plain = Config::default();
    assert_eq!(
        refusal("Client", plain, &["10.0.0.9"]),
        "the machine `Client` cannot be added: another one has this name"
    );
    assert_eq!(
        refusal("third", plain, &["10.0.0.9", "10.0.0.1"]),
        "the machine `third` cannot be added: the machine `client` has the address 10.0.0.1"
    );
    assert_eq!(
        refusal("third", plain, &["10.0.0.9", "::ffff:10.0.0.9"]),
        "the machine `third` cannot be added: the address 10.0.0.9 is given twice"
    );
    assert_eq!(
        refusal("third", plain, &["127.0.0.2"]),
        "the machine `third` cannot be added: it has the loopback addresses already, such as 127.0.0.2"
    );
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1"] {
        assert_eq!(
            refusal("third", plain, &[address]),
            format!(
                "the machine `third` cannot be added: {address} is no address that other machines reach it at"
            )
        );
    }
    assert_eq!(refusal("", plain, &[]), "the machine `` cannot be added: it has no name");
    assert!(refusal("third", Config::real(), &[]).contains("leave `Network::Simulated`"));
    let lossy = plain.faults(Faults { loss: 1, ..Faults::default() });
    assert!(refusal("third", lossy, &[]).contains("set those of a `Link`"));
    // None of them has taken its name or its addresses.
    world.add("third", plain, [ip("10.0.0.9")]).unwrap();
}

#[test]
fn contradictory_links_are_refused() {
    let world = World::new(0);
    let (client, server) = pair(&world);
    let refusal = |link| world.set_link(&client, &server, link).unwrap_err().to_string();
    let [short, long] = [1, 2].map(Duration::from_millis);
    assert_eq!(
        refusal(Link { latency: long..=short, ..Link::default() }),
        "the shortest latency, 2ms, is longer than the longest, 1ms"
    );
    assert_eq!(
        refusal(Link { mtu: 576, ..Link::default() }),
        "an MTU of 576 bytes is not one of 1280 to 65535"
    );
    assert_eq!(
        refusal(Link { bandwidth: Some(0), ..Link::default() }),
        "a bandwidth of 0 carries nothing: use a partition"
    );
    assert_eq!(
        refusal(Link { bandwidth: Some(1), queue: 100, ..Link::default() }),
        "a queue of 100 bytes has no room for a packet of 1500 bytes, the MTU"
    );
    assert_eq!(
        refusal(Link { reordering: 1, ..Link::default() }),
        "reordering needs a latency: without one, no packet overtakes another"
    );
    let other = World::new(0);
    let (stranger, _) = pair(&other);
    assert_eq!(
        world.set_link(&client, &stranger, Link::default()).unwrap_err().to_string(),
        "the machine `client` is one of another world: a link is between machines of one"
    );
}
