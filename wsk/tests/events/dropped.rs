//! Futures that are dropped or forgotten, at every point.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, connect, on_both_networks};
use test_support::futures::{poll_and_forget, poll_times};
use test_support::scenario::{on_host, passive};
use wsk::events::{EventMask, Incoming, ListenEvents};
use wsk::socket::{ConnectionSocket, DatagramSocket, Family, ListenSocket};
use wsk::{Provider, Result, Runtime};
use wsk_host::{Config, Host, Timing};

use crate::memory::Retainer;

/// The socket is as good as before.
#[test]
fn events_can_be_dropped_while_they_are_disabled() {
    on_both_networks(async |_, wsk| {
        let keeper = Retainer::default();
        let builder = DatagramSocket::builder(&wsk, Family::INET).events(keeper.clone());
        let socket = builder.bind(LOCAL).await?;
        let address = socket.local_addr().await?;
        for (polls, count) in (0..4).zip(1..) {
            let _ = poll_times(socket.disable_events(EventMask::RECEIVE_FROM), polls).await;
            socket.enable_events(EventMask::RECEIVE_FROM)?;
            socket.send_to(buffer(b"x")?, address).await.into_result()?;
            keeper.0.signal.wait_until(|| keeper.count() == count).await;
        }
        Ok(())
    });
}

/// A listener closes with an accept in flight, whatever happens to both futures.
#[test]
fn a_listener_closes_with_an_accept_in_flight() {
    on_both_networks(async |_, wsk| {
        for polls in 0..4 {
            let listen = async || ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await;
            let listener = listen().await?;
            let address = listener.local_addr().await?;
            drop(poll_times(listener.accept(), polls.min(1)).await);
            let client = connect(&wsk, address, ()).await?;
            let _ = poll_times(listener.close(), polls).await;
            drop(client);
            let listener = listen().await?;
            drop(poll_times(listener.accept_with(Retainer::default()), polls.min(1)).await);
            listener.close().await;
        }
        Ok(())
    });
}

/// A forgotten future leaks only its own memory: its request, and everything the request owns, belongs to the
/// socket.
#[test]
fn futures_can_be_forgotten() {
    let forget = |expected: usize, scenario: fn(Provider) -> BoxFuture| {
        let host = Host::new(Config::default().timing(Timing::Deferred));
        on_host(&host, async |wsk| scenario(wsk).await).unwrap();
        assert_eq!(host.outstanding_allocations(), expected);
    };
    forget(0, |wsk| {
        Box::pin(async move {
            let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            poll_and_forget(listener.accept());
            let address = listener.local_addr().await?;
            let client = connect(&wsk, address, ()).await?;
            assert_eq!(listener.accept().await?.1, Some(client.local_addr().await?));
            Ok(())
        })
    });
    // The handler, which has an `Arc`, and no allocation of the pool's but its own.
    forget(1, |wsk| {
        Box::pin(async move {
            let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            poll_and_forget(listener.accept_with(Retainer::default()));
            Ok(())
        })
    });
    forget(0, |wsk| {
        Box::pin(async move {
            let builder = DatagramSocket::builder(&wsk, Family::INET);
            let socket = builder.events(Retainer::default()).bind(LOCAL).await?;
            poll_and_forget(socket.disable_events(EventMask::RECEIVE_FROM));
            Ok(())
        })
    });
}

/// Transfers are forgotten in flight, in requests that were used before and in new ones; then the socket is dropped, or
/// closed, at once. Each request completes with the close, and what it owns is freed with the socket.
#[test]
fn transfers_can_be_forgotten() {
    for closes in [false, true] {
        let host = Host::new(Config::default().timing(Timing::Deferred));
        on_host(&host, async |wsk| {
            let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            let client = connect(&wsk, listener.local_addr().await?, ()).await?;
            let (server, _) = listener.accept().await?;
            for _ in 0..2 {
                client.send(buffer(b"x")?).await.into_result()?;
                server.receive(buffer(b" ")?).await.into_result()?;
            }
            for _ in 0..6 {
                poll_and_forget(client.receive(buffer(b" ")?));
                poll_and_forget(server.send(buffer(b"y")?));
            }
            if closes {
                client.close().await;
                server.close().await;
            }
            Ok(())
        })
        .unwrap();
        // A socket keeps four requests; two more of each socket are their futures' own, with a buffer each.
        assert_eq!(host.outstanding_allocations(), 2 * 2 * 2);
    }
}

/// Connections that a listener's event drops, or gives to a thread that drops them.
#[derive(Clone, Default)]
struct Given {
    to_thread: bool,
    socket: Arc<Mutex<Option<ConnectionSocket>>>,
    signal: Arc<Signal>,
}

#[wsk::events]
impl ListenEvents for Given {
    type Connection = ();

    fn accept(&self, incoming: Incoming<'_, ()>) {
        let socket = incoming.accept(()).unwrap();
        if self.to_thread {
            *self.socket.lock().unwrap() = Some(socket);
        }
        self.signal.set();
    }
}

/// Only the event's return accepts the connection. Its thread may be interrupted at any point before that.
#[test]
fn an_accepted_socket_is_not_closed_before_its_event_has_returned() {
    let seeds = if cfg!(miri) { 1 } else { 300 };
    for (to_thread, seed) in
        [false, true].into_iter().flat_map(|way| (0..seeds).map(move |s| (way, s)))
    {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 1)?;
            let given = Given { to_thread, ..Given::default() };
            let builder = ListenSocket::builder(&wsk, Family::INET).events(given.clone());
            let listener = builder.bind(LOCAL).await?;
            let address = listener.local_addr().await?;
            let drops = runtime.spawner().spawn(async move {
                let is_given = || given.socket.lock().unwrap().is_some();
                if to_thread {
                    given.signal.wait_until(is_given).await;
                }
                drop(given.socket.lock().unwrap().take());
            })?;
            let client = connect(&wsk, address, ()).await?;
            drops.await.unwrap();
            // The close aborts the connection.
            assert!(client.receive(buffer(b" ")?).await.into_result().is_err());
            runtime.shutdown(passive());
            Ok(())
        })
        .unwrap();
        let trace = host.trace();
        let find = |text: &str| trace.iter().position(|line| line.contains(text));
        let line = find("is offered: STATUS_SUCCESS").unwrap();
        let (_, offered) = trace[line].rsplit_once(": socket ").unwrap();
        let number = offered.split(' ').next().unwrap();
        let close = find(&format!("WskCloseSocket on socket {number} ")).unwrap();
        assert!(close > line, "seed {seed}, {to_thread}:\n{}", trace.join("\n"));
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = Result<()>>>>;
