//! Settings and queries of a whole client: static events, TDI, and the transports.

use std::future::Future;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::poll_times;
use test_support::scenario::{
    each_allocation, last_under_miri, on_host, on_host_as, passive, timings, with_all_timings,
};
use wsk::events::{
    ConnectionEvents, Data, DatagramEvents, Datagrams, Disposition, EventMask, Incoming,
    ListenEvents, Receipt,
};
use wsk::socket::{
    BasicSocket, ConnectionSocket, DatagramSocket, Family, ListenSocket, Protocol, StreamSocket,
};
use wsk::{
    Buffer, ErrorKind, Provider, Registration, RegistrationBuilder, Result, TcpListener, TcpStream,
    UdpSocket, Version, sys,
};
use wsk_host::{Config, Host, Timing, Windows};

const V4: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

const OF_CONNECTIONS: EventMask =
    EventMask::RECEIVE.union(EventMask::DISCONNECT).union(EventMask::SEND_BACKLOG);

/// Bytes that take several receives. Miri takes long for each.
const MANY: usize = if cfg!(miri) { 50 } else { 5000 };

/// The number of `WskControlClient` calls.
fn control_calls(host: &Host) -> usize {
    host.trace().iter().filter(|line| line.contains("WskControlClient")).count()
}

/// Runs a scenario with static events and every timing.
fn with_static(events: EventMask, scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let builder = Registration::builder().static_events(events);
        on_host_as(&host, builder, &scenario)
            .unwrap_or_else(|error| panic!("{events:?}, {timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{events:?}, {timing:?}");
    }
}

/// Sockets without events work as without static ones.
#[test]
fn connections_need_no_callbacks_for_static_events() {
    for events in [EventMask::RECEIVE, EventMask::DISCONNECT, OF_CONNECTIONS] {
        with_static(events, async |wsk| {
            let (client, server) = streams(&wsk).await?;
            client.send_all(buffer(b"hello")?).await.into_result()?;
            client.shutdown().await?;
            assert_eq!(receive_all(&server).await?, b"hello");
            server.send_all(buffer(&[7; MANY])?).await.into_result()?;
            server.shutdown().await?;
            assert_eq!(receive_all(&client).await?, [7; MANY]);
            Ok(())
        });
    }
}

/// The next request on a lost connection fails, whether or not the default callback ran before.
#[test]
fn the_default_callbacks_mark_the_socket_dead() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let withdrawn = host.clone();
        let builder = Registration::builder().static_events(OF_CONNECTIONS);
        let run = async move |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            withdrawn.withdraw();
            withdrawn.settle();
            for stream in [&client, &server] {
                let received = stream.recv(Buffer::new(1)?).await;
                assert_eq!(received.0.unwrap_err().kind(), ErrorKind::SocketDead);
            }
            Ok(())
        };
        on_host_as(&host, builder, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Counts its callbacks.
#[derive(Default)]
struct Counter {
    bytes: AtomicUsize,
    datagrams: AtomicUsize,
}

#[wsk::events]
impl ConnectionEvents for Counter {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.bytes.fetch_add(data.len(), Ordering::Relaxed);
        Receipt::All
    }
}

#[wsk::events]
impl DatagramEvents for Counter {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        self.datagrams.fetch_add(datagrams.iter().count(), Ordering::Relaxed);
        Disposition::Accepted
    }
}

/// Accepts nothing.
struct Rejecting;

#[wsk::events]
impl ListenEvents for Rejecting {
    type Connection = ();

    fn accept(&self, _incoming: Incoming<'_, ()>) {}
}

/// Polls until a condition holds, and lets other tasks run in the meantime.
async fn until(host: &Host, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        host.settle();
    }
}

#[test]
fn a_handlers_own_methods_are_called_for_static_events() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let settled = host.clone();
        let events = OF_CONNECTIONS | EventMask::RECEIVE_FROM;
        let builder = Registration::builder().static_events(events);
        let run = async move |wsk: Provider| {
            let socket = DatagramSocket::builder(&wsk, Family::INET)
                .events(Counter::default())
                .bind(V4)
                .await?;
            let address = socket.local_addr().await?;
            for _ in 0..3 {
                socket.send_to(buffer(b"self")?, address).await.into_result()?;
            }
            until(&settled, || socket.handler().datagrams.load(Ordering::Relaxed) == 3).await;

            let listener = ListenSocket::builder(&wsk, Family::INET).bind(V4).await?;
            let address = listener.local_addr().await?;
            let counting = ConnectionSocket::builder(&wsk, Family::INET)
                .events(Counter::default())
                .connect(address)
                .await?;
            let (peer, _) = listener.accept().await?;
            peer.send_all(buffer(&[1; 1000])?).await.into_result()?;
            until(&settled, || counting.handler().bytes.load(Ordering::Relaxed) == 1000).await;
            Ok(())
        };
        on_host_as(&host, builder, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// WSK would take them for events that it may have one day, or fail at the first capture.
#[test]
fn bits_that_are_no_event_are_refused() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    for bits in [0x8000_0000, 0x8000_0040, u32::MAX, 0x20] {
        let unknown = EventMask::from_bits_retain(bits) - EventMask::all();
        assert!(!unknown.is_empty(), "{bits:#x}");
        for events in [unknown, unknown | EventMask::RECEIVE] {
            let registered = Registration::builder().static_events(events).register(passive());
            assert_eq!(
                registered.unwrap_err().status(),
                sys::STATUS_INVALID_PARAMETER,
                "{bits:#x}"
            );
        }
    }
    Registration::builder()
        .static_events(EventMask::all())
        .register(passive())
        .unwrap()
        .deregister(passive());
}

/// What would lose connections or datagrams is refused before WSK is asked, and what has nothing to do with it is
/// not.
#[test]
fn sockets_without_callbacks_for_static_events_are_refused() {
    let refused = |result: Result<()>| {
        assert_eq!(result.unwrap_err().status(), sys::STATUS_INVALID_PARAMETER);
    };
    with_static(EventMask::RECEIVE_FROM, async |wsk| {
        refused(UdpSocket::bind(&wsk, V4).await.map(|_| ()));
        refused(DatagramSocket::builder(&wsk, Family::INET).create().await.map(|_| ()));
        let counter = Counter::default();
        DatagramSocket::builder(&wsk, Family::INET).events(counter).create().await?;
        BasicSocket::builder(&wsk, Family::INET).create().await?;
        StreamSocket::builder(&wsk, Family::INET).create().await?;
        streams(&wsk).await?;
        Ok(())
    });
    with_static(EventMask::ACCEPT, async |wsk| {
        refused(TcpListener::bind(&wsk, V4).await.map(|_| ()));
        refused(StreamSocket::builder(&wsk, Family::INET).create().await.map(|_| ()));
        let listener = ListenSocket::builder(&wsk, Family::INET).events(Rejecting).bind(V4).await?;
        UdpSocket::bind(&wsk, V4).await?;
        BasicSocket::builder(&wsk, Family::INET).create().await?;
        // The handler's method is called, though nothing was enabled.
        let address = listener.local_addr().await?;
        let connected = TcpStream::connect(&wsk, address).await;
        let lost = match connected {
            Ok(stream) => stream.recv(Buffer::new(1)?).await.0.unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(lost.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused),
            "{lost}"
        );
        Ok(())
    });
}

/// Stream sockets have both tables.
#[test]
fn stream_sockets_go_together_with_static_events_of_connections() {
    with_static(OF_CONNECTIONS, async |wsk| {
        let listener = TcpListener::bind(&wsk, V4).await?;
        let address = listener.local_addr().await?;
        let stream = StreamSocket::builder(&wsk, Family::INET).connect(address).await?;
        let (peer, _) = listener.accept().await?;
        peer.send_all(buffer(b"hello")?).await.into_result()?;
        let (received, bytes) = stream.receive(Buffer::new(1)?).await.into_result()?;
        assert_eq!((received, &bytes[..]), (1, &b"h"[..]));
        Ok(())
    });
}

/// The client is set up once, however often the provider is captured.
#[test]
fn a_client_is_set_up_once() {
    for (builder, calls) in [
        (Registration::builder(), 0),
        (Registration::builder().bypass_tdi(), 1),
        (Registration::builder().static_events(OF_CONNECTIONS), 1),
        (Registration::builder().static_events(OF_CONNECTIONS).bypass_tdi(), 2),
    ] {
        let host = Host::new(Config::default());
        let _entered = host.enter();
        let registration = builder.register(passive()).unwrap();
        assert_eq!(control_calls(&host), 0);
        let first = registration.try_capture().unwrap();
        drop(registration.capture(passive(), Duration::from_secs(1)).unwrap());
        drop(first);
        drop(registration.try_capture().unwrap());
        registration.deregister(passive());
        assert_eq!(control_calls(&host), calls, "{builder:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Two threads capture at once: WSK is called once, a thread that may wait gets the provider, and one that may not
/// gets it or the error `STATUS_DEVICE_NOT_READY`.
#[test]
fn a_client_is_set_up_once_by_racing_threads() {
    // The machine decides in which order the threads enter the host, so that one round may not be enough.
    for _ in 0..if cfg!(miri) { 1 } else { 100 } {
        let came_too_early: usize = timings().map(capture_in_five_threads).sum();
        if cfg!(miri) || came_too_early > 0 {
            return;
        }
    }
    panic!("the threads never met");
}

/// Returns how many of the threads that may not wait came too early.
fn capture_in_five_threads(timing: Timing) -> usize {
    let host = Host::new(Config::default().timing(timing));
    let _entered = host.enter();
    let builder = Registration::builder().static_events(EventMask::RECEIVE).bypass_tdi();
    let registration = builder.register(passive()).unwrap();
    let all_have_entered = Barrier::new(5);
    let (waiting, trying): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let enter = |capture: fn(&Registration) -> Result<Provider>| {
            let (host, registration) = (host.clone(), &registration);
            let all_have_entered = &all_have_entered;
            scope.spawn(move || {
                let _entered = host.enter();
                host.blocking(|| all_have_entered.wait());
                capture(registration).map(drop)
            })
        };
        let wait =
            |registration: &Registration| registration.capture(passive(), Duration::from_secs(1));
        let waiting = [enter(wait), enter(wait), enter(wait)];
        let trying = [enter(Registration::try_capture), enter(Registration::try_capture)];
        host.blocking(|| {
            (
                waiting.into_iter().map(|thread| thread.join().unwrap()).collect(),
                trying.into_iter().map(|thread| thread.join().unwrap()).collect(),
            )
        })
    });
    assert!(waiting.iter().all(Result::is_ok), "{timing:?}: {waiting:?}");
    let errors: Vec<_> = trying.into_iter().filter_map(Result::err).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::NotReady), "{errors:?}");
    registration.deregister(passive());
    assert_eq!(control_calls(&host), 2, "{timing:?}");
    assert_eq!(host.outstanding_allocations(), 0);
    errors.len()
}

/// Bits that are no event's are not passed on to WSK.
#[test]
fn unknown_static_events_are_refused() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    for bits in [1, 0x20, 0x8000_0000, 0x8000_0040, u32::MAX] {
        let builder = Registration::builder().static_events(EventMask::from_bits_retain(bits));
        let error = builder.register(passive()).unwrap_err();
        assert_eq!(error.status(), sys::STATUS_INVALID_PARAMETER, "{bits:#x}");
    }
    assert_eq!(control_calls(&host), 0);
    assert_eq!(host.outstanding_allocations(), 0);
    let all = Registration::builder().static_events(EventMask::all());
    let registration = all.register(passive()).unwrap();
    drop(registration.try_capture().unwrap());
    registration.deregister(passive());
}

#[test]
fn the_transports_are_listed() {
    with_all_timings(async |wsk| {
        let transports = wsk.transports()?;
        assert_eq!(transports.len(), 4);
        for family in [Family::INET, Family::INET6] {
            for (socket_type, protocol) in
                [(sys::SOCK_STREAM, Protocol::TCP), (sys::SOCK_DGRAM, Protocol::UDP)]
            {
                let is_it = |transport: &&wsk::Transport| {
                    (transport.family(), transport.protocol()) == (family, protocol)
                };
                let transport = (&transports).into_iter().find(is_it).unwrap();
                assert_eq!(transport.socket_type(), socket_type);
                assert_eq!(transport.version(), Version { major: 1, minor: 0 });
                assert_eq!(transport.to_raw().Protocol, protocol.to_raw());
                assert!(transport.accepts(family) && !transport.accepts(Family::UNSPECIFIED));
            }
        }
        assert!(format!("{transports:?}").contains("protocol"));
        Ok(())
    });
}

#[test]
fn a_change_of_the_transports_completes_its_request() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let changing = host.clone();
        let run = async move |wsk: Provider| {
            // Asked for before it happens, and awaited after.
            let first = wsk.transports_changed();
            let second = wsk.transports_changed();
            changing.change_network();
            first.await?;
            second.await?;
            assert!(poll_times(wsk.transports_changed(), 1).await.is_none(), "nothing has changed");
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn waiting_for_a_change_can_be_dropped_at_any_point() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let changing = host.clone();
        let run = async move |wsk: Provider| {
            for polls in [0, 1, 1, 0] {
                assert!(poll_times(wsk.transports_changed(), polls).await.is_none());
            }
            // While it completes.
            for _ in 0..10 {
                let mut change = Box::pin(wsk.transports_changed());
                let _ = change.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                changing.change_network();
                drop(change);
            }
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// The end of the registration ends a request that was forgotten, and frees nothing of it before it has
/// completed.
#[test]
fn a_registration_ends_although_a_wait_for_changes_was_forgotten() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            std::mem::forget(wsk.transports_changed());
            let mut change = Box::pin(wsk.transports_changed());
            let polled = change.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            std::mem::forget(change);
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "the requests are the client's");
    }
}

/// Wine: `WskControlClient` and `WskControlSocket` return `STATUS_NOT_IMPLEMENTED`, and the IRP never completes. The future
/// was neither polled nor dropped, and leaves the request all the same.
#[test]
fn a_registration_ends_although_a_refused_wait_was_forgotten() {
    for timing in timings() {
        let config = Config { timing, refuse_control: true, ..Config::default() };
        let host = Host::new(config);
        let run = async |wsk: Provider| {
            std::mem::forget(wsk.transports_changed());
            let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
            std::mem::forget(socket.local_addresses_changed());
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

#[test]
fn waiting_for_changes_allocates_nothing_once_warm() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let host = Host::new(Config::default().timing(timing));
        let changing = host.clone();
        let run = async move |wsk: Provider| {
            let mut before = 0;
            for round in 0..10 {
                if round == 1 {
                    before = changing.allocations();
                }
                let change = wsk.transports_changed();
                changing.change_network();
                change.await?;
            }
            Ok(changing.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
    }
}

#[test]
fn every_allocation_may_fail() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(2)]) {
        let mut failures = 0;
        for number in each_allocation() {
            assert!(number < 1000, "the scenario never gets through");
            let host = Host::new(Config::default().timing(timing));
            host.fail_allocation(number);
            let changing = host.clone();
            let builder = Registration::builder().static_events(OF_CONNECTIONS).bypass_tdi();
            let result = on_host_as(&host, builder, async move |wsk: Provider| {
                let change = wsk.transports_changed();
                assert_eq!(wsk.transports()?.len(), 4);
                changing.change_network();
                change.await
            });
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, allocation {number}");
            match result {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}"),
            }
            failures += 1;
        }
        assert!(cfg!(miri) || failures >= 5, "only {failures} allocations were made to fail");
    }
}

/// All of it is as old as WSK.
#[test]
fn older_windows_supports_it() {
    let host = Host::new(Config::default().windows(Windows::VISTA));
    let changing = host.clone();
    let builder: RegistrationBuilder =
        Registration::builder().static_events(OF_CONNECTIONS).bypass_tdi();
    let run = async move |wsk: Provider| {
        let change = wsk.transports_changed();
        wsk.transports()?;
        changing.change_network();
        change.await?;
        streams(&wsk).await.map(|_| ())
    };
    on_host_as(&host, builder, run).unwrap();
}

/// The futures can be sent to other threads.
#[test]
fn futures_can_be_sent() {
    fn require<T: Send>(_: &T) {}

    with_all_timings(async |wsk| {
        require(&wsk.transports_changed());
        Ok(())
    });
}
