//! Control data of sent and of received datagrams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::hosts::{everywhere, on, simulated};
use test_support::raw::datagrams::{
    RawControlMessage, Receive, V4, V6, any_port, bound, destination, dual, message, number,
    number_in, receive, receive_sorted, send_to, send_with_control,
};
use test_support::raw::{Client, close, set_option};
use wsk_host::{Config, Network, Stripping};
use wsk_sys::*;

#[track_caller]
fn set(socket: PWSK_SOCKET, level: ULONG, name: ULONG, value: ULONG) {
    let status = set_option(socket, level, name, value);
    assert_eq!(status, STATUS_SUCCESS, "{status:#x}");
}

fn is_real(client: &Client) -> bool {
    client.host.config().network == Network::Real
}

/// An `IN_PKTINFO` or `IN6_PKTINFO` that says where a datagram comes from.
fn source(ip: impl Into<IpAddr>) -> RawControlMessage {
    match ip.into() {
        IpAddr::V4(ip) => message(IPPROTO_IP, IP_PKTINFO, &[&ip.octets()[..], &[0; 4]].concat()),
        IpAddr::V6(ip) => {
            message(IPPROTO_IPV6, IPV6_PKTINFO, &[&ip.octets()[..], &[0; 4]].concat())
        }
    }
}

#[test]
fn a_receiver_learns_where_a_datagram_was_sent_to() {
    everywhere(|client| {
        let (v4, its) = bound(client, ([0, 0, 0, 0], 0));
        let (v6, at) = bound(client, ([0_u16; 8], 0));
        for (socket, level, name, to) in [
            (v4, IPPROTO_IP, IP_PKTINFO, SocketAddr::from((V4, its.port()))),
            (v6, IPPROTO_IPV6, IPV6_PKTINFO, (V6, at.port()).into()),
        ] {
            set(socket, level, name, 1);
            send_to(socket, b"", to);
            let messages = receive(socket).messages;
            assert_eq!(messages.len(), 1);
            assert_eq!(destination(&messages), Some(to.ip()));
            set(socket, level, name, 0);
            send_to(socket, b"", to);
            assert_eq!(receive(socket).messages, []);
            close(socket);
        }
    });
}

#[test]
fn a_dual_socket_learns_each_destination_in_its_own_family() {
    everywhere(|client| {
        let (socket, port) = dual(client);
        set(socket, IPPROTO_IP, IP_PKTINFO, 1);
        set(socket, IPPROTO_IPV6, IPV6_PKTINFO, 1);
        for (from, to) in [(any_port(AF_INET), IpAddr::from(V4)), (any_port(AF_INET6), V6.into())] {
            let (sender, _) = bound(client, from);
            send_to(sender, b"", (to, port).into());
            assert_eq!(destination(&receive(socket).messages), Some(to));
            close(sender);
        }
        close(socket);
    });
}

/// Other systems than Linux have one loopback address of IPv4.
#[test]
fn a_sender_chooses_the_source_address() {
    let hosts = simulated();
    let real = cfg!(all(target_os = "linux", not(miri))).then(Config::real);
    on(hosts.into_iter().chain(real), |client| {
        let (sender, from) = bound(client, ([0, 0, 0, 0], 0));
        let (receiver, to) = bound(client, any_port(AF_INET));
        assert_eq!(send_with_control(sender, b"", to, &[source([127, 0, 0, 2])]), STATUS_SUCCESS);
        assert_eq!(receive(receiver).from, ([127, 0, 0, 2], from.port()).into());
        // No address is any.
        assert_eq!(send_with_control(sender, b"", to, &[source([0, 0, 0, 0])]), STATUS_SUCCESS);
        assert_eq!(receive(receiver).from, (V4, from.port()).into());
        close(sender);
        // A dual socket also does so.
        let (sender, port) = dual(client);
        let mapped = SocketAddr::from((Ipv4Addr::from(V4).to_ipv6_mapped(), to.port()));
        assert_eq!(
            send_with_control(sender, b"", mapped, &[source([127, 0, 0, 3])]),
            STATUS_SUCCESS
        );
        assert_eq!(receive(receiver).from, ([127, 0, 0, 3], port).into());
        close(sender);
        let (sender, from) = bound(client, ([0_u16; 8], 0));
        let (other, to) = bound(client, any_port(AF_INET6));
        assert_eq!(send_with_control(sender, b"", to, &[source(V6)]), STATUS_SUCCESS);
        assert_eq!(receive(other).from, (V6, from.port()).into());
        for socket in [sender, receiver, other] {
            close(socket);
        }
    });
}

#[test]
fn congestion_is_notified() {
    everywhere(|client| {
        for (family, level, ecn, class) in
            [(AF_INET, IPPROTO_IP, IP_ECN, IP_TOS), (AF_INET6, IPPROTO_IPV6, IPV6_ECN, IPV6_TCLASS)]
        {
            let (socket, address) = bound(client, any_port(family));
            set(socket, level, ecn, 1);
            send_to(socket, b"", address);
            assert_eq!(receive(socket).messages, [number(level, ecn, 0)]);
            for codepoint in 0..4 {
                for said in [ecn, class] {
                    // A sender has met no congestion.
                    if (said, codepoint) == (ecn, 3) {
                        continue;
                    }
                    let said = number(level, said, codepoint);
                    assert_eq!(send_with_control(socket, b"", address, &[said]), STATUS_SUCCESS);
                    assert_eq!(receive(socket).messages, [number(level, ecn, codepoint)]);
                }
            }
            // It is not for one direction only.
            send_to(socket, b"", address);
            assert_eq!(number_in(&receive(socket).messages, level, ecn), Some(0));
            close(socket);
        }
    });
}

/// The machine's network carries no more of the class than the congestion notification.
#[test]
fn a_message_overrides_the_traffic_class_option() {
    everywhere(|client| {
        for (family, level, ecn, class, wants) in [
            (AF_INET, IPPROTO_IP, IP_ECN, IP_TOS, IP_RECVTOS),
            (AF_INET6, IPPROTO_IPV6, IPV6_ECN, IPV6_TCLASS, IPV6_RECVTCLASS),
        ] {
            let (socket, address) = bound(client, any_port(family));
            set(socket, level, wants, 1);
            set(socket, level, class, 0x28);
            let carried = if is_real(client) { 3 } else { 0xFF };
            send_to(socket, b"", address);
            assert_eq!(receive(socket).messages, [number(level, class, 0x28 & carried)]);
            for (said, expected) in [
                (number(level, ecn, 1), 0x29),
                (number(level, class, 0x42), 0x42),
                (number(level, class, 0), 0),
            ] {
                assert_eq!(send_with_control(socket, b"", address, &[said]), STATUS_SUCCESS);
                assert_eq!(receive(socket).messages, [number(level, class, expected & carried)]);
            }
            close(socket);
        }
    });
}

#[test]
fn a_hop_limit_arrives_on_the_simulated_network_only() {
    everywhere(|client| {
        for (family, level, hops, wants, arrives_as) in [
            (AF_INET, IPPROTO_IP, IP_TTL, IP_HOPLIMIT, IP_TTL),
            (AF_INET6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, IPV6_HOPLIMIT, IPV6_HOPLIMIT),
        ] {
            let (socket, address) = bound(client, any_port(family));
            set(socket, level, wants, 1);
            let expect = |limit| {
                let expected = if is_real(client) { None } else { Some(limit) };
                let messages = receive(socket).messages;
                assert_eq!(number_in(&messages, level, arrives_as), expected);
            };
            send_to(socket, b"", address);
            expect(128);
            set(socket, level, hops, 5);
            send_to(socket, b"", address);
            expect(5);
            let seven = number(level, wants, 7);
            assert_eq!(send_with_control(socket, b"", address, &[seven]), STATUS_SUCCESS);
            expect(7);
            send_to(socket, b"", address);
            expect(5);
            close(socket);
        }
    });
}

#[test]
fn a_message_or_an_option_segments_a_send() {
    everywhere(|client| {
        for family in [AF_INET, AF_INET6] {
            let (socket, address) = bound(client, any_port(family));
            let size = number(IPPROTO_UDP, UDP_SEND_MSG_SIZE, 4);
            assert_eq!(send_with_control(socket, b"1111222233", address, &[size]), STATUS_SUCCESS);
            assert_eq!(receive_sorted(socket, 3), [&b"1111"[..], b"2222", b"33"]);
            send_to(socket, b"1111222233", address);
            assert_eq!(receive(socket).bytes, b"1111222233");
            set(socket, IPPROTO_UDP, UDP_SEND_MSG_SIZE, 5);
            send_to(socket, b"1111122222", address);
            assert_eq!(receive_sorted(socket, 2), [b"11111", b"22222"]);
            send_to(socket, b"all", address);
            assert_eq!(receive(socket).bytes, b"all");
            close(socket);
        }
    });
}

/// More than the machine takes at once, of which every part is as long as the machine's limits allow.
#[test]
fn one_buffer_is_segmented_into_many_datagrams() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        for (size, count) in [(1024, 70_u8), (16_384, 4), (100, 150)] {
            set(socket, IPPROTO_UDP, UDP_SEND_MSG_SIZE, size);
            let bytes: Vec<u8> = (0..count).flat_map(|byte| vec![byte; size as usize]).collect();
            send_to(socket, &bytes, address);
            let all = receive_sorted(socket, count.into());
            assert_eq!(all.concat(), bytes);
            assert!(all.iter().all(|datagram| datagram.len() == size as usize));
        }
        close(socket);
    });
}

#[test]
fn datagrams_are_coalesced_if_enabled() {
    let (one, several) = (AtomicUsize::new(0), AtomicUsize::new(0));
    everywhere(|client| {
        for most in [8, 65_535] {
            let (sender, _) = bound(client, any_port(AF_INET));
            let (receiver, address) = bound(client, any_port(AF_INET));
            set(receiver, IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, most);
            let size = number(IPPROTO_UDP, UDP_SEND_MSG_SIZE, 4);
            let sent = b"11112222333344";
            assert_eq!(send_with_control(sender, sent, address, &[size]), STATUS_SUCCESS);
            let mut all: Vec<Vec<u8>> = Vec::new();
            while all.concat().len() < sent.len() {
                let found = receive(receiver);
                assert!(found.bytes.len() <= most as usize);
                let info = number_in(&found.messages, IPPROTO_UDP, UDP_COALESCED_INFO);
                let is_one = found.bytes.len() <= 4;
                assert_eq!(info, (!is_one).then_some(4));
                if is_one { &one } else { &several }.fetch_add(1, Ordering::Relaxed);
                all.extend(found.bytes.chunks(4).map(<[u8]>::to_vec));
            }
            all.sort();
            assert_eq!(all.concat(), sent);
            close(sender);
            close(receiver);
        }
    });
    assert!(one.into_inner() > 0 && several.into_inner() > 0);
}

#[test]
fn control_data_is_truncated_at_whole_messages() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        set(socket, IPPROTO_IP, IP_PKTINFO, 1);
        set(socket, IPPROTO_IP, IP_ECN, 1);
        let first = WSA_CMSG_SPACE(size_of::<IN_PKTINFO>());
        let second = WSA_CMSG_SPACE(size_of::<ULONG>());
        for (room, count) in
            [(0, 0), (first - 1, 0), (first, 1), (first + 16, 1), (first + second, 2), (256, 2)]
        {
            send_to(socket, b"bytes", address);
            let received = Receive::new(socket, 5, room).wait().unwrap();
            assert_eq!(received.bytes, b"bytes");
            assert_eq!(received.messages.len(), count, "in {room} bytes");
            let flags = if count < 2 { MSG_CTRUNC } else { 0 };
            assert_eq!(received.flags, flags, "in {room} bytes");
        }
        // Both can be cut off.
        send_to(socket, b"bytes", address);
        let received = Receive::new(socket, 1, 0).wait().unwrap();
        assert_eq!(received.flags, MSG_TRUNC | MSG_CTRUNC);
        close(socket);
    });
}

#[test]
fn unknown_control_data_is_refused() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        for said in [
            number(IPPROTO_TCP, 1, 0),
            number(IPPROTO_IP, 0x7FFF, 0),
            number(IPPROTO_IP, IP_ECN, 4),
            number(IPPROTO_IP, IP_TOS, 256),
            message(IPPROTO_IP, IP_TOS, &[1]),
            message(IPPROTO_IP, IP_PKTINFO, &V4[..3]),
            message(IPPROTO_IP, IP_OPTIONS, &[1]),
        ] {
            let said = [source(V4), said];
            assert_eq!(send_with_control(socket, b"", address, &said), STATUS_INVALID_PARAMETER);
        }
        close(socket);
    });
}

/// The empty message by which a client keeps packet info from being the only one.
#[test]
fn empty_options_and_routing_headers_change_nothing() {
    everywhere(|client| {
        for (family, ip, nothing) in [
            (AF_INET, IpAddr::from(V4), message(IPPROTO_IP, IP_OPTIONS, &[])),
            (AF_INET6, IpAddr::from(V6), message(IPPROTO_IPV6, IPV6_RTHDR, &[])),
        ] {
            let (socket, address) = bound(client, any_port(family));
            let said = [source(ip), nothing];
            assert_eq!(send_with_control(socket, b"bytes", address, &said), STATUS_SUCCESS);
            assert_eq!(receive(socket).bytes, b"bytes");
            close(socket);
        }
    });
}

/// The behavior of some systems, and of filters on others, on the network in memory.
#[test]
fn control_data_is_stripped_if_configured() {
    let here = source([127, 0, 0, 2]);
    let nothing = message(IPPROTO_IP, IP_OPTIONS, &[]);
    for (stripping, bypasses_tdi, alone, beside) in [
        (Stripping::Nothing, false, true, true),
        (Stripping::PacketInfoAlone, true, false, true),
        (Stripping::TdiFilter, false, false, false),
        (Stripping::TdiFilter, true, true, true),
    ] {
        on(simulated().into_iter().map(|config| config.stripping(stripping)), |client| {
            if bypasses_tdi {
                assert_eq!(
                    client.control(WSK_TDI_BEHAVIOR, &WSK_TDI_BEHAVIOR_BYPASS_TDI, &mut []).0,
                    STATUS_SUCCESS
                );
            }
            let (sender, from) = bound(client, ([0, 0, 0, 0], 0));
            let (receiver, to) = bound(client, any_port(AF_INET));
            for (said, arrives) in
                [(&[here.clone()][..], alone), (&[here.clone(), nothing.clone()], beside)]
            {
                assert_eq!(send_with_control(sender, b"", to, said), STATUS_SUCCESS);
                let ip = if arrives { [127, 0, 0, 2] } else { V4 };
                assert_eq!(receive(receiver).from, (ip, from.port()).into());
            }
            close(sender);
            close(receiver);
        });
    }
}
