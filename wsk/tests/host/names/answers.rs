//! What look-ups find, and what is not asked.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use test_support::futures::poll_times;
use test_support::scenario::timings;
use wsk::ErrorKind;
use wsk::flags::{AddressInfoFlags, NameInfoFlags};
use wsk::resolve::{Hints, Service, SocketType};
use wsk::socket::{Family, Protocol};
use wsk_host::{Config, Windows};

use super::{V4, V6, calls, everywhere, with};

#[test]
fn a_name_has_addresses() {
    everywhere(async |wsk, _| {
        let list = wsk.resolve("server.example", 80, Hints::stream()).await?;
        let both = [SocketAddr::new(V4, 80), SocketAddr::new(V6, 80)];
        assert!(list.addresses().eq(both));
        for entry in &list {
            assert_eq!(entry.socket_type, SocketType::STREAM);
            assert_eq!(entry.protocol, Protocol::TCP);
            assert_eq!(entry.family(), Family::of(entry.address));
            assert_eq!(entry.canonical_name, None);
        }
        assert_eq!(list.iter().count(), 2);
        assert!(format!("{list:?}").contains("192.0.2.1:80"), "{list:?}");

        // Services may have names, ports may be text, and there may be neither.
        for (service, port) in
            [(Service::Name("https"), 443), (Service::Name("7"), 7), (Service::None, 0)]
        {
            let list = wsk.resolve("SERVER.example.", service, Hints::datagram()).await?;
            let both = [SocketAddr::new(V4, port), SocketAddr::new(V6, port)];
            assert!(list.addresses().eq(both), "{list:?}");
            assert!(list.iter().all(|entry| entry.protocol == Protocol::UDP));
        }
        Ok(())
    });
}

#[test]
fn hints_select_the_results() {
    everywhere(async |wsk, _| {
        let ask = async |hints| {
            let list = wsk.resolve("server.example", 53, hints).await?;
            Ok::<_, wsk::Error>(
                list.iter().map(|found| (found.address.ip(), found.protocol)).collect(),
            )
        };
        let any: Vec<_> = ask(Hints::new()).await?;
        let (tcp, udp) = (Protocol::TCP, Protocol::UDP);
        assert_eq!(any, [(V4, tcp), (V4, udp), (V6, tcp), (V6, udp)]);
        assert_eq!(ask(Hints::stream().family(Family::INET6)).await?, [(V6, tcp)]);
        let raw = Hints::default().socket_type(SocketType::DATAGRAM).family(Family::INET);
        assert_eq!(ask(raw).await?, [(V4, udp)]);
        assert_eq!(
            ask(Hints::new().protocol(Protocol::TCP).family(Family::INET)).await?,
            [(V4, tcp)]
        );

        let numeric = Hints::stream().flags(AddressInfoFlags::NUMERIC_HOST);
        assert_eq!(ask(numeric).await.unwrap_err().kind(), ErrorKind::NotFound);
        let list = wsk.resolve("::1", Service::None, numeric).await?;
        assert!(list.addresses().eq([(Ipv6Addr::LOCALHOST, 0).into()]));

        let nowhere = wsk.resolve("nowhere.example", 80, Hints::new()).await.unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn a_look_up_without_a_name_is_the_local_machine() {
    everywhere(async |wsk, _| {
        let own = wsk.resolve(None, 80, Hints::stream()).await?;
        assert!(own.addresses().all(|address| address.ip().is_loopback() && address.port() == 80));
        let passive = Hints::stream().flags(AddressInfoFlags::PASSIVE);
        let all = wsk.resolve(None, 80, passive).await?;
        assert_eq!(all.addresses().count(), 2);
        assert!(all.addresses().all(|address| address.ip().is_unspecified()));
        let nothing = wsk.resolve(None, Service::None, passive).await.unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn the_canonical_name_comes_with_the_first_address() {
    everywhere(async |wsk, _| {
        for flags in [AddressInfoFlags::CANONICAL_NAME, AddressInfoFlags::QUALIFIED_NAME] {
            let list = wsk.resolve("server.example", 80, Hints::stream().flags(flags)).await?;
            assert_eq!(list.canonical_name().unwrap(), "server.example");
            let names: Vec<_> = list.iter().map(|entry| entry.canonical_name.is_some()).collect();
            assert_eq!(names, [true, false]);
        }
        let list = wsk.resolve("server.example", 80, Hints::stream()).await?;
        assert_eq!(list.canonical_name(), None);
        Ok(())
    });
}

#[test]
fn an_address_has_names() {
    everywhere(async |wsk, _| {
        let ask = async |port, flags| {
            let names = wsk.name_of((V4, port), flags).await?;
            let service = names.service().map(|service| service.to_string());
            Ok::<_, wsk::Error>((names.host().to_string(), service))
        };
        let is = |host: &str, service: &str| Ok((host.to_owned(), Some(service.to_owned())));
        let none = NameInfoFlags::empty();
        assert_eq!(ask(443, none).await, is("server.example", "https"));
        assert_eq!(ask(443, NameInfoFlags::NUMERIC_SERVICE).await, is("server.example", "443"));
        assert_eq!(ask(443, NameInfoFlags::NUMERIC_HOST).await, is("192.0.2.1", "https"));
        // Nothing serves port zero.
        assert_eq!(ask(0, none).await, Ok(("server.example".to_owned(), None)));
        let names = wsk.name_of((V6, 54_321), NameInfoFlags::NAME_REQUIRED).await?;
        assert_eq!(names.host(), "server.example");
        assert_eq!(
            format!("{names:?}"),
            r#"Names { host: "server.example", service: Some("54321") }"#
        );

        let unknown = (Ipv4Addr::new(192, 0, 2, 77), 80);
        assert_eq!(wsk.name_of(unknown, none).await?.host(), "192.0.2.77");
        let error = wsk.name_of(unknown, NameInfoFlags::NAME_REQUIRED).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

/// Names with other characters than ASCII's arrive as they are, and come back so.
#[test]
fn internationalized_names_resolve_both_ways() {
    // The longest has 253 characters, and twice as many units.
    let longest = format!("{}.x", "🦀".repeat(251));
    let names = ["bücher.example", "例え.テスト", "🦀.example", &longest];
    everywhere(async |wsk, host| {
        for (number, name) in (1..).zip(names) {
            let address = Ipv4Addr::new(198, 51, 100, number);
            host.add_name(name, address);
            let list = wsk
                .resolve(name, 80, Hints::stream().flags(AddressInfoFlags::CANONICAL_NAME))
                .await?;
            assert!(list.addresses().eq([(address, 80).into()]));
            assert_eq!(list.canonical_name().unwrap(), name);
            let names = wsk.name_of((address, 80), NameInfoFlags::NAME_REQUIRED).await?;
            assert_eq!(names.host(), name);
            assert_eq!(names.host().to_string(), name);
            let mut buffer = [0; 1100];
            let length = wsk.host_by_address(address, &mut buffer).await?;
            assert_eq!(&buffer[..length], name.as_bytes());
        }
        Ok(())
    });
}

/// What cannot be asked is refused before WSK is called.
#[test]
fn meaningless_queries_fail_before_the_call() {
    with(Config::default(), async |wsk, host| {
        let (any, none) = (Hints::new(), Service::None);
        let long = "a".repeat(256);
        let crabs = "🦀".repeat(256);
        let unknown = AddressInfoFlags::from_bits_retain(i32::MIN);
        let both = AddressInfoFlags::CANONICAL_NAME | AddressInfoFlags::QUALIFIED_NAME;
        let protocol = Protocol::from_raw(u32::MAX);
        for (error, name, service, hints) in [
            ("STATUS_INVALID_PARAMETER", "", none, any),
            ("STATUS_INVALID_PARAMETER", "a\0b", none, any),
            ("STATUS_INVALID_PARAMETER", "server.example\0", none, any),
            ("STATUS_INVALID_PARAMETER", "server.example", Service::Name(""), any),
            ("STATUS_INVALID_PARAMETER", "server.example", Service::Name("80\0"), any),
            ("STATUS_NAME_TOO_LONG", &long, none, any),
            ("STATUS_NAME_TOO_LONG", &crabs, none, any),
            ("STATUS_NAME_TOO_LONG", "server.example", Service::Name(&long), any),
            ("STATUS_INVALID_PARAMETER", "server.example", none, any.flags(unknown)),
            ("STATUS_INVALID_PARAMETER", "server.example", none, any.flags(both)),
            ("STATUS_INVALID_PARAMETER", "server.example", none, any.protocol(protocol)),
        ] {
            let found = wsk.resolve(name, service, hints).await.unwrap_err();
            assert_eq!((found.name(), found.kind()), (Some(error), ErrorKind::InvalidInput));
        }
        let unknown = NameInfoFlags::from_bits_retain(0x20);
        let found = wsk.name_of((V4, 80), unknown).await.unwrap_err();
        assert_eq!(found.kind(), ErrorKind::InvalidInput);
        assert_eq!(calls(&host, "Info"), 0);
        // What is just short enough is asked.
        let found = wsk.resolve(&long[1..], none, any).await.unwrap_err();
        assert_eq!(found.kind(), ErrorKind::NotFound);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 1);
        Ok(())
    });
}

#[test]
fn windows_vista_has_no_name_resolution() {
    for windows in [Windows::VISTA, Windows::SEVEN, Windows::EIGHT, Windows::TEN] {
        with(Config::default().windows(windows), async |wsk, host| {
            let resolved = wsk.resolve("server.example", 80, Hints::stream()).await;
            let named = wsk.name_of((V4, 80), NameInfoFlags::empty()).await;
            if windows == Windows::VISTA {
                for error in [resolved.map(drop), named.map(drop)] {
                    assert_eq!(error.unwrap_err().name(), Some("STATUS_NOT_SUPPORTED"));
                }
                assert_eq!(calls(&host, "Info"), 0);
            } else {
                assert_eq!(resolved?.addresses().count(), 2);
                assert_eq!(named?.host(), "server.example");
            }
            Ok(())
        });
    }
}

/// Wine has no `WskGetNameInfo`: its call returns an error, and never completes the request, which is kept until
/// the registration ends.
#[test]
fn unimplemented_calls_fail_at_once() {
    for timing in timings() {
        let config = Config { timing, refuse_name_info: true, ..Config::default() };
        with(config, async |wsk, _| {
            for _ in 0..3 {
                let error = wsk.name_of((V4, 80), NameInfoFlags::empty()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                drop(poll_times(wsk.name_of((V4, 80), NameInfoFlags::empty()), 0).await);
            }
            assert_eq!(wsk.resolve("server.example", 80, Hints::stream()).await?.iter().count(), 2);
            Ok(())
        });
    }
}
