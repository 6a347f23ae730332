//! Receivers, which lose nothing when a future is dropped.

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::buffer;
use test_support::futures::{join, poll_times};
use test_support::scenario::{on_host, timings, with_all_timings};
use wsk::cmsg::{Ecn, SendControl};
use wsk::time::timeout;
use wsk::{Buffer, ErrorKind, Provider, UdpSocket};
use wsk_host::{Config, Host};

use super::bound;

#[test]
fn datagrams_are_lent_or_copied() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        socket.as_socket().set_receive_ecn(true).await?;
        let mut inbox = socket.receiver(5)?;
        socket.send_copy_to(b"lent", address).await?;
        let (bytes, from) = inbox.recv_from().await?;
        assert_eq!((bytes, from), (&b"lent"[..], address));
        socket.send_copy_to(b"copy", address).await?;
        let mut room = [0; 4];
        assert_eq!(inbox.recv_from_into(&mut room).await?, (4, address));
        assert_eq!(&room, b"copy");
        // With its control data.
        let control = SendControl::new().ecn(Ecn::Ect0);
        socket.as_socket().send_to_with(buffer(b"12")?, address, &control).await.into_result()?;
        let (bytes, received) = inbox.receive_message().await?;
        assert_eq!((bytes, received.peer()), (&b"12"[..], address));
        assert_eq!(received.control_messages().ecn(), Some(Ecn::Ect0));
        // Empty is a datagram, too.
        socket.send_copy_to(b"", address).await?;
        assert_eq!(inbox.recv_from().await?, (&b""[..], address));
        Ok(())
    });
}

#[test]
fn a_truncated_datagram_is_an_error_and_the_next_is_whole() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let mut inbox = socket.receiver(5)?;
        let mut room = [0; 3];
        for (bytes, copied) in [(&b"123456"[..], b"123"), (b"9876", b"987")] {
            socket.send_copy_to(bytes, address).await?;
            let error = inbox.recv_from_into(&mut room).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSize);
            assert_eq!(&room, copied);
        }
        socket.send_copy_to(b"123456", address).await?;
        assert_eq!(inbox.recv_from().await.unwrap_err().kind(), ErrorKind::InvalidSize);
        socket.send_copy_to(b"123456", address).await?;
        let (bytes, received) = inbox.receive_message().await?;
        assert_eq!((bytes, received.is_truncated()), (&b"12345"[..], true));
        socket.send_copy_to(b"12345", address).await?;
        assert_eq!(inbox.recv_from().await?.0, b"12345");
        Ok(())
    });
}

/// Futures are dropped after every number of polls, before, while and after a datagram arrives.
#[test]
fn a_dropped_future_loses_nothing() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let mut inbox = socket.receiver(1)?;
        let mut received = Vec::new();
        for number in 0..if cfg!(miri) { 4 } else { 20 } {
            let mut note = |polled: Option<wsk::Result<(&[u8], _)>>| -> wsk::Result<()> {
                if let Some(result) = polled {
                    received.push(result?.0[0]);
                }
                Ok(())
            };
            note(poll_times(inbox.recv_from(), number % 2).await)?;
            socket.send_copy_to(&[u8::try_from(number).unwrap()], address).await?;
            // At least this one is on its way, or a second poll would wait for ever.
            note(poll_times(inbox.recv_from(), number / 2 % 3).await)?;
        }
        while received.len() < if cfg!(miri) { 4 } else { 20 } {
            received.push(inbox.recv_from().await?.0[0]);
        }
        received.sort_unstable();
        assert!(received.iter().copied().eq(0..u8::try_from(received.len()).unwrap()));
        Ok(())
    });
}

/// A datagram that arrives at the deadline is received by the next call.
#[test]
fn a_time_out_loses_nothing() {
    for timing in timings() {
        let delay = Duration::from_millis(10);
        let host = Host::new(Config::default().timing(timing).delay(delay));
        on_host(&host, async |wsk: Provider| {
            let ((socket, address), (sender, _)) = (bound(&wsk).await?, bound(&wsk).await?);
            let mut inbox = socket.receiver(1)?;
            let count = if cfg!(miri) { 2 } else { 10 };
            let sending = async {
                for number in 0..count {
                    wsk::time::sleep(delay).await?;
                    sender.send_copy_to(&[number], address).await?;
                }
                Ok::<_, wsk::Error>(())
            };
            let receive = async {
                let mut received = Vec::new();
                while received.len() < count.into() {
                    match timeout(delay / 4, inbox.recv_from()).await {
                        Ok(result) => received.push(result?.0[0]),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
                    }
                }
                Ok::<_, wsk::Error>(received)
            };
            let (sent, received) = join(sending, receive).await;
            sent?;
            let mut received = received?;
            received.sort_unstable();
            assert!(received.into_iter().eq(0..count));
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A future that is forgotten leaves the request where it is, as one that is dropped.
#[test]
fn a_future_can_be_forgotten() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let mut inbox = socket.receiver(10)?;
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut receive = Box::pin(inbox.recv_from());
            assert!(receive.as_mut().poll(&mut context).is_pending());
            // Its memory, but not what it does.
            std::mem::forget(receive);
        }
        socket.send_copy_to(b"kept", address).await?;
        assert_eq!(inbox.recv_from().await?.0, b"kept");
        Ok(())
    });
}

#[test]
fn a_receiver_keeps_the_socket_open() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let (sender, _) = bound(&wsk).await?;
        let (mut inbox, other) = (socket.receiver(10)?, socket.receiver(10)?);
        assert!(poll_times(inbox.recv_from(), 1).await.is_none());
        let mut closing = pin!(socket.close());
        let mut context = Context::from_waker(Waker::noop());
        assert!(closing.as_mut().poll(&mut context).is_pending());
        sender.send_copy_to(b"still open", address).await?;
        assert_eq!(inbox.recv_from().await?.0, b"still open");
        assert!(poll_times(inbox.recv_from(), 1).await.is_none());
        drop(other);
        assert!(closing.as_mut().poll(&mut context).is_pending());
        // With a request in flight.
        drop(inbox);
        closing.await;
        // The address is free.
        UdpSocket::bind(&wsk, address).await.map(drop)
    });
}

#[test]
fn several_receivers_share_the_datagrams() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let (mut one, mut other) = (socket.receiver(1)?, socket.receiver(1)?);
        let receive = async { join(one.recv_from(), other.recv_from()).await };
        let sending = async {
            socket.send_copy_to(b"1", address).await?;
            socket.send_copy_to(b"2", address).await
        };
        let ((first, second), sent) = join(receive, sending).await;
        sent?;
        let mut received = [first?.0[0], second?.0[0]];
        received.sort_unstable();
        assert_eq!(&received, b"12");
        Ok(())
    });
}

#[test]
fn a_dead_socket_fails_every_receive() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let withdrawing = host.clone();
        on_host(&host, async move |wsk: Provider| {
            let (socket, _) = bound(&wsk).await?;
            let mut inbox = socket.receiver(10)?;
            assert!(poll_times(inbox.recv_from(), 1).await.is_none());
            withdrawing.withdraw();
            for _ in 0..3 {
                let error = inbox.recv_from().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::SocketDead);
            }
            let result = socket.recv_from(Buffer::new(10)?).await;
            assert_eq!(result.0.unwrap_err().kind(), ErrorKind::SocketDead);
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A receive request takes precedence over the event, also when no task waits for it.
#[test]
fn the_largest_datagram_has_room() {
    with_all_timings(async |wsk| {
        let socket = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr().await?;
        let mut inbox = socket.receiver(65_507)?;
        let bytes = vec![7; 65_507];
        assert_eq!(socket.send_copy_to(&bytes, address).await?, bytes.len());
        assert_eq!(inbox.recv_from().await?.0, bytes);
        for size in [65_508, 65_536, 1 << 20] {
            let error = socket.send_copy_to(&vec![7; size], address).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSize);
        }
        Ok(())
    });
}
