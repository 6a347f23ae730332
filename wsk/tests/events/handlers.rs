//! Each handler is dropped once, at `PASSIVE_LEVEL`, whatever happens to its socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, on_both_networks};
use test_support::futures::{join, poll_times};
use test_support::scenario::{each_allocation, last_under_miri, on_host, timings};
use test_support::seeds::seeds;
use wsk::events::{
    ConditionalListenEvents, ConnectionEvents, DatagramEvents, EventMask, Incoming, Inspection,
    ListenEvents,
};
use wsk::socket::{
    BasicSocket, ConnectionSocket, DatagramSocket, Family, ListenSocket, StreamSocket,
};
use wsk::sys::{KeGetCurrentIrql, PASSIVE_LEVEL};
use wsk::time::timeout;
use wsk::{Buffer, Provider, Result};
use wsk_host::{Config, Faults, Host, Timing};

/// How many handlers were made, and dropped.
#[derive(Default)]
struct Count {
    made: AtomicUsize,
    dropped: AtomicUsize,
    /// Connections that came to a listener.
    incoming: AtomicUsize,
    signal: Signal,
}

impl Count {
    fn handler(self: &Arc<Self>, way: ConnectionFate) -> Handler {
        self.made.fetch_add(1, Ordering::SeqCst);
        Handler(Arc::clone(self), way)
    }

    fn require_none_left(&self) {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        assert_eq!(count(&self.made), count(&self.dropped), "handlers made, and dropped");
    }
}

/// A listener's treatment of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionFate {
    Reject,
    /// Accepts it, and drops it in the callback.
    Drop,
    /// Accepts it, and forgets that it did, but closes it elsewhere.
    Close,
}

/// A handler of everything.
struct Handler(Arc<Count>, ConnectionFate);

impl Drop for Handler {
    fn drop(&mut self) {
        // SAFETY: it may be called anywhere.
        assert_eq!(unsafe { KeGetCurrentIrql() }, PASSIVE_LEVEL);
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[wsk::events]
impl ListenEvents for Handler {
    type Connection = AcceptedHandler;

    fn accept(&self, incoming: Incoming<'_, AcceptedHandler>) {
        match self.1 {
            // It is ignored.
            ConnectionFate::Reject => {}
            ConnectionFate::Drop => {
                drop(
                    incoming.accept(AcceptedHandler(Some(self.0.handler(ConnectionFate::Reject)))),
                );
            }
            ConnectionFate::Close => {
                if let Ok(socket) =
                    incoming.accept(AcceptedHandler(Some(self.0.handler(ConnectionFate::Reject))))
                {
                    // A close that is not awaited.
                    drop(Box::pin(socket.close()));
                }
            }
        }
        self.0.incoming.fetch_add(1, Ordering::SeqCst);
        self.0.signal.set();
    }
}

#[wsk::events]
impl ConnectionEvents for Handler {}

#[wsk::events]
impl DatagramEvents for Handler {}

/// A handler for a connection that is accepted in a callback. If there is no memory for it, it is dropped there,
/// at the level of the callback.
struct AcceptedHandler(Option<Handler>);

impl Drop for AcceptedHandler {
    fn drop(&mut self) {
        // SAFETY: it may be called anywhere.
        if unsafe { KeGetCurrentIrql() } != PASSIVE_LEVEL
            && let Some(handler) = self.0.take()
        {
            handler.0.made.fetch_sub(1, Ordering::SeqCst);
            std::mem::forget(handler);
        }
    }
}

#[wsk::events]
impl ConnectionEvents for AcceptedHandler {}

struct Inspector {
    _counts: Handler,
}

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        inspection.reject();
    }
}

/// Everything that a handler can be given to.
async fn scenario(wsk: &Provider, count: &Arc<Count>) -> Result<()> {
    for way in [ConnectionFate::Reject, ConnectionFate::Drop, ConnectionFate::Close] {
        let builder = ListenSocket::builder(wsk, Family::INET).events(count.handler(way));
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let builder = ConnectionSocket::builder(wsk, Family::INET);
        let incoming = count.incoming.load(Ordering::SeqCst);
        let socket = builder.events(count.handler(way)).connect(address).await;
        let came = || count.incoming.load(Ordering::SeqCst) > incoming;
        if socket.is_ok() {
            count.signal.wait_until(came).await;
        }
        drop(socket);
        // Or it might take what the accepts wait for (INV-54).
        listener.disable_events(EventMask::ACCEPT).await?;
        if let Some(accepted) = poll_times(listener.accept_with(count.handler(way)), 1).await {
            accepted?;
        }
        let client = ConnectionSocket::builder(wsk, Family::INET).connect(address);
        let (client, accepted) = join(client, listener.accept()).await;
        let ((accepted, _), client) = (accepted?, client?);
        let accepted = accepted.events(count.handler(way))?;
        let client = client.events(count.handler(way))?;
        client.send_all(buffer(b"hello")?).await.into_result()?;
        accepted.receive(Buffer::new(5)?).await.into_result()?;
        client.close().await;
        drop(accepted);
        listener.close().await;
    }
    let builder =
        DatagramSocket::builder(wsk, Family::INET).events(count.handler(ConnectionFate::Reject));
    let socket = builder.bind(LOCAL).await?;
    let taken = socket.local_addr().await?;
    // The address is in use.
    let builder =
        DatagramSocket::builder(wsk, Family::INET).events(count.handler(ConnectionFate::Reject));
    assert!(builder.exclusive_address().bind(taken).await.is_err());
    // This family does not exist.
    let builder = DatagramSocket::builder(wsk, Family::from_raw(99));
    assert!(builder.events(count.handler(ConnectionFate::Reject)).create().await.is_err());
    // No socket listens there.
    let builder = ConnectionSocket::builder(wsk, Family::INET);
    assert!(builder.events(count.handler(ConnectionFate::Reject)).connect(taken).await.is_err());
    let builder =
        StreamSocket::builder(wsk, Family::INET).events(count.handler(ConnectionFate::Reject));
    let stream = builder.bind(LOCAL).await?.listen().await?;
    BasicSocket::builder(wsk, Family::INET).create().await?;
    let builder = ListenSocket::builder(wsk, Family::INET);
    let inspector = builder
        .events(Inspector { _counts: count.handler(ConnectionFate::Reject) })
        .bind(LOCAL)
        .await?;
    drop((socket, stream, inspector));
    Ok(())
}

/// As [`scenario`], bounded in time: after a failure the accept may wait for a connection that never arrives.
async fn in_time(wsk: &Provider, count: &Arc<Count>) -> Result<()> {
    timeout(Duration::from_secs(60), scenario(wsk, count)).await?
}

#[test]
fn each_handler_is_dropped_once() {
    everywhere_counted(async |wsk, count| scenario(&wsk, &count).await);
}

fn everywhere_counted(scenario: impl AsyncFn(Provider, Arc<Count>) -> Result<()>) {
    for timing in timings() {
        let count = Arc::new(Count::default());
        let host = Host::new(Config::default().timing(timing));
        on_host(&host, async |wsk| scenario(wsk, Arc::clone(&count)).await).unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
        count.require_none_left();
    }
}

#[test]
fn each_handler_is_dropped_once_if_an_allocation_fails() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(3)]) {
        for number in each_allocation() {
            assert!(number < 1000, "the scenario never gets through");
            let count = Arc::new(Count::default());
            let host = Host::new(Config::default().timing(timing));
            host.fail_allocation(number);
            let result = on_host(&host, async |wsk| in_time(&wsk, &count).await);
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, allocation {number}");
            count.require_none_left();
            if result.is_ok() && host.allocations() < number {
                break;
            }
        }
    }
}

#[test]
fn each_handler_is_dropped_once_if_sockets_die_and_requests_hang() {
    for seed in 0..seeds(200, 1) {
        let count = Arc::new(Count::default());
        let faults = Faults { forced_close: 30, hold: 10, ..Faults::default() };
        let host = Host::new(Config::default().seed(seed).faults(faults));
        let _ = on_host(&host, async |wsk| in_time(&wsk, &count).await);
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
        count.require_none_left();
    }
}

/// Creation, bind, connect and listen are dropped after each number of polls.
#[test]
fn each_handler_is_dropped_once_if_its_future_is_dropped() {
    on_both_networks(async |host, wsk| {
        let count = Arc::new(Count::default());
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        for polls in 0..8 {
            let handler = || count.handler(ConnectionFate::Reject);
            let listen = ListenSocket::builder(&wsk, Family::INET).events(handler()).bind(LOCAL);
            drop(poll_times(listen, polls).await);
            let builder = ConnectionSocket::builder(&wsk, Family::INET).events(handler());
            drop(poll_times(builder.connect(address), polls).await);
            let datagrams = DatagramSocket::builder(&wsk, Family::INET).events(handler());
            drop(poll_times(datagrams.bind(LOCAL), polls).await);
            let stream = async {
                let builder = StreamSocket::builder(&wsk, Family::INET).events(handler());
                builder.bind(LOCAL).await?.listen().await
            };
            drop(poll_times(stream, polls).await);
        }
        drop((listener, wsk));
        host.settle();
        // The reaper drops the last one.
        count
            .signal
            .wait_until(|| {
                host.settle();
                count.made.load(Ordering::SeqCst) == count.dropped.load(Ordering::SeqCst)
            })
            .await;
        Ok(())
    });
}
