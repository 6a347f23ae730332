//! A fixed peer, and a default destination.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use test_support::connection::buffer;
use test_support::futures::poll_times;
use test_support::scenario::{on_host, timings, with_all_timings};
use wsk::cmsg::{Ecn, SendControl};
use wsk::net::ConnectedUdp;
use wsk::socket::{DatagramSocket, Exchanges, Socket};
use wsk::{Buffer, ErrorKind, Provider, Result, UdpSocket, socket::Datagram};
use wsk_host::Host;

use super::bound;
use super::control::at;

const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// What a socket receives next.
async fn next<S: Exchanges>(socket: &Socket<Datagram, S>) -> Result<(Vec<u8>, SocketAddr)> {
    let ((count, from), filled) = socket.receive_from(Buffer::new(100)?).await.into_result()?;
    Ok((filled[..count].to_vec(), from))
}

async fn say<S: Exchanges>(
    socket: &Socket<Datagram, S>,
    bytes: &[u8],
    to: SocketAddr,
) -> Result<()> {
    socket.send_to(buffer(bytes)?, to).await.into_result().map(drop)
}

#[test]
fn a_fixed_peer_filters_until_it_is_cleared() {
    with_all_timings(async |wsk| {
        for local in [SocketAddr::from(LOCAL), (Ipv6Addr::LOCALHOST, 0).into()] {
            let ((one, first), (other, second)) = (at(&wsk, local).await?, at(&wsk, local).await?);
            let (stranger, _) = at(&wsk, local).await?;
            let (socket, own) = at(&wsk, local).await?;
            let mut socket = socket.connect(first).await?;
            assert_eq!((socket.peer_addr(), socket.local_addr().await?), (first, own));
            say(&stranger, b"noise", own).await?;
            let control = SendControl::new().ecn(Ecn::Ect0);
            socket.send_with(buffer(b"hello")?, &control).await.into_result()?;
            assert_eq!(next(&one).await?, (b"hello".to_vec(), own));
            say(&one, b"answer", own).await?;
            assert_eq!(next(&socket).await?, (b"answer".to_vec(), first));
            // Another can be sent to.
            say(&socket, b"to another", second).await?;
            assert_eq!(next(&other).await?.0, b"to another");

            socket.set_peer(second).await?;
            assert_eq!(socket.peer_addr(), second);
            say(&stranger, b"noise", own).await?;
            socket.send(buffer(b"to the new one")?).await.into_result()?;
            assert_eq!(next(&other).await?.0, b"to the new one");
            say(&other, b"answer", own).await?;
            assert_eq!(next(&socket).await?.1, second);

            let socket = socket.disconnect().await?;
            say(&one, b"heard", own).await?;
            // Noise may have been on its way for so long.
            loop {
                match next(&socket).await? {
                    (bytes, _) if bytes == b"noise" => {}
                    heard => {
                        assert_eq!(heard, (b"heard".to_vec(), first));
                        break;
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_default_destination_does_not_filter() {
    with_all_timings(async |wsk| {
        let ((one, first), (other, second)) = (at(&wsk, LOCAL).await?, at(&wsk, LOCAL).await?);
        let (socket, own) = at(&wsk, LOCAL).await?;
        let mut socket = socket.with_default_destination(first).await?;
        assert_eq!(socket.default_destination(), first);
        socket.send(buffer(b"first")?).await.into_result()?;
        assert_eq!(next(&one).await?.0, b"first");
        say(&other, b"from another", own).await?;
        assert_eq!(next(&socket).await?.1, second);
        socket.set_default_destination(second).await?;
        assert_eq!(socket.default_destination(), second);
        socket.send(buffer(b"second")?).await.into_result()?;
        assert_eq!(next(&other).await?.0, b"second");
        let socket = socket.without_default_destination().await?;
        say(&one, b"heard", own).await?;
        assert_eq!(next(&socket).await?.0, b"heard");
        Ok(())
    });
}

#[test]
fn a_peer_of_the_other_family_is_refused() {
    with_all_timings(async |wsk| {
        let wrong = SocketAddr::from((Ipv6Addr::LOCALHOST, 9));
        let (socket, _) = at(&wsk, LOCAL).await?;
        let error = socket.connect(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let (socket, _) = at(&wsk, LOCAL).await?;
        assert!(socket.with_default_destination(wrong).await.is_err());
        let (socket, address) = at(&wsk, LOCAL).await?;
        let mut socket = socket.connect(address).await?;
        assert!(socket.set_peer(wrong).await.is_err());
        // It has its peer still.
        socket.send(buffer(b"self")?).await.into_result()?;
        assert_eq!(next(&socket).await?, (b"self".to_vec(), address));
        Ok(())
    });
}

/// The socket is the future's, and is closed with it, whenever that is.
#[test]
fn getting_a_peer_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        for polls in 0..4 {
            let (socket, address) = at(&wsk, LOCAL).await?;
            if let Some(socket) = poll_times(socket.connect(address), polls).await {
                drop(poll_times(socket?.disconnect(), polls).await);
            }
            let (socket, address) = at(&wsk, LOCAL).await?;
            let destined = poll_times(socket.with_default_destination(address), polls).await;
            if let Some(socket) = destined {
                drop(poll_times(socket?.without_default_destination(), polls).await);
            }
            let (mut socket, address) = bound(&wsk).await?;
            let _ = poll_times(socket.connect(address), polls).await;
            // The socket may have a peer or not; the peer can be set again.
            poll_times(socket.disconnect(), polls).await;
            let view = socket.connect(address).await?;
            view.send(buffer(b"self")?).await.into_result()?;
            view.recv(Buffer::new(4)?).await.into_result()?;
        }
        Ok(())
    });
}

#[test]
fn a_connected_view_sends_receives_and_disconnects() {
    with_all_timings(async |wsk| {
        let ((one, first), (other, second)) = (at(&wsk, LOCAL).await?, at(&wsk, LOCAL).await?);
        let (stranger, _) = at(&wsk, LOCAL).await?;
        let (mut socket, own) = bound(&wsk).await?;
        for (peer, address) in [(&one, first), (&other, second)] {
            let view = socket.connect(address).await?;
            assert_eq!(view.peer_addr(), address);
            assert_eq!(view.send_copy(b"copied").await?, 6);
            assert_eq!(next(peer).await?, (b"copied".to_vec(), own));
            say(&stranger, b"noise", own).await?;
            say(peer, b"from the peer", own).await?;
            let (count, filled) = view.recv(Buffer::new(100)?).await.into_result()?;
            assert_eq!(&filled[..count], b"from the peer");
            // A datagram can be sent to another address than the peer's.
            view.as_socket().send_copy_to(b"to one", first).await?;
            assert_eq!(next(&one).await?.0, b"to one");
        }
        socket.disconnect().await?;
        say(&one, b"heard", own).await?;
        // Noise may have been on its way for so long.
        loop {
            let ((count, from), filled) =
                socket.recv_from(Buffer::new(100)?).await.into_result()?;
            if &filled[..count] == b"heard" {
                assert_eq!(from, first);
                return Ok(());
            }
        }
    });
}

/// A socket that no longer works says so, and is not asked again.
#[test]
fn a_dead_socket_reports_no_peer() {
    for timing in timings() {
        let host = Host::new(wsk_host::Config::default().timing(timing));
        let withdrawing = host.clone();
        on_host(&host, async move |wsk: Provider| {
            let (socket, address): (DatagramSocket, _) = at(&wsk, LOCAL).await?;
            let socket = socket.connect(address).await?;
            withdrawing.withdraw();
            withdrawing.settle();
            for _ in 0..2 {
                let result = socket.send(buffer(b"kept")?).await;
                assert_eq!(result.0.unwrap_err().kind(), ErrorKind::SocketDead);
                assert_eq!(&result.1[..], b"kept");
            }
            assert_eq!(socket.disconnect().await.unwrap_err().kind(), ErrorKind::SocketDead);
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A socket with its peer can be a field, and shared by tasks that send and receive.
#[test]
fn a_connected_socket_is_stored_and_gives_its_socket_back() {
    struct Client(ConnectedUdp);

    with_all_timings(async |wsk| {
        let (server, address) = bound(&wsk).await?;
        let (stranger, _) = bound(&wsk).await?;
        let (other, second) = bound(&wsk).await?;
        let (socket, own) = bound(&wsk).await?;
        let mut client = Client(socket.into_connected(address).await?);
        assert_eq!(client.0.peer_addr(), address);
        client.0.send_copy(b"question").await?;
        let mut bytes = [0; 100];
        assert_eq!(server.recv_from_into(&mut bytes).await?, (8, own));
        stranger.send_copy_to(b"noise", own).await?;
        server.send_copy_to(b"answer", own).await?;
        assert_eq!(client.0.recv_into(&mut bytes).await?, 6);
        assert_eq!(&bytes[..6], b"answer");

        client.0.set_peer(second).await?;
        client.0.send_copy(b"to another").await?;
        assert_eq!(other.recv_from_into(&mut bytes).await?, (10, own));
        let socket: UdpSocket = client.0.disconnect().await?;
        assert_eq!(socket.local_addr().await?, own);
        socket.close().await;
        Ok(())
    });
}

/// A datagram larger than the slice is truncated and an error; an empty one is neither.
#[test]
fn datagrams_are_received_into_slices() {
    with_all_timings(async |wsk| {
        let ((sender, from), (receiver, to)) = (bound(&wsk).await?, bound(&wsk).await?);
        let mut four = [0; 4];
        sender.send_copy_to(b"long one", to).await?;
        let error = receiver.recv_from_into(&mut four).await.unwrap_err();
        assert_eq!((error.kind(), &four), (ErrorKind::InvalidSize, b"long"));
        sender.send_copy_to(b"", to).await?;
        assert_eq!(receiver.recv_from_into(&mut []).await?, (0, from));
        sender.send_copy_to(b"1", to).await?;
        let error = receiver.recv_from_into(&mut []).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSize);

        // One that is dropped leaves its datagram to the next.
        let dropped = poll_times(receiver.recv_from_into(&mut four), 1).await;
        assert!(dropped.is_none(), "nothing was sent");
        sender.send_copy_to(b"next", to).await?;
        assert_eq!(receiver.recv_from_into(&mut four).await?, (4, from));
        assert_eq!(&four, b"next");
        let error = sender.send_copy_to(b"x", "nowhere").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}
