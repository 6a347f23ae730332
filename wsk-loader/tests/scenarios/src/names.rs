//! Names: addresses of a host, the name of an address, and connections by name. The tests give `server.example` the
//! loopback addresses of IPv4 and IPv6.

use core::net::Ipv4Addr;

use wsk::flags::NameInfoFlags;
use wsk::net::{connect_host, lookup_host};
use wsk::{Buffer, ErrorKind, TcpListener};
use wsk_driver::{Driver, Result};

use crate::check::{check, check_fails, is_payload, payload};

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    let wsk = driver.wsk()?;
    let mut both = [false; 2];
    for address in lookup_host(wsk, ("server.example", 80)).await? {
        check(address.port() == 80 && address.ip().is_loopback(), "the addresses are the host's")?;
        both[usize::from(address.is_ipv6())] = true;
    }
    check(both == [true; 2], "the host has addresses of IPv4 and IPv6")?;
    let unknown = lookup_host(wsk, ("nowhere.example", 80)).await;
    check_fails(&unknown, ErrorKind::NotFound, "the name is unknown")?;

    let names = wsk.name_of((Ipv4Addr::LOCALHOST, 443), NameInfoFlags::NAME_REQUIRED).await?;
    check(names.host() == "server.example", "the address has the host's name")?;

    let listener = TcpListener::bind_dual_stack(wsk, 0).await?;
    let port = listener.local_addr().await?.port();
    let client = connect_host(wsk, ("server.example", port)).await?;
    let (server, _) = listener.accept().await?;
    server.send_all(payload(5)?).await.into_result()?;
    let ((), received) = client.recv_exact(Buffer::new(5)?).await.into_result()?;
    check(is_payload(&received, 0), "the connection by name works")
}
