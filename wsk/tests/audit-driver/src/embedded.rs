//! The traits of embedded Rust, as their users call them.

use core::fmt::Debug;
use core::net::{IpAddr, SocketAddr};

use embedded_io_async::{BufRead, Error, Read, ReadReady, Write, WriteReady};
use embedded_nal_async::{AddrType, ConnectedUdp, Dns, TcpConnect, UdpStack, UnconnectedUdp};
use wsk::Provider;
use wsk::embedded::{ConnectedUdpSocket, UnconnectedUdpSocket};
use wsk::net::BufferedStream;
use wsk::socket::{Datagram, FixedPeer, Socket};

type Wsk = &'static Provider;
type Stream = &'static mut BufferedStream;
type Connected = &'static mut ConnectedUdpSocket;
type Unconnected = &'static mut UnconnectedUdpSocket;
type Bytes = &'static [u8];
type Room = &'static mut [u8];

// Of the streams' parts, they are the same.
futures! {
    "BufferedStream::read<Read>": |(stream, to): (Stream, Room)| Read::read(stream, to);
    "BufferedStream::read_exact<Read>": |(stream, to): (Stream, Room)| Read::read_exact(stream, to);
    "BufferedStream::fill_buf<BufRead>": |stream: Stream| BufRead::fill_buf(stream);
    "BufferedStream::write<Write>": |(stream, from): (Stream, Bytes)| Write::write(stream, from);
    "BufferedStream::write_all<Write>": |(stream, from): (Stream, Bytes)| {
        Write::write_all(stream, from)
    };
    "BufferedStream::flush<Write>": |stream: Stream| Write::flush(stream);
}

calls! {
    "BufferedStream::consume<BufRead>": |(stream, count): (Stream, usize)| {
        BufRead::consume(stream, count);
    };
    "BufferedStream::read_ready<ReadReady>": |stream: Stream| ReadReady::read_ready(stream);
    "BufferedStream::write_ready<WriteReady>": |stream: Stream| WriteReady::write_ready(stream);
    "Error::kind<Error>": |error: &'static wsk::Error| Error::kind(error);
}

futures! {
    "Provider::connect": |(wsk, remote): (Wsk, SocketAddr)| TcpConnect::connect(wsk, remote);
    "Provider::get_host_by_name": |(wsk, host, family): (Wsk, &'static str, AddrType)| {
        wsk.get_host_by_name(host, family)
    };
    "Provider::get_host_by_address": |(wsk, address, room): (Wsk, IpAddr, Room)| {
        wsk.get_host_by_address(address, room)
    };
    "Provider::connect<UdpStack>": |(wsk, remote): (Wsk, SocketAddr)| UdpStack::connect(wsk, remote);
    "Provider::connect_from": |(wsk, local, remote): (Wsk, SocketAddr, SocketAddr)| {
        wsk.connect_from(local, remote)
    };
    "Provider::bind_single": |(wsk, local): (Wsk, SocketAddr)| wsk.bind_single(local);
    "Provider::bind_multiple": |(wsk, local): (Wsk, SocketAddr)| wsk.bind_multiple(local);
    "ConnectedUdpSocket::send": |(socket, data): (Connected, Bytes)| socket.send(data);
    "ConnectedUdpSocket::receive_into": |(socket, room): (Connected, Room)| {
        socket.receive_into(room)
    };
    "UnconnectedUdpSocket::send":
        |(socket, local, remote, data): (Unconnected, SocketAddr, SocketAddr, Bytes)| {
            socket.send(local, remote, data)
        };
    "UnconnectedUdpSocket::receive_into": |(socket, room): (Unconnected, Room)| {
        socket.receive_into(room)
    };
}

calls! {
    "ConnectedUdpSocket::from": |socket: Socket<Datagram, FixedPeer>| {
        ConnectedUdpSocket::from(socket)
    };
    "ConnectedUdpSocket::as_socket": |socket: Connected| socket.as_socket();
    "UnconnectedUdpSocket::as_socket": |socket: Unconnected| socket.as_socket();
}

drops! {
    "ConnectedUdpSocket::drop": ConnectedUdpSocket;
    "UnconnectedUdpSocket::drop": UnconnectedUdpSocket;
}

formats! {
    "ConnectedUdpSocket::fmt<Debug>": ConnectedUdpSocket as Debug;
    "UnconnectedUdpSocket::fmt<Debug>": UnconnectedUdpSocket as Debug;
}
