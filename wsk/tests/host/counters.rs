//! The counters of the feature `counters`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer, receive_all, streams};
use test_support::events::Signal;
use test_support::futures::join;
use test_support::scenario::{on_host, timings, with_all_timings};
use wsk::counters::{self, Counters};
use wsk::events::{DatagramEvents, Datagrams, Disposition, RetainedDatagrams};
use wsk::socket::{DatagramSocket, Family};
use wsk::{Batch, Buffer, Provider, Result, TcpStream, UdpSocket, time};
use wsk_host::{Config, Host};

/// What has changed since an earlier reading.
fn since(before: Counters) -> Counters {
    let now = counters::read();
    Counters {
        // It shrinks, too.
        sockets_open: now.sockets_open.wrapping_sub(before.sockets_open),
        sockets_created: now.sockets_created - before.sockets_created,
        bytes_sent: now.bytes_sent - before.bytes_sent,
        bytes_received: now.bytes_received - before.bytes_received,
        requests: now.requests - before.requests,
        requests_failed: now.requests_failed - before.requests_failed,
    }
}

#[test]
fn the_bytes_of_a_connection_are_counted_at_both_ends() {
    with_all_timings(async |wsk: Provider| {
        let (client, server) = streams(&wsk).await?;
        let before = counters::read();
        let exchange = async {
            for size in [1, 999, 4000] {
                client.send_all(buffer(&vec![7; size])?).await.into_result()?;
            }
            client.shutdown().await
        };
        let (sent, received) = join(exchange, receive_all(&server)).await;
        sent?;
        assert_eq!(received?.len(), 5000);
        let counted = since(before);
        assert_eq!((counted.bytes_sent, counted.bytes_received), (5000, 5000));
        assert_eq!(counted.requests_failed, 0);
        // Three sends, the end, a receive at least and the one that finds the end.
        assert!(counted.requests >= 6, "{counted:?}");
        Ok(())
    });
}

#[test]
fn datagrams_are_counted_also_those_of_a_batch_and_those_that_are_cut_off() {
    with_all_timings(async |wsk: Provider| {
        let sender = UdpSocket::bind(&wsk, LOCAL).await?;
        let receiver = UdpSocket::bind(&wsk, LOCAL).await?;
        let address = receiver.local_addr().await?;
        let before = counters::read();
        sender.send_to(buffer(b"twelve bytes")?, address).await.into_result()?;
        let wsk::BufResult(cut_off, _) = receiver.recv_from(Buffer::new(5)?).await;
        assert!(cut_off.is_err());
        let mut batch = Batch::with_capacity(2)?;
        for part in [b"three", b"parts"] {
            batch.push(buffer(part)?).unwrap();
        }
        sender.send_batch_to(batch, address).await.into_result()?;
        for _ in 0..2 {
            receiver.recv_from(Buffer::new(100)?).await.into_result()?;
        }
        let counted = since(before);
        assert_eq!((counted.bytes_sent, counted.bytes_received), (22, 15));
        assert_eq!(counted.requests_failed, 0);
        Ok(())
    });
}

/// Accepts datagrams, retains those that begin with `k`, and refuses those that begin with `r`.
#[derive(Default)]
struct Record {
    datagrams: AtomicUsize,
    kept: Mutex<Option<RetainedDatagrams>>,
    signal: Signal,
}

struct Chooser(Arc<Record>);

#[wsk::events]
impl DatagramEvents for Chooser {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        let record = &self.0;
        let mut first = [0];
        for datagram in &datagrams {
            datagram.copy_to(&mut first).unwrap();
            record.datagrams.fetch_add(1, Ordering::SeqCst);
        }
        if first == *b"k" {
            *record.kept.lock().unwrap() = Some(datagrams.retain().unwrap());
        }
        record.signal.set();
        if first == *b"r" { Disposition::Refused } else { Disposition::Accepted }
    }
}

#[test]
fn callbacks_count_what_they_accept_or_retain() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let counted = on_host(&host, async |wsk| callback_counts(&host, &wsk).await);
        assert_eq!(counted.unwrap(), [8, 12, 12], "{timing:?}");
    }
}

/// The bytes received after each of three datagrams: one accepted, one retained, one refused.
async fn callback_counts(host: &Host, wsk: &Provider) -> Result<[u64; 3]> {
    let record = Arc::new(Record::default());
    let receiver = DatagramSocket::builder(wsk, Family::INET)
        .events(Chooser(record.clone()))
        .bind(LOCAL)
        .await?;
    let address = receiver.local_addr().await?;
    let sender = UdpSocket::bind(wsk, LOCAL).await?;
    let before = counters::read();
    let mut counts = [0; 3];
    for (number, text) in ["accepted", "kept", "refused"].into_iter().enumerate() {
        sender.send_copy_to(text.as_bytes(), address).await?;
        let arrived = || record.datagrams.load(Ordering::SeqCst) > number;
        record.signal.wait_until(arrived).await;
        // The callback counts before it returns.
        host.settle();
        counts[number] = since(before).bytes_received;
    }
    record.kept.lock().unwrap().take();
    Ok(counts)
}

#[test]
fn failed_requests_are_counted_and_cancelled_ones_are_not() {
    with_all_timings(async |wsk: Provider| {
        let (client, server) = streams(&wsk).await?;
        let before = counters::read();
        // Its future is dropped, so it is cancelled.
        let receive = client.recv(Buffer::new(100)?);
        assert!(time::timeout(Duration::from_millis(1), receive).await.is_err());
        assert_eq!(since(before).requests_failed, 0);
        let nobody = server.local_addr().await?;
        server.close().await;
        client.close().await;
        // A cancellation may come too late: then the peer's reset has ended the receive.
        let before = counters::read();
        assert!(TcpStream::connect(&wsk, nobody).await.is_err());
        assert_eq!(since(before).requests_failed, 1);
        Ok(())
    });
}

#[test]
fn sockets_are_open_until_their_close_has_completed() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        on_host(&host, async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            let counted = counters::read();
            // The listener may still be closing.
            assert!((2..=3).contains(&counted.sockets_open), "{counted:?}");
            assert_eq!(counted.sockets_created, 3);
            drop((client, server));
            Ok(())
        })
        .unwrap();
        let counted = counters::read();
        assert_eq!((counted.sockets_open, counted.sockets_created), (0, 3), "{timing:?}");
    }
}
