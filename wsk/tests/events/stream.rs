//! Events of a stream socket, in both of its roles.

use std::sync::{Arc, Mutex};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{on_both_networks, with_both_enablings};
use test_support::futures::poll_times;
use test_support::scenario::on_host;
use wsk::ErrorKind;
use wsk::events::{ConnectionEvents, Data, EventMask, Incoming, ListenEvents, Receipt};
use wsk::socket::{Family, StreamSocket};
use wsk_host::{Config, Host, Windows};

use crate::listen::{Peer, Record};

/// Both roles of a stream socket have one type.
#[derive(Clone, Default)]
pub(crate) struct Both {
    record: Arc<Record>,
    received: Arc<Mutex<Vec<u8>>>,
}

#[wsk::events]
impl ListenEvents for Both {
    type Connection = Peer;

    fn accept(&self, incoming: Incoming<'_, Peer>) {
        self.record.offer(incoming);
    }
}

#[wsk::events]
impl ConnectionEvents for Both {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut bytes = vec![0; data.len()];
        data.copy_to(&mut bytes).unwrap();
        self.received.lock().unwrap().extend(bytes);
        self.record.signal.set();
        Receipt::All
    }
}

#[test]
fn a_stream_socket_has_events_in_both_roles() {
    with_both_enablings(EventMask::ACCEPT | EventMask::RECEIVE, async |_, wsk, _| {
        let stream = || StreamSocket::builder(&wsk, Family::INET);
        let (server, client) = (Both::default(), Both::default());
        let listener = stream().events(server.clone()).bind(LOCAL).await?.listen().await?;
        let address = listener.local_addr().await?;
        let socket = stream().events(client.clone()).connect(address).await?;
        server.record.signal.wait_until(|| server.record.count() == 1).await;
        let accepted = server.record.accepted.lock().unwrap().pop().unwrap();
        accepted.send_all(buffer(b"to the stream")?).await.into_result()?;
        let received = || client.received.lock().unwrap().len() == 13;
        client.record.signal.wait_until(received).await;
        socket.send_all(buffer(b"and back")?).await.into_result()?;
        let Peer(received, signal) = &server.record.peer;
        signal.wait_until(|| *received.lock().unwrap() == b"and back").await;
        Ok(())
    });
}

/// A listening stream socket accepts by requests, like others.
#[test]
fn a_stream_socket_accepts_with_and_without_a_handler() {
    on_both_networks(async |_, wsk| {
        let stream = || StreamSocket::builder(&wsk, Family::INET);
        let listener = stream().bind(LOCAL).await?.listen().await?;
        let address = listener.local_addr().await?;
        let peer = Peer::default();
        let first = stream().connect(address).await?;
        let accepted = listener.accept_with(peer.clone()).await?;
        assert_eq!(accepted.local_addr, Some(address));
        assert_eq!(accepted.peer_addr, Some(first.local_addr().await?));
        first.send_all(buffer(b"hello")?).await.into_result()?;
        peer.1.wait_until(|| *peer.0.lock().unwrap() == b"hello").await;
        let second = stream().connect(address).await?;
        assert_eq!(listener.accept().await?.1, Some(second.local_addr().await?));
        // With an accept in flight.
        assert!(poll_times(listener.accept(), 1).await.is_none());
        listener.close().await;
        Ok(())
    });
}

/// Before version 1703 of Windows 10 there are none (INV-8).
#[test]
fn older_windows_have_no_stream_sockets() {
    for windows in [Windows::EIGHT, Windows::TEN] {
        let host = Host::new(Config::default().windows(windows));
        let made = on_host(&host, async |wsk| {
            StreamSocket::builder(&wsk, Family::INET).bind(LOCAL).await.map(drop)
        });
        assert_eq!(made.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(host.outstanding_allocations(), 0);
    }
    let host = Host::new(Config::default().windows(Windows::TEN_1703));
    on_host(&host, async |wsk| {
        StreamSocket::builder(&wsk, Family::INET).bind(LOCAL).await?.listen().await.map(drop)
    })
    .unwrap();
}
