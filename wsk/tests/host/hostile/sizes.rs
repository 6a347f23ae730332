//! Sizes and times at the ends of their ranges.

use std::future::pending;
use std::time::Duration;

use test_support::connection::{LOCAL, streams};
use test_support::futures::poll_times;
use test_support::scenario::passive;
use wsk::rt::DpcExecutor;
use wsk::sync::mpsc;
use wsk::time::Instant;
use wsk::{Batch, Buffer, BufferedStream, Chain, ErrorKind, Runtime, UdpSocket, random, time};

use super::with_driver;

/// More than can be allocated, and what overflows when it is added to or rounded up.
const HUGE: [usize; 5] = [usize::MAX, usize::MAX - 1, usize::MAX / 2, isize::MAX as usize, 1 << 62];

#[test]
fn buffers() {
    with_driver(async |_| {
        for size in HUGE.into_iter().chain([Buffer::MAX_SIZE + 1]) {
            assert!(Buffer::new(size).is_err(), "{size}");
            assert!(Buffer::new(1)?.slice(size..).is_err());
            assert!(Buffer::new(1)?.slice(..size).is_err());
            assert!(Buffer::new(1)?.slice(..=size).is_err());
        }
        for size in HUGE {
            assert!(Batch::with_capacity(size).is_err(), "{size}");
            assert!(Batch::empty().reserve(size).is_err(), "{size}");
        }
        assert_eq!(Buffer::new(0)?.slice(..)?.len(), 0);
        assert_eq!(Buffer::new(5)?.slice(5..)?.slice(..)?.len(), 0);
        assert_eq!(Buffer::new(5)?.slice(1..)?.slice(1..3)?.slice(1..)?.len(), 1);
        assert!(Buffer::new(5)?.slice(1..)?.slice(..5).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "a reversed range is refused")]
        {
            assert!(Buffer::new(5)?.slice(3..2).is_err());
            assert!(Buffer::new(5)?.slice(3..=1).is_err());
        }
        Ok(())
    });
}

#[test]
fn requests_without_bytes() {
    with_driver(async |driver| {
        let (stream, peer) = streams(&driver.wsk).await?;
        assert_eq!(stream.send(Buffer::empty()).await.into_result()?.0, 0);
        assert_eq!(stream.send_all(Buffer::new(5)?.slice(5..)?).await.into_result()?.0, 0);
        // A receive of no bytes waits for some.
        peer.send_all(Buffer::try_from(b"q")?).await.into_result()?;
        assert_eq!(stream.recv(Buffer::empty()).await.into_result()?.0, 0);
        assert_eq!(stream.recv_into(&mut []).await?, 0);
        assert_eq!(stream.recv_full(Buffer::empty()).await.into_result()?.0, 0);
        stream.recv_exact(Buffer::empty()).await.into_result()?;
        assert_eq!(stream.try_send(b"").unwrap_or(0), 0);
        assert_eq!(stream.send_all(Chain::new()).await.into_result()?.0, 0);
        assert_eq!(stream.recv(Chain::new()).await.into_result()?.0, 0);
        let mut buffered = BufferedStream::with_capacity(peer, 0, 0);
        stream.send_all(Buffer::try_from(b"ab\n")?).await.into_result()?;
        assert_eq!(buffered.read(&mut []).await?, 0);
        let mut byte = [0];
        buffered.read_exact(&mut byte).await?;
        assert_eq!(byte, *b"a");
        buffered.write_all(b"xyz").await?;
        buffered.flush().await?;
        buffered.consume(usize::MAX);
        let (count, received) = stream.recv_full(Buffer::new(4)?).await.into_result()?;
        assert_eq!(received[..count], *b"qxyz");
        Ok(())
    });
}

#[test]
fn buffers_of_streams_that_cannot_be_allocated() {
    with_driver(async |driver| {
        for size in HUGE {
            let (stream, peer) = streams(&driver.wsk).await?;
            let mut buffered = BufferedStream::with_capacity(stream, size, size);
            assert!(buffered.write(b"x").await.is_err());
            peer.send_all(Buffer::try_from(b"x")?).await.into_result()?;
            assert!(buffered.read(&mut [0; 3]).await.is_err());
            assert!(buffered.fill_buf().await.is_err());
            let (a, b) = (buffered.stream(), &peer);
            assert!(wsk::net::copy_bidirectional_with_sizes(a, b, size, size).await.is_err());
        }
        Ok(())
    });
}

#[test]
fn datagrams() {
    with_driver(async |driver| {
        let socket = UdpSocket::bind(&driver.wsk, LOCAL).await?;
        let to = socket.local_addr().await?;
        for size in HUGE {
            assert!(socket.receiver(size).is_err(), "{size}");
        }
        // A datagram may be empty.
        assert_eq!(socket.send_copy_to(b"", to).await?, 0);
        let ((count, _), _) = socket.recv_from(Buffer::new(3)?).await.into_result()?;
        assert_eq!(count, 0);
        let too_long = Buffer::new(70_000)?;
        assert!(socket.send_to(too_long, to).await.into_result().is_err());
        Ok(())
    });
}

#[test]
fn channels_and_executors() {
    with_driver(async |_| {
        for capacity in HUGE.into_iter().chain([0]) {
            assert!(mpsc::channel::<u8>(capacity).is_err(), "{capacity}");
            assert!(mpsc::channel::<[u64; 9]>(capacity).is_err(), "{capacity}");
            assert!(mpsc::channel::<()>(0).is_err());
            assert!(Runtime::new(passive(), capacity).is_err(), "{capacity}");
            assert!(DpcExecutor::new(passive(), capacity).is_err(), "{capacity}");
        }
        Ok(())
    });
}

/// Values without a size need no memory, however many there are.
#[test]
fn a_channel_of_nothing() {
    with_driver(async |_| {
        let Ok((values, mut queue)) = mpsc::channel::<()>(3) else { return Ok(()) };
        for _ in 0..3 {
            assert!(values.try_send(()).is_ok());
        }
        assert!(values.try_send(()).is_err());
        drop(values);
        for _ in 0..3 {
            assert_eq!(queue.recv().await, Some(()));
        }
        assert_eq!(queue.recv().await, None);
        Ok(())
    });
}

#[test]
fn times() {
    with_driver(async |driver| {
        for long in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 40)] {
            assert!(poll_times(time::sleep(long), 1).await.is_none());
            assert!(poll_times(time::timeout(long, pending::<()>()), 1).await.is_none());
            let mut interval = time::interval(long)?;
            interval.tick().await;
            assert!(poll_times(interval.tick(), 1).await.is_none());
            let _ = Instant::now().checked_add(long);
            let _ = Instant::now().checked_sub(long);
            let (stream, peer) = streams(&driver.wsk).await?;
            stream.set_read_timeout(Some(long))?;
            assert!(poll_times(stream.recv(Buffer::new(3)?), 1).await.is_none());
            peer.shutdown().await?;
            stream.finish(long).await?;
        }
        time::sleep(Duration::ZERO).await?;
        let error = time::timeout(Duration::ZERO, pending::<()>()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(time::interval(Duration::ZERO).is_err());
        let (stream, _peer) = streams(&driver.wsk).await?;
        if stream.set_read_timeout(Some(Duration::ZERO)).is_ok() {
            let error = stream.recv(Buffer::new(3)?).await.into_result().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
        Ok(())
    });
}

#[test]
fn random_bytes() {
    with_driver(async |_| {
        random::fill(&mut [])?;
        let mut bytes = vec![0; 100_000];
        random::fill(&mut bytes)?;
        assert!(bytes.iter().any(|byte| *byte != 0));
        Ok(())
    });
}
