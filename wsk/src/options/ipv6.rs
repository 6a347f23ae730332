//! Options of IPv6.

use super::option::options;
use super::{
    AllSockets, BeforeBind, Connections, Members, MembershipV6, PathMtuDiscovery, ReadOnly,
    ReadWrite, SocketOption, Udp, WriteOnly,
};

options! {
    IPPROTO_IPV6, "windows/win32/winsock/ipproto-ipv6-socket-options";

    /// How many routers a packet passes at most, up to 255.
    UNICAST_HOPS = IPV6_UNICAST_HOPS "IPV6_UNICAST_HOPS":
        u32, AllSockets, ReadWrite, "Windows Vista";

    /// The interface that multicast datagrams leave by, by its index.
    MULTICAST_INTERFACE = IPV6_MULTICAST_IF "IPV6_MULTICAST_IF":
        u32, Udp, ReadWrite, "Windows Vista";

    /// How many routers a multicast datagram passes at most, up to 255.
    MULTICAST_HOPS = IPV6_MULTICAST_HOPS "IPV6_MULTICAST_HOPS":
        u32, Udp, ReadWrite, "Windows Vista";

    /// The socket receives what this system sends to the groups, too. The default.
    MULTICAST_LOOP = IPV6_MULTICAST_LOOP "IPV6_MULTICAST_LOOP":
        bool, Udp, ReadWrite, "Windows Vista";

    /// Joins a multicast group.
    ADD_MEMBERSHIP = IPV6_ADD_MEMBERSHIP "IPV6_ADD_MEMBERSHIP":
        MembershipV6, Members, WriteOnly, "Windows Vista";

    /// Leaves a multicast group.
    DROP_MEMBERSHIP = IPV6_DROP_MEMBERSHIP "IPV6_DROP_MEMBERSHIP":
        MembershipV6, Members, WriteOnly, "Windows Vista";

    /// Datagrams are not split.
    DONT_FRAGMENT = IPV6_DONTFRAG "IPV6_DONTFRAG": bool, AllSockets, ReadWrite, "Windows Vista";

    /// Received datagrams tell where they were sent to, in a control message.
    PACKET_INFO = IPV6_PKTINFO "IPV6_PKTINFO": bool, Udp, ReadWrite, "Windows Vista";

    /// Received datagrams tell how many routers they could still pass, in a control message.
    HOP_LIMIT = IPV6_HOPLIMIT "IPV6_HOPLIMIT": bool, Udp, ReadWrite, "Windows Vista";

    /// No IPv4, not even as mapped addresses: the default. Without it, a socket has peers of both families.
    ONLY_V6 = IPV6_V6ONLY "IPV6_V6ONLY": bool, BeforeBind, ReadWrite, "Windows Vista";

    /// The interface that packets leave by, by its index. Zero, the default, leaves it to routing.
    UNICAST_INTERFACE = IPV6_UNICAST_IF "IPV6_UNICAST_IF":
        u32, AllSockets, ReadWrite, "Windows Vista";

    /// The traffic class of packets.
    TRAFFIC_CLASS = IPV6_TCLASS "IPV6_TCLASS":
        u32, AllSockets, ReadWrite, "Windows 10, version 1607";

    /// Received datagrams tell their traffic class, in a control message.
    RECEIVE_TRAFFIC_CLASS = IPV6_RECVTCLASS "IPV6_RECVTCLASS":
        bool, Udp, ReadWrite, "Windows 10, version 1607";

    /// Received datagrams tell their congestion bits, in a control message.
    ECN = IPV6_ECN "IPV6_ECN": bool, Udp, ReadWrite, "Windows 10, version 1607";

    /// Errors are told that routers and hosts report. In the header only; Microsoft's page does not name it.
    RECEIVE_ERRORS = IPV6_RECVERR "IPV6_RECVERR": bool, Udp, ReadWrite, "Windows 10, version 1709";

    /// How the longest packet of a path is found out.
    MTU_DISCOVERY = IPV6_MTU_DISCOVER "IPV6_MTU_DISCOVER":
        PathMtuDiscovery, AllSockets, ReadWrite, "Windows 10, version 1703";

    /// The longest packet of a connection's path, in bytes.
    MTU = IPV6_MTU "IPV6_MTU": u32, Connections, ReadOnly, "Windows 10, version 1709";

    /// The longest packet to send, in bytes, if the path allows for more. `u32::MAX`, the default, sets no limit.
    USER_MTU = IPV6_USER_MTU "IPV6_USER_MTU":
        u32, AllSockets, ReadWrite, "Windows 10, version 2004";
}
