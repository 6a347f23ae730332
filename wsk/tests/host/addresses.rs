//! The machine's addresses, and when they change.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use test_support::connection::sockets;
use test_support::futures::poll_times;
use test_support::scenario::{last_under_miri, on, on_host, timings, with_all_timings};
use wsk::socket::{BasicSocket, DatagramSocket, Family, ListenSocket, StreamSocket};
use wsk::{ErrorKind, Provider, sys};
use wsk_host::{Config, Host, Network, Timing};

use crate::sweep::sweep;

const V4: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

#[test]
fn every_socket_lists_the_addresses_of_its_family() {
    with_all_timings(async |wsk| {
        for (family, loopback) in [
            (Family::INET, IpAddr::from(Ipv4Addr::LOCALHOST)),
            (Family::INET6, Ipv6Addr::LOCALHOST.into()),
        ] {
            let basic = BasicSocket::builder(&wsk, family).create().await?;
            let listen = ListenSocket::builder(&wsk, family).bind((loopback, 0)).await?;
            let datagram = DatagramSocket::builder(&wsk, family).bind((loopback, 0)).await?;
            let stream = StreamSocket::builder(&wsk, family).create().await?;
            for addresses in [
                basic.local_addresses()?,
                listen.local_addresses()?,
                datagram.local_addresses()?,
                stream.local_addresses()?,
            ] {
                assert!(addresses.iter().any(|address| address.ip() == loopback));
                for address in &addresses {
                    assert_eq!((Family::of(address), address.port()), (family, 0));
                }
            }
        }
        let (socket, _peer) = sockets(&wsk).await?;
        assert!(socket.local_addresses()?.iter().count() > 0);
        Ok(())
    });
}

/// Each address of this machine that is listed is one that a program can bind to.
#[test]
#[cfg(not(miri))]
fn the_addresses_of_the_machine_are_listed() {
    let config = Config { network: Network::Real, ..Config::default() };
    on(config, async |wsk: Provider| {
        for family in [Family::INET, Family::INET6] {
            let socket = BasicSocket::builder(&wsk, family).create().await?;
            for address in &socket.local_addresses()? {
                std::net::UdpSocket::bind(address).unwrap();
            }
        }
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        let loopback = Ipv4Addr::LOCALHOST;
        assert!(socket.local_addresses()?.iter().any(|address| address.ip() == loopback));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_change_completes_the_request_that_waits_for_it() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let changing = host.clone();
        let run = async move |wsk: Provider| {
            let basic = BasicSocket::builder(&wsk, Family::INET).create().await?;
            let listen = ListenSocket::builder(&wsk, Family::INET).bind(V4).await?;
            let (first, second) =
                (basic.local_addresses_changed(), basic.local_addresses_changed());
            let third = listen.local_addresses_changed();
            changing.change_network();
            first.await?;
            second.await?;
            third.await?;
            let nothing = poll_times(basic.local_addresses_changed(), 1).await;
            assert!(nothing.is_none(), "nothing has changed");
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
            let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
            for polls in [0, 1, 1, 0] {
                assert!(poll_times(socket.local_addresses_changed(), polls).await.is_none());
            }
            // While it completes.
            for _ in 0..10 {
                let mut change = Box::pin(socket.local_addresses_changed());
                let _ = change.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                changing.change_network();
                drop(change);
            }
            // With the socket before it; another one, which keeps its first requests.
            let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
            let change = Box::pin(socket.local_addresses_changed());
            std::mem::forget(change);
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "the forgotten request is the socket's");
    }
}

/// At another level nothing is asked; the host would stop the process.
#[test]
fn addresses_require_passive_level() {
    with_all_timings(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        // SAFETY: the level is raised, and lowered again below.
        let before = unsafe { sys::KfRaiseIrql(sys::DISPATCH_LEVEL) };
        let listed = socket.local_addresses();
        let change = socket.local_addresses_changed();
        // SAFETY: it was raised above.
        unsafe { sys::KeLowerIrql(before) };
        assert_eq!(listed.unwrap_err().kind(), ErrorKind::InvalidInput);
        let polled = pin!(change).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(error)) = polled else { panic!("{polled:?}") };
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_dead_socket_has_no_addresses() {
    let host = Host::new(Config::default());
    let withdrawn = host.clone();
    let run = async move |wsk: Provider| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        let change = socket.local_addresses_changed();
        withdrawn.withdraw();
        assert_eq!(change.await.unwrap_err().kind(), ErrorKind::SocketDead);
        assert_eq!(socket.local_addresses().unwrap_err().kind(), ErrorKind::SocketDead);
        let change = socket.local_addresses_changed().await;
        assert_eq!(change.unwrap_err().kind(), ErrorKind::SocketDead);
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn only_the_list_is_allocated_once_warm() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let host = Host::new(Config::default().timing(timing));
        let changing = host.clone();
        let run = async move |wsk: Provider| {
            let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
            let mut before = 0;
            for round in 0..10 {
                if round == 1 {
                    before = changing.allocations();
                }
                let change = socket.local_addresses_changed();
                changing.change_network();
                change.await?;
                drop(socket.local_addresses()?);
            }
            Ok(changing.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 9, "{timing:?}: one for each list");
    }
}

#[test]
fn every_allocation_may_fail() {
    sweep(5, async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        drop(socket.local_addresses_changed());
        socket.local_addresses().map(drop)
    });
}

/// The future can be sent to another thread, and its socket shared with it.
#[test]
fn futures_can_be_sent() {
    fn require<T: Send>(_: &T) {}

    with_all_timings(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        require(&socket.local_addresses_changed());
        require(&socket.local_addresses()?);
        Ok(())
    });
}
