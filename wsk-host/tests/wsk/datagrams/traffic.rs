//! Datagrams there and back.

use std::net::{Ipv4Addr, SocketAddr};

use test_support::hosts::everywhere;
use test_support::raw::datagrams::{
    Receive, V4, V6, any_port, bound, dual, nothing_arrives, receive, receive_sorted, send,
    send_messages, send_to, set_address, unbound,
};
use test_support::raw::{PoolAddress, PoolBuffer, basic, bind, call, close, datagram};
use wsk_sys::*;

#[test]
fn a_datagram_carries_its_source() {
    everywhere(|client| {
        for family in [AF_INET, AF_INET6] {
            let [(one, first), (other, second)] = [(); 2].map(|()| bound(client, any_port(family)));
            for (from, address, to, destination) in
                [(one, first, other, second), (other, second, one, first)]
            {
                send_to(from, b"hello", destination);
                let received = receive(to);
                assert_eq!((&*received.bytes, received.from), (&b"hello"[..], address));
                assert_eq!((received.flags, received.messages), (0, vec![]));
            }
            close(one);
            close(other);
        }
    });
}

#[test]
fn an_empty_datagram_is_received() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        send_to(socket, b"", address);
        let received = receive(socket);
        assert_eq!((received.bytes, received.from), (vec![], address));
        close(socket);
    });
}

#[test]
fn a_datagram_larger_than_its_buffer_is_truncated() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        send_to(socket, b"first", address);
        let received = Receive::new(socket, 3, 0).wait().unwrap();
        assert_eq!((&*received.bytes, received.flags), (&b"fir"[..], MSG_TRUNC));
        // The rest does not arrive later.
        send_to(socket, b"second", address);
        let received = Receive::new(socket, 6, 0).wait().unwrap();
        assert_eq!((&*received.bytes, received.flags), (&b"second"[..], 0));
        close(socket);
    });
}

#[test]
fn a_receiver_need_not_ask_for_more_than_bytes() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET6));
        let buffer = PoolBuffer::new(8);
        let none = std::ptr::null_mut;
        // SAFETY: the socket is open, and the buffer stays.
        let request = call(|irp| unsafe {
            let receive = datagram(socket).WskReceiveFrom.unwrap();
            receive(
                socket,
                buffer.buffer,
                0,
                none(),
                none().cast(),
                none().cast(),
                none().cast(),
                irp,
            )
        });
        send_to(socket, b"bytes", address);
        assert_eq!(request.succeed(), 5);
        assert_eq!(buffer.read(5), b"bytes");
        close(socket);
    });
}

#[test]
fn several_messages_go_to_one_address() {
    everywhere(|client| {
        let (sender, _) = bound(client, any_port(AF_INET));
        let (receiver, address) = bound(client, any_port(AF_INET));
        let all: [&[u8]; 4] = [b"1", b"22", b"", b"333"];
        assert_eq!(send_messages(sender, &all, Some(address)), (STATUS_SUCCESS, 6));
        let expected: [&[u8]; 4] = [b"", b"1", b"22", b"333"];
        assert_eq!(receive_sorted(receiver, 4), expected);
        close(sender);
        close(receiver);
    });
}

#[test]
fn a_default_destination_applies_until_it_is_cleared() {
    everywhere(|client| {
        let (sender, from) = bound(client, any_port(AF_INET));
        let [(one, first), (other, second)] = [(); 2].map(|()| bound(client, any_port(AF_INET)));
        let set = |address| set_address(sender, SIO_WSK_SET_SENDTO_ADDRESS, address);
        assert_eq!(set(Some(first)), STATUS_SUCCESS);
        assert_eq!(send(sender, b"default", None), (STATUS_SUCCESS, 7));
        assert_eq!(receive(one).bytes, b"default");
        assert_eq!(send_messages(sender, &[b"list"], None), (STATUS_SUCCESS, 4));
        assert_eq!(receive(one).bytes, b"list");
        // An explicit address takes precedence.
        send_to(sender, b"address", second);
        assert_eq!(receive(other).bytes, b"address");
        // It does not filter.
        send_to(other, b"from another", from);
        assert_eq!(receive(sender).from, second);
        assert_eq!(set(Some(second)), STATUS_SUCCESS);
        assert_eq!(send(sender, b"new", None), (STATUS_SUCCESS, 3));
        assert_eq!(receive(other).bytes, b"new");
        assert_eq!(set(None), STATUS_SUCCESS);
        for socket in [sender, one, other] {
            close(socket);
        }
    });
}

#[test]
fn a_fixed_peer_filters_datagrams_until_it_is_cleared() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET6));
        let [(peer, its), (stranger, _)] = [(); 2].map(|()| bound(client, any_port(AF_INET6)));
        let set = |address| set_address(socket, SIO_WSK_SET_REMOTE_ADDRESS, address);
        assert_eq!(set(Some(its)), STATUS_SUCCESS);
        send_to(stranger, b"dropped", address);
        nothing_arrives(socket);
        send_to(peer, b"taken", address);
        assert_eq!(receive(socket).bytes, b"taken");
        assert_eq!(send(socket, b"to the peer", None), (STATUS_SUCCESS, 11));
        assert_eq!(receive(peer).bytes, b"to the peer");
        assert_eq!(set(None), STATUS_SUCCESS);
        send_to(stranger, b"not dropped", address);
        assert_eq!(receive(socket).bytes, b"not dropped");
        for socket in [socket, peer, stranger] {
            close(socket);
        }
    });
}

#[test]
fn a_dual_socket_has_peers_of_both_families() {
    everywhere(|client| {
        let (socket, port) = dual(client);
        let (v4, its) = bound(client, any_port(AF_INET));
        let mapped = |ip: Ipv4Addr, port| SocketAddr::from((ip.to_ipv6_mapped(), port));
        send_to(v4, b"from IPv4", (V4, port).into());
        let received = receive(socket);
        assert_eq!(received.bytes, b"from IPv4");
        assert_eq!(received.from, mapped(V4.into(), its.port()));
        send_to(socket, b"to IPv4", received.from);
        let received = receive(v4);
        assert_eq!((&*received.bytes, received.from), (&b"to IPv4"[..], (V4, port).into()));
        // A peer of the other family can be the only one.
        let peer = Some(mapped(V4.into(), its.port()));
        assert_eq!(set_address(socket, SIO_WSK_SET_REMOTE_ADDRESS, peer), STATUS_SUCCESS);
        send_to(v4, b"from the peer", (V4, port).into());
        assert_eq!(receive(socket).bytes, b"from the peer");
        assert_eq!(set_address(socket, SIO_WSK_SET_REMOTE_ADDRESS, None), STATUS_SUCCESS);
        let (v6, its) = bound(client, any_port(AF_INET6));
        send_to(v6, b"from IPv6", (V6, port).into());
        assert_eq!(receive(socket).from, its);
        send_to(socket, b"to IPv6", its);
        assert_eq!(receive(v6).from, (V6, port).into());
        for socket in [socket, v4, v6] {
            close(socket);
        }
    });
}

#[test]
fn a_socket_of_one_family_does_not_reach_the_other() {
    everywhere(|client| {
        let (v6, at) = bound(client, any_port(AF_INET6));
        let (wild, _) = bound(client, ([0_u16; 8], 0));
        let (v4, its) = bound(client, any_port(AF_INET));
        let mapped = Some(SocketAddr::from((Ipv4Addr::from(V4).to_ipv6_mapped(), its.port())));
        for socket in [v6, wild] {
            let (status, _) = send(socket, b"nowhere", mapped);
            assert!(!NT_SUCCESS(status), "{status:#x}");
        }
        // One that has an address of IPv6 sends from nowhere else.
        let half = unbound(client, AF_INET6);
        assert_eq!(
            test_support::raw::set_option(half, IPPROTO_IPV6, IPV6_V6ONLY, 0),
            STATUS_SUCCESS
        );
        bind(half, any_port(AF_INET6)).succeed();
        let (status, _) = send(half, b"nowhere", mapped);
        assert!(!NT_SUCCESS(status), "{status:#x}");
        nothing_arrives(v4);
        send_to(v4, b"lost", (V4, at.port()).into());
        nothing_arrives(v6);
        for socket in [v6, wild, v4, half] {
            close(socket);
        }
    });
}

#[test]
fn a_cancelled_receive_takes_nothing() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        for round in 0..20_u8 {
            let first = Receive::new(socket, 1, 0);
            let buffer = PoolBuffer::with(&[round]);
            let sent =
                test_support::raw::datagrams::send_with(socket, &buffer, Some(address), None);
            first.request.cancel();
            match first.wait() {
                Ok(received) => assert_eq!(received.bytes, [round]),
                Err(status) => {
                    assert_eq!(status, STATUS_CANCELLED);
                    assert_eq!(receive(socket).bytes, [round]);
                }
            }
            sent.succeed();
        }
        close(socket);
    });
}

#[test]
fn a_close_cancels_receives() {
    everywhere(|client| {
        let (socket, _) = bound(client, any_port(AF_INET));
        let waiting = [(); 3].map(|()| Receive::new(socket, 1, 0));
        // SAFETY: the socket is open.
        let closing = call(|irp| unsafe { basic(socket).WskCloseSocket.unwrap()(socket, irp) });
        closing.succeed();
        for receive in waiting {
            // A close completes after everything else.
            assert!(receive.request.is_complete());
            assert_eq!(receive.wait(), Err(STATUS_CANCELLED));
        }
    });
}

#[test]
fn an_unbound_socket_refuses_every_call() {
    everywhere(|client| {
        let socket = unbound(client, AF_INET);
        let somewhere = Some((V4, 7).into());
        assert_eq!(send(socket, b"", somewhere).0, STATUS_INVALID_DEVICE_STATE);
        assert_eq!(send_messages(socket, &[b""], somewhere).0, STATUS_INVALID_DEVICE_STATE);
        assert_eq!(Receive::new(socket, 1, 0).wait(), Err(STATUS_INVALID_DEVICE_STATE));
        for code in [SIO_WSK_SET_SENDTO_ADDRESS, SIO_WSK_SET_REMOTE_ADDRESS] {
            assert_eq!(set_address(socket, code, somewhere), STATUS_INVALID_DEVICE_STATE);
        }
        let address = PoolAddress::empty();
        // SAFETY: the socket is open, and the memory stays.
        let request = call(|irp| unsafe {
            datagram(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp)
        });
        request.fail(STATUS_INVALID_DEVICE_STATE);
        // It is bound once.
        bind(socket, any_port(AF_INET)).succeed();
        bind(socket, any_port(AF_INET)).fail(STATUS_INVALID_DEVICE_STATE);
        close(socket);
    });
}

#[test]
fn a_datagram_has_a_largest_size() {
    everywhere(|client| {
        for family in [AF_INET, AF_INET6] {
            let (socket, address) = bound(client, any_port(family));
            let largest = vec![7; 65_507];
            send_to(socket, &largest, address);
            assert_eq!(receive(socket).bytes, largest);
            let larger = vec![7; 65_530];
            let (status, _) = send(socket, &larger, Some(address));
            assert_eq!(status, STATUS_INVALID_BUFFER_SIZE, "{status:#x}");
            close(socket);
        }
    });
}

#[test]
fn a_datagram_is_gathered_and_scattered() {
    everywhere(|client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        let (head, tail) = (PoolBuffer::with(b"__head"), PoolBuffer::with(b"tail__"));
        let (first, second) = (PoolBuffer::new(3), PoolBuffer::new(8));
        // SAFETY: the MDLs are the buffers' own, and stay until both requests were waited for.
        unsafe {
            for (from, to) in [(&head, &tail), (&first, &second)] {
                (*(*from.buffer).Mdl).Next = (*to.buffer).Mdl;
            }
            (*head.buffer).Offset = 2;
            (*head.buffer).Length = 8;
            (*first.buffer).Length = 11;
        }
        assert_eq!(
            test_support::raw::datagrams::send_with(socket, &head, Some(address), None).succeed(),
            8
        );
        let none = std::ptr::null_mut;
        // SAFETY: the socket is open, and the buffers stay.
        let request = call(|irp| unsafe {
            let receive = datagram(socket).WskReceiveFrom.unwrap();
            receive(
                socket,
                first.buffer,
                0,
                none(),
                none().cast(),
                none().cast(),
                none().cast(),
                irp,
            )
        });
        assert_eq!(request.succeed(), 8);
        assert_eq!((first.read(3), second.read(5)), (b"hea".to_vec(), b"dtail".to_vec()));
        close(socket);
    });
}
