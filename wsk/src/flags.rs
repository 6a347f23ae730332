//! Flags, with a type for each call that takes some: the same number means different things elsewhere.

use bitflags::bitflags;
use wsk_sys::{
    AI_ADDRCONFIG, AI_ALL, AI_CANONNAME, AI_DISABLE_IDN_ENCODING, AI_FILESERVER, AI_FQDN,
    AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, AI_V4MAPPED, INT, NI_DGRAM, NI_NAMEREQD, NI_NOFQDN,
    NI_NUMERICHOST, NI_NUMERICSERV, ULONG, WSK_FLAG_ABORTIVE, WSK_FLAG_BASIC_SOCKET,
    WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_DRAIN, WSK_FLAG_LISTEN_SOCKET,
    WSK_FLAG_NODELAY, WSK_FLAG_STREAM_SOCKET, WSK_FLAG_WAITALL,
};

bitflags! {
    /// What `WskSocket` creates: one category.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SocketFlags: ULONG {
        /// A socket for options and controls only.
        const BASIC = WSK_FLAG_BASIC_SOCKET;
        /// A socket that listens.
        const LISTEN = WSK_FLAG_LISTEN_SOCKET;
        /// A socket that connects.
        const CONNECTION = WSK_FLAG_CONNECTION_SOCKET;
        /// A socket for datagrams.
        const DATAGRAM = WSK_FLAG_DATAGRAM_SOCKET;
        /// A socket that listens or connects, as is decided later.
        const STREAM = WSK_FLAG_STREAM_SOCKET;
    }
}

bitflags! {
    /// How `WskSend` sends. The header has another, `WSK_FLAG_OOB`, which is not documented.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SendFlags: ULONG {
        /// At once, without waiting for more to send.
        const NO_DELAY = WSK_FLAG_NODELAY;
    }
}

bitflags! {
    /// How `WskReceive` receives. The two exclude each other ([INV-31](crate::rules#inv-31)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ReceiveFlags: ULONG {
        /// Until the buffer is full, or the peer has finished.
        const WAIT_ALL = WSK_FLAG_WAITALL;
        /// Everything that the peer still sends, into nowhere. The buffer's length is zero.
        const DRAIN = WSK_FLAG_DRAIN;
    }
}

bitflags! {
    /// How `WskDisconnect` ends a connection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct DisconnectFlags: ULONG {
        /// At once, without a last buffer: what was not sent is lost, and the peer is told so.
        const ABORTIVE = WSK_FLAG_ABORTIVE;
    }
}

bitflags! {
    /// How `WskGetAddressInfo` resolves a name, and what it says of an address.
    ///
    /// The header has more: what concerns e-mail only, and what changes the layout of the results.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-addrinfoexw).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct AddressInfoFlags: INT {
        /// `AI_PASSIVE`: without a host's name, the addresses that stand for all of this machine's, to listen at.
        const PASSIVE = AI_PASSIVE;
        /// `AI_CANONNAME`: the name that the domain name system has as the host's own, too.
        const CANONICAL_NAME = AI_CANONNAME;
        /// `AI_NUMERICHOST`: the host is an address as text, and nothing is looked up.
        const NUMERIC_HOST = AI_NUMERICHOST;
        /// `AI_NUMERICSERV`: the service is a port. Microsoft's own name spaces do not look at it.
        const NUMERIC_SERVICE = AI_NUMERICSERV;
        /// `AI_ALL`: with [`V4_MAPPED`](Self::V4_MAPPED), IPv4 addresses even if there are IPv6 ones.
        const ALL = AI_ALL;
        /// `AI_ADDRCONFIG`: only addresses of families of which this machine has an address itself, besides the
        /// loopback one.
        const ADDRESS_CONFIGURED = AI_ADDRCONFIG;
        /// `AI_V4MAPPED`: IPv4 addresses as IPv6 addresses, if there are none of these.
        const V4_MAPPED = AI_V4MAPPED;
        /// `AI_FQDN`: the qualified name that a name without dots was found as, in place of the canonical name.
        /// Not with [`CANONICAL_NAME`](Self::CANONICAL_NAME).
        const QUALIFIED_NAME = AI_FQDN;
        /// `AI_FILESERVER`: a hint that the host is a file server.
        const FILE_SERVER = AI_FILESERVER;
        /// `AI_DISABLE_IDN_ENCODING`: no Punycode. Minimum Windows: Windows 8.
        const DISABLE_IDN_ENCODING = AI_DISABLE_IDN_ENCODING;
    }
}

bitflags! {
    /// How `WskGetNameInfo` finds the names of an address.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NameInfoFlags: ULONG {
        /// `NI_NOFQDN`: only the first part of the name, if the host is a local one.
        const NO_QUALIFIED_NAME = NI_NOFQDN;
        /// `NI_NUMERICHOST`: the address, and nothing is looked up.
        const NUMERIC_HOST = NI_NUMERICHOST;
        /// `NI_NAMEREQD`: it is an error if the host has no name.
        const NAME_REQUIRED = NI_NAMEREQD;
        /// `NI_NUMERICSERV`: the port.
        const NUMERIC_SERVICE = NI_NUMERICSERV;
        /// `NI_DGRAM`: the service that has the port with UDP.
        const DATAGRAM = NI_DGRAM;
    }
}
