//! Registering and ending.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use test_support::scenario::passive;
use wsk::{ErrorKind, Registration, TcpListener, Version, rt};
use wsk_host::{Config, Host, Timing};

#[test]
fn capturing_an_unready_subsystem_fails_with_its_own_error() {
    let host = Host::new(Config { readiness: wsk_host::Readiness::Never, ..Config::default() });
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    for error in [
        registration.try_capture().unwrap_err(),
        registration.capture(passive(), Duration::from_millis(1)).unwrap_err(),
        registration.provider_versions().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotReady);
    }
    registration.deregister(passive());
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn the_provider_reports_its_version() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    let one = Version { major: 1, minor: 0 };
    assert_eq!(registration.provider_versions(), Ok((one, one)));
    assert_eq!(registration.try_capture().unwrap().version(), one);
    registration.deregister(passive());
}

/// Ending a registration waits for what other threads still have (INV-5), and sockets outlive the
/// provider (INV-4).
#[test]
fn a_registration_waits_for_its_sockets() {
    let host = Host::new(Config { timing: Timing::Deferred, ..Config::default() });
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    let bind = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0));
    let listener = rt::block_on(passive(), bind).unwrap().unwrap();
    drop(wsk);

    let (ended, end) = mpsc::channel();
    let other = {
        let host = host.clone();
        thread::spawn(move || {
            let _entered = host.enter();
            registration.deregister(passive());
            ended.send(()).unwrap();
        })
    };
    // A wait for something that must not happen can only be a wait for a while.
    let ended = host.blocking(|| end.recv_timeout(Duration::from_millis(100)));
    assert!(ended.is_err());
    drop(listener);
    host.blocking(|| end.recv().unwrap());
    host.blocking(|| other.join().unwrap());
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn a_driver_may_register_more_than_once() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let first = Registration::register(passive()).unwrap();
    let second = Registration::register(passive()).unwrap();
    let wsk = second.try_capture().unwrap();
    first.deregister(passive());
    let bind = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0));
    rt::block_on(passive(), bind).unwrap().unwrap();
    drop(wsk);
    second.deregister(passive());
}

/// What a provider's table has is what its Windows has, and calls of it are not made otherwise (INV-8).
#[test]
fn capabilities_match_the_running_windows() {
    use wsk_host::Windows;

    let facts = |windows| {
        let host = Host::new(Config::default().windows(windows));
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let capabilities = registration.try_capture().unwrap().capabilities();
        registration.deregister(passive());
        [
            capabilities.name_resolution().is_some(),
            capabilities.send_messages().is_some(),
            capabilities.streams().is_some(),
            capabilities.extended_transfers().is_some(),
        ]
    };
    assert_eq!(facts(Windows::VISTA), [false, false, false, false]);
    assert_eq!(facts(Windows { major: 6, minor: 1, build: 7600 }), [true, false, false, false]);
    assert_eq!(facts(Windows::SEVEN), [true, false, false, false]);
    assert_eq!(facts(Windows::EIGHT), [true, true, false, false]);
    assert_eq!(facts(Windows::TEN), [true, true, false, false]);
    assert_eq!(facts(Windows::TEN_1703), [true, true, true, false]);
    assert_eq!(facts(Windows::TEN_1803), [true, true, true, true]);
    assert_eq!(facts(Windows::ELEVEN), [true, true, true, true]);
}
