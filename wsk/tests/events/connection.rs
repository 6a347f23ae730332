//! Events of connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, connect, with_both_enablings};
use test_support::futures::{join, poll_times};
use wsk::events::{CallbackIrql, ConnectionEvents, Data, EventMask, Receipt, RetainedData};
use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::{Buffer, Provider, Result};

/// A handler's treatment of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reception {
    #[default]
    Take,
    /// Takes the first byte only.
    Sip,
    Refuse,
    Keep,
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) way: Mutex<Reception>,
    received: Mutex<Vec<u8>>,
    pub(crate) kept: Mutex<Vec<RetainedData>>,
    events: AtomicUsize,
    pub(crate) ends: Mutex<Vec<bool>>,
    backlog: AtomicUsize,
    pub(crate) deaths: AtomicUsize,
    pub(crate) signal: Signal,
}

impl Record {
    pub(crate) fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

pub(crate) struct Recorder(pub(crate) Arc<Record>);

#[wsk::events]
impl ConnectionEvents for Recorder {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let record = &self.0;
        let mut bytes = vec![0; data.len()];
        assert_eq!(data.copy_to(&mut bytes).unwrap(), data.len());
        assert!(!data.is_empty());
        let pieces: usize = data.chunks().map(|chunk| chunk.unwrap().len()).sum();
        assert_eq!(pieces, data.len());
        let way = *record.way.lock().unwrap();
        let (taken, receipt) = match way {
            Reception::Take => (bytes.len(), Receipt::All),
            Reception::Sip => (1, Receipt::Partial(1)),
            Reception::Refuse => (0, Receipt::Refused),
            Reception::Keep => {
                let kept = data.retain().unwrap();
                record.kept.lock().unwrap().push(kept);
                // The decision about it does not matter.
                (0, Receipt::Refused)
            }
        };
        record.received.lock().unwrap().extend(&bytes[..taken]);
        record.events.fetch_add(1, Ordering::SeqCst);
        record.signal.set();
        receipt
    }

    fn disconnected(&self, abortive: bool, _level: CallbackIrql) {
        self.0.ends.lock().unwrap().push(abortive);
        self.0.signal.set();
    }

    fn send_backlog(&self, ideal: usize) {
        self.0.backlog.store(ideal, Ordering::SeqCst);
        self.0.signal.set();
    }

    fn dead(&self) {
        self.0.deaths.fetch_add(1, Ordering::SeqCst);
        self.0.signal.set();
    }
}

pub(crate) const ALL: EventMask =
    EventMask::RECEIVE.union(EventMask::DISCONNECT).union(EventMask::SEND_BACKLOG);

/// A connection with a recorder, and its peer without.
struct Pair {
    socket: ConnectionSocket<Recorder>,
    peer: ConnectionSocket,
    record: Arc<Record>,
}

impl Pair {
    async fn new(wsk: &Provider, way: Reception) -> Result<Self> {
        let listener = ListenSocket::builder(wsk, Family::INET).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let record = Arc::new(Record { way: Mutex::new(way), ..Record::default() });
        let socket = connect(wsk, address, Recorder(Arc::clone(&record))).await?;
        let (peer, _) = listener.accept().await?;
        Ok(Self { socket, peer, record })
    }

    async fn send(&self, bytes: &[u8]) -> Result<()> {
        self.peer.send_all(buffer(bytes)?).await.into_result().map(drop)
    }
}

#[test]
fn data_is_accepted_until_the_end_of_the_stream() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let pair = Pair::new(&wsk, Reception::Take).await?;
        pair.send(b"hello, ").await?;
        pair.send(b"events").await?;
        pair.peer.shutdown().await?;
        let record = &pair.record;
        record.signal.wait_until(|| !record.ends.lock().unwrap().is_empty()).await;
        assert_eq!(record.received(), b"hello, events");
        assert_eq!(*record.ends.lock().unwrap(), [false]);
        Ok(())
    });
}

/// A connection that is closed without having been shut down is lost to its peer (INV-49).
#[test]
fn a_lost_connection_calls_the_disconnect_callback() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let Pair { socket: _socket, peer, record } = Pair::new(&wsk, Reception::Take).await?;
        drop(peer);
        record.signal.wait_until(|| !record.ends.lock().unwrap().is_empty()).await;
        assert_eq!(*record.ends.lock().unwrap(), [true]);
        Ok(())
    });
}

/// Data that a callback refuses is received by the next request, after which callbacks resume (INV-56).
#[test]
fn refused_data_is_received_and_events_resume() {
    for way in [Reception::Sip, Reception::Refuse] {
        with_both_enablings(ALL, async |_, wsk, _| {
            let pair = Pair::new(&wsk, way).await?;
            let record = &pair.record;
            pair.send(b"abc").await?;
            record.signal.wait_until(|| record.events.load(Ordering::SeqCst) == 1).await;
            let taken = record.received().len();
            *record.way.lock().unwrap() = Reception::Take;
            // The request gets the next bytes; the rest is indicated again.
            let (requested, filled) = pair.socket.receive(Buffer::new(3)?).await.into_result()?;
            assert_eq!(filled[..requested], b"abc"[taken..taken + requested]);
            record.signal.wait_until(|| record.received().len() + requested == 3).await;
            pair.send(b"def").await?;
            record.signal.wait_until(|| record.received().ends_with(b"def")).await;
            Ok(())
        });
    }
}

/// A receive of no bytes takes none, and lets callbacks go on (INV-56).
#[test]
fn an_empty_receive_resumes_events() {
    for way in [Reception::Sip, Reception::Refuse] {
        with_both_enablings(ALL, async |host, wsk, _| {
            let pair = Pair::new(&wsk, way).await?;
            let record = &pair.record;
            pair.send(b"abc").await?;
            record.signal.wait_until(|| record.events.load(Ordering::SeqCst) == 1).await;
            pair.send(b"def").await?;
            host.settle();
            assert_eq!(record.events.load(Ordering::SeqCst), 1, "events have not paused");
            *record.way.lock().unwrap() = Reception::Take;
            let (received, _) = pair.socket.receive(Buffer::empty()).await.into_result()?;
            assert_eq!(received, 0);
            record.signal.wait_until(|| record.received() == b"abcdef").await;
            Ok(())
        });
    }
}

/// Retained data stays readable, and delays the close (INV-47).
#[test]
fn data_is_retained_and_released_later() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let pair = Pair::new(&wsk, Reception::Keep).await?;
        pair.send(b"kept").await?;
        pair.send(b", too").await?;
        let Pair { socket, peer: _peer, record } = pair;
        let kept = || {
            let kept = record.kept.lock().unwrap();
            let chunks = kept.iter().flat_map(RetainedData::chunks);
            chunks.flat_map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<u8>>()
        };
        record.signal.wait_until(|| kept().len() == 9).await;
        let mut closing = Box::pin(socket.close());
        assert!(poll_times(&mut closing, 1).await.is_none());
        host.settle();
        assert!(poll_times(&mut closing, 1).await.is_none());
        assert_eq!(kept(), b"kept, too");
        let mut all = std::mem::take(&mut *record.kept.lock().unwrap());
        let last = all.pop();
        drop(all);
        assert!(poll_times(&mut closing, 1).await.is_none());
        drop(last);
        closing.await;
        Ok(())
    });
}

/// Callbacks race with requests in flight: every byte reaches exactly one of them, in order.
#[test]
fn events_race_with_requests() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let pair = Pair::new(&wsk, Reception::Take).await?;
        let record = &pair.record;
        let requests = async {
            let mut requested = 0;
            for _ in 0..5 {
                requested += pair.socket.receive(Buffer::new(4)?).await.into_result()?.0;
            }
            Ok::<usize, wsk::Error>(requested)
        };
        let sends = async {
            for _ in 0..10 {
                pair.send(&[7; 10]).await?;
            }
            pair.peer.shutdown().await
        };
        let (requested, sent) = join(requests, sends).await;
        sent?;
        let requested = requested?;
        record.signal.wait_until(|| !record.ends.lock().unwrap().is_empty()).await;
        assert_eq!(requested + record.received().len(), 100);
        Ok(())
    });
}

#[cfg(not(miri))] // Miri takes too long for this many bytes.
#[test]
fn the_backlog_callback_reports_the_ideal_size() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let pair = Pair::new(&wsk, Reception::Take).await?;
        let chunk = vec![7; 16 << 10];
        let sends = async {
            for _ in 0..8 {
                pair.socket.send_all(buffer(&chunk)?).await.into_result()?;
            }
            pair.socket.shutdown().await
        };
        let receives = async {
            let (mut all, mut buffer) = (0, Buffer::new(64 << 10)?);
            loop {
                let received;
                (received, buffer) = pair.peer.receive(buffer).await.into_result()?;
                all += received;
                if received == 0 {
                    return Ok::<usize, wsk::Error>(all);
                }
            }
        };
        let (sent, received) = join(sends, receives).await;
        sent?;
        assert_eq!(received?, 8 * chunk.len());
        let record = &pair.record;
        record.signal.wait_until(|| record.backlog.load(Ordering::SeqCst) > 0).await;
        Ok(())
    });
}

#[test]
fn a_withdrawn_socket_calls_its_callback_once() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let pair = Pair::new(&wsk, Reception::Take).await?;
        host.withdraw();
        let record = &pair.record;
        record.signal.wait_until(|| record.deaths.load(Ordering::SeqCst) > 0).await;
        host.settle();
        assert_eq!(record.deaths.load(Ordering::SeqCst), 1);
        Ok(())
    });
}
