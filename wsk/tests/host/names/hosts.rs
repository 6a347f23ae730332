//! Hosts by their names, to connect to or to listen at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wsk::flags::NameInfoFlags;
use wsk::socket::Family;
use wsk::{ErrorKind, TcpListener, net, sys};

use super::{V4, V6, calls, everywhere};

#[test]
fn a_failed_look_up_is_tried_once_more() {
    everywhere(async |wsk, host| {
        let ask = async |host| {
            Ok::<_, wsk::Error>(net::lookup_host(&wsk, host).await?.collect::<Vec<_>>())
        };
        let both = [SocketAddr::new(V4, 80), SocketAddr::new(V6, 80)];
        assert_eq!(ask("server.example:80").await?, both);
        assert_eq!(net::lookup_host(&wsk, ("server.example", 80)).await?.collect::<Vec<_>>(), both);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 2);
        // What is an address already is not asked for, and neither is what makes no sense.
        assert_eq!(net::lookup_host(&wsk, both[1]).await?.collect::<Vec<_>>(), [both[1]]);
        assert_eq!(ask("no port").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 2);
        // Addresses as text are the system's to read.
        assert_eq!(ask("192.0.2.1:80").await?, [both[0]]);
        assert_eq!(ask("[2001:db8::1]:80").await?, [both[1]]);
        assert_eq!(
            net::lookup_host(&wsk, ("2001:db8::1", 80)).await?.collect::<Vec<_>>(),
            [both[1]]
        );
        // Brackets are for addresses of IPv6 only, as in std.
        assert_eq!(ask("[server.example]:80").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 5);

        host.fail_name("server.example", sys::STATUS_INTERNAL_ERROR);
        assert_eq!(ask("server.example:80").await?, both);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 7);
        for _ in 0..2 {
            host.fail_name("server.example", sys::STATUS_INTERNAL_ERROR);
        }
        let error = ask("server.example:80").await.unwrap_err();
        assert_eq!(error.name(), Some("STATUS_INTERNAL_ERROR"));
        host.fail_name("server.example", sys::STATUS_INSUFFICIENT_RESOURCES);
        let error = ask("server.example:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 10);
        Ok(())
    });
}

/// A link-local address has its interface as its scope, in texts and in addresses.
#[test]
fn scopes_of_ipv6_addresses_are_kept() {
    everywhere(async |wsk, _host| {
        let scoped: SocketAddr = "[fe80::1%7]:80".parse().unwrap();
        assert!(net::lookup_host(&wsk, "[fe80::1%7]:80").await?.eq([scoped]));
        assert!(net::lookup_host(&wsk, ("fe80::1%7", 80)).await?.eq([scoped]));
        let numeric = NameInfoFlags::NUMERIC_HOST;
        let names = wsk.name_of(scoped, numeric).await?;
        assert_eq!(names.host(), "fe80::1%7");
        Ok(())
    });
}

#[test]
fn connecting_to_a_host_uses_the_first_address_that_works() {
    everywhere(async |wsk, host| {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr().await?.port();
        for address in [IpAddr::from(Ipv6Addr::LOCALHOST), Ipv4Addr::LOCALHOST.into(), V4] {
            host.add_name("several.example", address);
        }
        let stream = net::connect_host(&wsk, ("several.example", port)).await?;
        let (accepted, peer) = listener.accept().await?;
        assert_eq!(stream.local_addr().await?, peer);
        drop((stream, accepted));

        host.add_name("refusing.example", Ipv6Addr::LOCALHOST);
        let error = net::connect_host(&wsk, ("refusing.example", port)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = net::connect_host(&wsk, ("nowhere.example", port)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn a_listener_binds_to_a_host_name() {
    everywhere(async |wsk, _| {
        let taken = TcpListener::bind(&wsk, (Ipv6Addr::LOCALHOST, 80)).await?;
        let listener = net::listen_host(&wsk, "localhost:80").await?;
        assert_eq!(listener.local_addr().await?, (Ipv4Addr::LOCALHOST, 80).into());
        let stream = net::connect_host(&wsk, "127.0.0.1:80").await?;
        let (_accepted, peer) = listener.accept().await?;
        assert_eq!(stream.local_addr().await?, peer);
        let error = net::listen_host(&wsk, "localhost:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(taken);
        Ok(())
    });
}

/// What the `Dns` trait of embedded-nal-async asks for.
#[test]
fn hosts_are_found_by_name_and_by_address() {
    everywhere(async |wsk, host| {
        let any = Family::UNSPECIFIED;
        assert_eq!(wsk.host_by_name("server.example", any).await?, V4);
        assert_eq!(wsk.host_by_name("server.example", Family::INET).await?, V4);
        assert_eq!(wsk.host_by_name("server.example", Family::INET6).await?, V6);
        assert_eq!(wsk.host_by_name("192.0.2.1", any).await?, V4);
        assert_eq!(wsk.host_by_name("2001:db8::1", Family::INET6).await?, V6);
        for (name, family) in [("192.0.2.1", Family::INET6), ("nowhere.example", any)] {
            let error = wsk.host_by_name(name, family).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        host.add_name("v6.example", V6);
        let error = wsk.host_by_name("v6.example", Family::INET).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);

        let mut buffer = [0; 14];
        assert_eq!(wsk.host_by_address(V4, &mut buffer).await?, 14);
        assert_eq!(&buffer, b"server.example");
        let error = wsk.host_by_address(V4, &mut buffer[..13]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSize);
        let unknown = Ipv4Addr::new(192, 0, 2, 77);
        let error = wsk.host_by_address(unknown, &mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        Ok(())
    });
}
