//! Options and control codes, of every type of values.

use core::fmt::Debug;
use core::net::Ipv4Addr;
use core::time::Duration;

use wsk::Buffer;
use wsk::options::{
    self, AllSockets, BufferIoctl, Connections, Ioctl, KeepAlive, MembershipV4, MembershipV6,
    MulticastInterface, PathMtuDiscovery, SocketOption, SourceMembershipV4, SourceMembershipV6, ip,
    ipv6, tcp, udp,
};
use wsk::socket::{BasicSocket, ConnectionSocket, DatagramSocket};

type Number = SocketOption<u32, AllSockets>;
type Connected = &'static ConnectionSocket;
type Datagrams = &'static DatagramSocket;

calls! {
    "SocketOption::new": |(level, name): (u32, u32)| {
        // SAFETY: the caller of the export passes a valid option.
        unsafe { Number::new(level, name) }
    };
    "SocketOption::level": |option: Number| option.level();
    "SocketOption::name": |option: Number| option.name();
    "Ioctl::new": |code: u32| {
        // SAFETY: the caller of the export passes a valid code.
        unsafe { Ioctl::<u32, u32, AllSockets>::new(code) }
    };
    "Ioctl::at_passive_level": |ioctl: Ioctl<u32, u32, AllSockets>| ioctl.at_passive_level();
    "Ioctl::code": |ioctl: Ioctl<u32, u32, AllSockets>| ioctl.code();
    "BufferIoctl::new": |code: u32| {
        // SAFETY: the caller of the export passes a valid code.
        unsafe { BufferIoctl::<AllSockets>::new(code) }
    };
    "MulticastInterface::from": |address: Ipv4Addr| MulticastInterface::from(address);
    "PathMtuDiscovery::to_raw": |value: PathMtuDiscovery| value.to_raw();
}

futures! {
    "Socket::set<bool>": |(socket, on): (Connected, bool)| socket.set(options::KEEP_ALIVE, on);
    "Socket::set<u32>": |(socket, ttl): (Connected, u32)| socket.set(ip::TTL, ttl);
    "Socket::set<Seconds>": |(socket, time): (Connected, Duration)| {
        socket.set(tcp::KEEP_IDLE, time)
    };
    "Socket::set<InterfaceIndex>": |(socket, interface): (Connected, u32)| {
        socket.set(ip::UNICAST_INTERFACE, interface)
    };
    "Socket::set<MulticastInterface>": |(socket, interface): (Datagrams, MulticastInterface)| {
        socket.set(ip::MULTICAST_INTERFACE, interface)
    };
    "Socket::set<MembershipV4>": |(socket, group): (Datagrams, MembershipV4)| {
        socket.set(ip::ADD_MEMBERSHIP, group)
    };
    "Socket::set<MembershipV6>": |(socket, group): (Datagrams, MembershipV6)| {
        socket.set(ipv6::ADD_MEMBERSHIP, group)
    };
    "Socket::set<SourceMembershipV4>": |(socket, group): (Datagrams, SourceMembershipV4)| {
        socket.set(ip::ADD_SOURCE_MEMBERSHIP, group)
    };
    "Socket::set<SourceMembershipV6>": |(socket, group): (Datagrams, SourceMembershipV6)| {
        socket.set(ipv6::JOIN_SOURCE_GROUP, group)
    };
    "Socket::set<PathMtuDiscovery>": |(socket, value): (Datagrams, PathMtuDiscovery)| {
        socket.set(ip::MTU_DISCOVERY, value)
    };
    "Socket::get<bool>": |socket: Connected| socket.get(tcp::NODELAY);
    "Socket::get<u32>": |socket: Datagrams| socket.get(udp::SEND_MESSAGE_SIZE);
    "Socket::get<Seconds>": |socket: Connected| socket.get(tcp::KEEP_IDLE);
    "Socket::get<InterfaceIndex>": |socket: Connected| socket.get(ip::UNICAST_INTERFACE);
    "Socket::get<MulticastInterface>": |socket: Datagrams| socket.get(ip::MULTICAST_INTERFACE);
    "Socket::get<PathMtuDiscovery>": |socket: Datagrams| socket.get(ip::MTU_DISCOVERY);
    "Socket::ioctl<Boolean>": |socket: &'static BasicSocket| {
        socket.ioctl(options::RSS_SCALABILITY, ())
    };
    "Socket::ioctl<KeepAlive>": |(socket, value): (Connected, Option<KeepAlive>)| {
        socket.ioctl(options::KEEP_ALIVE_VALUES, value)
    };
    "Socket::ioctl_with_buffers":
        |(socket, ioctl, input, output): (Connected, BufferIoctl<Connections>, Buffer, Buffer)| {
            socket.ioctl_with_buffers(ioctl, input, output)
        };
}

drops! {
    "SocketOption::drop": Number;
}

formats! {
    "SocketOption::fmt<Debug>": Number as Debug;
    "Ioctl::fmt<Debug>": Ioctl<u32, u32, AllSockets> as Debug;
    "KeepAlive::fmt<Debug>": KeepAlive as Debug;
    "MembershipV4::fmt<Debug>": MembershipV4 as Debug;
    "MembershipV6::fmt<Debug>": MembershipV6 as Debug;
}
