//! Events of listeners.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, connect, with_both_enablings};
use test_support::futures::{poll_times, until};
use wsk::events::{
    ConnectionEvents, ConnectionTable, Data, EventMask, Incoming, ListenEvents, ListenTable,
    Receipt, StreamTable,
};
use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::sys::STATUS_CONNECTION_RESET;
use wsk::{Buffer, Provider, Result};

use crate::inspect::Inspector;
use crate::stream::Both;

/// The bytes that an accepted connection has received.
#[derive(Clone, Default)]
pub(crate) struct Peer(pub(crate) Arc<Mutex<Vec<u8>>>, pub(crate) Arc<Signal>);

#[wsk::events]
impl ConnectionEvents for Peer {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut bytes = vec![0; data.len()];
        data.copy_to(&mut bytes).unwrap();
        self.0.lock().unwrap().extend(bytes);
        self.1.set();
        Receipt::All
    }
}

/// The connections that a listener was offered.
#[derive(Default)]
pub(crate) struct Record {
    /// The number of connections that are rejected first.
    rejects: AtomicUsize,
    pub(crate) accepted: Mutex<Vec<ConnectionSocket<Peer>>>,
    /// The callbacks of all accepted connections.
    pub(crate) peer: Peer,
    deaths: AtomicUsize,
    pub(crate) signal: Signal,
}

impl Record {
    pub(crate) fn offer(&self, incoming: Incoming<'_, Peer>) {
        assert!(incoming.local_addr().unwrap().ip().is_loopback());
        assert!(incoming.peer_addr().unwrap().ip().is_loopback());
        let rejects = self
            .rejects
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if rejects.is_err() {
            self.accepted.lock().unwrap().push(incoming.accept(self.peer.clone()).unwrap());
        }
        self.signal.set();
    }

    pub(crate) fn count(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }
}

#[derive(Default)]
pub(crate) struct Listener(pub(crate) Arc<Record>);

#[wsk::events]
impl ListenEvents for Listener {
    type Connection = Peer;

    fn accept(&self, incoming: Incoming<'_, Peer>) {
        self.0.offer(incoming);
    }

    fn dead(&self) {
        self.0.deaths.fetch_add(1, Ordering::SeqCst);
        self.0.signal.set();
    }
}

const ACCEPT: EventMask = EventMask::ACCEPT;

async fn listen(wsk: &Provider) -> Result<(ListenSocket<Listener>, Arc<Record>)> {
    let listener = Listener::default();
    let record = Arc::clone(&listener.0);
    let builder = ListenSocket::builder(wsk, Family::INET).events(listener);
    Ok((builder.bind(LOCAL).await?, record))
}

/// A connection accepted in the event inherits the events of its handler's type (INV-60).
#[test]
fn connections_are_accepted_and_rejected() {
    with_both_enablings(ACCEPT, async |_, wsk, _| {
        let (listener, record) = listen(&wsk).await?;
        let address = listener.local_addr().await?;
        record.rejects.store(1, Ordering::SeqCst);
        // The network decides whether it is connected before it is rejected.
        if let Ok(rejected) = connect(&wsk, address, ()).await {
            let result = rejected.receive(Buffer::new(1)?).await.into_result();
            assert_eq!(result.unwrap_err().status(), STATUS_CONNECTION_RESET);
        }
        let second = connect(&wsk, address, ()).await?;
        record.signal.wait_until(|| record.count() == 1).await;
        second.send_all(buffer(b"hello")?).await.into_result()?;
        let Peer(received, signal) = &record.peer;
        signal.wait_until(|| *received.lock().unwrap() == b"hello").await;
        let accepted = record.accepted.lock().unwrap().pop().unwrap();
        assert_eq!(accepted.peer_addr().await?, second.local_addr().await?);
        accepted.send_all(buffer(b"you")?).await.into_result()?;
        let (received, filled) = second.receive(Buffer::new(3)?).await.into_result()?;
        assert!(b"you".starts_with(&filled[..received]));
        Ok(())
    });
}

/// Requests take precedence over events except for a race: each connection reaches exactly one of them (INV-54).
#[test]
fn accept_events_race_with_requests() {
    with_both_enablings(ACCEPT, async |_, wsk, _| {
        let (listener, record) = listen(&wsk).await?;
        let address = listener.local_addr().await?;
        let requested = Mutex::new(Vec::new());
        let all = async {
            let mut clients = Vec::new();
            for _ in 0..5 {
                clients.push(connect(&wsk, address, ()).await?);
            }
            let count = || record.count() + requested.lock().unwrap().len();
            record.signal.wait_until(|| count() == clients.len()).await;
            Ok(())
        };
        let accepts = async {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                requested.lock().unwrap().push(socket);
                record.signal.set();
            }
        };
        until(all, accepts).await
    });
}

/// A withdrawn listener calls its callback once, and its accepts fail (INV-42).
#[test]
fn a_withdrawn_listener_calls_its_callback_once() {
    with_both_enablings(ACCEPT, async |host, wsk, _| {
        let (listener, record) = listen(&wsk).await?;
        assert!(poll_times(listener.accept(), 1).await.is_none());
        host.withdraw();
        record.signal.wait_until(|| record.deaths.load(Ordering::SeqCst) > 0).await;
        host.settle();
        assert_eq!(record.deaths.load(Ordering::SeqCst), 1);
        for _ in 0..2 {
            let result = listener.accept().await;
            assert_eq!(result.unwrap_err().kind(), wsk::ErrorKind::SocketDead);
        }
        Ok(())
    });
}

/// Connects without caring for anything else.
struct Silent;

#[wsk::events]
impl ConnectionEvents for Silent {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::Refused
    }
}

#[test]
fn tables_contain_the_implemented_callbacks_only() {
    let listener = <Listener as ListenTable>::TABLE;
    assert!(listener.WskAcceptEvent.is_some());
    assert!(listener.WskInspectEvent.is_none() && listener.WskAbortEvent.is_none());
    const { assert!(!<Listener as ListenTable>::IS_CONDITIONAL) };
    assert_eq!(Listener::INHERITED, EventMask::RECEIVE);
    let inspector = Inspector::TABLE;
    assert!(inspector.WskInspectEvent.is_some() && inspector.WskAbortEvent.is_some());
    const { assert!(Inspector::IS_CONDITIONAL) };
    assert_eq!(Inspector::EVENTS, EventMask::ACCEPT);
    let silent = Silent::TABLE;
    assert!(silent.WskReceiveEvent.is_some());
    assert!(silent.WskDisconnectEvent.is_none() && silent.WskSendBacklogEvent.is_none());
    assert_eq!(Silent::EVENTS, EventMask::RECEIVE);
    let stream = <Both as StreamTable>::TABLE;
    assert!(ptr::eq(stream.Listen, <Both as ListenTable>::TABLE));
    assert!(ptr::eq(stream.Connect, <Both as ConnectionTable>::TABLE));
}
