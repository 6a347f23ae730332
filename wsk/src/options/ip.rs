//! Options of IPv4. A socket of IPv6 that is not [for IPv6 only](super::ipv6::ONLY_V6) has them, too.

use core::net::Ipv4Addr;

use super::option::options;
use super::{
    AllSockets, Connections, Members, MembershipV4, NetworkOrder, PathMtuDiscovery, ReadOnly,
    ReadWrite, SocketOption, Udp, WriteOnly,
};

options! {
    IPPROTO_IP, "windows/win32/winsock/ipproto-ip-socket-options";

    /// The type of service of packets, which Windows reserves to its quality of service.
    TYPE_OF_SERVICE = IP_TOS "IP_TOS": u32, AllSockets, ReadWrite, "Windows 8";

    /// How many routers a packet passes at most.
    TTL = IP_TTL "IP_TTL": u32, AllSockets, ReadWrite, "Windows Vista";

    /// The interface that multicast datagrams leave by: an address of its own, or `0.0.0.n` for the one with the
    /// index n.
    MULTICAST_INTERFACE = IP_MULTICAST_IF "IP_MULTICAST_IF":
        Ipv4Addr, Udp, ReadWrite, "Windows Vista";

    /// How many routers a multicast datagram passes at most.
    MULTICAST_TTL = IP_MULTICAST_TTL "IP_MULTICAST_TTL": u32, Udp, ReadWrite, "Windows Vista";

    /// Of a receiving socket: it receives what this system sends to the groups, too. The default.
    MULTICAST_LOOP = IP_MULTICAST_LOOP "IP_MULTICAST_LOOP": bool, Udp, ReadWrite, "Windows Vista";

    /// Joins a multicast group.
    ADD_MEMBERSHIP = IP_ADD_MEMBERSHIP "IP_ADD_MEMBERSHIP":
        MembershipV4, Members, WriteOnly, "Windows Vista";

    /// Leaves a multicast group.
    DROP_MEMBERSHIP = IP_DROP_MEMBERSHIP "IP_DROP_MEMBERSHIP":
        MembershipV4, Members, WriteOnly, "Windows Vista";

    /// Datagrams are not split.
    DONT_FRAGMENT = IP_DONTFRAGMENT "IP_DONTFRAGMENT": bool, AllSockets, ReadWrite, "Windows Vista";

    /// Received datagrams tell where they were sent to, in a control message.
    PACKET_INFO = IP_PKTINFO "IP_PKTINFO": bool, Udp, ReadWrite, "Windows Vista";

    /// Received datagrams tell how many routers they could still pass, in a control message.
    HOP_LIMIT = IP_HOPLIMIT "IP_HOPLIMIT": bool, Udp, ReadWrite, "Windows Vista";

    /// The interface that packets leave by, by its index. Zero, the default, leaves it to routing.
    UNICAST_INTERFACE = IP_UNICAST_IF "IP_UNICAST_IF":
        NetworkOrder, AllSockets, ReadWrite, "Windows Vista";

    /// Received datagrams tell their type of service, in a control message.
    RECEIVE_TYPE_OF_SERVICE = IP_RECVTOS "IP_RECVTOS":
        bool, Udp, ReadWrite, "Windows 10, version 1703";

    /// Received datagrams tell their congestion bits, in a control message.
    ECN = IP_ECN "IP_ECN": bool, Udp, ReadWrite, "Windows 10, version 1607";

    /// Errors are told that routers and hosts report. In the header only; Microsoft's page does not name it.
    RECEIVE_ERRORS = IP_RECVERR "IP_RECVERR": bool, Udp, ReadWrite, "Windows 10, version 1709";

    /// How the longest packet of a path is found out.
    MTU_DISCOVERY = IP_MTU_DISCOVER "IP_MTU_DISCOVER":
        PathMtuDiscovery, AllSockets, ReadWrite, "Windows 10, version 1703";

    /// The longest packet of a connection's path, in bytes.
    MTU = IP_MTU "IP_MTU": u32, Connections, ReadOnly, "Windows 10, version 1709";

    /// The longest packet to send, in bytes, if the path allows for more. `u32::MAX`, the default, sets no limit.
    USER_MTU = IP_USER_MTU "IP_USER_MTU": u32, AllSockets, ReadWrite, "Windows 10, version 2004";
}
