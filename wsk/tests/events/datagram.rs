//! Events of datagram sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Enabling, Signal, with_both_enablings};
use test_support::futures::poll_times;
use wsk::events::{DatagramEvents, Datagrams, Disposition, EventMask, RetainedDatagrams};
use wsk::options::ip;
use wsk::socket::{DatagramSocket, Family};
use wsk::sys::{IP_PKTINFO, IPPROTO_IP};
use wsk::{Provider, Result};

#[derive(Default)]
struct Record {
    refuses: AtomicBool,
    keeps: AtomicBool,
    received: Mutex<Vec<(Vec<u8>, SocketAddr)>>,
    /// The number of destination addresses in control data.
    destinations: AtomicUsize,
    kept: Mutex<Vec<RetainedDatagrams>>,
    refusals: AtomicUsize,
    deaths: AtomicUsize,
    signal: Signal,
}

impl Record {
    fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

#[derive(Default)]
struct Recorder(Arc<Record>);

#[wsk::events]
impl DatagramEvents for Recorder {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        let record = &self.0;
        if record.refuses.load(Ordering::SeqCst) {
            record.refusals.fetch_add(1, Ordering::SeqCst);
            record.signal.set();
            return Disposition::Refused;
        }
        assert!(!datagrams.is_broadcast() && !datagrams.is_multicast());
        for datagram in &datagrams {
            let mut bytes = vec![0; datagram.len()];
            assert_eq!(datagram.copy_to(&mut bytes).unwrap(), datagram.len());
            for message in datagram.control_messages() {
                assert_eq!((message.level, message.kind), (IPPROTO_IP, IP_PKTINFO));
                assert_eq!(message.data[..4], [127, 0, 0, 1]);
                record.destinations.fetch_add(1, Ordering::SeqCst);
            }
            record.received.lock().unwrap().push((bytes, datagram.peer_addr().unwrap()));
        }
        if record.keeps.load(Ordering::SeqCst) {
            let kept = datagrams.retain().unwrap();
            record.kept.lock().unwrap().push(kept);
        }
        record.signal.set();
        Disposition::Accepted
    }

    fn dead(&self) {
        self.0.deaths.fetch_add(1, Ordering::SeqCst);
        self.0.signal.set();
    }
}

const ALL: EventMask = EventMask::RECEIVE_FROM;

/// A socket that sends to itself.
struct SelfSender {
    socket: DatagramSocket<Recorder>,
    address: SocketAddr,
    record: Arc<Record>,
}

impl SelfSender {
    async fn new(wsk: &Provider) -> Result<Self> {
        let recorder = Recorder::default();
        let record = Arc::clone(&recorder.0);
        let builder = DatagramSocket::builder(wsk, Family::INET).events(recorder);
        let socket = builder.bind(LOCAL).await?;
        let address = socket.local_addr().await?;
        Ok(Self { socket, address, record })
    }

    async fn send(&self, bytes: &[u8]) -> Result<()> {
        let (sent, _) = self.socket.send_to(buffer(bytes)?, self.address).await.into_result()?;
        assert_eq!(sent, bytes.len());
        Ok(())
    }
}

#[test]
fn datagrams_are_taken_with_their_sender_and_their_destination() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let own = SelfSender::new(&wsk).await?;
        own.socket.set(ip::PACKET_INFO, true).await?;
        for number in 0..5_u8 {
            own.send(&[number; 20]).await?;
        }
        own.record.signal.wait_until(|| own.record.count() == 5).await;
        let mut received = own.record.received.lock().unwrap().clone();
        received.sort();
        for (number, (bytes, from)) in (0..).zip(received) {
            assert_eq!((bytes, from), (vec![number; 20], own.address));
        }
        assert_eq!(own.record.destinations.load(Ordering::SeqCst), 5);
        Ok(())
    });
}

/// Retained datagrams stay readable, and delay the close (INV-47).
#[test]
fn datagrams_are_retained_and_released_later() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let own = SelfSender::new(&wsk).await?;
        let record = own.record.clone();
        record.keeps.store(true, Ordering::SeqCst);
        own.send(b"kept").await?;
        record.signal.wait_until(|| !record.kept.lock().unwrap().is_empty()).await;
        let mut closing = Box::pin(own.socket.close());
        assert!(poll_times(&mut closing, 1).await.is_none());
        host.settle();
        assert!(poll_times(&mut closing, 1).await.is_none());
        let kept = std::mem::take(&mut *record.kept.lock().unwrap());
        let first = kept[0].iter().next().unwrap();
        let mut bytes = [0; 4];
        assert_eq!(first.copy_to(&mut bytes).unwrap(), 4);
        assert_eq!(&bytes, b"kept");
        drop(kept);
        closing.await;
        Ok(())
    });
}

/// Refused datagrams are indicated again when the event is enabled again, or are lost if it is static (INV-56).
#[test]
fn refused_datagrams_wait_if_events_are_dynamic_and_are_lost_if_static() {
    with_both_enablings(ALL, async |host, wsk, enabling| {
        let own = SelfSender::new(&wsk).await?;
        let record = &own.record;
        record.refuses.store(true, Ordering::SeqCst);
        own.send(b"first").await?;
        record.signal.wait_until(|| record.refusals.load(Ordering::SeqCst) == 1).await;
        host.settle();
        record.refuses.store(false, Ordering::SeqCst);
        own.socket.enable_events(EventMask::RECEIVE_FROM)?;
        let before = usize::from(enabling == Enabling::Dynamic);
        record.signal.wait_until(|| record.count() == before).await;
        own.send(b"second").await?;
        record.signal.wait_until(|| record.count() == before + 1).await;
        assert_eq!(record.received.lock().unwrap()[before].0, b"second");
        Ok(())
    });
}

#[test]
fn a_withdrawn_socket_calls_its_callback_once() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let own = SelfSender::new(&wsk).await?;
        host.withdraw();
        own.record.signal.wait_until(|| own.record.deaths.load(Ordering::SeqCst) > 0).await;
        host.settle();
        assert_eq!(own.record.deaths.load(Ordering::SeqCst), 1);
        Ok(())
    });
}
