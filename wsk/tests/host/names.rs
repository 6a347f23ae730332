//! Names and addresses, on the simulated network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wsk::flags::{AddressInfoFlags, NameInfoFlags};
use wsk::resolve::{Hints, Service, SocketType};
use wsk::socket::{Family, Protocol};
use wsk::{ErrorKind, Provider, Registration, Result, TcpListener, TcpStream, net, rt, sys, time};
use wsk_host::{Config, Host, Timing, Windows};

use crate::support::{join, on_host, passive, poll_times, timings};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1));

/// Runs a scenario with every timing, on hosts that know some names.
fn everywhere(scenario: impl AsyncFn(Provider, Host) -> Result<()>) {
    for timing in timings() {
        with(Config { timing, ..Config::default() }, &scenario);
    }
}

fn with(config: Config, scenario: impl AsyncFnOnce(Provider, Host) -> Result<()>) {
    let host = host(config);
    let result = on_host(&host, async |wsk| scenario(wsk, host.clone()).await);
    result.unwrap_or_else(|error| panic!("{config:?}: {error}"));
    assert_eq!(host.outstanding_allocations(), 0, "{config:?}: not all memory was freed");
}

/// A host that knows some names.
fn host(config: Config) -> Host {
    let host = Host::new(config);
    host.add_name("server.example", V4);
    host.add_name("server.example", V6);
    host
}

fn calls(host: &Host, function: &str) -> usize {
    host.trace().iter().filter(|line| line.contains(function)).count()
}

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
fn hints_say_what_is_wanted() {
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
fn without_a_name_it_is_this_machine() {
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
fn internationalised_names_go_both_ways() {
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
fn what_makes_no_sense_is_not_asked() {
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
            ("STATUS_INVALID_PARAMETER", "server.example", Service::Name("8\00"), any),
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

/// Look-ups are dropped after every number of polls: a list that comes too late is freed (INV-20, INV-66), or the
/// verifier would say so at the end.
#[test]
fn look_ups_can_be_dropped_at_any_point() {
    everywhere(async |wsk, host| {
        for polls in 0..4 {
            drop(poll_times(wsk.resolve("server.example", 80, Hints::new()), polls).await);
            drop(poll_times(wsk.resolve("nowhere.example", 80, Hints::new()), polls).await);
            drop(poll_times(wsk.name_of((V4, 80), NameInfoFlags::empty()), polls).await);
            drop(poll_times(net::lookup_host(&wsk, "server.example:80"), polls).await);
            drop(poll_times(net::connect_host(&wsk, "localhost:80"), polls).await);
            // One that has no answer wakes nobody.
            host.hold_name("server.example");
            drop(poll_times(wsk.resolve("server.example", 80, Hints::new()), 1).await);
        }
        Ok(())
    });
}

/// As above, where nothing but the list keeps the provider, and the provider is all that keeps the registration.
#[test]
fn a_list_may_come_when_everything_is_dropped() {
    for timing in timings() {
        let host = host(Config { timing, ..Config::default() });
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        let look_up = wsk.resolve("server.example", 80, Hints::new());
        rt::block_on(passive(), poll_times(look_up, 1)).unwrap();
        drop(wsk);
        drop(registration);
        host.settle();
        let asked = calls(&host, "WskGetAddressInfo");
        assert_eq!((asked, calls(&host, "WskFreeAddressInfo")), (1, 1), "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// What has no answer ends by a time-out, which cancels it.
#[test]
fn a_look_up_that_nobody_answers_times_out() {
    everywhere(async |wsk, host| {
        host.hold_name("server.example");
        let look_up = wsk.resolve("server.example", 80, Hints::stream());
        let error = time::timeout(Duration::from_secs(5), look_up).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(host.elapsed() >= Duration::from_secs(5));
        // The next one is answered.
        wsk.resolve("server.example", 80, Hints::stream()).await?;
        Ok(())
    });
}

/// A look-up that is neither polled nor dropped is complete, and keeps the registration: what it brings has to be
/// freed with a provider that is captured.
#[test]
fn a_look_up_that_is_kept_keeps_the_registration() {
    for timing in [Timing::Inline, Timing::Deferred] {
        let host = host(Config { timing, ..Config::default() });
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let wsk: &'static Provider = Box::leak(Box::new(registration.try_capture().unwrap()));
        let kept = {
            let mut look_up = Box::pin(wsk.resolve("server.example", 80, Hints::new()));
            let polled = rt::block_on(passive(), poll_times(look_up.as_mut(), 1)).unwrap();
            (look_up, polled)
        };
        host.settle();
        // SAFETY: leaked above, and the look-up has its own share of the provider.
        let provider = std::ptr::from_ref(wsk).cast_mut();
        ends_with(&host, registration, || {
            drop(kept);
            // SAFETY: nothing borrows it any more.
            drop(unsafe { Box::from_raw(provider) });
        });
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A registration that is dropped waits until something is let go of.
fn ends_with(host: &Host, registration: Registration, let_go: impl FnOnce()) {
    let (ended, end) = mpsc::channel();
    let other = {
        let host = host.clone();
        thread::spawn(move || {
            let _entered = host.enter();
            drop(registration);
            ended.send(()).unwrap();
        })
    };
    // A wait for something that must not happen can only be a wait for a while.
    let too_early = host.outside(|| end.recv_timeout(Duration::from_millis(100)));
    assert!(too_early.is_err());
    let_go();
    host.outside(|| end.recv().unwrap());
    host.outside(|| other.join().unwrap());
    host.settle();
}

/// A list keeps the provider, and so the registration, when there is no other provider any more (INV-5, INV-66).
#[test]
fn a_list_outlives_the_provider() {
    for timing in [Timing::Inline, Timing::Deferred] {
        let host = host(Config { timing, ..Config::default() });
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        let look_up = wsk.resolve("server.example", 80, Hints::stream());
        let list = rt::block_on(passive(), look_up).unwrap().unwrap();
        drop(wsk);
        ends_with(&host, registration, || {
            assert_eq!(list.addresses().count(), 2);
            drop(list);
        });
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Names keep nothing but their own memory.
#[test]
fn names_outlive_everything() {
    let host = host(Config::default());
    let names = on_host(&host, async |wsk| wsk.name_of((V4, 80), NameInfoFlags::empty()).await);
    let names = names.unwrap();
    assert_eq!(
        (names.host().to_string().as_str(), host.outstanding_allocations()),
        ("server.example", 1)
    );
    let _entered = host.enter();
    drop(names);
    assert_eq!(host.outstanding_allocations(), 0);
}

/// Forgetting is safe. What the look-up of a name needs is leaked; a look-up of addresses keeps the registration as
/// well, as a forgotten socket does.
#[test]
fn look_ups_can_be_forgotten() {
    for timing in [Timing::Inline, Timing::Deferred] {
        let host = host(Config { timing, ..Config::default() });
        let forget = async |wsk: Provider| {
            let mut look_up = Box::pin(wsk.name_of((V4, 80), NameInfoFlags::empty()));
            let polled = poll_times(look_up.as_mut(), 1).await;
            if polled.is_none() {
                std::mem::forget(look_up);
            }
            Ok(polled.is_none())
        };
        let is_forgotten = on_host(&host, forget).unwrap();
        let left = if is_forgotten { 2 } else { 0 };
        assert_eq!(host.outstanding_allocations(), left, "the request and the names");
        assert_eq!(is_forgotten, timing == Timing::Deferred);
    }

    let host = host(Config { timing: Timing::Deferred, ..Config::default() });
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    {
        let mut look_up = Box::pin(wsk.resolve("server.example", 80, Hints::new()));
        assert!(rt::block_on(passive(), poll_times(look_up.as_mut(), 1)).unwrap().is_none());
        std::mem::forget(look_up);
    }
    drop(wsk);
    host.settle();
    // The list is still there.
    assert_eq!(calls(&host, "WskFreeAddressInfo"), 0);
    std::mem::forget(registration);
}

/// Lists may be read and dropped at `DISPATCH_LEVEL`, and asking there fails (INV-66).
#[test]
fn levels_are_kept() {
    everywhere(async |wsk, _| {
        let list = wsk.resolve("server.example", 80, Hints::stream()).await?;
        let names = wsk.name_of((V4, 80), NameInfoFlags::empty()).await?;
        let resolve = wsk.resolve("server.example", 80, Hints::stream());
        let name_of = wsk.name_of((V4, 80), NameInfoFlags::empty());
        let started = {
            let mut look_up = Box::pin(wsk.resolve("server.example", 80, Hints::stream()));
            let polled = poll_times(look_up.as_mut(), 1).await;
            (look_up, polled)
        };
        // SAFETY: it is lowered below.
        let level = unsafe { sys::KfRaiseIrql(sys::DISPATCH_LEVEL) };
        assert_eq!(list.addresses().count(), 2);
        drop((list, names, started));
        let errors = [poll_now(resolve).map(drop), poll_now(name_of).map(drop)];
        // SAFETY: this is the level from before.
        unsafe { sys::KeLowerIrql(level) };
        for error in errors {
            assert_eq!(error.unwrap_err().name(), Some("STATUS_INVALID_DEVICE_REQUEST"));
        }
        Ok(())
    });
}

/// Polls a future that is ready at once.
fn poll_now<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match Box::pin(future).as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}

/// A waker may drop things: its function runs in a completion routine, where WSK must not be called (INV-15).
#[test]
fn a_list_may_be_dropped_in_a_completion_routine() {
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Wake, Waker};

    struct Dropper(Mutex<Option<wsk::resolve::AddressList>>);

    impl Wake for Dropper {
        fn wake(self: Arc<Self>) {
            let list = self.0.lock().unwrap().take();
            drop(list);
        }
    }

    with(Config::default().timing(Timing::Deferred), async |wsk, host| {
        let list = wsk.resolve("server.example", 80, Hints::stream()).await?;
        let dropper = Arc::new(Dropper(Mutex::new(Some(list))));
        let waker = Waker::from(Arc::clone(&dropper));
        let mut look_up = Box::pin(wsk.resolve("server.example", 80, Hints::stream()));
        assert!(look_up.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        host.settle();
        assert!(dropper.0.lock().unwrap().is_none(), "the waker was woken");
        assert_eq!(look_up.await?.addresses().count(), 2);
        Ok(())
    });
}

/// A warm client allocates what the look-up itself needs, once, and nothing else.
#[test]
fn a_look_up_allocates_once() {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1)] {
        with(Config::default().timing(timing), async |wsk, host| {
            for round in 0..5 {
                let before = host.allocations();
                drop(wsk.resolve("server.example", 80, Hints::stream()).await?);
                let between = host.allocations();
                drop(wsk.name_of((V4, 80), NameInfoFlags::empty()).await?);
                let counts = (between - before, host.allocations() - between);
                // The first one makes the request, too.
                assert_eq!(counts, (if round == 0 { 2 } else { 1 }, 1), "{timing:?}");
            }
            Ok(())
        });
    }
}

/// Every single allocation fails in turn: an error comes back, and nothing is leaked.
#[test]
fn every_allocation_may_fail() {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(2)] {
        let mut failures = 0;
        for number in 1.. {
            assert!(number < 100, "the scenario never gets through");
            let host = host(Config { timing, ..Config::default() });
            host.fail_allocation(number);
            let result = on_host(&host, async |wsk| {
                let list = wsk.resolve("server.example", 80, Hints::stream()).await?;
                assert_eq!(list.addresses().count(), 2);
                let names = wsk.name_of((V4, 80), NameInfoFlags::empty()).await?;
                assert_eq!(names.host(), "server.example");
                assert_eq!(net::lookup_host(&wsk, "server.example:80").await?.count(), 2);
                Ok(())
            });
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, allocation {number}");
            match result {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}"),
            }
            failures += 1;
        }
        // Registration, provider, waker, request, and one for each of three look-ups.
        assert!(failures >= 7, "only {failures} allocations were made to fail");
    }
}

#[test]
fn vista_has_no_names() {
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
fn what_is_not_implemented_is_an_error_at_once() {
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

/// More look-ups at once than the client keeps requests for, polled in turn, and one moved to another thread.
#[test]
fn many_look_ups_are_in_flight_at_once() {
    everywhere(async |wsk, host| {
        let resolve = || wsk.resolve("server.example", 80, Hints::stream());
        let name_of = || wsk.name_of((V4, 80), NameInfoFlags::empty());
        let three = || join(resolve(), join(name_of(), resolve()));
        let ((first, (second, third)), (fourth, (fifth, sixth))) = join(three(), three()).await;
        for list in [first, third, fourth, sixth] {
            assert_eq!(list?.addresses().count(), 2);
        }
        for names in [second, fifth] {
            assert_eq!(names?.host(), "server.example");
        }
        let look_up = Box::pin(resolve());
        let other = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let _entered = host.enter();
                rt::block_on(passive(), look_up)
            });
            host.outside(|| thread.join().unwrap())
        });
        assert_eq!(other??.addresses().count(), 2);
        Ok(())
    });
}

#[test]
fn a_host_is_looked_up_and_tried_once_more() {
    everywhere(async |wsk, host| {
        let ask = async |host| {
            Ok::<_, wsk::Error>(net::lookup_host(&wsk, host).await?.collect::<Vec<_>>())
        };
        let both = [SocketAddr::new(V4, 80), SocketAddr::new(V6, 80)];
        assert_eq!(ask("server.example:80").await?, both);
        assert_eq!(net::lookup_host(&wsk, ("server.example", 80)).await?.collect::<Vec<_>>(), both);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 2);
        // What is an address is not asked for.
        assert_eq!(ask("192.0.2.1:80").await?, [both[0]]);
        assert_eq!(net::lookup_host(&wsk, both[1]).await?.collect::<Vec<_>>(), [both[1]]);
        assert_eq!(net::lookup_host(&wsk, ("::1", 9)).await?.count(), 1);
        assert_eq!(ask("no port").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 2);

        host.fail_name("server.example", sys::STATUS_INTERNAL_ERROR);
        assert_eq!(ask("server.example:80").await?, both);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 4);
        for _ in 0..2 {
            host.fail_name("server.example", sys::STATUS_INTERNAL_ERROR);
        }
        let error = ask("server.example:80").await.unwrap_err();
        assert_eq!(error.name(), Some("STATUS_INTERNAL_ERROR"));
        host.fail_name("server.example", sys::STATUS_INSUFFICIENT_RESOURCES);
        let error = ask("server.example:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(calls(&host, "WskGetAddressInfo"), 7);
        Ok(())
    });
}

#[test]
fn a_host_is_connected_to_at_the_first_address_that_works() {
    everywhere(async |wsk, host| {
        let mut listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
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

/// Everything can be moved between threads.
#[test]
fn futures_and_what_they_give_are_send() {
    fn is_send<T: Send>(_: &T) {}
    fn is_send_and_sync<T: Send + Sync>() {}

    with(Config::default(), async |wsk, _| {
        let mut buffer = [0; 9];
        is_send(&wsk.resolve("server.example", 80, Hints::new()));
        is_send(&wsk.name_of((V4, 80), NameInfoFlags::empty()));
        is_send(&wsk.host_by_name("server.example", Family::INET));
        is_send(&wsk.host_by_address(V4, &mut buffer));
        is_send(&net::lookup_host(&wsk, "server.example:80"));
        is_send(&net::connect_host(&wsk, ("server.example", 80)));
        is_send_and_sync::<wsk::resolve::AddressList>();
        is_send_and_sync::<wsk::resolve::Addresses<'_>>();
        is_send_and_sync::<wsk::resolve::AddressInfo<'_>>();
        is_send_and_sync::<wsk::resolve::Names>();
        is_send_and_sync::<net::LookupHost>();
        is_send_and_sync::<TcpStream>();
        Ok(())
    });
}
