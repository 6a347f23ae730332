//! Registrations, and captured providers.

use std::time::Duration;

use test_support::scenario::passive;
use wsk::{ErrorKind, Registration};
use wsk_host::{Config, Host, Readiness};

/// The registration block keeps its address when the value moves.
#[test]
fn pitfall_09_a_registration_can_be_moved() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    let moved = Box::new(Some(registration));
    let wsk = moved.as_ref().as_ref().unwrap().try_capture().unwrap();
    let moved = *moved;
    drop(wsk);
    // In another thread, and captured again: the table is read once more.
    let inside = host.clone();
    let ended = std::thread::spawn(move || {
        let _entered = inside.enter();
        let wsk = moved.as_ref().unwrap().try_capture().unwrap();
        drop(wsk);
        moved.unwrap().deregister(passive());
    });
    host.blocking(|| ended.join().unwrap());
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0);
}

/// While WSK is not ready, asking costs nothing, and no wait is for ever.
#[test]
fn pitfall_10_a_capture_early_during_boot() {
    let host = Host::new(Config::default().readiness(Readiness::Never));
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    assert_eq!(registration.try_capture().unwrap_err().kind(), ErrorKind::NotReady);
    let begun = host.elapsed();
    let failed = registration.capture(passive(), Duration::from_secs(2)).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NotReady);
    assert!(host.elapsed().checked_sub(begun).unwrap() >= Duration::from_secs(2));
    // The longest timeout that can be written is not WSK's endless one, at which the host would stop.
    assert!(registration.capture(passive(), Duration::MAX).is_err());
    registration.deregister(passive());
}

/// A capture that fails half way, for want of memory, is released: the registration ends.
#[test]
fn pitfall_11_a_capture_is_released_on_every_path() {
    for number in 1.. {
        let host = Host::new(Config::default());
        let entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        host.fail_allocation(number);
        let captured = registration.try_capture();
        let is_done = captured.is_ok();
        drop(captured);
        registration.deregister(passive());
        drop(entered);
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0);
        if is_done {
            assert!(number > 1, "nothing failed");
            break;
        }
    }
}

/// A registration that fails is not ended, and one that succeeds is ended once.
#[test]
fn pitfall_12_registering_and_deregistering_are_balanced() {
    for number in 1..100 {
        let host = Host::new(Config::default());
        host.fail_allocation(number);
        let entered = host.enter();
        let registered = Registration::register(passive());
        let is_done = registered.is_ok();
        if let Ok(registration) = registered {
            registration.deregister(passive());
        }
        drop(entered);
        host.settle();
        let ends = host.trace().iter().filter(|line| line.contains("WskDeregister")).count();
        let begins = host.trace().iter().filter(|line| line.contains("WskRegister")).count();
        assert_eq!((ends, begins), if is_done { (1, 1) } else { (0, begins) });
        assert_eq!(host.outstanding_allocations(), 0);
        if is_done {
            assert!(number > 1, "nothing failed");
            return;
        }
    }
    panic!("registering never succeeds");
}
