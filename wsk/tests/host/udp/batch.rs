//! Several datagrams at once.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Waker};

use test_support::connection::buffer;
use test_support::futures::poll_times;
use test_support::scenario::{on, on_host, with_all_timings};
use wsk::cmsg::{Ecn, SendControl};
use wsk::socket::DatagramSocket;
use wsk::{Batch, Buffer, ErrorKind, Provider, Result};
use wsk_host::{Config, Host, Timing, Windows};

use super::control::at;

const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn batch(all: &[&[u8]]) -> Result<Batch> {
    let mut batch = Batch::with_capacity(all.len())?;
    for bytes in all {
        batch.push(buffer(bytes)?).unwrap();
    }
    Ok(batch)
}

/// Receives `count` datagrams, and sorts them by their bytes.
async fn receive(socket: &DatagramSocket, count: usize) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut buffer = Buffer::new(100)?;
    for _ in 0..count {
        let ((received, _), filled) = socket.receive_from(buffer).await.into_result()?;
        all.push(filled[..received].to_vec());
        buffer = filled;
    }
    all.sort();
    Ok(all)
}

#[test]
fn every_buffer_is_a_datagram() {
    with_all_timings(async |wsk| {
        for local in [SocketAddr::from(LOCAL), (Ipv6Addr::LOCALHOST, 0).into()] {
            let ((sender, from), (receiver, address)) =
                (at(&wsk, local).await?, at(&wsk, local).await?);
            let mut to_send = batch(&[b"1", b"", b"333"])?;
            to_send.reserve(2)?;
            to_send.push(buffer(b"__part__")?.slice(2..6)?).unwrap();
            to_send.push(Buffer::empty()).unwrap();
            // As often as one likes.
            for _ in 0..3 {
                let sent;
                (sent, to_send) = sender.send_batch_to(to_send, address).await.into_result()?;
                assert_eq!((sent, to_send.len()), (8, 5));
                let expected: [&[u8]; 5] = [b"", b"", b"1", b"333", b"part"];
                assert_eq!(receive(&receiver, 5).await?, expected);
            }
            assert_eq!(&to_send[3][..], b"part");
            // Also a socket with a peer.
            let sender = sender.connect(address).await?;
            let (sent, _) = sender.send_batch(to_send).await.into_result()?;
            assert_eq!(sent, 8);
            let expected: [&[u8]; 5] = [b"", b"", b"1", b"333", b"part"];
            assert_eq!(receive(&receiver, 5).await?, expected);
            assert_eq!(sender.local_addr().await?, from);
        }
        Ok(())
    });
}

#[test]
fn control_data_applies_to_the_whole_batch() {
    with_all_timings(async |wsk| {
        let (socket, address) = at(&wsk, LOCAL).await?;
        socket.set_receive_ecn(true).await?;
        let control = SendControl::new().ecn(Ecn::Ect1);
        let to_send = batch(&[b"1", b"2", b"3"])?;
        socket.send_batch_to_with(to_send, address, &control).await.into_result()?;
        for _ in 0..3 {
            let (received, _) = socket.receive_message(Buffer::new(10)?).await.into_result()?;
            assert_eq!(received.control_messages().ecn(), Some(Ecn::Ect1));
        }
        Ok(())
    });
}

#[test]
fn an_empty_batch_makes_no_request() {
    let host = Host::new(Config::default());
    let counted = host.clone();
    on_host(&host, async move |wsk: Provider| {
        let (socket, address) = at(&wsk, LOCAL).await?;
        let before = counted.allocations();
        let (sent, _) = socket.send_batch_to(Batch::empty(), address).await.into_result()?;
        assert_eq!((sent, counted.allocations()), (0, before));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_refused_batch_comes_back() {
    with_all_timings(async |wsk| {
        let (socket, _) = at(&wsk, LOCAL).await?;
        let wrong = (Ipv6Addr::LOCALHOST, 9);
        let result = socket.send_batch_to(batch(&[b"kept"])?, wrong).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(&result.1[0][..], b"kept");
        // A failure of the request, of the second datagram.
        let mut to_send = batch(&[b"1"])?;
        to_send.reserve(1)?;
        to_send.push(Buffer::new(70_000)?).unwrap();
        let address = socket.local_addr().await?;
        let result = socket.send_batch_to(to_send, address).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::InvalidSize);
        assert_eq!(result.1.len(), 2);
        assert_eq!(receive(&socket, 1).await?, [b"1"]);
        Ok(())
    });
}

#[test]
fn windows_7_has_no_batches() {
    let run = async |wsk: Provider| {
        let (socket, address) = at(&wsk, LOCAL).await?;
        let result = socket.send_batch_to(batch(&[b"kept"])?, address).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(&result.1[0][..], b"kept");
        assert!(wsk.capabilities().send_messages().is_none());
        Ok(())
    };
    on(Config::default().windows(Windows::SEVEN), run).unwrap();
    let run = async |wsk: Provider| {
        let (socket, address) = at(&wsk, LOCAL).await?;
        socket.send_batch_to(batch(&[b"sent"])?, address).await.into_result().map(drop)
    };
    on(Config::default().windows(Windows::EIGHT), run).unwrap();
}

/// The list and its buffers stay until the request completes (INV-28), whatever becomes of the future.
#[test]
fn sending_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        let (socket, address) = at(&wsk, LOCAL).await?;
        for polls in [0, 1, 2, 1, 0] {
            let to_send = batch(&[b"1", b"22", b"333"])?;
            drop(poll_times(socket.send_batch_to(to_send, address), polls).await);
        }
        drop(socket);
        Ok(())
    });
}

#[test]
fn sending_can_be_forgotten() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    on_host(&host, async |wsk: Provider| {
        let (socket, address) = at(&wsk, LOCAL).await?;
        let mut send = Box::pin(socket.send_batch_to(batch(&[b"1", b"2"])?, address));
        let mut context = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut context).is_pending());
        std::mem::forget(send);
        assert_eq!(receive(&socket, 2).await?, [b"1", b"2"]);
        Ok(())
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 0, "all of the request is the socket's");
}

use std::future::Future;

#[test]
fn a_batch_is_a_list() {
    let host = Host::new(Config::default());
    on_host(&host, async |_| {
        let mut all = batch(&[b"1", b"2", b"3"])?;
        assert_eq!(all.push(buffer(b"4")?).unwrap_err()[..], *b"4");
        all.reserve(0)?;
        assert_eq!(all.capacity(), 3);
        all.reserve(1)?;
        all.push(buffer(b"4")?).unwrap();
        all[0].copy_from_slice(b"9");
        let bytes: Vec<u8> = all.iter().map(|slice| slice[0]).collect();
        assert_eq!(bytes, *b"9234");
        assert_eq!(all.pop().unwrap()[..], *b"4");
        {
            let mut drain = all.drain();
            assert_eq!(drain.len(), 3);
            assert_eq!(drain.next().unwrap()[..], *b"9");
            // The others are dropped.
        }
        assert!(all.is_empty() && all.pop().is_none() && all.capacity() == 4);
        for slice in &mut all {
            slice.fill(0);
        }
        assert_eq!(format!("{all:?}"), "[]");
        // What is in it is dropped with it; and too many never fit.
        all.push(buffer(b"5")?).unwrap();
        for capacity in [usize::MAX, usize::MAX / 100] {
            let error = Batch::with_capacity(capacity).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSize);
            assert!(all.reserve(capacity).is_err());
        }
        assert_eq!(all.len(), 1);
        Ok(())
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}
