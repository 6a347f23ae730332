//! Sockets of all categories, with a handler and without.

use core::fmt::Debug;
use core::net::SocketAddr;

use wsk::events::EventMask;
use wsk::flags::{SendFlags, SocketFlags};
use wsk::options::{self, BufferIoctl, Ioctl};
use wsk::security::CachedSecurityDescriptor;
use wsk::socket::{
    Accepted, Basic, BasicSocket, Bound, Builder, Connection, ConnectionSocket, Datagram,
    DatagramSocket, Family, Listen, ListenSocket, Listening, LocalAddressIter, LocalAddresses,
    Protocol, Socket, Stream, StreamSocket, Unbound,
};
use wsk::sys::PSECURITY_DESCRIPTOR;
use wsk::{Buffer, Provider, Slice};

use crate::events::{Counter, Inspector};

type Wsk = &'static Provider;
type Descriptor = &'static CachedSecurityDescriptor;

calls! {
    "Family::from_raw": |family: u16| Family::from_raw(family);
    "Family::to_raw": |family: Family| family.to_raw();
    "Family::of": |address: SocketAddr| Family::of(address);
    "Protocol::from_raw": |protocol: u32| Protocol::from_raw(protocol);
    "Protocol::to_raw": |protocol: Protocol| protocol.to_raw();
}

calls! {
    "Socket::builder<Basic>": |(wsk, family): (Wsk, Family)| BasicSocket::builder(wsk, family);
    "Socket::builder<Listen>": |(wsk, family): (Wsk, Family)| ListenSocket::builder(wsk, family);
    "Socket::builder<Datagram>": |(wsk, family): (Wsk, Family)| {
        DatagramSocket::builder(wsk, family)
    };
    "Socket::builder<Connection>": |(wsk, family): (Wsk, Family)| {
        ConnectionSocket::builder(wsk, family)
    };
    "Socket::builder<Stream>": |(wsk, family): (Wsk, Family)| StreamSocket::builder(wsk, family);
    "Builder::events": |(builder, handler): (Builder<'static, Listen>, Counter)| {
        builder.events(handler)
    };
    "Builder::protocol": |builder: Builder<'static, Basic>| builder.protocol(Protocol::UDP);
    "Builder::socket_type": |builder: Builder<'static, Basic>| builder.socket_type(2);
    "Builder::security_descriptor": |(builder, descriptor): (Builder<'static, Listen>, Descriptor)| {
        builder.security_descriptor(descriptor)
    };
    "Builder::exclusive_address": |builder: Builder<'static, Datagram>| builder.exclusive_address();
    "Builder::only_v6": |builder: Builder<'static, Datagram>| builder.only_v6(false);
    "Builder::reuse_address": |builder: Builder<'static, Datagram>| builder.reuse_address();
}

type Counted<C> = Builder<'static, C, Counter>;

futures! {
    "Builder::create<Basic>": |builder: Builder<'static, Basic>| builder.create();
    "Builder::create<Listen>": |builder: Builder<'static, Listen, Inspector>| builder.create();
    "Builder::create<Datagram>": |builder: Counted<Datagram>| builder.create();
    "Builder::create<Connection>": |builder: Counted<Connection>| builder.create();
    "Builder::create<Stream>": |builder: Counted<Stream>| builder.create();
    "Builder::bind<Listen>": |(builder, local): (Counted<Listen>, SocketAddr)| builder.bind(local);
    "Builder::bind<Datagram>": |(builder, local): (Counted<Datagram>, SocketAddr)| {
        builder.bind(local)
    };
    "Builder::bind<Connection>": |(builder, local): (Counted<Connection>, SocketAddr)| {
        builder.bind(local)
    };
    "Builder::bind<Stream>": |(builder, local): (Counted<Stream>, SocketAddr)| builder.bind(local);
    "Builder::connect<Connection>": |(builder, remote): (Counted<Connection>, SocketAddr)| {
        builder.connect(remote)
    };
    "Builder::connect_from": |(builder, from, to): (Counted<Stream>, SocketAddr, SocketAddr)| {
        builder.connect_from(from, to)
    };
    "Builder::connect<Stream>": |(builder, remote): (Counted<Stream>, SocketAddr)| {
        builder.connect(remote)
    };
}

futures! {
    "Socket::bind<Listen>": |(socket, local): (Socket<Listen, Unbound, Counter>, SocketAddr)| {
        socket.bind(local)
    };
    "Socket::bind<Datagram>": |(socket, local): (Socket<Datagram, Unbound, Counter>, SocketAddr)| {
        socket.bind(local)
    };
    "Socket::bind<Connection>": |(socket, local): (Socket<Connection, Unbound>, SocketAddr)| {
        socket.bind(local)
    };
    "Socket::bind<Stream>": |(socket, local): (Socket<Stream, Unbound>, SocketAddr)| {
        socket.bind(local)
    };
    "Socket::connect<Connection>":
        |(socket, remote): (Socket<Connection, Bound, Counter>, SocketAddr)| socket.connect(remote);
    "Socket::connect<Stream>": |(socket, remote): (StreamSocket<Counter>, SocketAddr)| {
        socket.connect(remote)
    };
    "Socket::connect_with_data":
        |(socket, remote, buffer): (Socket<Connection, Bound, Counter>, SocketAddr, Buffer)| {
            socket.connect_with_data(remote, buffer)
        };
    "ConnectionSocket::connect_new":
        |(wsk, local, remote, handler): (Wsk, SocketAddr, SocketAddr, Counter)| {
            ConnectionSocket::connect_new(wsk, local, remote, handler)
        };
    "Socket::set_security_descriptor":
        |(socket, descriptor): (&'static Socket<Listen, Unbound>, Descriptor)| {
            socket.set_security_descriptor(descriptor)
        };
    "Socket::security_descriptor": |(socket, wsk): (&'static ListenSocket, Wsk)| {
        socket.security_descriptor(wsk)
    };
    "Socket::disable_events<Listen>": |(socket, events): (&'static ListenSocket, EventMask)| {
        socket.disable_events(events)
    };
    "Socket::disable_events<Connection>": |(socket, events): (Connected, EventMask)| {
        socket.disable_events(events)
    };
    "Socket::listen": |socket: StreamSocket<Counter>| socket.listen();
    "Socket::accept<Listen>": |socket: &'static ListenSocket| socket.accept();
    "Socket::accept<Stream>": |socket: &'static Socket<Stream, Listening>| socket.accept();
    "Socket::accept_with": |(socket, handler): (&'static ListenSocket, Counter)| {
        socket.accept_with(handler)
    };
    "Socket::local_addr<Listen>": |socket: &'static ListenSocket| socket.local_addr();
    "Socket::local_addr<Datagram>": |socket: &'static DatagramSocket| socket.local_addr();
    "Socket::local_addr<Connection>": |socket: &'static ConnectionSocket| socket.local_addr();
    "Socket::local_addr<Stream>": |socket: &'static StreamSocket| socket.local_addr();
    "Socket::close<Listen>": |socket: ListenSocket<Counter>| socket.close();
    "Socket::close<Datagram>": |socket: DatagramSocket<Counter>| socket.close();
}

type Connected = &'static ConnectionSocket;

futures! {
    "Socket::receive": |(socket, buffer): (Connected, Buffer)| socket.receive(buffer);
    "Socket::receive<Slice>": |(socket, buffer): (Connected, Slice)| socket.receive(buffer);
    "Socket::send": |(socket, buffer): (Connected, Buffer)| socket.send(buffer);
    "Socket::send<Slice>": |(socket, buffer): (Connected, Slice)| socket.send(buffer);
    "Socket::send_all": |(socket, buffer): (Connected, Buffer)| socket.send_all(buffer);
    "Socket::send_all<Slice>": |(socket, buffer): (Connected, Slice)| socket.send_all(buffer);
    "Socket::send_with<Connection>": |(socket, buffer, flags): (Connected, Buffer, SendFlags)| {
        socket.send_with(buffer, flags)
    };
    "Socket::send_no_delay": |(socket, buffer): (Connected, Buffer)| socket.send_no_delay(buffer);
    "Socket::receive_full": |(socket, buffer): (Connected, Buffer)| socket.receive_full(buffer);
    "Socket::receive_exact": |(socket, buffer): (Connected, Buffer)| socket.receive_exact(buffer);
    "Socket::drain": |socket: Connected| socket.drain();
    "Socket::resume_events": |socket: Connected| socket.resume_events();
    "Socket::shutdown": |socket: Connected| socket.shutdown();
    "Socket::shutdown_with": |(socket, buffer): (Connected, Buffer)| socket.shutdown_with(buffer);
    "Socket::abort": |socket: Connected| socket.abort();
    "Socket::into_silent": |socket: ConnectionSocket| socket.into_silent();
    "Socket::ideal_send_backlog": |socket: Connected| socket.ideal_send_backlog();
    "Socket::receive_backlog": |socket: Connected| socket.receive_backlog();
    "Socket::peer_addr": |socket: Connected| socket.peer_addr();
}

futures! {
    "Socket::local_addresses_changed": |socket: &'static BasicSocket| {
        socket.local_addresses_changed()
    };
}

calls! {
    "CachedSecurityDescriptor::from_bytes": |(wsk, bytes): (Wsk, &'static [u8])| {
        CachedSecurityDescriptor::from_bytes(wsk, bytes)
    };
    "CachedSecurityDescriptor::cache": |(wsk, descriptor): (Wsk, PSECURITY_DESCRIPTOR)| {
        // SAFETY: the caller of the export passes a valid descriptor.
        unsafe { CachedSecurityDescriptor::cache(wsk, descriptor) }
    };
    "CachedSecurityDescriptor::as_ptr": |descriptor: Descriptor| descriptor.as_ptr();
    "CachedSecurityDescriptor::clone": |descriptor: Descriptor| descriptor.clone();
    "Socket::enable_events<Listen>": |(socket, events): (&'static ListenSocket, EventMask)| {
        socket.enable_events(events)
    };
    "Socket::enable_events<Datagram>": |(socket, events): (&'static DatagramSocket, EventMask)| {
        socket.enable_events(events)
    };
    "Socket::local_addresses": |socket: &'static BasicSocket| socket.local_addresses();
    "ConnectionSocket::events": |(socket, handler): (ConnectionSocket, Counter)| {
        socket.events(handler)
    };
    "ConnectionSocket::inspect_id": |socket: Connected| socket.inspect_id();
    "Socket::handler": |socket: &'static ListenSocket<Counter>| socket.handler();
    "Socket::as_raw": |socket: &'static ListenSocket<Counter>| socket.as_raw();
    "LocalAddresses::iter": |list: &'static LocalAddresses| list.iter();
    "LocalAddresses::into_iter": |list: &'static LocalAddresses| list.into_iter();
    "LocalAddressIter::next": |list: &'static mut LocalAddressIter<'static>| list.next();
}

drops! {
    "CachedSecurityDescriptor::drop": CachedSecurityDescriptor;
    "Socket::drop<Basic>": BasicSocket;
    "Socket::drop<Listen>": ListenSocket<Counter>;
    "Socket::drop<Datagram>": DatagramSocket<Counter>;
    "Socket::drop<Connection>": ConnectionSocket<Counter>;
    "Socket::drop<Stream>": StreamSocket<Counter>;
    "Accepted::drop": Accepted<Counter>;
    "LocalAddresses::drop": LocalAddresses;
    "Listening::drop": Listening;
    "Ioctl::drop": Ioctl<u32, u32, options::AllSockets>;
    "BufferIoctl::drop": BufferIoctl<options::AllSockets>;
}

formats! {
    "CachedSecurityDescriptor::fmt<Debug>": CachedSecurityDescriptor as Debug;
    "Socket::fmt<Debug>": ListenSocket<Counter> as Debug;
    "Builder::fmt<Debug>": Builder<'static, Listen> as Debug;
    "Family::fmt<Debug>": Family as Debug;
    "Protocol::fmt<Debug>": Protocol as Debug;
    "SocketFlags::fmt<Debug>": SocketFlags as Debug;
    "Accepted::fmt<Debug>": Accepted as Debug;
    "Listening::fmt<Debug>": Listening as Debug;
    "LocalAddresses::fmt<Debug>": LocalAddresses as Debug;
    "LocalAddressIter::fmt<Debug>": LocalAddressIter<'static> as Debug;
}
