//! Events that occur before the client has their socket, as static ones may (INV-53).

use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer};
use test_support::events::Signal;
use test_support::futures::{join, poll_times, until};
use test_support::scenario::{on_host_with_events, timings};
use wsk::events::{ConnectionEvents, Data, EventMask, Receipt, RetainedData};
use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::time::timeout;
use wsk::{Provider, Result};
use wsk_host::{Config, Host};

/// Retains as much as it can, and accepts the rest at once.
#[derive(Clone, Default)]
struct Retainer(Arc<Record>);

#[derive(Default)]
struct Record {
    kept: Mutex<Vec<RetainedData>>,
    /// Nothing more is kept: what a socket's own handler keeps keeps the socket.
    stops: AtomicBool,
    bytes: AtomicUsize,
    /// How often the socket was not known, or being closed.
    unknown: AtomicUsize,
    signal: Signal,
}

#[wsk::events]
impl ConnectionEvents for Retainer {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let record = &self.0;
        let count = data.len();
        if record.stops.load(Ordering::SeqCst) {
            return Receipt::All;
        }
        match data.retain() {
            Ok(kept) => record.kept.lock().unwrap().push(kept),
            Err(data) => {
                // It is whole, and there for as long as the call.
                assert_eq!(data.chunks().map(|chunk| chunk.unwrap().len()).sum::<usize>(), count);
                record.unknown.fetch_add(1, Ordering::SeqCst);
            }
        }
        record.bytes.fetch_add(count, Ordering::SeqCst);
        record.signal.set();
        Receipt::All
    }
}

/// A socket that is made with a handler in one call, of whose peer the first bytes come at once. Returns how often
/// the socket was not known to the handler.
async fn scenario(wsk: &Provider, polls: Option<usize>) -> Result<usize> {
    let listener = ListenSocket::builder(wsk, Family::INET).bind(LOCAL).await?;
    let address = listener.local_addr().await?;
    let keeper = Retainer::default();
    let record = Arc::clone(&keeper.0);
    let greets = async {
        let (peer, _) = listener.accept().await?;
        peer.send_all(buffer(b"greetings")?).await.into_result()?;
        Ok::<_, wsk::Error>(peer)
    };
    let connects = ConnectionSocket::connect_new(wsk, LOCAL, address, keeper);
    if let Some(polls) = polls {
        // Whether the peer gets as far is a matter of timing.
        let greeted = Cell::new(false);
        let mut greets = pin!(async {
            drop(greets.await);
            greeted.set(true);
        });
        drop(until(poll_times(connects, polls), greets.as_mut()).await);
        if !greeted.get() {
            let _ = timeout(Duration::from_millis(10), greets).await;
        }
    } else {
        let (socket, peer) = join(connects, greets).await;
        let (socket, _peer) = (socket?, peer?);
        record.signal.wait_until(|| record.bytes.load(Ordering::SeqCst) == 9).await;
        record.kept.lock().unwrap().clear();
        socket.close().await;
    }
    record.stops.store(true, Ordering::SeqCst);
    record.kept.lock().unwrap().clear();
    Ok(record.unknown.load(Ordering::SeqCst))
}

fn everywhere(polls: Option<usize>) -> usize {
    let mut unknown = 0;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let result =
            on_host_with_events(&host, EventMask::RECEIVE, async |wsk| scenario(&wsk, polls).await);
        unknown += result.unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
    unknown
}

#[test]
fn data_arrives_before_the_accept_returns_the_socket() {
    let unknown = everywhere(None);
    assert!(cfg!(miri) || unknown > 0, "the socket was always known");
}

/// A future that is dropped leaves a socket that may be called back until it is closed.
#[test]
fn data_arrives_on_a_socket_whose_future_was_dropped() {
    for polls in 0..4 {
        everywhere(Some(polls));
    }
}
