//! Options of IPv4. An IPv6 socket that is not [restricted to IPv6](super::ipv6::ONLY_V6) also has them.

use super::option::options;
use super::{
    AllSockets, Connections, InterfaceIndex, Members, MembershipV4, MulticastInterface,
    PathMtuDiscovery, ReadOnly, ReadWrite, SocketOption, SourceMembershipV4, Udp, WriteOnly,
};

options! {
    IPPROTO_IP, "windows/win32/winsock/ipproto-ip-socket-options";

    /// The type of service of packets, which Windows reserves for its own quality-of-service API.
    TYPE_OF_SERVICE = IP_TOS "IP_TOS": u32, AllSockets, ReadWrite, "Windows 8";

    /// The hop limit of packets.
    TTL = IP_TTL "IP_TTL": u32, AllSockets, ReadWrite, "Windows Vista";

    /// The outgoing interface of multicast datagrams. It is set by an address or by the index, and read as the index.
    MULTICAST_INTERFACE = IP_MULTICAST_IF "IP_MULTICAST_IF":
        MulticastInterface, Udp, ReadWrite, "Windows Vista";

    /// The hop limit of multicast datagrams.
    MULTICAST_TTL = IP_MULTICAST_TTL "IP_MULTICAST_TTL": u32, Udp, ReadWrite, "Windows Vista";

    /// Whether a receiving socket also receives multicast datagrams sent by this system. The default is `true`.
    MULTICAST_LOOP = IP_MULTICAST_LOOP "IP_MULTICAST_LOOP": bool, Udp, ReadWrite, "Windows Vista";

    /// Joins a multicast group.
    ADD_MEMBERSHIP = IP_ADD_MEMBERSHIP "IP_ADD_MEMBERSHIP":
        MembershipV4, Members, WriteOnly, "Windows Vista";

    /// Leaves a multicast group.
    DROP_MEMBERSHIP = IP_DROP_MEMBERSHIP "IP_DROP_MEMBERSHIP":
        MembershipV4, Members, WriteOnly, "Windows Vista";

    /// Joins a multicast group for a source: only its datagrams are received.
    ADD_SOURCE_MEMBERSHIP = IP_ADD_SOURCE_MEMBERSHIP "IP_ADD_SOURCE_MEMBERSHIP":
        SourceMembershipV4, Members, WriteOnly, "Windows Vista";

    /// Leaves a multicast group for a source.
    DROP_SOURCE_MEMBERSHIP = IP_DROP_SOURCE_MEMBERSHIP "IP_DROP_SOURCE_MEMBERSHIP":
        SourceMembershipV4, Members, WriteOnly, "Windows Vista";

    /// Blocks a source of a multicast group that was joined with [`ADD_MEMBERSHIP`].
    BLOCK_SOURCE = IP_BLOCK_SOURCE "IP_BLOCK_SOURCE":
        SourceMembershipV4, Members, WriteOnly, "Windows Vista";

    /// Receives again from a blocked source.
    UNBLOCK_SOURCE = IP_UNBLOCK_SOURCE "IP_UNBLOCK_SOURCE":
        SourceMembershipV4, Members, WriteOnly, "Windows Vista";

    /// Whether datagrams are never fragmented.
    DONT_FRAGMENT = IP_DONTFRAGMENT "IP_DONTFRAGMENT": bool, AllSockets, ReadWrite, "Windows Vista";

    /// Whether received datagrams have a control message with their destination address and interface.
    PACKET_INFO = IP_PKTINFO "IP_PKTINFO": bool, Udp, ReadWrite, "Windows Vista";

    /// Whether received datagrams have a control message with their remaining hop limit.
    HOP_LIMIT = IP_HOPLIMIT "IP_HOPLIMIT": bool, Udp, ReadWrite, "Windows Vista";

    /// The outgoing interface, by index. Zero, the default, leaves the choice to routing.
    UNICAST_INTERFACE = IP_UNICAST_IF "IP_UNICAST_IF":
        InterfaceIndex, AllSockets, ReadWrite, "Windows Vista";

    /// Whether received datagrams have a control message with their type of service.
    RECEIVE_TYPE_OF_SERVICE = IP_RECVTOS "IP_RECVTOS":
        bool, Udp, ReadWrite, "Windows 10, version 1703";

    /// Whether received datagrams have a control message with their ECN bits.
    ECN = IP_ECN "IP_ECN": bool, Udp, ReadWrite, "Windows 10, version 1607";

    /// Whether ICMP errors are reported, as datagrams with a [`ReceivedError`](crate::cmsg::ReceivedError). Declared in the
    /// header; Microsoft's page does not mention it.
    ///
    /// **Warning**: the peer did not send such a datagram. Its sender is the address that could not be reached, and its bytes
    /// are unspecified. Receives that return data only, such as [`UdpSocket::recv_from`](crate::UdpSocket::recv_from), fail
    /// with its error. [`receive_message`](crate::socket::Socket::receive_message) and
    /// [`DatagramEvents::receive_from`](crate::events::DatagramEvents::receive_from) return the datagram: check
    /// [`received_error`](crate::cmsg::ControlMessages::received_error) before reading its bytes. ICMP messages are easily
    /// forged.
    RECEIVE_ERRORS = IP_RECVERR "IP_RECVERR": bool, Udp, ReadWrite, "Windows 10, version 1709";

    /// The mode of path MTU discovery.
    MTU_DISCOVERY = IP_MTU_DISCOVER "IP_MTU_DISCOVER":
        PathMtuDiscovery, AllSockets, ReadWrite, "Windows 10, version 1703";

    /// The path MTU of a connected socket, in bytes.
    MTU = IP_MTU "IP_MTU": u32, Connections, ReadOnly, "Windows 10, version 1709";

    /// An upper bound for the path MTU, in bytes. `u32::MAX`, the default, means none.
    USER_MTU = IP_USER_MTU "IP_USER_MTU": u32, AllSockets, ReadWrite, "Windows 10, version 2004";
}
