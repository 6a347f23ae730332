//! Timeouts of a UDP socket's own.

use std::time::Duration;

use test_support::connection::buffer;
use test_support::futures::join;
use test_support::scenario::{on_host, timings, with_all_timings};
use wsk::{BufResult, Buffer, ErrorKind, Provider};
use wsk_host::{Config, Host};

use super::bound;

const WHILE: Duration = Duration::from_millis(10);

#[test]
fn a_timed_out_receive_returns_its_buffer() {
    with_all_timings(async |wsk| {
        let (mut socket, address) = bound(&wsk).await?;
        assert_eq!((socket.read_timeout(), socket.write_timeout()), (None, None));
        socket.set_read_timeout(Some(WHILE))?;
        socket.set_write_timeout(Some(WHILE * 2))?;
        assert_eq!(socket.read_timeout(), Some(WHILE));
        assert_eq!(socket.write_timeout(), Some(WHILE * 2));
        for set in [
            socket.set_read_timeout(Some(Duration::ZERO)),
            socket.set_write_timeout(Some(Duration::ZERO)),
        ] {
            assert_eq!(set.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let BufResult(result, kept) = socket.recv_from(buffer(b"kept")?).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(&kept[..], b"kept");
        // A view of the peer has the same.
        let view = socket.connect(address).await?;
        let BufResult(result, kept) = view.recv(kept).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        let (_, kept) = view.send(kept).await.into_result()?;
        let (count, kept) = view.recv(kept).await.into_result()?;
        assert_eq!(&kept[..count], b"kept");
        Ok(())
    });
}

/// Datagrams that come just when the time is up are received, then or the next time.
#[test]
fn a_time_out_loses_nothing() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing).delay(WHILE));
        on_host(&host, async |wsk: Provider| {
            let ((socket, address), (sender, _)) = (bound(&wsk).await?, bound(&wsk).await?);
            socket.set_read_timeout(Some(WHILE / 4))?;
            let count = if cfg!(miri) { 2 } else { 10 };
            let sending = async {
                for number in 0..count {
                    wsk::time::sleep(WHILE).await?;
                    sender.send_copy_to(&[number], address).await?;
                }
                Ok::<_, wsk::Error>(())
            };
            let receive = async {
                let (mut all, mut room) = (Vec::new(), Buffer::new(1)?);
                while all.len() < count.into() {
                    let BufResult(result, filled) = socket.recv_from(room).await;
                    match result {
                        Ok(_) => all.push(filled[0]),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
                    }
                    room = filled;
                }
                Ok::<_, wsk::Error>(all)
            };
            let (done, received) = join(sending, receive).await;
            done?;
            let mut received = received?;
            received.sort_unstable();
            assert!(received.into_iter().eq(0..count));
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn time_outs_allocate_nothing_once_warm() {
    for timing in timings().take(5) {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let (socket, address) = bound(&wsk).await?;
            socket.set_read_timeout(Some(WHILE))?;
            socket.set_write_timeout(Some(WHILE))?;
            let (mut before, mut room) = (0, Buffer::new(4)?);
            for round in 0..10 {
                if round == 2 {
                    before = counted.allocations();
                }
                let BufResult(result, back) = socket.recv_from(room).await;
                assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
                (_, room) = socket.send_to(back, address).await.into_result()?;
                socket.set_read_timeout(None)?;
                (_, room) = socket.recv_from(room).await.into_result()?;
                socket.set_read_timeout(Some(WHILE))?;
            }
            Ok(counted.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}
