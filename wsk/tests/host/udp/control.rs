//! Control messages, both ways.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;

use test_support::connection::buffer;
use test_support::scenario::{on, with_all_timings};
use wsk::cmsg::{ControlMessages, Ecn, PacketInfo, SendControl};
use wsk::events::{DatagramEvents, Datagrams, Disposition};
use wsk::options::{ip, ipv6, udp};
use wsk::socket::{DatagramSocket, Family, Received};
use wsk::{Buffer, ErrorKind, Provider, Result, sys};
use wsk_host::{Config, Windows};

/// A socket at an address, and the one that it got.
pub(super) async fn at(
    wsk: &Provider,
    local: impl Into<SocketAddr>,
) -> Result<(DatagramSocket, SocketAddr)> {
    let local = local.into();
    let socket = DatagramSocket::builder(wsk, Family::of(local)).bind(local).await?;
    let address = socket.local_addr().await?;
    Ok((socket, address))
}

/// A socket for both families, and its port.
async fn dual(wsk: &Provider) -> Result<(DatagramSocket, u16)> {
    let socket = DatagramSocket::builder(wsk, Family::INET6).create().await?;
    socket.set(ipv6::ONLY_V6, false).await?;
    let socket = socket.bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
    let port = socket.local_addr().await?.port();
    Ok((socket, port))
}

/// Enables or disables all control messages of received datagrams.
async fn set_all(socket: &DatagramSocket, enabled: bool) -> Result<()> {
    socket.set_receive_packet_info(enabled).await?;
    socket.set_receive_ecn(enabled).await?;
    socket.set_receive_traffic_class(enabled).await?;
    socket.set_receive_hop_limit(enabled).await
}

async fn receive(socket: &DatagramSocket) -> Result<(Received, Buffer)> {
    socket.receive_message(Buffer::new(2000)?).await.into_result()
}

/// The control messages of a datagram that was sent with `control`.
async fn received_by(
    to: &DatagramSocket,
    (from, address): (&DatagramSocket, SocketAddr),
    control: &SendControl,
) -> Result<Received> {
    from.send_to_with(buffer(b"bytes")?, address, control).await.into_result()?;
    let (received, filled) = receive(to).await?;
    assert_eq!(&filled[..received.len()], b"bytes");
    assert!(!received.is_truncated() && !received.is_control_truncated());
    Ok(received)
}

fn everything(messages: &ControlMessages<'_>) -> Option<(IpAddr, Ecn, u8, u8)> {
    let info = messages.packet_info()?;
    assert_eq!(info.interface, 1, "the only one of the simulated network");
    Some((info.address, messages.ecn()?, messages.traffic_class()?, messages.hop_limit()?))
}

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[test]
fn enabled_control_data_is_received() {
    with_all_timings(async |wsk| {
        for own in LOOPBACKS {
            let (socket, address) = at(&wsk, (own, 0)).await?;
            let itself = (&socket, address);
            let nothing = received_by(&socket, itself, &SendControl::new()).await?;
            assert_eq!(nothing.control_messages().count(), 0);
            set_all(&socket, true).await?;
            let received = received_by(&socket, itself, &SendControl::new()).await?;
            let messages = received.control_messages();
            assert_eq!(everything(&messages), Some((own, Ecn::NotCapable, 0, 128)));
            assert_eq!((messages.count(), received.peer()), (4, address));
            set_all(&socket, false).await?;
            let nothing = received_by(&socket, itself, &SendControl::new()).await?;
            assert_eq!(nothing.control_messages().count(), 0);
            socket.close().await;
        }
        Ok(())
    });
}

#[test]
fn sent_control_data_is_received() {
    with_all_timings(async |wsk| {
        for own in LOOPBACKS {
            let (socket, address) = at(&wsk, (own, 0)).await?;
            set_all(&socket, true).await?;
            socket.set(ip::TTL, 9).await?;
            if address.is_ipv6() {
                socket.set(ipv6::UNICAST_HOPS, 9).await?;
            }
            for ecn in [Ecn::NotCapable, Ecn::Ect0, Ecn::Ect1] {
                let control = SendControl::new().ecn(ecn).traffic_class(0xB8);
                let received = received_by(&socket, (&socket, address), &control).await?;
                let expected = (own, ecn, 0xB8 | ecn.to_bits(), 9);
                assert_eq!(everything(&received.control_messages()), Some(expected));
            }
        }
        Ok(())
    });
}

/// A driver answers from the address that was asked, which is not the one that the system would choose.
#[test]
fn an_answer_comes_from_where_the_question_went() {
    with_all_timings(async |wsk| {
        let (server, at_any) = at(&wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?;
        let (client, _) = at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        server.set_receive_packet_info(true).await?;
        for last in [2, 3] {
            let asked = SocketAddr::from(([127, 0, 0, last], at_any.port()));
            let question = received_by(&server, (&client, asked), &SendControl::new()).await?;
            let info = question.control_messages().packet_info().unwrap();
            assert_eq!(info, PacketInfo { address: asked.ip(), interface: 1 });
            for control in [
                SendControl::new().packet_info(info),
                SendControl::new().packet_info(info).keep_packet_info(),
                SendControl::new().packet_info(info).keep_packet_info().ecn(Ecn::Ect0),
            ] {
                let answer = received_by(&client, (&server, question.peer()), &control).await?;
                assert_eq!(answer.peer(), asked);
            }
        }
        // No address is any.
        let any = PacketInfo { address: Ipv6Addr::UNSPECIFIED.into(), interface: 0 };
        let control = SendControl::new().packet_info(any);
        let (own, address) = (&server, client.local_addr().await?);
        let answer = received_by(&client, (own, address), &control).await?;
        assert_eq!(answer.peer(), (Ipv4Addr::LOCALHOST, at_any.port()).into());
        Ok(())
    });
}

#[test]
fn ipv6_keeps_its_packet_info() {
    with_all_timings(async |wsk| {
        let (server, at_any) = at(&wsk, (Ipv6Addr::UNSPECIFIED, 0)).await?;
        let (client, address) = at(&wsk, (Ipv6Addr::LOCALHOST, 0)).await?;
        let info = PacketInfo { address: Ipv6Addr::LOCALHOST.into(), interface: 0 };
        let control = SendControl::new().packet_info(info).keep_packet_info();
        let answer = received_by(&client, (&server, address), &control).await?;
        assert_eq!(answer.peer(), (Ipv6Addr::LOCALHOST, at_any.port()).into());
        Ok(())
    });
}

#[test]
fn an_address_of_the_other_family_is_refused_before_anything_is_sent() {
    with_all_timings(async |wsk| {
        let (socket, address) = at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let info = PacketInfo { address: Ipv6Addr::LOCALHOST.into(), interface: 0 };
        let control = SendControl::new().packet_info(info);
        let result = socket.send_to_with(buffer(b"kept")?, address, &control).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(&result.1[..], b"kept");
        Ok(())
    });
}

#[test]
fn a_dual_socket_uses_control_data_of_each_datagrams_family() {
    with_all_timings(async |wsk| {
        let (socket, port) = dual(&wsk).await?;
        set_all(&socket, true).await?;
        let socket = wsk::UdpSocket::from(socket);
        socket.set_ttl(7).await?;
        assert_eq!(socket.ttl().await?, 7);
        let socket = socket.into_socket();
        for own in LOOPBACKS {
            let (other, at_other) = at(&wsk, (own, 0)).await?;
            set_all(&other, true).await?;
            let received = received_by(
                &socket,
                (&other, (own, port).into()),
                &SendControl::new().ecn(Ecn::Ect1),
            )
            .await?;
            let messages = received.control_messages();
            assert_eq!(everything(&messages), Some((own, Ecn::Ect1, 1, 128)));
            assert!(received.peer().is_ipv6());
            assert_eq!(received.peer().ip().to_canonical(), at_other.ip());
            // The answer says its messages in the family of its destination.
            let info = messages.packet_info().unwrap();
            let control = SendControl::new().packet_info(info).traffic_class(0x28);
            let answer = received_by(&other, (&socket, received.peer()), &control).await?;
            let expected = (own, Ecn::NotCapable, 0x28, 7);
            assert_eq!(everything(&answer.control_messages()), Some(expected));
        }
        Ok(())
    });
}

#[test]
fn a_segmented_buffer_arrives_coalesced() {
    with_all_timings(async |wsk| {
        let ((sender, _), (inbox, address)) =
            (at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?, at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?);
        let bytes: Vec<u8> = (0..25).collect();
        let cut = SendControl::new().segment_size(10);
        for coalesces in [0, 1000] {
            inbox.set(udp::RECEIVE_MAXIMUM_COALESCED_SIZE, coalesces).await?;
            for by_option in [false, true] {
                let control = if by_option {
                    sender.set(udp::SEND_MESSAGE_SIZE, 10).await?;
                    &SendControl::new()
                } else {
                    sender.set(udp::SEND_MESSAGE_SIZE, 0).await?;
                    &cut
                };
                sender.send_to_with(buffer(&bytes)?, address, control).await.into_result()?;
                let mut all = Vec::new();
                while all.len() < 3 {
                    let (received, filled) = receive(&inbox).await?;
                    let segments: Vec<&[u8]> = received.segments(&filled).collect();
                    assert!(coalesces > 0 || segments.len() == 1);
                    let size = received.control_messages().segment_size();
                    assert_eq!(size, (segments.len() > 1).then_some(10));
                    assert_eq!(segments.concat(), filled[..received.len()]);
                    all.extend(segments.iter().map(|segment| segment.to_vec()));
                }
                all.sort();
                assert_eq!(all, bytes.chunks(10).collect::<Vec<_>>());
            }
        }
        Ok(())
    });
}

#[test]
fn truncated_control_data_is_reported_without_an_error() {
    with_all_timings(async |wsk| {
        let (socket, address) = at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        set_all(&socket, true).await?;
        socket.send_to(buffer(b"too long")?, address).await.into_result()?;
        let (received, filled) = socket.receive_message(Buffer::new(3)?).await.into_result()?;
        assert!(received.is_truncated() && !received.is_control_truncated());
        assert_eq!((&filled[..], received.len(), received.peer()), (&b"too"[..], 3, address));
        assert_eq!(received.control_messages().count(), 4);
        // Empty, into a part of a buffer.
        socket.send_to(Buffer::empty(), address).await.into_result()?;
        let slice = Buffer::new(10)?.slice(2..4)?;
        let (received, _) = socket.receive_message(slice).await.into_result()?;
        assert!(received.is_empty() && !received.is_truncated());
        assert_eq!(received.segments(&[1, 2]).collect::<Vec<_>>(), [&[0_u8; 0]]);
        // Truncated control data is no error for a receive that asks for none.
        socket.send_to(buffer(b"bytes")?, address).await.into_result()?;
        let ((count, _), _) = socket.receive_from(Buffer::new(10)?).await.into_result()?;
        assert_eq!(count, 5);
        Ok(())
    });
}

#[test]
fn raw_control_messages_are_sent() {
    with_all_timings(async |wsk| {
        let (socket, address) = at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        set_all(&socket, true).await?;
        let class = |number: u32| {
            // SAFETY: every socket of IPv4 takes it, and it is a number.
            unsafe { SendControl::new().raw(sys::IPPROTO_IP, sys::IP_TOS, &number.to_ne_bytes()) }
        };
        let received = received_by(&socket, (&socket, address), &class(0x60)?).await?;
        assert_eq!(received.control_messages().traffic_class(), Some(0x60));
        // One that the system does not know, or not with this data.
        let result = socket.send_to_with(buffer(b"kept")?, address, &class(256)?).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(&result.1[..], b"kept");
        Ok(())
    });
}

#[test]
fn older_windows_refuses_unsupported_control_data() {
    let run = async |wsk: Provider| {
        let (socket, _) = at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        for option in [udp::SEND_MESSAGE_SIZE, udp::RECEIVE_MAXIMUM_COALESCED_SIZE] {
            let result = socket.set(option, 100).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        Ok(())
    };
    on(Config::default().windows(Windows::TEN_1803), run).unwrap();
}

/// What a datagram said: its bytes, and its control messages.
type ReceivedMessage = (Vec<u8>, Option<(IpAddr, Ecn, u8, u8)>);

#[derive(Default)]
struct Listener(Mutex<Vec<ReceivedMessage>>);

#[wsk::events]
impl DatagramEvents for Listener {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        for datagram in &datagrams {
            let mut bytes = vec![0; datagram.len()];
            datagram.copy_to(&mut bytes).unwrap();
            let said = everything(&datagram.control_messages());
            self.0.lock().unwrap().push((bytes, said));
        }
        Disposition::Accepted
    }
}

#[test]
fn callbacks_receive_the_same_control_data() {
    for timing in test_support::scenario::timings() {
        let host = wsk_host::Host::new(Config::default().timing(timing));
        let settling = host.clone();
        test_support::scenario::on_host(&host, async move |wsk: Provider| {
            let socket = DatagramSocket::builder(&wsk, Family::INET)
                .events(Listener::default())
                .bind((Ipv4Addr::LOCALHOST, 0))
                .await?;
            let address = socket.local_addr().await?;
            let control = SendControl::new().ecn(Ecn::Ect0);
            socket.send_to_with(buffer(b"before")?, address, &control).await.into_result()?;
            settling.settle();
            socket.set_receive_packet_info(true).await?;
            socket.set_receive_ecn(true).await?;
            socket.set_receive_traffic_class(true).await?;
            socket.set_receive_hop_limit(true).await?;
            socket.send_to_with(buffer(b"after")?, address, &control).await.into_result()?;
            settling.settle();
            let said = socket.handler().0.lock().unwrap().clone();
            let expected = (IpAddr::V4(Ipv4Addr::LOCALHOST), Ecn::Ect0, 2, 128);
            assert_eq!(said, [(b"before".to_vec(), None), (b"after".to_vec(), Some(expected))]);
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}
