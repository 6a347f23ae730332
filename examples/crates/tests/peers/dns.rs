//! hickory-proto against dnsmasq.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use crates::dns;
use hickory_proto::rr::RecordType;

use crate::driver;
use crate::peer::{self, Peer};

#[test]
fn addresses_are_the_servers() -> Result<()> {
    let server = peer::free_address()?;
    let port = format!("--port={}", server.port());
    let dnsmasq = Peer::start(
        "dnsmasq",
        "dnsmasq-base",
        [
            "--keep-in-foreground",
            "--log-facility=-",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
            "--user=",
            "--group=",
            "--host-record=sensor.test,192.0.2.7,2001:db8::7",
            "--host-record=sensor.test,192.0.2.8",
            "--cname=alias.test,sensor.test",
            &port,
        ],
    )?;
    dnsmasq.wait_for(|line| line.contains("started"))?;
    let ask = |host: &'static str, kind| -> Result<Vec<IpAddr>> {
        let addresses =
            driver::run_task(
                move |wsk| async move { dns::addresses(&wsk, server, host, kind).await },
            )?;
        let mut addresses = addresses?;
        addresses.sort();
        Ok(addresses)
    };
    let v4 = [Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(192, 0, 2, 8)].map(IpAddr::V4);
    assert_eq!(ask("sensor.test.", RecordType::A)?, v4);
    assert_eq!(ask("alias.test.", RecordType::A)?, v4);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
    assert_eq!(ask("sensor.test.", RecordType::AAAA)?, [IpAddr::V6(v6)]);
    Ok(())
}
