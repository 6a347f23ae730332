//! UDP, and the types of datagrams.

use core::fmt::Debug;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use wsk::cmsg::{ControlMessage, ControlMessages, Ecn, PacketInfo, ReceivedError, SendControl};
use wsk::net::ConnectedUdp;
use wsk::socket::{
    Bound, Datagram, DatagramReceiver, DefaultDestination, FixedPeer, Received, Segments, Socket,
};
use wsk::{Batch, Buffer, Drain, Provider, Slice, UdpSocket};

type Udp = &'static UdpSocket;
type ConnectedRef = &'static ConnectedUdp<&'static UdpSocket>;
type ConnectedOwned = &'static ConnectedUdp<UdpSocket>;
type Open = Socket<Datagram, Bound>;
type WithPeer = Socket<Datagram, FixedPeer>;
type WithDestination = Socket<Datagram, DefaultDestination>;
type ControlRef = &'static SendControl;

futures! {
    "UdpSocket::bind": |(wsk, local): (&'static Provider, SocketAddr)| UdpSocket::bind(wsk, local);
    "UdpSocket::connect": |(socket, remote): (&'static mut UdpSocket, SocketAddr)| {
        socket.connect(remote)
    };
    "UdpSocket::bind<str>": |(wsk, local): (&'static Provider, &'static str)| {
        UdpSocket::bind(wsk, local)
    };
    "UdpSocket::bind_dual_stack": |(wsk, port): (&'static Provider, u16)| {
        UdpSocket::bind_dual_stack(wsk, port)
    };
    "UdpSocket::only_v6": |socket: Udp| socket.only_v6();
    "UdpSocket::set_multicast_if_v4": |(socket, own): (Udp, Ipv4Addr)| {
        socket.set_multicast_if_v4(own)
    };
    "UdpSocket::multicast_if_v4": |socket: Udp| socket.multicast_if_v4();
    "UdpSocket::set_multicast_if_v6": |(socket, own): (Udp, u32)| socket.set_multicast_if_v6(own);
    "UdpSocket::multicast_if_v6": |socket: Udp| socket.multicast_if_v6();
    "UdpSocket::set_multicast_hops_v6": |(socket, hops): (Udp, u32)| {
        socket.set_multicast_hops_v6(hops)
    };
    "UdpSocket::multicast_hops_v6": |socket: Udp| socket.multicast_hops_v6();
    "UdpSocket::readable": |socket: Udp| socket.readable();
    "UdpSocket::recv_from_into": |(socket, room): (Udp, &'static mut [u8])| {
        socket.recv_from_into(room)
    };
    "UdpSocket::into_connected": |(socket, remote): (UdpSocket, SocketAddr)| {
        socket.into_connected(remote)
    };
    "ConnectedUdp::send_copy<ConnectedOwned>": |(socket, bytes): (ConnectedOwned, &'static [u8])| {
        socket.send_copy(bytes)
    };
    "ConnectedUdp::readable": |socket: ConnectedOwned| socket.readable();
    "ConnectedUdp::recv_into": |(socket, room): (ConnectedOwned, &'static mut [u8])| socket.recv_into(room);
    "ConnectedUdp::set_peer": |(socket, to): (&'static mut ConnectedUdp<UdpSocket>, SocketAddr)| {
        socket.set_peer(to)
    };
    "ConnectedUdp::disconnect": |socket: ConnectedUdp<UdpSocket>| socket.disconnect();
    "ConnectedUdp::close": |socket: ConnectedUdp<UdpSocket>| socket.close();
    "UdpSocket::disconnect": |socket: &'static mut UdpSocket| socket.disconnect();
    "UdpSocket::send_to": |(socket, buffer, to): (Udp, Buffer, SocketAddr)| {
        socket.send_to(buffer, to)
    };
    "UdpSocket::send_copy_to": |(socket, bytes, to): (Udp, &'static [u8], SocketAddr)| {
        socket.send_copy_to(bytes, to)
    };
    "UdpSocket::send_batch_to": |(socket, batch, to): (Udp, Batch, SocketAddr)| {
        socket.send_batch_to(batch, to)
    };
    "UdpSocket::recv_from": |(socket, buffer): (Udp, Buffer)| socket.recv_from(buffer);
    "UdpSocket::recv_from<Slice>": |(socket, buffer): (Udp, Slice)| socket.recv_from(buffer);
    "UdpSocket::local_addr": |socket: Udp| socket.local_addr();
    "UdpSocket::close": |socket: UdpSocket| socket.close();
    "UdpSocket::set_ttl": |(socket, ttl): (Udp, u32)| socket.set_ttl(ttl);
    "UdpSocket::ttl": |socket: Udp| socket.ttl();
    "UdpSocket::set_broadcast": |(socket, value): (Udp, bool)| socket.set_broadcast(value);
    "UdpSocket::broadcast": |socket: Udp| socket.broadcast();
    "UdpSocket::join_multicast_v4": |(socket, group, own): (Udp, Ipv4Addr, Ipv4Addr)| {
        socket.join_multicast_v4(group, own)
    };
    "UdpSocket::leave_multicast_v4": |(socket, group, own): (Udp, Ipv4Addr, Ipv4Addr)| {
        socket.leave_multicast_v4(group, own)
    };
    "UdpSocket::join_multicast_v6": |(socket, group, own): (Udp, Ipv6Addr, u32)| {
        socket.join_multicast_v6(group, own)
    };
    "UdpSocket::leave_multicast_v6": |(socket, group, own): (Udp, Ipv6Addr, u32)| {
        socket.leave_multicast_v6(group, own)
    };
    "UdpSocket::join_ssm_v4": |(socket, source, group, own): (Udp, Ipv4Addr, Ipv4Addr, Ipv4Addr)| {
        socket.join_ssm_v4(source, group, own)
    };
    "UdpSocket::leave_ssm_v4": |(socket, source, group, own): (Udp, Ipv4Addr, Ipv4Addr, Ipv4Addr)| {
        socket.leave_ssm_v4(source, group, own)
    };
    "UdpSocket::block_source_v4": |(socket, source, group, own): (Udp, Ipv4Addr, Ipv4Addr, Ipv4Addr)| {
        socket.block_source_v4(source, group, own)
    };
    "UdpSocket::unblock_source_v4": |(socket, source, group, own): (Udp, Ipv4Addr, Ipv4Addr, Ipv4Addr)| {
        socket.unblock_source_v4(source, group, own)
    };
    "UdpSocket::join_ssm_v6": |(socket, source, group, own): (Udp, Ipv6Addr, Ipv6Addr, u32)| {
        socket.join_ssm_v6(source, group, own)
    };
    "UdpSocket::leave_ssm_v6": |(socket, source, group, own): (Udp, Ipv6Addr, Ipv6Addr, u32)| {
        socket.leave_ssm_v6(source, group, own)
    };
    "UdpSocket::block_source_v6": |(socket, source, group, own): (Udp, Ipv6Addr, Ipv6Addr, u32)| {
        socket.block_source_v6(source, group, own)
    };
    "UdpSocket::unblock_source_v6": |(socket, source, group, own): (Udp, Ipv6Addr, Ipv6Addr, u32)| {
        socket.unblock_source_v6(source, group, own)
    };
}

futures! {
    "ConnectedUdp::send": |(peer, buffer): (ConnectedRef, Buffer)| peer.send(buffer);
    "ConnectedUdp::send_copy": |(peer, bytes): (ConnectedRef, &'static [u8])| peer.send_copy(bytes);
    "ConnectedUdp::send_batch": |(peer, batch): (ConnectedRef, Batch)| peer.send_batch(batch);
    "ConnectedUdp::recv": |(peer, buffer): (ConnectedRef, Buffer)| peer.recv(buffer);
}

futures! {
    "Socket::send_to": |(socket, buffer, to): (&'static Open, Buffer, SocketAddr)| {
        socket.send_to(buffer, to)
    };
    "Socket::send_to_with": |(socket, buffer, to, control): (&'static Open, Buffer, SocketAddr, ControlRef)| {
        socket.send_to_with(buffer, to, control)
    };
    "Socket::receive_from": |(socket, buffer): (&'static Open, Buffer)| socket.receive_from(buffer);
    "Socket::receive_message": |(socket, buffer): (&'static Open, Buffer)| {
        socket.receive_message(buffer)
    };
    "Socket::send_batch_to": |(socket, batch, to): (&'static Open, Batch, SocketAddr)| {
        socket.send_batch_to(batch, to)
    };
    "Socket::send_batch_to_with": |(socket, batch, to, control): (&'static Open, Batch, SocketAddr, ControlRef)| {
        socket.send_batch_to_with(batch, to, control)
    };
    "Socket::send<Datagram>": |(socket, buffer): (&'static WithPeer, Buffer)| socket.send(buffer);
    "Socket::send_with": |(socket, buffer, control): (&'static WithPeer, Buffer, ControlRef)| {
        socket.send_with(buffer, control)
    };
    "Socket::send_batch": |(socket, batch): (&'static WithPeer, Batch)| socket.send_batch(batch);
    "Socket::send_batch_with": |(socket, batch, control): (&'static WithPeer, Batch, ControlRef)| {
        socket.send_batch_with(batch, control)
    };
    "Socket::connect<Datagram>": |(socket, peer): (Open, SocketAddr)| socket.connect(peer);
    "Socket::set_peer": |(socket, peer): (&'static mut WithPeer, SocketAddr)| socket.set_peer(peer);
    "Socket::disconnect": |socket: WithPeer| socket.disconnect();
    "Socket::with_default_destination": |(socket, to): (Open, SocketAddr)| {
        socket.with_default_destination(to)
    };
    "Socket::set_default_destination": |(socket, to): (&'static mut WithDestination, SocketAddr)| {
        socket.set_default_destination(to)
    };
    "Socket::without_default_destination": |socket: WithDestination| {
        socket.without_default_destination()
    };
    "Socket::set_receive_packet_info": |(socket, is_told): (&'static Open, bool)| {
        socket.set_receive_packet_info(is_told)
    };
    "Socket::set_receive_ecn": |(socket, is_told): (&'static Open, bool)| {
        socket.set_receive_ecn(is_told)
    };
    "Socket::set_receive_traffic_class": |(socket, is_told): (&'static Open, bool)| {
        socket.set_receive_traffic_class(is_told)
    };
    "Socket::set_receive_hop_limit": |(socket, is_told): (&'static Open, bool)| {
        socket.set_receive_hop_limit(is_told)
    };
}

futures! {
    "DatagramReceiver::recv_from": |receiver: &'static mut DatagramReceiver| receiver.recv_from();
    "DatagramReceiver::recv_from_into": |(receiver, room): (&'static mut DatagramReceiver, &'static mut [u8])| {
        receiver.recv_from_into(room)
    };
    "DatagramReceiver::receive_message": |receiver: &'static mut DatagramReceiver| receiver.receive_message();
}

calls! {
    "UdpSocket::as_ref": |socket: Udp| AsRef::<UdpSocket>::as_ref(socket);
    "UdpSocket::try_recv_from": |(socket, room): (Udp, &'static mut [u8])| {
        socket.try_recv_from(room)
    };
    "UdpSocket::try_send_to": |(socket, bytes, to): (Udp, &'static [u8], SocketAddr)| {
        socket.try_send_to(bytes, to)
    };
    "ConnectedUdp::try_send": |(socket, bytes): (ConnectedOwned, &'static [u8])| socket.try_send(bytes);
    "UdpSocket::receiver": |(socket, size): (Udp, usize)| socket.receiver(size);
    "UdpSocket::set_read_timeout": |(socket, timeout): (Udp, Option<Duration>)| {
        socket.set_read_timeout(timeout)
    };
    "UdpSocket::read_timeout": |socket: Udp| socket.read_timeout();
    "UdpSocket::set_write_timeout": |(socket, timeout): (Udp, Option<Duration>)| {
        socket.set_write_timeout(timeout)
    };
    "UdpSocket::write_timeout": |socket: Udp| socket.write_timeout();
    "UdpSocket::as_socket": |socket: Udp| socket.as_socket();
    "UdpSocket::into_socket": |socket: UdpSocket| socket.into_socket();
    "UdpSocket::from": |socket: Open| UdpSocket::from(socket);
    "DatagramSocket::from": |socket: UdpSocket| wsk::socket::DatagramSocket::from(socket);
    "Socket::from": |socket: UdpSocket| Open::from(socket);
    "ConnectedUdp::peer_addr": |peer: ConnectedRef| peer.peer_addr();
    "ConnectedUdp::try_recv": |(peer, room): (ConnectedRef, &'static mut [u8])| peer.try_recv(room);
    "ConnectedUdp::as_socket": |peer: ConnectedRef| peer.as_socket();
    "Socket::receiver": |(socket, size): (&'static Open, usize)| socket.receiver(size);
    "Socket::peer_addr<Datagram>": |socket: &'static WithPeer| socket.peer_addr();
    "Socket::default_destination": |socket: &'static WithDestination| socket.default_destination();
    "Received::len": |received: &'static Received| received.len();
    "Received::is_empty": |received: &'static Received| received.is_empty();
    "Received::peer": |received: &'static Received| received.peer();
    "Received::is_truncated": |received: &'static Received| received.is_truncated();
    "Received::is_control_truncated": |received: &'static Received| received.is_control_truncated();
    "Received::is_broadcast": |received: &'static Received| received.is_broadcast();
    "Received::is_multicast": |received: &'static Received| received.is_multicast();
    "Received::control_messages": |received: &'static Received| received.control_messages();
    "Received::segments": |(received, bytes): (&'static Received, &'static [u8])| {
        received.segments(bytes)
    };
    "Segments::next": |segments: &'static mut Segments<'static>| segments.next();
}

calls! {
    "Batch::empty": |()| Batch::empty();
    "Batch::with_capacity": |capacity: usize| Batch::with_capacity(capacity);
    "Batch::capacity": |batch: &'static Batch| batch.capacity();
    "Batch::reserve": |(batch, more): (&'static mut Batch, usize)| batch.reserve(more);
    "Batch::push": |(batch, buffer): (&'static mut Batch, Buffer)| batch.push(buffer);
    "Batch::push<Slice>": |(batch, slice): (&'static mut Batch, Slice)| batch.push(slice);
    "Batch::pop": |batch: &'static mut Batch| batch.pop();
    "Batch::drain": |batch: &'static mut Batch| batch.drain();
    "Batch::clear": |batch: &'static mut Batch| batch.clear();
    "Batch::deref": |batch: &'static Batch| Deref::deref(batch);
    "Batch::deref_mut": |batch: &'static mut Batch| DerefMut::deref_mut(batch);
    "Batch::into_iter": |batch: &'static Batch| batch.into_iter();
    "Batch::into_iter<mut>": |batch: &'static mut Batch| batch.into_iter();
    "Drain::next": |drain: &'static mut Drain<'static>| drain.next();
    "Drain::size_hint": |drain: &'static Drain<'static>| drain.size_hint();
}

calls! {
    "Ecn::from_bits": |bits: u8| Ecn::from_bits(bits);
    "Ecn::to_bits": |ecn: Ecn| ecn.to_bits();
    "ControlMessage::packet_info": |message: &'static ControlMessage<'static>| message.packet_info();
    "ControlMessage::ecn": |message: &'static ControlMessage<'static>| message.ecn();
    "ControlMessage::traffic_class": |message: &'static ControlMessage<'static>| {
        message.traffic_class()
    };
    "ControlMessage::received_error": |message: &'static ControlMessage<'static>| {
        message.received_error()
    };
    "ControlMessages::received_error": |all: &'static ControlMessages<'static>| {
        all.received_error()
    };
    "ReceivedError::mtu": |error: ReceivedError| error.mtu();
    "ReceivedError::error": |error: ReceivedError| error.error();
    "ControlMessage::hop_limit": |message: &'static ControlMessage<'static>| message.hop_limit();
    "ControlMessage::segment_size": |message: &'static ControlMessage<'static>| {
        message.segment_size()
    };
    "ControlMessages::new": |bytes: &'static [u8]| ControlMessages::new(bytes);
    "ControlMessages::packet_info": |all: &'static ControlMessages<'static>| all.packet_info();
    "ControlMessages::ecn": |all: &'static ControlMessages<'static>| all.ecn();
    "ControlMessages::traffic_class": |all: &'static ControlMessages<'static>| all.traffic_class();
    "ControlMessages::hop_limit": |all: &'static ControlMessages<'static>| all.hop_limit();
    "ControlMessages::segment_size": |all: &'static ControlMessages<'static>| all.segment_size();
    "ControlMessages::next": |all: &'static mut ControlMessages<'static>| all.next();
    "SendControl::new": |()| SendControl::new();
    "SendControl::packet_info": |(control, info): (SendControl, PacketInfo)| {
        control.packet_info(info)
    };
    "SendControl::keep_packet_info": |control: SendControl| control.keep_packet_info();
    "SendControl::ecn": |(control, ecn): (SendControl, Ecn)| control.ecn(ecn);
    "SendControl::traffic_class": |(control, class): (SendControl, u8)| control.traffic_class(class);
    "SendControl::segment_size": |(control, size): (SendControl, u16)| control.segment_size(size);
    "SendControl::raw": |(control, level, kind, data): (SendControl, u32, u32, &'static [u8])| {
        // SAFETY: it is never called.
        unsafe { control.raw(level, kind, data) }
    };
}

drops! {
    "UdpSocket::drop": UdpSocket;
    "DatagramReceiver::drop": DatagramReceiver;
    "Received::drop": Received;
    "Batch::drop": Batch;
    "Drain::drop": Drain<'static>;
    "SendControl::drop": SendControl;
    "FixedPeer::drop": FixedPeer;
    "DefaultDestination::drop": DefaultDestination;
}

formats! {
    "UdpSocket::fmt<Debug>": UdpSocket as Debug;
    "ConnectedUdp::fmt<Debug>": ConnectedUdp<&'static UdpSocket> as Debug;
    "FixedPeer::fmt<Debug>": FixedPeer as Debug;
    "DefaultDestination::fmt<Debug>": DefaultDestination as Debug;
    "DatagramReceiver::fmt<Debug>": DatagramReceiver as Debug;
    "Received::fmt<Debug>": Received as Debug;
    "Batch::fmt<Debug>": Batch as Debug;
    "Drain::fmt<Debug>": Drain<'static> as Debug;
    "ControlMessages::fmt<Debug>": ControlMessages<'static> as Debug;
    "SendControl::fmt<Debug>": SendControl as Debug;
}
