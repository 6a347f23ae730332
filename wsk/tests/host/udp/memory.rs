//! Memory: none for each datagram once a socket is warm, and an error when there is none. And threads: every future
//! can be polled by another.

use test_support::connection::buffer;
use test_support::futures::join;
use test_support::scenario::{last_under_miri, on_host};
use wsk::cmsg::{Ecn, SendControl};
use wsk::{Batch, Buffer, ErrorKind, Provider, Result, UdpSocket};
use wsk_host::{Config, Host, Timing};

use super::bound;
use super::control::at;
use crate::sweep::sweep;

/// Everything that is done again and again, with what it needs.
struct Traffic {
    socket: UdpSocket,
    address: std::net::SocketAddr,
    control: SendControl,
}

/// What comes back.
struct Buffers {
    out: Buffer,
    back: Buffer,
    batch: Batch,
}

impl Traffic {
    async fn new(wsk: &Provider) -> Result<(Self, Buffers)> {
        let (socket, address) = bound(wsk).await?;
        let control = SendControl::new().ecn(Ecn::Ect0);
        let mut batch = Batch::with_capacity(2)?;
        for bytes in [b"one", b"two"] {
            batch.push(buffer(bytes)?).unwrap();
        }
        let buffers = Buffers { out: buffer(b"ping")?, back: Buffer::new(4)?, batch };
        Ok((Self { socket, address, control }, buffers))
    }

    /// Sends to itself in every way, and receives in every way.
    async fn round(&mut self, buffers: Buffers) -> Result<Buffers> {
        let Buffers { out, back, batch } = buffers;
        let (socket, address) = (&self.socket, self.address);
        let (_, out) = socket.send_to(out, address).await.into_result()?;
        let (_, back) = socket.recv_from(back).await.into_result()?;
        let inner = socket.as_socket();
        let (_, out) = inner.send_to_with(out, address, &self.control).await.into_result()?;
        let (_, back) = inner.receive_message(back).await.into_result()?;
        socket.send_copy_to(b"copy", address).await?;
        let (_, back) = socket.recv_from(back).await.into_result()?;
        let (_, batch) = socket.send_batch_to(batch, address).await.into_result()?;
        let (_, back) = socket.recv_from(back).await.into_result()?;
        let (_, mut back) = socket.recv_from(back).await.into_result()?;
        inner.set_receive_ecn(true).await?;
        socket.set_ttl(9).await?;
        assert_eq!(socket.ttl().await?, 9);
        let mut batch = Some(batch);
        let mut out = Some(out);
        for _ in 0..2 {
            let view = self.socket.connect(self.address).await?;
            view.send_copy(b"view").await?;
            (_, back) = view.recv(back).await.into_result()?;
            if let (Some(sending), Some(several)) = (out.take(), batch.take()) {
                out = Some(view.send(sending).await.into_result()?.1);
                batch = Some(view.send_batch(several).await.into_result()?.1);
                for _ in 0..3 {
                    (_, back) = view.recv(back).await.into_result()?;
                }
            }
            self.socket.disconnect().await?;
        }
        Ok(Buffers { out: out.unwrap(), back, batch: batch.unwrap() })
    }
}

#[test]
fn a_warm_socket_allocates_nothing() {
    for timing in
        last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)])
    {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let (mut traffic, mut buffers) = Traffic::new(&wsk).await?;
            let mut receiver = traffic.socket.receiver(10)?;
            let mut back = Buffer::new(1)?;
            let mut before = 0;
            for round in 0..10 {
                if round == 2 {
                    before = counted.allocations();
                }
                // Two requests in flight, and a third.
                let both =
                    async { join(receiver.recv_from(), traffic.socket.recv_from(back)).await };
                let sending = async {
                    traffic.socket.send_copy_to(b"1", traffic.address).await?;
                    traffic.socket.send_copy_to(b"2", traffic.address).await
                };
                let ((one, other), sent) = join(both, sending).await;
                sent?;
                one?;
                (_, back) = other.into_result()?;
                buffers = traffic.round(buffers).await?;
                traffic.socket.send_copy_to(b"receiver", traffic.address).await?;
                assert_eq!(receiver.recv_from().await?.0, b"receiver");
            }
            Ok(counted.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A buffer that is kept grows a few times and then is large enough, whatever the order of sizes.
#[test]
fn copies_need_few_buffers() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    let counted = host.clone();
    let run = async move |wsk: Provider| {
        let (socket, address) = bound(&wsk).await?;
        let mut receiver = socket.receiver(40_000)?;
        let sizes = [100, 3000, 10, 2000, 40_000, 0, 33_000, 1500];
        let before = counted.allocations();
        for round in 0..5 {
            for size in sizes {
                socket.send_copy_to(&vec![7; size], address).await?;
                assert_eq!(receiver.recv_from().await?.0.len(), size);
            }
            // Of 2 KiB, 4 KiB, 64 KiB, and a request for each direction.
            assert!(counted.allocations() - before <= 5, "in round {round}");
        }
        // Two at once need two.
        for _ in 0..3 {
            let (one, other) =
                join(socket.send_copy_to(b"1", address), socket.send_copy_to(b"2", address)).await;
            one?;
            other?;
            receiver.recv_from().await?;
            receiver.recv_from().await?;
        }
        assert!(counted.allocations() - before <= 7);
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn every_allocation_may_fail() {
    sweep(15, async |wsk| {
        let (mut traffic, buffers) = Traffic::new(&wsk).await?;
        let mut buffers = traffic.round(buffers).await?;
        buffers.batch.reserve(5)?;
        let mut receiver = traffic.socket.receiver(10)?;
        traffic.socket.send_copy_to(b"receiver", traffic.address).await?;
        receiver.recv_from().await?;
        drop(receiver);
        traffic.socket.close().await;
        let (socket, address) = at(&wsk, super::LOCAL).await?;
        let socket = socket.connect(address).await?;
        socket.send(buffers.out).await.into_result()?;
        let socket = socket.disconnect().await?;
        let socket = socket.with_default_destination(address).await?;
        socket.send_batch(buffers.batch).await.into_result()?;
        socket.close().await;
        Ok(())
    });
}

/// What could not be sent for want of a request comes back.
#[test]
fn a_failed_send_returns_its_buffer() {
    let host = Host::new(Config::default());
    let failing = host.clone();
    let run = async move |wsk: Provider| {
        let (socket, address) = bound(&wsk).await?;
        // A socket's first request is that of its creation, which is used again: two at once need another.
        let mut receiver = socket.receiver(1)?;
        assert!(test_support::futures::poll_times(receiver.recv_from(), 1).await.is_none());
        let mut batch = Batch::with_capacity(1)?;
        batch.push(buffer(b"kept")?).unwrap();
        let kept = buffer(b"kept")?;
        failing.fail_allocation(1);
        let result = socket.send_batch_to(batch, address).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(&result.1[0][..], b"kept");
        failing.fail_allocation(1);
        let result = socket.send_to(kept, address).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(&result.1[..], b"kept");
        let mut other = socket.receiver(1)?;
        for _ in 0..2 {
            failing.fail_allocation(1);
            assert_eq!(other.recv_from().await.unwrap_err().kind(), ErrorKind::OutOfMemory);
        }
        socket.send_copy_to(b"1", address).await?;
        receiver.recv_from().await.map(drop)
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

/// A compile-time matter: each of these can be a task of a runtime's.
#[test]
fn every_future_can_be_polled_by_another_thread() {
    fn is_send<T: Send>(_: T) {}
    let host = Host::new(Config::default());
    on_host(&host, async |wsk: Provider| {
        let (mut socket, address) = bound(&wsk).await?;
        let control = SendControl::new();
        is_send(socket.send_to(Buffer::empty(), address));
        is_send(socket.send_copy_to(b"", address));
        is_send(socket.send_batch_to(Batch::empty(), address));
        is_send(socket.recv_from(Buffer::empty()));
        is_send(socket.connect(address));
        is_send(socket.disconnect());
        is_send(socket.set_ttl(1));
        is_send(socket.ttl());
        is_send(socket.set_broadcast(true));
        is_send(socket.join_multicast_v4([239, 0, 0, 1].into(), [0; 4].into()));
        let mut receiver = socket.receiver(1)?;
        is_send(receiver.recv_from());
        is_send(receiver.recv_from_into(&mut []));
        is_send(receiver.receive_message());
        let socket = socket.into_socket();
        is_send(socket.send_to_with(Buffer::empty(), address, &control));
        is_send(socket.send_batch_to_with(Batch::empty(), address, &control));
        is_send(socket.receive_message(Buffer::empty()));
        is_send(socket.set_receive_packet_info(true));
        let mut socket = socket.connect(address).await?;
        is_send(socket.set_peer(address));
        is_send(socket.send(Buffer::empty()));
        is_send(socket.disconnect());
        Ok(())
    })
    .unwrap();
}
