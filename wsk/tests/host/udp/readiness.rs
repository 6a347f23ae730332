//! Calls that do not wait for a datagram, and waiting for one without receiving it.

use std::time::Duration;

use test_support::futures::poll_times;
use test_support::scenario::with_all_timings;
use wsk::time::sleep;
use wsk::{ErrorKind, Result, UdpSocket};

use super::bound;
use crate::sweep::sweep;

async fn send_by_tries(socket: &UdpSocket, bytes: &[u8], to: std::net::SocketAddr) -> Result<()> {
    loop {
        match socket.try_send_to(bytes, to) {
            Err(error) if error.kind() == ErrorKind::NotReady => {
                sleep(Duration::from_millis(1)).await?;
            }
            result => return result.map(|count| assert_eq!(count, bytes.len())),
        }
    }
}

#[test]
fn datagrams_are_exchanged_without_waiting() {
    with_all_timings(async |wsk| {
        let ((sender, from), (receiver, to)) = (bound(&wsk).await?, bound(&wsk).await?);
        let mut bytes = [0; 100];
        let error = receiver.try_recv_from(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady);
        for number in 0..5_u8 {
            send_by_tries(&sender, &[number; 20], to).await?;
            receiver.readable().await?;
            receiver.readable().await?;
            if number % 2 == 0 {
                assert_eq!(receiver.try_recv_from(&mut bytes)?, (20, from));
            } else {
                assert_eq!(receiver.recv_from_into(&mut bytes).await?, (20, from));
            }
            assert_eq!(bytes[..20], [number; 20]);
        }
        // Truncated by the slice, not by the buffer in which it waited.
        send_by_tries(&sender, b"too long", to).await?;
        receiver.readable().await?;
        let error = receiver.try_recv_from(&mut bytes[..3]).unwrap_err();
        assert_eq!((error.kind(), &bytes[..3]), (ErrorKind::InvalidSize, &b"too"[..]));
        let error = sender.try_send_to(b"x", "[::1]:1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        Ok(())
    });
}

/// A dropped wait leaves its receive in flight, and its datagram to the next.
#[test]
fn a_dropped_wait_loses_no_datagram() {
    with_all_timings(async |wsk| {
        let ((sender, from), (receiver, to)) = (bound(&wsk).await?, bound(&wsk).await?);
        let connected = sender.into_connected(to).await?;
        assert!(poll_times(receiver.readable(), 1).await.is_none(), "nothing was sent");
        assert_eq!(connected.try_send(b"first")?, 5);
        let mut bytes = [0; 10];
        assert_eq!(receiver.recv_from_into(&mut bytes).await?, (5, from));
        receiver.send_copy_to(b"back", from).await?;
        connected.readable().await?;
        assert_eq!(connected.try_recv(&mut bytes)?, 4);
        // Closed with a receive in flight.
        assert!(receiver.try_recv_from(&mut bytes).is_err());
        receiver.close().await;
        Ok(())
    });
}

#[test]
fn every_allocation_of_a_try_may_fail() {
    sweep(8, async |wsk| {
        let (socket, own) = bound(&wsk).await?;
        match socket.try_recv_from(&mut [0; 10]) {
            Err(error) if error.kind() == ErrorKind::NotReady => {}
            result => return result.map(drop),
        }
        socket.try_send_to(b"hello", own)?;
        socket.readable().await?;
        socket.try_recv_from(&mut [0; 10]).map(drop)
    });
}
