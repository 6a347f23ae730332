//! Requests of `WskControlSocket`, whatever they ask: dropped, forgotten, without memory.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::{buffer, sockets};
use test_support::futures::{join, poll_times};
use test_support::scenario::{last_under_miri, on_host, timings, with_all_timings};
use wsk::options::{self, BufferIoctl, Tcp, ip, tcp};
use wsk::socket::{BasicSocket, Family};
use wsk::{Buffer, ErrorKind, Provider, sys};
use wsk_host::{Config, Host, Timing};

use crate::sweep::sweep;

#[test]
fn a_dead_socket_has_no_options() {
    for timing in timings().take(6) {
        let host = Host::new(Config { timing, ..Config::default() });
        let withdrawn = host.clone();
        let run = async move |wsk: Provider| {
            let (socket, _peer) = sockets(&wsk).await?;
            withdrawn.withdraw();
            for error in [
                socket.set(ip::TTL, 3).await.unwrap_err(),
                socket.get(ip::TTL).await.unwrap_err(),
                socket.ioctl(options::KEEP_ALIVE_VALUES, None).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::SocketDead);
            }
            let room = Buffer::new(4)?;
            let nothing = Buffer::empty();
            let result = socket.ioctl_with_buffers(options::REDIRECT_RECORDS, nothing, room).await;
            assert_eq!(
                (result.0.unwrap_err().kind(), result.1.1.len()),
                (ErrorKind::SocketDead, 4)
            );
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn everything_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        let (socket, _peer) = sockets(&wsk).await?;
        for polls in [0, 1, 1, 2, 0] {
            let _ = poll_times(socket.set(ip::TTL, 3), polls).await;
            let _ = poll_times(socket.get(ip::TTL), polls).await;
            let _ = poll_times(socket.ioctl(options::KEEP_ALIVE_VALUES, None), polls).await;
            let (input, room) = (buffer(b"in")?, Buffer::new(400)?);
            let code = options::REDIRECT_RECORDS;
            drop(poll_times(socket.ioctl_with_buffers(code, input, room), polls).await);
        }
        socket.set(ip::TTL, 4).await?;
        assert_eq!(socket.get(ip::TTL).await?, 4);
        Ok(())
    });
}

#[test]
fn a_warm_socket_allocates_nothing() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let (socket, _peer) = sockets(&wsk).await?;
            let (mut input, mut room) = (Buffer::empty(), Buffer::new(400)?);
            let mut before = 0;
            for round in 0..20 {
                if round == 1 {
                    before = counted.allocations();
                }
                socket.set(ip::TTL, round + 1).await?;
                assert_eq!(socket.get(ip::TTL).await?, round + 1);
                socket.ioctl(options::KEEP_ALIVE_VALUES, None).await?;
                let result =
                    socket.ioctl_with_buffers(options::REDIRECT_RECORDS, input, room).await;
                (input, room) = result.1;
            }
            Ok(counted.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
    }
}

#[test]
fn every_allocation_may_fail() {
    sweep(10, async |wsk| {
        let (socket, accepted) = sockets(&wsk).await?;
        accepted.set(ip::TTL, 3).await?;
        assert_eq!(accepted.get(ip::TTL).await?, 3);
        let (input, room) = (buffer(&[1; 300])?, Buffer::new(300)?);
        let result = socket.ioctl_with_buffers(options::REDIRECT_RECORDS, input, room).await;
        match result.0 {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map(|_| ()),
        }
    });
}

/// Several requests of one socket are in flight at once.
#[test]
fn requests_may_overlap() {
    with_all_timings(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        let (ttl, idle) = join(
            join(socket.set(ip::TTL, 5), socket.get(tcp::NODELAY)),
            join(socket.get(tcp::KEEP_IDLE), socket.set(tcp::NODELAY, true)),
        )
        .await;
        ttl.0?;
        assert_eq!(idle.0?, Duration::from_secs(7200));
        idle.1?;
        assert_eq!(socket.get(ip::TTL).await?, 5);
        Ok(())
    });
}

/// The futures can be sent to other threads.
#[test]
fn futures_can_be_sent() {
    fn require<T: Send>(_: &T) {}

    with_all_timings(async |wsk| {
        let (socket, _peer) = sockets(&wsk).await?;
        require(&socket.set(ip::TTL, 5));
        require(&socket.get(ip::TTL));
        require(&socket.ioctl(options::KEEP_ALIVE_VALUES, None));
        let (input, room) = (Buffer::empty(), Buffer::empty());
        require(&socket.ioctl_with_buffers(options::REDIRECT_RECORDS, input, room));
        Ok(())
    });
}

/// A request that is forgotten is the socket's with its buffers, which frees them.
#[test]
fn a_request_can_be_forgotten() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    let run = async |wsk: Provider| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        // SAFETY: the code answers with a structure of one byte, and takes nothing.
        const SCALES: BufferIoctl<Tcp> =
            unsafe { BufferIoctl::new(sys::SIO_QUERY_RSS_SCALABILITY_INFO) };
        let (input, room) = (Buffer::new(1)?, Buffer::new(1)?);
        let mut request = Box::pin(socket.ioctl_with_buffers(SCALES, input, room));
        let polled = request.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        std::mem::forget(request);
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0, "the request and its buffers");
}
