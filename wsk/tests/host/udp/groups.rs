//! Groups, broadcasts, and the options around them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use test_support::connection::buffer;
use test_support::futures::poll_times;
use test_support::scenario::with_all_timings;
use wsk::options::{self, MulticastInterface, ip, ipv6};
use wsk::socket::{DatagramSocket, Family};
use wsk::time::timeout;
use wsk::{Buffer, ErrorKind, Result, UdpSocket};

use super::bound;
use super::control::at;

const V4: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const V6: Ipv6Addr = Ipv6Addr::new(0xFF05, 0, 0, 0, 0, 0, 1, 3);

async fn join(socket: &UdpSocket, group: IpAddr) -> Result<()> {
    match group {
        IpAddr::V4(group) => socket.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED).await,
        IpAddr::V6(group) => socket.join_multicast_v6(group, 0).await,
    }
}

async fn leave(socket: &UdpSocket, group: IpAddr) -> Result<()> {
    match group {
        IpAddr::V4(group) => socket.leave_multicast_v4(group, Ipv4Addr::UNSPECIFIED).await,
        IpAddr::V6(group) => socket.leave_multicast_v6(group, 0).await,
    }
}

#[test]
fn group_members_receive_until_they_leave() {
    with_all_timings(async |wsk| {
        for (group, any, local) in [
            (IpAddr::V4(V4), IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::LOCALHOST)),
            (IpAddr::V6(V6), IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ] {
            let member = UdpSocket::bind(&wsk, (any, 0)).await?;
            let (sender, from) = at(&wsk, (local, 0)).await?;
            let to = (group, member.local_addr().await?.port());
            sender.send_to(buffer(b"before")?, to).await.into_result()?;
            assert_eq!(leave(&member, group).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            join(&member, group).await?;
            assert_eq!(join(&member, group).await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
            assert_eq!(join(&member, local).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            let socket = member.as_socket();
            socket.set_receive_packet_info(true).await?;
            socket.set_receive_hop_limit(true).await?;
            sender.send_to(buffer(b"members")?, to).await.into_result()?;
            let (received, filled) =
                socket.receive_message(Buffer::new(100)?).await.into_result()?;
            assert_eq!((&filled[..received.len()], received.peer()), (&b"members"[..], from));
            assert!(received.is_multicast() && !received.is_broadcast());
            let messages = received.control_messages();
            assert_eq!(messages.packet_info().unwrap().address, group);
            assert_eq!(messages.hop_limit(), Some(1), "it does not leave the network");
            leave(&member, group).await?;
            sender.send_to(buffer(b"after")?, to).await.into_result()?;
            // To it alone, so that it is known that nothing else has come before.
            sender.send_to(buffer(b"alone")?, (local, to.1)).await.into_result()?;
            let (received, filled) =
                socket.receive_message(Buffer::new(100)?).await.into_result()?;
            assert_eq!(&filled[..received.len()], b"alone");
            assert!(!received.is_multicast());
        }
        Ok(())
    });
}

#[test]
fn a_broadcast_needs_permission_and_reaches_everyone() {
    with_all_timings(async |wsk| {
        let (sender, from) = bound(&wsk).await?;
        let mut receivers = Vec::new();
        let mut port = 0;
        for _ in 0..2 {
            let socket = DatagramSocket::builder(&wsk, Family::INET)
                .reuse_address()
                .bind((Ipv4Addr::UNSPECIFIED, port))
                .await?;
            port = socket.local_addr().await?.port();
            receivers.push(socket);
        }
        let everyone = (Ipv4Addr::BROADCAST, port);
        assert!(!sender.broadcast().await?);
        let result = sender.send_to(buffer(b"everyone")?, everyone).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::PermissionDenied);
        sender.set_broadcast(true).await?;
        assert!(sender.broadcast().await?);
        sender.send_to(result.1, everyone).await.into_result()?;
        for receiver in &receivers {
            let (received, filled) =
                receiver.receive_message(Buffer::new(100)?).await.into_result()?;
            assert_eq!((&filled[..received.len()], received.peer()), (&b"everyone"[..], from));
            assert!(received.is_broadcast() && !received.is_multicast());
        }
        Ok(())
    });
}

#[test]
fn multicast_options_keep_their_values() {
    with_all_timings(async |wsk| {
        let (v4, _) = bound(&wsk).await?;
        assert_eq!((v4.ttl().await?, v4.multicast_ttl_v4().await?), (128, 1));
        v4.set_ttl(7).await?;
        v4.set_multicast_ttl_v4(3).await?;
        assert_eq!((v4.ttl().await?, v4.multicast_ttl_v4().await?), (7, 3));
        assert!(v4.multicast_loop_v4().await?);
        v4.set_multicast_loop_v4(false).await?;
        assert!(!v4.multicast_loop_v4().await?);
        // What is of the other family is not there.
        let error = v4.set_multicast_loop_v6(true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);

        let v6 = UdpSocket::bind(&wsk, (Ipv6Addr::LOCALHOST, 0)).await?;
        assert_eq!(v6.ttl().await?, 128);
        v6.set_ttl(7).await?;
        assert_eq!(v6.ttl().await?, 7);
        // It is bound to an address of IPv6, and so nothing of IPv4 was set.
        assert_eq!(v6.as_socket().get(ip::TTL).await?, 128);
        assert!(v6.multicast_loop_v6().await?);
        v6.set_multicast_loop_v6(false).await?;
        assert!(!v6.multicast_loop_v6().await?);
        // Nor of one for IPv6 only.
        let wild = UdpSocket::bind(&wsk, (Ipv6Addr::UNSPECIFIED, 0)).await?;
        wild.set_ttl(7).await?;
        assert_eq!(wild.as_socket().get(ip::TTL).await?, 128);
        // A socket with a peer or a destination has its options, too.
        let address = wild.local_addr().await?;
        let socket = wild.into_socket().connect(address).await?;
        socket.set(options::RECEIVE_BUFFER, 9000).await?;
        socket.set_receive_ecn(true).await?;
        let socket = socket.disconnect().await?.with_default_destination(address).await?;
        assert_eq!(socket.get(options::RECEIVE_BUFFER).await?, 9000);
        assert!(socket.get(ipv6::ECN).await?);
        Ok(())
    });
}

#[test]
fn setting_an_option_can_be_dropped() {
    with_all_timings(async |wsk| {
        let socket = UdpSocket::bind(&wsk, (Ipv6Addr::UNSPECIFIED, 0)).await?;
        for polls in 0..6 {
            poll_times(socket.as_socket().set_receive_packet_info(true), polls).await;
            poll_times(socket.ttl(), polls).await;
            poll_times(socket.join_multicast_v6(V6, 0), polls).await;
        }
        Ok(())
    });
}

/// By the names of `std` and `socket2`.
#[test]
fn the_interface_and_the_hops_of_multicasts_are_set() {
    with_all_timings(async |wsk| {
        let (v4, _) = bound(&wsk).await?;
        v4.set_multicast_if_v4(Ipv4Addr::LOCALHOST).await?;
        assert_eq!(v4.multicast_if_v4().await?, MulticastInterface::Index(1));
        let ambiguous = v4.set_multicast_if_v4(Ipv4Addr::new(0, 0, 0, 1)).await;
        assert_eq!(ambiguous.unwrap_err().kind(), ErrorKind::InvalidInput);

        let v6 = UdpSocket::bind(&wsk, "[::1]:0").await?;
        assert!(v6.only_v6().await?);
        v6.set_multicast_if_v6(1).await?;
        v6.set_multicast_hops_v6(7).await?;
        assert_eq!((v6.multicast_if_v6().await?, v6.multicast_hops_v6().await?), (1, 7));

        let dual = UdpSocket::bind_dual_stack(&wsk, 0).await?;
        assert!(!dual.only_v6().await?);
        let port = dual.local_addr().await?.port();
        v4.send_copy_to(b"four", (Ipv4Addr::LOCALHOST, port)).await?;
        let (_, from) = dual.recv_from_into(&mut [0; 4]).await?;
        assert_eq!(from.ip().to_canonical(), IpAddr::from(Ipv4Addr::LOCALHOST));
        Ok(())
    });
}

/// The senders of all datagrams on their way to a socket, sorted. They arrive within a second of virtual time.
async fn arrivals(socket: &UdpSocket) -> Result<Vec<SocketAddr>> {
    const SECOND: Duration = Duration::from_secs(1);
    let mut senders = Vec::new();
    let mut bytes = [0; 9];
    while let Ok(received) = timeout(SECOND, socket.recv_from_into(&mut bytes)).await {
        senders.push(received?.1);
    }
    senders.sort();
    Ok(senders)
}

/// With the order of arguments of `socket2` and tokio: the source first.
#[test]
fn members_choose_their_sources() {
    with_all_timings(async |wsk| {
        const GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
        const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
        let (any, own) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST);
        let member = UdpSocket::bind(&wsk, (any, 0)).await?;
        let (sender, from) = at(&wsk, (own, 0)).await?;
        let (stranger, stranger_at) = at(&wsk, (STRANGER, 0)).await?;
        let to = (GROUP, member.local_addr().await?.port());
        // The senders of what arrives when both have sent.
        let senders = async || {
            for socket in [&sender, &stranger] {
                socket.send_to(buffer(b"multicast")?, to).await.into_result()?;
            }
            arrivals(&member).await
        };
        let kind = |result: Result<()>| result.unwrap_err().kind();

        assert_eq!(kind(member.leave_ssm_v4(own, GROUP, any).await), ErrorKind::InvalidInput);
        member.join_ssm_v4(own, GROUP, any).await?;
        assert_eq!(senders().await?, [from]);
        let again = member.join_ssm_v4(own, GROUP, any).await;
        assert_eq!(kind(again), ErrorKind::AddrNotAvailable);
        let for_all = member.join_multicast_v4(GROUP, any).await;
        assert_eq!(kind(for_all), ErrorKind::AddrNotAvailable);
        let blocked = member.block_source_v4(STRANGER, GROUP, any).await;
        assert_eq!(kind(blocked), ErrorKind::InvalidInput);
        member.join_ssm_v4(STRANGER, GROUP, any).await?;
        assert_eq!(senders().await?, [from, stranger_at]);
        member.leave_ssm_v4(own, GROUP, any).await?;
        assert_eq!(senders().await?, [stranger_at]);
        member.leave_ssm_v4(STRANGER, GROUP, any).await?;
        assert!(senders().await?.is_empty());

        member.join_multicast_v4(GROUP, any).await?;
        member.block_source_v4(STRANGER, GROUP, any).await?;
        assert_eq!(senders().await?, [from]);
        member.unblock_source_v4(STRANGER, GROUP, any).await?;
        assert_eq!(senders().await?, [from, stranger_at]);
        let unknown = member.join_ssm_v4(own, GROUP, Ipv4Addr::new(0, 0, 0, 9)).await;
        assert_eq!(kind(unknown), ErrorKind::AddrNotAvailable);
        Ok(())
    });
}

#[test]
fn members_choose_their_sources_of_ipv6() {
    const GROUP: Ipv6Addr = Ipv6Addr::new(0xFF35, 0, 0, 0, 0, 0, 1, 3);
    const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 9);
    with_all_timings(async |wsk| {
        let own = Ipv6Addr::LOCALHOST;
        let member = UdpSocket::bind(&wsk, (Ipv6Addr::UNSPECIFIED, 0)).await?;
        let (sender, from) = at(&wsk, (own, 0)).await?;
        let to = (GROUP, member.local_addr().await?.port());
        let is_received = async || {
            sender.send_to(buffer(b"multicast")?, to).await.into_result()?;
            Ok::<_, wsk::Error>(arrivals(&member).await? == [from])
        };
        member.join_ssm_v6(OTHER, GROUP, 0).await?;
        assert!(!is_received().await?);
        member.join_ssm_v6(own, GROUP, 0).await?;
        assert!(is_received().await?);
        member.leave_ssm_v6(own, GROUP, 0).await?;
        assert!(!is_received().await?);
        member.leave_ssm_v6(OTHER, GROUP, 1).await?;
        member.join_multicast_v6(GROUP, 0).await?;
        member.block_source_v6(own, GROUP, 0).await?;
        assert!(!is_received().await?);
        member.unblock_source_v6(own, GROUP, 0).await?;
        assert!(is_received().await?);
        for polls in 0..6 {
            poll_times(member.join_ssm_v6(own, GROUP, 0), polls).await;
        }
        Ok(())
    });
}
