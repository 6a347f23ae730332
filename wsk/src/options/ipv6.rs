//! Options of IPv6.

use super::option::options;
use super::{
    AllSockets, BeforeBind, Connections, Members, MembershipV6, PathMtuDiscovery, ReadOnly,
    ReadWrite, SocketOption, SourceMembershipV6, Udp, WriteOnly,
};

options! {
    IPPROTO_IPV6, "windows/win32/winsock/ipproto-ipv6-socket-options";

    /// The hop limit of packets, at most 255.
    UNICAST_HOPS = IPV6_UNICAST_HOPS "IPV6_UNICAST_HOPS":
        u32, AllSockets, ReadWrite, "Windows Vista";

    /// The outgoing interface of multicast datagrams, by index.
    MULTICAST_INTERFACE = IPV6_MULTICAST_IF "IPV6_MULTICAST_IF":
        u32, Udp, ReadWrite, "Windows Vista";

    /// The hop limit of multicast datagrams, at most 255.
    MULTICAST_HOPS = IPV6_MULTICAST_HOPS "IPV6_MULTICAST_HOPS":
        u32, Udp, ReadWrite, "Windows Vista";

    /// Whether the socket also receives multicast datagrams sent by this system. The default is `true`.
    MULTICAST_LOOP = IPV6_MULTICAST_LOOP "IPV6_MULTICAST_LOOP":
        bool, Udp, ReadWrite, "Windows Vista";

    /// Joins a multicast group.
    ADD_MEMBERSHIP = IPV6_ADD_MEMBERSHIP "IPV6_ADD_MEMBERSHIP":
        MembershipV6, Members, WriteOnly, "Windows Vista";

    /// Leaves a multicast group.
    DROP_MEMBERSHIP = IPV6_DROP_MEMBERSHIP "IPV6_DROP_MEMBERSHIP":
        MembershipV6, Members, WriteOnly, "Windows Vista";

    /// Joins a multicast group for a source: only its datagrams are received.
    /// [Multicast options](https://learn.microsoft.com/windows/win32/winsock/igmp-and-windows-sockets).
    JOIN_SOURCE_GROUP = MCAST_JOIN_SOURCE_GROUP "MCAST_JOIN_SOURCE_GROUP":
        SourceMembershipV6, Members, WriteOnly, "Windows Vista";

    /// Leaves a multicast group for a source.
    /// [Multicast options](https://learn.microsoft.com/windows/win32/winsock/igmp-and-windows-sockets).
    LEAVE_SOURCE_GROUP = MCAST_LEAVE_SOURCE_GROUP "MCAST_LEAVE_SOURCE_GROUP":
        SourceMembershipV6, Members, WriteOnly, "Windows Vista";

    /// Blocks a source of a multicast group that was joined with [`ADD_MEMBERSHIP`].
    /// [Multicast options](https://learn.microsoft.com/windows/win32/winsock/igmp-and-windows-sockets).
    BLOCK_SOURCE = MCAST_BLOCK_SOURCE "MCAST_BLOCK_SOURCE":
        SourceMembershipV6, Members, WriteOnly, "Windows Vista";

    /// Receives again from a blocked source.
    /// [Multicast options](https://learn.microsoft.com/windows/win32/winsock/igmp-and-windows-sockets).
    UNBLOCK_SOURCE = MCAST_UNBLOCK_SOURCE "MCAST_UNBLOCK_SOURCE":
        SourceMembershipV6, Members, WriteOnly, "Windows Vista";

    /// Whether datagrams are never fragmented.
    DONT_FRAGMENT = IPV6_DONTFRAG "IPV6_DONTFRAG": bool, AllSockets, ReadWrite, "Windows Vista";

    /// Whether received datagrams have a control message with their destination address and interface.
    PACKET_INFO = IPV6_PKTINFO "IPV6_PKTINFO": bool, Udp, ReadWrite, "Windows Vista";

    /// Whether received datagrams have a control message with their remaining hop limit.
    HOP_LIMIT = IPV6_HOPLIMIT "IPV6_HOPLIMIT": bool, Udp, ReadWrite, "Windows Vista";

    /// Restricts the socket to IPv6 (the default). Without it, IPv4 peers appear as IPv4-mapped addresses.
    ONLY_V6 = IPV6_V6ONLY "IPV6_V6ONLY": bool, BeforeBind, ReadWrite, "Windows Vista";

    /// The outgoing interface, by index. Zero, the default, leaves the choice to routing.
    UNICAST_INTERFACE = IPV6_UNICAST_IF "IPV6_UNICAST_IF":
        u32, AllSockets, ReadWrite, "Windows Vista";

    /// The traffic class of packets.
    TRAFFIC_CLASS = IPV6_TCLASS "IPV6_TCLASS":
        u32, AllSockets, ReadWrite, "Windows 10, version 1607";

    /// Whether received datagrams have a control message with their traffic class.
    RECEIVE_TRAFFIC_CLASS = IPV6_RECVTCLASS "IPV6_RECVTCLASS":
        bool, Udp, ReadWrite, "Windows 10, version 1607";

    /// Whether received datagrams have a control message with their ECN bits.
    ECN = IPV6_ECN "IPV6_ECN": bool, Udp, ReadWrite, "Windows 10, version 1607";

    /// Whether ICMP errors are reported, as datagrams with a [`ReceivedError`](crate::cmsg::ReceivedError). Declared in the
    /// header; Microsoft's page does not mention it.
    ///
    /// **Warning**: the peer did not send such a datagram. Its sender is the address that could not be reached, and its bytes
    /// are unspecified. Receives that return data only, such as [`UdpSocket::recv_from`](crate::UdpSocket::recv_from), fail
    /// with its error. [`receive_message`](crate::socket::Socket::receive_message) and
    /// [`DatagramEvents::receive_from`](crate::events::DatagramEvents::receive_from) return the datagram: check
    /// [`received_error`](crate::cmsg::ControlMessages::received_error) before reading its bytes. ICMP messages are easily
    /// forged.
    RECEIVE_ERRORS = IPV6_RECVERR "IPV6_RECVERR": bool, Udp, ReadWrite, "Windows 10, version 1709";

    /// The mode of path MTU discovery.
    MTU_DISCOVERY = IPV6_MTU_DISCOVER "IPV6_MTU_DISCOVER":
        PathMtuDiscovery, AllSockets, ReadWrite, "Windows 10, version 1703";

    /// The path MTU of a connected socket, in bytes.
    MTU = IPV6_MTU "IPV6_MTU": u32, Connections, ReadOnly, "Windows 10, version 1709";

    /// An upper bound for the path MTU, in bytes. `u32::MAX`, the default, means none.
    USER_MTU = IPV6_USER_MTU "IPV6_USER_MTU":
        u32, AllSockets, ReadWrite, "Windows 10, version 2004";
}
