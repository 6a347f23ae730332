//! Options and control codes by their constants.

use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use test_support::connection::buffer;
use test_support::scenario::{last_under_miri, on, timings, with_all_timings};
use wsk::options::{
    self, AppliesTo, Ioctl, MembershipV4, MembershipV6, MulticastInterface, OptionValue,
    PathMtuDiscovery, SocketOption, ip, ipv6, tcp, udp,
};
use wsk::socket::{
    BasicSocket, Category, ConnectionSocket, DatagramSocket, Family, ListenSocket, Protocol,
    Socket, State, StreamSocket, Unbound,
};
use wsk::{Buffer, Error, ErrorKind, Provider, Result, TcpListener, TcpStream, sys};
use wsk_host::{Config, Timing, Windows};

const V4: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const V6: (Ipv6Addr, u16) = (Ipv6Addr::LOCALHOST, 0);

/// Few runs: chance decides little here.
fn few(scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in timings().take(6) {
        let config = Config { timing, ..Config::default() };
        on(config, &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// Sets an option to another value than it has, and reads that back.
async fn change<C: Category, S: State, T: OptionValue, A: AppliesTo<C, S>>(
    socket: &Socket<C, S>,
    option: SocketOption<T, A>,
    value: T::Value,
) -> Result<()>
where
    T::Value: Copy + Debug + PartialEq,
{
    assert_ne!(socket.get(option).await?, value, "{option:?} has the value already");
    socket.set(option, value).await?;
    assert_eq!(socket.get(option).await?, value, "{option:?}");
    Ok(())
}

/// Those of every socket of IPv4.
macro_rules! of_ip {
    ($socket:expr) => {
        change($socket, ip::TYPE_OF_SERVICE, 0x28).await?;
        change($socket, ip::TTL, 64).await?;
        change($socket, ip::DONT_FRAGMENT, true).await?;
        change($socket, ip::UNICAST_INTERFACE, 1).await?;
        change($socket, ip::MTU_DISCOVERY, PathMtuDiscovery::PROBE).await?;
        change($socket, ip::USER_MTU, 1300).await?;
    };
}

/// Those of every socket of IPv6.
macro_rules! of_ipv6 {
    ($socket:expr) => {
        change($socket, ipv6::TRAFFIC_CLASS, 0x28).await?;
        change($socket, ipv6::UNICAST_HOPS, 64).await?;
        change($socket, ipv6::DONT_FRAGMENT, true).await?;
        change($socket, ipv6::UNICAST_INTERFACE, 1).await?;
        change($socket, ipv6::MTU_DISCOVERY, PathMtuDiscovery::ALWAYS).await?;
        change($socket, ipv6::USER_MTU, 1300).await?;
    };
}

macro_rules! of_tcp {
    ($socket:expr) => {
        change($socket, tcp::NODELAY, true).await?;
        change($socket, tcp::KEEP_IDLE, Duration::from_secs(60)).await?;
        change($socket, tcp::KEEP_INTERVAL, Duration::from_secs(5)).await?;
        change($socket, tcp::KEEP_COUNT, 3).await?;
        change($socket, tcp::MAXIMUM_RETRANSMISSION, Duration::from_secs(9)).await?;
        change($socket, tcp::TIMESTAMPS, true).await?;
        change($socket, tcp::FAST_OPEN, true).await?;
    };
}

macro_rules! of_bytes {
    ($socket:expr) => {
        change($socket, options::KEEP_ALIVE, true).await?;
        of_buffers!($socket);
    };
}

macro_rules! of_buffers {
    ($socket:expr) => {
        change($socket, options::RECEIVE_BUFFER, 30_000).await?;
        change($socket, options::SEND_BUFFER, 40_000).await?;
    };
}

macro_rules! before_bind {
    ($socket:expr) => {
        change($socket, options::REUSE_ADDRESS, true).await?;
        $socket.set(options::REUSE_ADDRESS, false).await?;
        change($socket, options::EXCLUSIVE_ADDRESS, true).await?;
    };
}

macro_rules! of_datagrams {
    ($socket:expr) => {
        change($socket, udp::NO_CHECKSUM, true).await?;
        change($socket, udp::CHECKSUM_COVERAGE, true).await?;
        change($socket, udp::SEND_MESSAGE_SIZE, 1200).await?;
        change($socket, udp::RECEIVE_MAXIMUM_COALESCED_SIZE, 60_000).await?;
    };
}

macro_rules! of_datagrams_over_ip {
    ($socket:expr) => {
        change($socket, ip::MULTICAST_INTERFACE, MulticastInterface::Index(1)).await?;
        change($socket, ip::MULTICAST_TTL, 3).await?;
        change($socket, ip::MULTICAST_LOOP, false).await?;
        change($socket, ip::PACKET_INFO, true).await?;
        change($socket, ip::HOP_LIMIT, true).await?;
        change($socket, ip::RECEIVE_TYPE_OF_SERVICE, true).await?;
        change($socket, ip::ECN, true).await?;
        change($socket, ip::RECEIVE_ERRORS, true).await?;
    };
}

macro_rules! of_datagrams_over_ipv6 {
    ($socket:expr) => {
        change($socket, ipv6::MULTICAST_INTERFACE, 1).await?;
        change($socket, ipv6::MULTICAST_HOPS, 3).await?;
        change($socket, ipv6::MULTICAST_LOOP, false).await?;
        change($socket, ipv6::PACKET_INFO, true).await?;
        change($socket, ipv6::HOP_LIMIT, true).await?;
        change($socket, ipv6::RECEIVE_TRAFFIC_CLASS, true).await?;
        change($socket, ipv6::ECN, true).await?;
        change($socket, ipv6::RECEIVE_ERRORS, true).await?;
    };
}

#[test]
fn unbound_sockets_have_their_options() {
    few(async |wsk| {
        for family in [Family::INET, Family::INET6] {
            let is_v4 = family == Family::INET;
            let basic = BasicSocket::builder(&wsk, family).create().await?;
            let listen = ListenSocket::builder(&wsk, family).create().await?;
            let connection = ConnectionSocket::builder(&wsk, family).create().await?;
            let stream = StreamSocket::builder(&wsk, family).create().await?;
            let datagram = DatagramSocket::builder(&wsk, family).create().await?;
            of_tcp!(&basic);
            of_tcp!(&listen);
            of_tcp!(&connection);
            of_tcp!(&stream);
            of_bytes!(&listen);
            of_bytes!(&connection);
            of_bytes!(&stream);
            of_buffers!(&datagram);
            before_bind!(&listen);
            before_bind!(&connection);
            before_bind!(&stream);
            before_bind!(&datagram);
            of_datagrams!(&datagram);
            change(&datagram, options::BROADCAST, true).await?;
            if is_v4 {
                of_ip!(&basic);
                of_ip!(&listen);
                of_ip!(&connection);
                of_ip!(&stream);
                of_ip!(&datagram);
                of_datagrams_over_ip!(&datagram);
            } else {
                of_ipv6!(&basic);
                of_ipv6!(&listen);
                of_ipv6!(&connection);
                of_ipv6!(&stream);
                of_ipv6!(&datagram);
                of_datagrams_over_ipv6!(&datagram);
                change(&listen, ipv6::ONLY_V6, false).await?;
                change(&connection, ipv6::ONLY_V6, false).await?;
                change(&stream, ipv6::ONLY_V6, false).await?;
                change(&datagram, ipv6::ONLY_V6, false).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn bound_sockets_have_their_options() {
    few(async |wsk| {
        let listen = ListenSocket::builder(&wsk, Family::INET).bind(V4).await?;
        let stream = StreamSocket::builder(&wsk, Family::INET).bind(V4).await?;
        let connection = ConnectionSocket::builder(&wsk, Family::INET).bind(V4).await?;
        let datagram = DatagramSocket::builder(&wsk, Family::INET).bind(V4).await?;
        of_tcp!(&listen);
        of_tcp!(&stream);
        of_tcp!(&connection);
        of_bytes!(&listen);
        of_bytes!(&stream);
        of_bytes!(&connection);
        of_ip!(&listen);
        of_ip!(&stream);
        of_ip!(&connection);
        of_buffers!(&datagram);
        of_ip!(&datagram);
        of_datagrams!(&datagram);
        of_datagrams_over_ip!(&datagram);
        change(&datagram, options::BROADCAST, true).await?;
        let datagram = DatagramSocket::builder(&wsk, Family::INET6).bind(V6).await?;
        of_ipv6!(&datagram);
        of_datagrams_over_ipv6!(&datagram);
        Ok(())
    });
}

#[test]
fn accepted_connections_inherit_the_listeners_options() {
    with_all_timings(async |wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(V4).await?;
        let address = listener.local_addr().await?;
        listener.set(ip::TTL, 44).await?;
        let own = ConnectionSocket::builder(&wsk, Family::INET).connect(address).await?;
        let (accepted, _) = listener.accept().await?;
        assert_eq!(accepted.get(ip::TTL).await?, 44);
        for socket in [&own, &accepted] {
            of_tcp!(socket);
            of_bytes!(socket);
            of_ip!(socket);
            assert_eq!(socket.get(ip::MTU).await?, 1500);
        }
        let stream = StreamSocket::builder(&wsk, Family::INET).connect(address).await?;
        of_tcp!(&stream);
        of_bytes!(&stream);
        of_ip!(&stream);
        assert_eq!(stream.get(ip::MTU).await?, 1500);
        Ok(())
    });
}

/// What precedes the bind can be asked for afterwards.
#[test]
fn an_option_set_before_the_bind_keeps_its_value() {
    with_all_timings(async |wsk| {
        let socket = DatagramSocket::builder(&wsk, Family::INET6).create().await?;
        socket.set(ipv6::ONLY_V6, false).await?;
        let socket = socket.bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
        assert!(!socket.get(ipv6::ONLY_V6).await?);
        let builder = ListenSocket::builder(&wsk, Family::INET).exclusive_address();
        let listener = builder.bind(V4).await?;
        assert!(listener.get(options::EXCLUSIVE_ADDRESS).await?);
        let address = listener.local_addr().await?;
        let connection = ConnectionSocket::builder(&wsk, Family::INET).connect(address).await?;
        assert!(!connection.get(options::EXCLUSIVE_ADDRESS).await?);
        let (accepted, _) = listener.accept().await?;
        assert!(!accepted.get(options::REUSE_ADDRESS).await?);
        let stream = StreamSocket::builder(&wsk, Family::INET).bind(V4).await?;
        assert!(!stream.get(options::REUSE_ADDRESS).await?);
        Ok(())
    });
}

/// `net` has some of them by the names of std.
#[test]
fn the_types_of_net_name_options_as_std_does() {
    with_all_timings(async |wsk| {
        for (local, is_v4) in
            [(SocketAddr::from(V4), true), (SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), false)]
        {
            let listener = TcpListener::bind(&wsk, local).await?;
            assert!(!listener.keepalive().await?);
            listener.set_keepalive(true).await?;
            listener.set_recv_buffer_size(30_000).await?;
            listener.set_ttl(44).await?;
            assert_eq!((listener.ttl().await?, listener.recv_buffer_size().await?), (44, 30_000));
            let stream = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
            let (accepted, _) = listener.accept().await?;
            assert!(accepted.keepalive().await?);
            assert_eq!((accepted.ttl().await?, accepted.recv_buffer_size().await?), (44, 30_000));
            assert!(!stream.nodelay().await?);
            stream.set_nodelay(true).await?;
            stream.set_ttl(9).await?;
            assert!(stream.nodelay().await?);
            let of_family = if is_v4 {
                stream.as_socket().get(ip::TTL).await?
            } else {
                stream.as_socket().get(ipv6::UNICAST_HOPS).await?
            };
            assert_eq!((of_family, stream.ttl().await?), (9, 9));
        }
        Ok(())
    });
}

/// What precedes the bind takes effect there.
#[test]
fn options_decide_over_shared_addresses() {
    with_all_timings(async |wsk| {
        let reusing = async || {
            let socket = DatagramSocket::builder(&wsk, Family::INET).create().await?;
            socket.set(options::REUSE_ADDRESS, true).await?;
            Ok::<_, Error>(socket)
        };
        let first = reusing().await?.bind(V4).await?;
        let address = first.local_addr().await?;
        let second = reusing().await?.bind(address).await?;
        let plain = DatagramSocket::builder(&wsk, Family::INET).bind(address).await.unwrap_err();
        assert_eq!(plain.kind(), ErrorKind::PermissionDenied);
        drop((first, second));
        Ok(())
    });
}

/// A socket of both families has the options of both, and hears both.
#[test]
fn a_socket_may_be_of_both_families() {
    with_all_timings(async |wsk| {
        let socket = DatagramSocket::builder(&wsk, Family::INET6).create().await?;
        socket.set(ipv6::ONLY_V6, false).await?;
        socket.set(ip::TTL, 9).await?;
        let socket = socket.bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
        assert_eq!(socket.get(ip::TTL).await?, 9);
        let port = socket.local_addr().await?.port();
        let peer = DatagramSocket::builder(&wsk, Family::INET).bind(V4).await?;
        peer.send_to(buffer(b"v4")?, (Ipv4Addr::LOCALHOST, port)).await.into_result()?;
        let ((received, from), bytes) = socket.receive_from(Buffer::new(9)?).await.into_result()?;
        assert_eq!((&bytes[..received], from.ip().to_canonical()), (&b"v4"[..], V4.0.into()));
        Ok(())
    });
}

#[test]
fn a_group_is_joined_and_left() {
    with_all_timings(async |wsk| {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let receiver =
            DatagramSocket::builder(&wsk, Family::INET).bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        let port = receiver.local_addr().await?.port();
        let sender = DatagramSocket::builder(&wsk, Family::INET).bind(V4).await?;
        sender.set(ip::MULTICAST_INTERFACE, Ipv4Addr::LOCALHOST.into()).await?;
        let interface = sender.get(ip::MULTICAST_INTERFACE).await?;
        assert_eq!(interface, MulticastInterface::Index(1), "it is read as the index");
        let membership = MembershipV4 { group, interface: Ipv4Addr::LOCALHOST };
        let left = receiver.set(ip::DROP_MEMBERSHIP, membership).await;
        assert!(left.is_err(), "it was no member");
        receiver.set(ip::ADD_MEMBERSHIP, membership).await?;
        sender.send_to(buffer(b"all")?, (group, port)).await.into_result()?;
        let ((received, _), bytes) = receiver.receive_from(Buffer::new(9)?).await.into_result()?;
        assert_eq!(&bytes[..received], b"all");
        receiver.set(ip::DROP_MEMBERSHIP, membership).await?;
        // Only the second arrives.
        sender.send_to(buffer(b"all")?, (group, port)).await.into_result()?;
        sender.send_to(buffer(b"one")?, (Ipv4Addr::LOCALHOST, port)).await.into_result()?;
        let ((received, _), bytes) = receiver.receive_from(bytes).await.into_result()?;
        assert_eq!(&bytes[..received], b"one");

        let socket = DatagramSocket::builder(&wsk, Family::INET6).bind(V6).await?;
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
        let membership = MembershipV6 { group, interface: 0 };
        socket.set(ipv6::ADD_MEMBERSHIP, membership).await?;
        socket.set(ipv6::DROP_MEMBERSHIP, membership).await
    });
}

#[test]
fn an_option_that_the_transport_or_windows_lacks_is_an_error() {
    few(async |wsk| {
        let of_udp = BasicSocket::builder(&wsk, Family::INET)
            .socket_type(sys::SOCK_DGRAM)
            .protocol(Protocol::UDP)
            .create()
            .await?;
        of_udp.get(udp::SEND_MESSAGE_SIZE).await?;
        let of_tcp = BasicSocket::builder(&wsk, Family::INET).create().await?;
        for error in [
            of_udp.set(tcp::NODELAY, true).await.unwrap_err(),
            of_tcp.get(udp::SEND_MESSAGE_SIZE).await.unwrap_err(),
            of_tcp.get(ipv6::UNICAST_HOPS).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
        Ok(())
    });
    for (windows, has_it) in [(Windows::TEN_1803, false), (Windows::TEN_2004, true)] {
        let probe = async |wsk: Provider| {
            let socket = DatagramSocket::builder(&wsk, Family::INET).bind(V4).await?;
            let sizes = [
                socket.get(udp::SEND_MESSAGE_SIZE).await,
                socket.get(udp::RECEIVE_MAXIMUM_COALESCED_SIZE).await,
                socket.get(ip::USER_MTU).await,
            ];
            for size in sizes {
                match size {
                    Ok(_) => assert!(has_it),
                    Err(error) => {
                        assert_eq!((error.kind(), has_it), (ErrorKind::Unsupported, false));
                    }
                }
            }
            Ok(())
        };
        on(Config::default().windows(windows), probe).unwrap();
    }
}

#[test]
fn an_unrepresentable_value_makes_no_request() {
    few(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        let error = socket.set(tcp::KEEP_IDLE, Duration::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(socket.get(tcp::KEEP_IDLE).await?, Duration::from_secs(7200));
        Ok(())
    });
}

/// A user's own: as bytes, as another type, and for sockets that the user names.
#[test]
fn users_can_define_options_and_ioctls() {
    enum Probes {}
    impl AppliesTo<wsk::socket::Basic, Unbound> for Probes {}

    // SAFETY: the option is a number.
    const TTL: SocketOption<[u8; 4], Probes> =
        unsafe { SocketOption::new(sys::IPPROTO_IP, sys::IP_TTL) };
    // SAFETY: the code answers with one byte.
    const SCALES: Ioctl<(), u32, Probes> =
        unsafe { Ioctl::new(sys::SIO_QUERY_RSS_SCALABILITY_INFO) };
    // SAFETY: there is no such code.
    const NONE: Ioctl<u32, u32, Probes> = unsafe { Ioctl::new(0x1234) };
    assert_eq!((TTL.level(), TTL.name(), NONE.code()), (sys::IPPROTO_IP, sys::IP_TTL, 0x1234));
    few(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        change(&socket, TTL, 9_u32.to_ne_bytes()).await?;
        assert_eq!(socket.get(ip::TTL).await?, 9);
        // One byte is no u32.
        let error = socket.ioctl(SCALES, ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSize);
        let error = socket.ioctl(NONE, 7).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        Ok(())
    });
}

/// On the machine's network, the options are those of the machine's sockets.
#[cfg(all(target_os = "linux", not(miri)))]
mod machine {
    use std::net::SocketAddr;
    use std::os::fd::BorrowedFd;

    use wsk_host::Network;

    use super::*;

    /// The machine's own socket with these addresses.
    fn own(local: SocketAddr, remote: Option<SocketAddr>) -> socket2::Socket {
        for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
            let number = entry.unwrap().file_name().into_string().unwrap().parse().unwrap();
            // SAFETY: it is only asked for its addresses, and may not be a socket any more.
            let found = unsafe { BorrowedFd::borrow_raw(number) };
            let socket = socket2::SockRef::from(&found);
            let address = |address: std::io::Result<socket2::SockAddr>| {
                address.ok().and_then(|a| a.as_socket())
            };
            if address(socket.local_addr()) == Some(local) && address(socket.peer_addr()) == remote
            {
                return found.try_clone_to_owned().unwrap().into();
            }
        }
        panic!("no socket has the address {local}");
    }

    #[test]
    fn options_are_those_of_the_machines_sockets() {
        for timing in last_under_miri([Timing::Inline, Timing::Deferred]) {
            let config = Config { network: Network::Real, timing, ..Config::default() };
            on(config, async |wsk| {
                let peer = std::net::TcpListener::bind(V4).unwrap();
                let address = peer.local_addr().unwrap();
                let socket = ConnectionSocket::builder(&wsk, Family::INET).connect(address).await?;
                let machine = own(socket.local_addr().await?, Some(address));
                assert!(!machine.tcp_nodelay().unwrap() && !machine.keepalive().unwrap());
                socket.set(tcp::NODELAY, true).await?;
                socket.set(tcp::KEEP_IDLE, Duration::from_secs(70)).await?;
                socket.set(options::KEEP_ALIVE, true).await?;
                socket.set(ip::TTL, 44).await?;
                socket.set(options::RECEIVE_BUFFER, 30_000).await?;
                assert!(machine.tcp_nodelay().unwrap() && machine.keepalive().unwrap());
                let stream = TcpStream::connect(&wsk, address).await?;
                stream.set_nodelay(true).await?;
                stream.set_ttl(7).await?;
                let its = own(stream.local_addr().await?, Some(address));
                assert!(its.tcp_nodelay().unwrap());
                assert_eq!(its.ttl_v4().unwrap(), 7);
                assert_eq!(machine.ttl_v4().unwrap(), 44);
                // Linux doubles it.
                assert_eq!(machine.recv_buffer_size().unwrap(), 60_000);

                let socket = DatagramSocket::builder(&wsk, Family::INET).create().await?;
                socket.set(options::BROADCAST, true).await?;
                let socket = socket.bind(V4).await?;
                socket.set(ip::MULTICAST_TTL, 5).await?;
                let machine = own(socket.local_addr().await?, None);
                assert!(machine.broadcast().unwrap());
                assert_eq!(machine.multicast_ttl_v4().unwrap(), 5);
                Ok(())
            })
            .unwrap();
        }
    }
}
