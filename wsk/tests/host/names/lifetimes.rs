//! Look-ups and lists that are dropped, forgotten, kept and moved, at every point and level.

use std::mem::ManuallyDrop;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use test_support::futures::{join, poll_times};
use test_support::scenario::{last_under_miri, on_host, passive, timings};
use wsk::flags::NameInfoFlags;
use wsk::resolve::Hints;
use wsk::socket::Family;
use wsk::{ErrorKind, Provider, Registration, net, rt, sys, time};
use wsk_host::{Config, Host, Timing};

use super::{V4, calls, everywhere, host, with};

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
            // An unanswered look-up wakes no task.
            host.stall_name("server.example");
            drop(poll_times(wsk.resolve("server.example", 80, Hints::new()), 1).await);
        }
        Ok(())
    });
}

/// A list arrives after its provider and its registration were dropped: the list alone keeps the provider, and so the registration.
#[test]
fn a_list_may_arrive_after_everything_is_dropped() {
    for timing in timings() {
        let host = host(Config { timing, ..Config::default() });
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        let look_up = wsk.resolve("server.example", 80, Hints::new());
        rt::block_on(passive(), poll_times(look_up, 1)).unwrap();
        drop(wsk);
        registration.deregister(passive());
        host.settle();
        let asked = calls(&host, "WskGetAddressInfo");
        assert_eq!((asked, calls(&host, "WskFreeAddressInfo")), (1, 1), "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// What has no answer ends by a timeout, which cancels it.
#[test]
fn an_unanswered_look_up_times_out() {
    everywhere(async |wsk, host| {
        host.stall_name("server.example");
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
fn an_unfinished_look_up_keeps_the_registration() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred]) {
        let host = host(Config { timing, ..Config::default() });
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let provider = Box::into_raw(Box::new(registration.try_capture().unwrap()));
        // SAFETY: it outlives the look-up, which borrows it and is dropped below.
        let wsk: &Provider = unsafe { &*provider };
        let kept = {
            let mut look_up = Box::pin(wsk.resolve("server.example", 80, Hints::new()));
            let polled = rt::block_on(passive(), poll_times(look_up.as_mut(), 1)).unwrap();
            (look_up, polled)
        };
        host.settle();
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
            registration.deregister(passive());
            ended.send(()).unwrap();
        })
    };
    // A wait for something that must not happen can only be a wait for a while.
    let too_early = host.blocking(|| end.recv_timeout(Duration::from_millis(100)));
    assert!(too_early.is_err());
    let_go();
    host.blocking(|| end.recv().unwrap());
    host.blocking(|| other.join().unwrap());
    host.settle();
}

/// A list keeps the provider, and so the registration, when there is no other provider any more (INV-5, INV-66).
#[test]
fn a_list_outlives_the_provider() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred]) {
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
fn names_outlive_their_provider_and_registration() {
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

/// Forgetting is safe. The client frees what the look-up of a name needs; a look-up of addresses keeps the registration, as
/// a forgotten socket does.
#[test]
fn look_ups_can_be_forgotten() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred]) {
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
        // The request and the names are the client's, which frees them.
        assert_eq!(host.outstanding_allocations(), 0);
        assert_eq!(is_forgotten, timing == Timing::Deferred);
    }

    let host = host(Config { timing: Timing::Deferred, ..Config::default() });
    let _entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    let mut look_up = Box::pin(wsk.resolve("server.example", 80, Hints::new()));
    assert!(rt::block_on(passive(), poll_times(look_up.as_mut(), 1)).unwrap().is_none());
    let forgotten = ManuallyDrop::new(look_up);
    host.settle();
    // The list is still there.
    assert_eq!(calls(&host, "WskFreeAddressInfo"), 0);
    // What is forgotten keeps a thread of the registration's, which a host does not let wait for ever.
    drop(ManuallyDrop::into_inner(forgotten));
    drop(wsk);
    registration.deregister(passive());
}

/// Lists may be read and dropped at `DISPATCH_LEVEL`, and asking there fails (INV-66).
#[test]
fn look_ups_respect_their_irql() {
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
            host.blocking(|| thread.join().unwrap())
        });
        assert_eq!(other??.addresses().count(), 2);
        Ok(())
    });
}

/// Everything can be moved between threads.
#[test]
fn futures_and_their_outputs_are_send() {
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
        is_send(&net::listen_host(&wsk, ("server.example", 80)));
        is_send_and_sync::<wsk::resolve::AddressList>();
        is_send_and_sync::<wsk::resolve::Addresses<'_>>();
        is_send_and_sync::<wsk::resolve::AddressInfo<'_>>();
        is_send_and_sync::<wsk::resolve::Names>();
        is_send_and_sync::<net::LookupHost>();
        Ok(())
    });
}
