//! Memory: events and decisions allocate nothing once a socket is warm, and failing allocations are errors.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, connect};
use test_support::futures::{join, until};
use test_support::scenario::{each_allocation, last_under_miri, on_host};
use wsk::events::{
    ConditionalListenEvents, ConnectionEvents, Data, DatagramEvents, Datagrams, Disposition,
    EventMask, Incoming, Inspection, ListenEvents, PendingInspection, Receipt, RetainedData,
};
use wsk::socket::{Accepted, ConnectionSocket, DatagramSocket, Family, ListenSocket, StreamSocket};
use wsk::time::timeout;
use wsk::{Buffer, ErrorKind, Provider, Result};
use wsk_host::{Config, Host, Timing};

const TIMINGS: [Timing; 3] = [Timing::Inline, Timing::Deferred, Timing::Mixed(1)];

/// Counts received data, and retains it until the next data arrives.
#[derive(Clone, Default)]
pub(crate) struct Retainer(pub(crate) Arc<RetainedItems>);

#[derive(Default)]
pub(crate) struct RetainedItems {
    data: Mutex<Option<RetainedData>>,
    count: AtomicUsize,
    pub(crate) signal: Signal,
}

impl Retainer {
    pub(crate) fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    fn came(&self, count: usize) {
        self.0.count.fetch_add(count, Ordering::SeqCst);
        self.0.signal.set();
    }
}

#[wsk::events]
impl ConnectionEvents for Retainer {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let count = data.len();
        let before = self.0.data.lock().unwrap().replace(data.retain().unwrap());
        drop(before);
        self.came(count);
        Receipt::All
    }
}

#[wsk::events]
impl DatagramEvents for Retainer {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        self.came(datagrams.iter().count());
        Disposition::Accepted
    }
}

/// Runs a scenario with some timings. The scenario returns the number of allocations that it has counted.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
fn counted(expected: usize, scenario: impl AsyncFn(&Host, Provider) -> Result<usize>) {
    for timing in last_under_miri(TIMINGS) {
        let host = Host::new(Config::default().timing(timing).partial_receives(false));
        let counted = on_host(&host, async |wsk| scenario(&host, wsk).await).unwrap();
        assert_eq!(counted, expected, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// The rounds after the first one, which warms up.
const ROUNDS: usize = 10;

#[test]
fn events_allocate_nothing() {
    counted(0, async |host, wsk| {
        let keeper = Retainer::default();
        let builder = DatagramSocket::builder(&wsk, Family::INET).events(keeper.clone());
        let datagrams = builder.bind(LOCAL).await?;
        let address = datagrams.local_addr().await?;
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let client = connect(&wsk, listener.local_addr().await?, ()).await?;
        let Accepted { socket, .. } = listener.accept_with(keeper.clone()).await?;
        let mut bytes = buffer(b"x")?;
        let mut before = 0;
        for round in 0..=ROUNDS {
            if round == 1 {
                before = host.allocations();
            }
            (_, bytes) = client.send_all(bytes).await.into_result()?;
            (_, bytes) = datagrams.send_to(bytes, address).await.into_result()?;
            // Not by a signal, whose timeout would allocate.
            host.settle();
            assert_eq!(keeper.count(), 2 * (round + 1));
            socket.disable_events(EventMask::RECEIVE).await?;
            socket.enable_events(EventMask::RECEIVE)?;
            datagrams.disable_events(EventMask::RECEIVE_FROM).await?;
            datagrams.enable_events(EventMask::RECEIVE_FROM)?;
        }
        let counted = host.allocations() - before;
        keeper.0.data.lock().unwrap().take();
        Ok(counted)
    });
}

/// One allocation for each: the memory of the connection.
#[test]
fn an_accept_allocates_only_the_memory_of_the_connection() {
    counted(ROUNDS, async |host, wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let mut counted = 0;
        for round in 0..=ROUNDS {
            let _client = connect(&wsk, address, ()).await?;
            host.settle();
            let before = host.allocations();
            let accepted = listener.accept().await?;
            if round > 0 {
                counted += host.allocations() - before;
            }
            drop(accepted);
        }
        Ok(counted)
    });
}

/// Accepts as many as it can, and counts what that allocates.
#[derive(Clone)]
struct Acceptor {
    host: Host,
    accepted: Arc<Mutex<Vec<ConnectionSocket>>>,
    allocated: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
    failed: Arc<AtomicUsize>,
    signal: Arc<Signal>,
}

impl Acceptor {
    fn new(host: &Host) -> Self {
        let (accepted, allocated, fails, failed, signal) = Default::default();
        Self { host: host.clone(), accepted, allocated, fails, failed, signal }
    }
}

#[wsk::events]
impl ListenEvents for Acceptor {
    type Connection = ();

    fn accept(&self, incoming: Incoming<'_, ()>) {
        if self.fails.swap(false, Ordering::SeqCst) {
            self.host.fail_allocation(1);
        }
        let before = self.host.allocations();
        let result = incoming.accept(());
        self.allocated.fetch_add(self.host.allocations() - before, Ordering::SeqCst);
        match result {
            Ok(socket) => self.accepted.lock().unwrap().push(socket),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::OutOfMemory);
                self.failed.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.signal.set();
    }
}

#[test]
fn an_accept_in_a_callback_allocates_only_the_memory_of_the_connection() {
    counted(ROUNDS, async |host, wsk| {
        let acceptor = Acceptor::new(host);
        let builder = ListenSocket::builder(&wsk, Family::INET).events(acceptor.clone());
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        for round in 1..=ROUNDS {
            let _client = connect(&wsk, address, ()).await?;
            let accepted = || acceptor.accepted.lock().unwrap().len() == round;
            acceptor.signal.wait_until(accepted).await;
        }
        Ok(acceptor.allocated.load(Ordering::SeqCst))
    });
}

/// Pends, and counts what that allocates.
#[derive(Clone)]
struct PendingInspector {
    host: Host,
    pended: Arc<Mutex<Vec<PendingInspection>>>,
    allocated: Arc<AtomicUsize>,
    fails: bool,
    signal: Arc<Signal>,
}

impl PendingInspector {
    fn new(host: &Host, fails: bool) -> Self {
        let (pended, allocated, signal) = Default::default();
        Self { host: host.clone(), pended, allocated, fails, signal }
    }

    fn count(&self) -> usize {
        self.pended.lock().unwrap().len()
    }
}

#[wsk::events]
impl ConditionalListenEvents for PendingInspector {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        // The first one takes the request that the listener's bind has left.
        if self.fails && self.count() > 0 {
            self.host.fail_allocation(1);
        }
        let before = self.host.allocations();
        let pended = inspection.pend();
        self.allocated.fetch_add(self.host.allocations() - before, Ordering::SeqCst);
        match pended {
            Ok(pending) => self.pended.lock().unwrap().push(pending),
            Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory),
        }
        self.signal.set();
    }
}

/// Only the first decision that finds no request that was used before allocates one.
#[test]
fn decisions_allocate_nothing() {
    counted(1, async |host, wsk| {
        let door = PendingInspector::new(host, false);
        let builder = ListenSocket::builder(&wsk, Family::INET).events(door.clone());
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        for _ in 0..=ROUNDS {
            let asking = join(connect(&wsk, address, ()), connect(&wsk, address, ()));
            let mut asking = pin!(asking);
            let both = door.signal.wait_until(|| door.count() == 2);
            until(both, async { drop(asking.as_mut().await) }).await;
            let before = host.allocations();
            for number in 0..2 {
                let pending = door.pended.lock().unwrap().remove(0);
                if number == 0 { pending.accept().await? } else { pending.reject().await? }
            }
            assert_eq!(host.allocations(), before);
        }
        Ok(door.allocated.load(Ordering::SeqCst))
    });
}

/// Without memory for a decision, a connection is rejected.
#[test]
fn a_connection_is_rejected_if_pending_it_cannot_allocate() {
    counted(0, async |host, wsk| {
        let door = PendingInspector::new(host, true);
        let builder = ListenSocket::builder(&wsk, Family::INET).events(door.clone());
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let mut first = Box::pin(connect(&wsk, address, ()));
        let one = door.signal.wait_until(|| door.count() == 1);
        until(one, async { drop(first.as_mut().await) }).await;
        let second = connect(&wsk, address, ()).await;
        assert_eq!(second.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(door.count(), 1);
        Ok(0)
    });
}

/// Without memory for a connection, it is rejected in the callback, and the next one is accepted.
#[test]
fn a_connection_is_rejected_if_its_accept_cannot_allocate() {
    counted(0, async |host, wsk| {
        let acceptor = Acceptor::new(host);
        let builder = ListenSocket::builder(&wsk, Family::INET).events(acceptor.clone());
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        acceptor.fails.store(true, Ordering::SeqCst);
        if let Ok(rejected) = connect(&wsk, address, ()).await {
            let result = rejected.receive(Buffer::new(1)?).await.into_result();
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        acceptor.signal.wait_until(|| acceptor.failed.load(Ordering::SeqCst) == 1).await;
        let _client = connect(&wsk, address, ()).await?;
        acceptor.signal.wait_until(|| acceptor.accepted.lock().unwrap().len() == 1).await;
        drop(listener);
        Ok(0)
    });
}

/// Everything at once, with every single allocation failing in turn: an error is returned, and nothing leaks.
#[test]
fn every_allocation_may_fail() {
    for timing in last_under_miri(TIMINGS) {
        let mut failures = 0;
        for number in each_allocation() {
            assert!(number < 1000, "the scenario never gets through");
            let host = Host::new(Config::default().timing(timing));
            host.fail_allocation(number);
            let result = on_host(&host, async |wsk| {
                timeout(Duration::from_secs(5), everything(&host, &wsk)).await?
            });
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, allocation {number}");
            match result {
                Ok(()) if host.allocations() < number => break,
                Ok(()) => {}
                // Who has no memory for its part leaves the others waiting.
                Err(error) => {
                    let kinds = [ErrorKind::OutOfMemory, ErrorKind::TimedOut];
                    assert!(kinds.contains(&error.kind()), "allocation {number}: {error}");
                }
            }
            failures += 1;
        }
        assert!(cfg!(miri) || failures >= 20, "only {failures} allocations were made to fail");
    }
}

async fn everything(host: &Host, wsk: &Provider) -> Result<()> {
    let keeper = Retainer::default();
    let stream = || StreamSocket::builder(wsk, Family::INET);
    let listener = stream().bind(LOCAL).await?.listen().await?;
    let address = listener.local_addr().await?;
    let (client, accepted) =
        join(stream().connect(address), listener.accept_with(keeper.clone())).await;
    let (client, accepted) = (client?, accepted?);
    client.send_all(buffer(b"hello")?).await.into_result()?;
    keeper.0.signal.wait_until(|| keeper.count() == 5).await;
    keeper.0.data.lock().unwrap().take();
    accepted.socket.disable_events(EventMask::RECEIVE).await?;
    accepted.socket.enable_events(EventMask::RECEIVE)?;
    let (client, accepted) = join(stream().connect(address), listener.accept()).await;
    client?;
    let socket = accepted?.0.events(keeper.clone())?;
    socket.close().await;
    listener.close().await;
    let door = PendingInspector::new(host, false);
    let builder = ListenSocket::builder(wsk, Family::INET).events(door.clone());
    let listener = builder.bind(LOCAL).await?;
    let address = listener.local_addr().await?;
    let decides = async {
        door.signal.wait_until(|| door.count() == 1).await;
        let pending = door.pended.lock().unwrap().remove(0);
        pending.accept().await
    };
    let (accepted, (client, decided)) =
        join(listener.accept(), join(connect(wsk, address, ()), decides)).await;
    accepted?;
    client?;
    decided
}
