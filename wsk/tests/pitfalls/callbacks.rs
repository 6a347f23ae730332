//! Callbacks.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::connection::buffer;
use test_support::scenario::{on_host, timings};
use wsk::events::{
    ConnectionEvents, ConnectionTable, Data, DatagramEvents, DatagramTable, Datagrams, Disposition,
    Receipt,
};
use wsk::socket::{DatagramSocket, Family};
use wsk::sys::{STATUS_DATA_NOT_ACCEPTED, STATUS_SUCCESS};
use wsk::{ErrorKind, UdpSocket};
use wsk_host::{Config, Host};

/// Counts its callbacks, and how often it is dropped.
#[derive(Default)]
struct Counter {
    datagrams: AtomicUsize,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[wsk::events]
impl DatagramEvents for Counter {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        self.datagrams.fetch_add(datagrams.iter().count(), Ordering::SeqCst);
        Disposition::Accepted
    }
}

#[wsk::events]
impl ConnectionEvents for Counter {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }
}

/// Static callbacks may be called for a socket that was made without a context.
#[test]
fn pitfall_13_a_callback_without_a_context() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let datagrams = <Counter as DatagramTable>::TABLE.WskReceiveFromEvent.unwrap();
    // SAFETY: a null context is what the callback allows for.
    let status = unsafe { datagrams(ptr::null_mut(), 0, ptr::null_mut()) };
    assert_eq!(status, STATUS_DATA_NOT_ACCEPTED);
    let data = <Counter as ConnectionTable>::TABLE.WskReceiveEvent.unwrap();
    let mut taken = 7;
    // SAFETY: the callback accepts a null context and a null indication.
    let status = unsafe { data(ptr::null_mut(), 0, ptr::null_mut(), 0, &raw mut taken) };
    assert_eq!((status, taken), (STATUS_DATA_NOT_ACCEPTED, 7));
    const { assert!(STATUS_SUCCESS != STATUS_DATA_NOT_ACCEPTED) };
}

/// The handler of a socket that could not be made usable stays until the close has completed, and is dropped then,
/// once.
#[test]
fn pitfall_14_a_handler_outlives_the_call_that_failed() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let settling = host.clone();
        on_host(&host, async move |wsk| {
            let taken = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let address = taken.local_addr().await?;
            let dropped = Arc::new(AtomicUsize::new(0));
            for round in 0..3 {
                let handler = Counter { datagrams: AtomicUsize::new(0), dropped: dropped.clone() };
                let failed = DatagramSocket::builder(&wsk, Family::INET)
                    .events(handler)
                    .bind(address)
                    .await
                    .map(|_| ());
                assert_eq!(failed.unwrap_err().kind(), ErrorKind::AddrInUse);
                // The close, and the thread that drops handlers, come to their ends.
                settling.settle();
                assert_eq!(dropped.load(Ordering::SeqCst), round + 1);
            }
            taken.close().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Retained data returns to WSK when it is dropped, and a handler that accepts its data retains
/// nothing.
#[test]
fn pitfall_15_nothing_is_retained_unless_asked_for() {
    let host = Host::new(Config::default());
    let settling = host.clone();
    on_host(&host, async move |wsk| {
        let socket = DatagramSocket::builder(&wsk, Family::INET)
            .events(Counter::default())
            .bind(([127, 0, 0, 1], 0))
            .await?;
        let sender = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        for _ in 0..100 {
            sender.send_to(buffer(b"datagram")?, socket.local_addr().await?).await.into_result()?;
        }
        settling.settle();
        assert_eq!(socket.handler().datagrams.load(Ordering::SeqCst), 100);
        // The host stops a close while something is retained (INV-47).
        socket.close().await;
        Ok(())
    })
    .unwrap();
    assert!(!host.trace().iter().any(|line| line.contains("WskRelease ")));
}
