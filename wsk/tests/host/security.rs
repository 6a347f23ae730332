//! Security descriptors: cached, given to sockets, and released.

use std::future::Future;
use std::net::Ipv4Addr;
use std::task::{Context, Waker};

use test_support::connection::sockets;
use test_support::futures::poll_times;
use test_support::scenario::{last_under_miri, on, on_host, passive, with_all_timings};
use wsk::security::CachedSecurityDescriptor;
use wsk::socket::{
    ConnectionSocket, Datagram, DatagramSocket, Family, ListenSocket, Socket, StreamSocket, Unbound,
};
use wsk::{ErrorKind, Provider, Registration, Result, sys};
use wsk_host::{Config, Host, Timing, Windows};

use crate::sweep::sweep;

/// `O:SYG:SYD:(A;;GA;;;WD)`: everybody may do everything.
const EVERYBODY: &[u8] = &[
    1, 0, 0x04, 0x80, 20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, //
    1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, //
    1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, //
    2, 0, 28, 0, 1, 0, 0, 0, //
    0, 0, 20, 0, 0, 0, 0, 0x10, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
];

const WILD: (Ipv4Addr, u16) = (Ipv4Addr::UNSPECIFIED, 0);

fn cached(wsk: &Provider) -> Result<CachedSecurityDescriptor> {
    CachedSecurityDescriptor::from_bytes(wsk, EVERYBODY)
}

async fn unbound(wsk: &Provider) -> Result<Socket<Datagram, Unbound>> {
    DatagramSocket::builder(wsk, Family::INET).create().await
}

/// The host says so when a descriptor is left at the end, and when one is used that is not cached, is released
/// twice, or while a request uses it.
#[test]
fn a_descriptor_is_cached_and_released_once() {
    with_all_timings(async |wsk| {
        let first = cached(&wsk)?;
        let second = first.clone();
        // SAFETY: these bytes are a descriptor, and stay.
        let third =
            unsafe { CachedSecurityDescriptor::cache(&wsk, EVERYBODY.as_ptr().cast_mut().cast()) }?;
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_ne!(first.as_ptr(), third.as_ptr());
        drop(first);
        drop(third);
        let socket = DatagramSocket::builder(&wsk, Family::INET)
            .security_descriptor(&second)
            .create()
            .await?;
        drop(second);
        drop(wsk);
        socket.bind(WILD).await?.close().await;
        Ok(())
    });
}

#[test]
fn a_descriptor_decides_over_shared_addresses() {
    with_all_timings(async |wsk| {
        let everybody = cached(&wsk)?;
        for shares in [true, false] {
            let builder = DatagramSocket::builder(&wsk, Family::INET);
            let first = if shares {
                builder.security_descriptor(&everybody).bind(WILD).await?
            } else {
                builder.bind(WILD).await?
            };
            let same = (Ipv4Addr::LOCALHOST, first.local_addr().await?.port());
            let second = DatagramSocket::builder(&wsk, Family::INET).bind(same).await;
            match second {
                Ok(_) => assert!(shares),
                Err(error) => {
                    assert_eq!((error.kind(), shares), (ErrorKind::PermissionDenied, false));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_descriptor_is_set_before_the_bind_and_queried_at_any_time() {
    with_all_timings(async |wsk| {
        let (first, second) = (cached(&wsk)?, cached(&wsk)?);
        let socket = unbound(&wsk).await?;
        let none = socket.security_descriptor(&wsk).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
        socket.set_security_descriptor(&first).await?;
        socket.set_security_descriptor(&second).await?;
        let pointer = second.as_ptr();
        drop((first, second));
        assert_eq!(socket.security_descriptor(&wsk).await?.as_ptr(), pointer);
        let socket = socket.bind(WILD).await?;
        let asked = socket.security_descriptor(&wsk).await?;
        drop(socket);
        assert_eq!(asked.as_ptr(), pointer, "it outlives the socket");

        // Every category but basic sockets has one.
        let listener = ListenSocket::builder(&wsk, Family::INET).create().await?;
        listener.set_security_descriptor(&asked).await?;
        let stream = StreamSocket::builder(&wsk, Family::INET).create().await?;
        stream.set_security_descriptor(&asked).await?;
        let connection = ConnectionSocket::builder(&wsk, Family::INET).create().await?;
        connection.set_security_descriptor(&asked).await?;
        for descriptor in [
            listener.security_descriptor(&wsk).await?,
            stream.security_descriptor(&wsk).await?,
            connection.security_descriptor(&wsk).await?,
        ] {
            assert_eq!(descriptor.as_ptr(), pointer);
        }
        // What was accepted has none of its own.
        let (_, accepted) = sockets(&wsk).await?;
        let none = accepted.security_descriptor(&wsk).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn invalid_descriptor_bytes_are_refused() {
    let host = Host::new(Config::default());
    let traced = host.clone();
    let run = async move |wsk: Provider| {
        for bytes in [&[][..], &EVERYBODY[..71], &[7; 72]] {
            let error = CachedSecurityDescriptor::from_bytes(&wsk, bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert!(!traced.trace().iter().any(|line| line.contains("WskControlClient")));
        Ok(())
    };
    on_host(&host, run).unwrap();
}

/// Another registration's is refused before WSK sees it, which would be the end.
#[test]
fn a_descriptor_belongs_to_its_registration() {
    with_all_timings(async |wsk| {
        let registration = Registration::register(passive())?;
        let other = registration.try_capture()?;
        let foreign = cached(&other)?;
        let refused = |result: Result<()>| {
            assert_eq!(result.unwrap_err().status(), sys::STATUS_INVALID_PARAMETER);
        };
        let builder = DatagramSocket::builder(&wsk, Family::INET).security_descriptor(&foreign);
        refused(builder.create().await.map(|_| ()));
        let socket = unbound(&wsk).await?;
        refused(socket.set_security_descriptor(&foreign).await);
        refused(socket.security_descriptor(&other).await.map(|_| ()));
        drop((foreign, other));
        registration.deregister(passive());
        Ok(())
    });
}

/// A request keeps what it uses: the future and all other owners go before it has completed.
#[test]
fn everything_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        for polls in 0..6 {
            let descriptor = cached(&wsk)?;
            let builder =
                DatagramSocket::builder(&wsk, Family::INET).security_descriptor(&descriptor);
            let created = poll_times(builder.create(), polls).await;
            drop(descriptor);
            drop(created);
        }
        let socket = unbound(&wsk).await?;
        for polls in [0, 1, 1, 2, 0] {
            let descriptor = cached(&wsk)?;
            let _ = poll_times(socket.set_security_descriptor(&descriptor), polls).await;
        }
        let last = cached(&wsk)?;
        socket.set_security_descriptor(&last).await?;
        // What comes nevertheless is released.
        for polls in [0, 1, 1, 2, 1] {
            drop(poll_times(socket.security_descriptor(&wsk), polls).await);
        }
        assert_eq!(socket.security_descriptor(&wsk).await?.as_ptr(), last.as_ptr());
        Ok(())
    });
}

/// With the socket closed before the request has completed, and the provider released by everybody else.
#[test]
fn a_request_may_outlive_its_socket() {
    with_all_timings(async |wsk| {
        let socket = unbound(&wsk).await?;
        let descriptor = cached(&wsk)?;
        socket.set_security_descriptor(&descriptor).await?;
        let mut context = Context::from_waker(Waker::noop());
        let mut set = Box::pin(socket.set_security_descriptor(&descriptor));
        let mut get = Box::pin(socket.security_descriptor(&wsk));
        let _ = set.as_mut().poll(&mut context);
        let _ = get.as_mut().poll(&mut context);
        drop((set, get));
        drop(descriptor);
        drop(socket);
        drop(wsk);
        Ok(())
    });
}

#[test]
fn a_warm_socket_allocates_only_for_its_results() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let socket = unbound(&wsk).await?;
            let descriptor = cached(&wsk)?;
            let mut before = 0;
            for round in 0..10 {
                if round == 1 {
                    before = counted.allocations();
                }
                socket.set_security_descriptor(&descriptor).await?;
            }
            assert_eq!(counted.allocations() - before, 0, "{timing:?}");
            before = counted.allocations();
            drop(socket.security_descriptor(&wsk).await?);
            assert_eq!(counted.allocations() - before, 1, "{timing:?}");
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn every_allocation_may_fail() {
    sweep(8, async |wsk| {
        let descriptor = cached(&wsk)?;
        let socket = DatagramSocket::builder(&wsk, Family::INET)
            .security_descriptor(&descriptor)
            .create()
            .await?;
        socket.set_security_descriptor(&descriptor).await?;
        socket.security_descriptor(&wsk).await.map(drop)
    });
}

#[test]
fn a_dead_socket_refuses_a_descriptor() {
    let host = Host::new(Config::default());
    let withdrawn = host.clone();
    let run = async move |wsk: Provider| {
        let (socket, descriptor) = (unbound(&wsk).await?, cached(&wsk)?);
        socket.set_security_descriptor(&descriptor).await?;
        withdrawn.withdraw();
        for error in [
            socket.set_security_descriptor(&descriptor).await.unwrap_err(),
            socket.security_descriptor(&wsk).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::SocketDead);
        }
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

/// All of it is as old as WSK.
#[test]
fn older_windows_supports_it() {
    on(Config::default().windows(Windows::VISTA), async |wsk: Provider| {
        let (socket, descriptor) = (unbound(&wsk).await?, cached(&wsk)?);
        socket.set_security_descriptor(&descriptor).await?;
        socket.security_descriptor(&wsk).await.map(drop)
    })
    .unwrap();
}

/// The last owner may be dropped at a level where WSK's call would not be made, and in another thread.
#[test]
fn a_descriptor_may_be_dropped_at_any_irql() {
    fn require<T: Send + Sync>(_: &T) {}

    with_all_timings(async |wsk| {
        let descriptor = cached(&wsk)?;
        require(&descriptor);
        let socket = unbound(&wsk).await?;
        let set = socket.set_security_descriptor(&descriptor);
        fn require_send<T: Send>(_: &T) {}
        require_send(&set);
        require_send(&socket.security_descriptor(&wsk));
        drop(set);
        // SAFETY: the level is raised, and lowered again below.
        let before = unsafe { sys::KfRaiseIrql(sys::DISPATCH_LEVEL) };
        drop(descriptor);
        // SAFETY: it was raised above.
        unsafe { sys::KeLowerIrql(before) };
        Ok(())
    });
}
