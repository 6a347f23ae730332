//! With other programs of this machine, for which the sockets of std and of quinn stand: what they see of us, and we of
//! them.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use test_support::connection::buffer;
use test_support::scenario::on;
use wsk::cmsg::{Ecn, PacketInfo, SendControl};
use wsk::options::udp;
use wsk::{Batch, Buffer, Provider, UdpSocket};
use wsk_host::{Config, Timing};

use super::bound;
use super::control::at;

fn hosts() -> [Config; 3] {
    let real = Config::real();
    [real.timing(Timing::Inline), real.timing(Timing::Deferred), real.seed(7)]
}

/// A socket of the machine's, which sees more of datagrams than their bytes.
struct Peer {
    socket: std::net::UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

impl Peer {
    fn new(ip: impl Into<IpAddr>) -> Self {
        let socket = std::net::UdpSocket::bind((ip.into(), 0)).unwrap();
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).unwrap();
        let address = socket.local_addr().unwrap();
        // The state makes it non-blocking, and this waits.
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, state, address }
    }

    /// The next datagrams: their bytes, and what the system says of them.
    fn receive(&self) -> (Vec<u8>, RecvMeta) {
        let mut bytes = vec![0; 1 << 16];
        let mut meta = [RecvMeta::default()];
        let mut rooms = [IoSliceMut::new(&mut bytes)];
        self.state.recv(UdpSockRef::from(&self.socket), &mut rooms, &mut meta).unwrap();
        let [meta] = meta;
        bytes.truncate(meta.len);
        (bytes, meta)
    }

    fn send(
        &self,
        contents: &[u8],
        to: SocketAddr,
        ecn: Option<EcnCodepoint>,
        size: Option<usize>,
    ) {
        let transmit =
            Transmit { destination: to, ecn, contents, segment_size: size, src_ip: None };
        self.state.send(UdpSockRef::from(&self.socket), &transmit).unwrap();
    }
}

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[test]
fn a_local_program_is_the_peer() {
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = peer.local_addr().unwrap();
    for config in hosts() {
        let run = async |wsk: Provider| {
            let (mut socket, own) = bound(&wsk).await?;
            let mut bytes = [0; 100];
            let mut heard = |expected: &[u8]| {
                let (received, from) = peer.recv_from(&mut bytes).unwrap();
                assert_eq!((&bytes[..received], from), (expected, own));
            };
            socket.send_to(buffer(b"from the driver")?, address).await.into_result()?;
            heard(b"from the driver");
            socket.send_copy_to(b"a copy", address).await?;
            heard(b"a copy");
            peer.send_to(b"from a program", own).unwrap();
            let ((received, from), filled) =
                socket.recv_from(Buffer::new(100)?).await.into_result()?;
            assert_eq!((&filled[..received], from), (&b"from a program"[..], address));
            let view = socket.connect(address).await?;
            view.send(buffer(b"to the peer")?).await.into_result()?;
            heard(b"to the peer");
            let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            stranger.send_to(b"noise", own).unwrap();
            peer.send_to(b"answer", own).unwrap();
            let (received, filled) = view.recv(Buffer::new(100)?).await.into_result()?;
            assert_eq!(&filled[..received], b"answer");
            socket.disconnect().await?;
            stranger.send_to(b"heard", own).unwrap();
            let mut inbox = socket.receiver(100)?;
            assert_eq!(inbox.recv_from().await?.0, b"heard");
            Ok(())
        };
        on(config, run).unwrap();
    }
}

#[test]
fn sent_control_data_reaches_the_machine() {
    for config in hosts() {
        let run = async |wsk: Provider| {
            for ip in LOOPBACKS {
                let peer = Peer::new(ip);
                let (socket, own) = at(&wsk, (ip, 0)).await?;
                for (ecn, expected) in [
                    (Ecn::NotCapable, None),
                    (Ecn::Ect0, Some(EcnCodepoint::Ect0)),
                    (Ecn::Ect1, Some(EcnCodepoint::Ect1)),
                ] {
                    let control = SendControl::new().ecn(ecn);
                    let sent = socket.send_to_with(buffer(b"hello")?, peer.address, &control);
                    sent.await.into_result()?;
                    let (bytes, meta) = peer.receive();
                    assert_eq!((&*bytes, meta.addr, meta.ecn), (&b"hello"[..], own, expected));
                    let control = SendControl::new().traffic_class(ecn.to_bits());
                    let sent = socket.send_to_with(buffer(b"hello")?, peer.address, &control);
                    sent.await.into_result()?;
                    assert_eq!(peer.receive().1.ecn, expected);
                }
            }
            Ok(())
        };
        on(config, run).unwrap();
    }
}

/// Other systems than Linux have one loopback address of IPv4.
#[cfg(target_os = "linux")]
#[test]
fn a_chosen_source_address_reaches_the_machine() {
    for config in hosts() {
        let run = async |wsk: Provider| {
            let peer = Peer::new(Ipv4Addr::LOCALHOST);
            let (socket, own) = at(&wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?;
            for last in [2, 3] {
                let address = IpAddr::from([127, 0, 0, last]);
                let info = PacketInfo { address, interface: 0 };
                let control = SendControl::new().packet_info(info).keep_packet_info();
                let sent = socket.send_to_with(buffer(b"hello")?, peer.address, &control);
                sent.await.into_result()?;
                assert_eq!(peer.receive().1.addr, (address, own.port()).into());
            }
            Ok(())
        };
        on(config, run).unwrap();
    }
}

#[test]
fn the_machines_control_data_is_received() {
    for config in hosts() {
        let run = async |wsk: Provider| {
            for ip in LOOPBACKS {
                let peer = Peer::new(ip);
                let (socket, own) = at(&wsk, (ip, 0)).await?;
                socket.set_receive_packet_info(true).await?;
                socket.set_receive_ecn(true).await?;
                for (ecn, expected) in [
                    (None, Ecn::NotCapable),
                    (Some(EcnCodepoint::Ect0), Ecn::Ect0),
                    (Some(EcnCodepoint::Ect1), Ecn::Ect1),
                    (Some(EcnCodepoint::Ce), Ecn::CongestionExperienced),
                ] {
                    peer.send(b"hello", own, ecn, None);
                    let (received, filled) =
                        socket.receive_message(Buffer::new(100)?).await.into_result()?;
                    assert_eq!(
                        (&filled[..received.len()], received.peer()),
                        (&b"hello"[..], peer.address)
                    );
                    let messages = received.control_messages();
                    assert_eq!(messages.ecn(), Some(expected));
                    assert_eq!(messages.packet_info().unwrap().address, ip);
                }
            }
            Ok(())
        };
        on(config, run).unwrap();
    }
}

#[test]
fn segmented_and_coalesced_datagrams_cross_the_machine() {
    let bytes: Vec<u8> = (0..250).collect();
    for config in hosts() {
        let run = async |wsk: Provider| {
            let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let to = peer.local_addr().unwrap();
            let (socket, own) = at(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
            let mut room = [0; 1000];
            let cut = SendControl::new().segment_size(100);
            socket.send_to_with(buffer(&bytes)?, to, &cut).await.into_result()?;
            for chunk in bytes.chunks(100) {
                let count = peer.recv(&mut room).unwrap();
                assert_eq!(&room[..count], chunk);
            }
            let mut batch = Batch::with_capacity(3)?;
            for part in [&bytes[..1], &[], &bytes[2..50]] {
                batch.push(buffer(part)?).unwrap();
            }
            socket.send_batch_to(batch, to).await.into_result()?;
            for part in [&bytes[..1], &[], &bytes[2..50]] {
                let count = peer.recv(&mut room).unwrap();
                assert_eq!(&room[..count], part);
            }
            // Together, or not, as the machine likes.
            socket.set(udp::RECEIVE_MAXIMUM_COALESCED_SIZE, 1000).await?;
            let sender = Peer::new(Ipv4Addr::LOCALHOST);
            for chunk in bytes.chunks(100) {
                sender.send(chunk, own, None, None);
            }
            let mut all = Vec::new();
            while all.len() < 3 {
                let (received, filled) =
                    socket.receive_message(Buffer::new(1000)?).await.into_result()?;
                all.extend(received.segments(&filled).map(<[u8]>::to_vec));
            }
            assert_eq!(all, bytes.chunks(100).collect::<Vec<_>>());
            Ok(())
        };
        on(config, run).unwrap();
    }
}

/// Linux sends from its loopback address to groups on the loopback interface.
#[cfg(target_os = "linux")]
#[test]
fn members_of_a_group_are_programs_and_drivers() {
    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 4);
    for config in hosts() {
        let run = async |wsk: Provider| {
            let member = UdpSocket::bind(&wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?;
            member.join_multicast_v4(GROUP, Ipv4Addr::LOCALHOST).await?;
            let port = member.local_addr().await?.port();
            let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.send_to(b"to the group", (GROUP, port)).unwrap();
            let socket = member.as_socket();
            let (received, filled) =
                socket.receive_message(Buffer::new(100)?).await.into_result()?;
            assert_eq!(&filled[..received.len()], b"to the group");
            assert!(received.is_multicast());
            member.leave_multicast_v4(GROUP, Ipv4Addr::LOCALHOST).await?;

            let peer = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            peer.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let (sender, from) = bound(&wsk).await?;
            let to = (GROUP, peer.local_addr().unwrap().port());
            sender.send_copy_to(b"to programs", to).await?;
            let mut room = [0; 100];
            let (count, heard) = peer.recv_from(&mut room).unwrap();
            assert_eq!((&room[..count], heard), (&b"to programs"[..], from));
            Ok(())
        };
        on(config, run).unwrap();
    }
}
