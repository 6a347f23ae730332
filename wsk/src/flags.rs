//! Flags, one type per call: the same bit has different meanings in different calls.

use bitflags::bitflags;
use wsk_sys::{
    AI_ADDRCONFIG, AI_ALL, AI_CANONNAME, AI_DISABLE_IDN_ENCODING, AI_FILESERVER, AI_FQDN,
    AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, AI_V4MAPPED, INT, NI_DGRAM, NI_NAMEREQD, NI_NOFQDN,
    NI_NUMERICHOST, NI_NUMERICSERV, ULONG, WSK_FLAG_ABORTIVE, WSK_FLAG_BASIC_SOCKET,
    WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_DRAIN, WSK_FLAG_LISTEN_SOCKET,
    WSK_FLAG_NODELAY, WSK_FLAG_STREAM_SOCKET, WSK_FLAG_WAITALL,
};

bitflags! {
    /// Flags of `WskSocket`: the category of the new socket.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SocketFlags: ULONG {
        /// A socket for options and control codes only.
        const BASIC = WSK_FLAG_BASIC_SOCKET;
        /// A listening socket.
        const LISTEN = WSK_FLAG_LISTEN_SOCKET;
        /// A connection socket.
        const CONNECTION = WSK_FLAG_CONNECTION_SOCKET;
        /// A datagram socket.
        const DATAGRAM = WSK_FLAG_DATAGRAM_SOCKET;
        /// A stream socket, which either listens or connects.
        const STREAM = WSK_FLAG_STREAM_SOCKET;
    }
}

bitflags! {
    /// Flags of `WskSend`. The undocumented `WSK_FLAG_OOB` of the header is omitted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SendFlags: ULONG {
        /// Sends at once, without waiting for more data.
        const NO_DELAY = WSK_FLAG_NODELAY;
    }
}

bitflags! {
    /// Flags of `WskReceive`. They cannot be combined ([INV-31](crate::rules#inv-31)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ReceiveFlags: ULONG {
        /// Completes when the buffer is full, or the peer has finished.
        const WAIT_ALL = WSK_FLAG_WAITALL;
        /// Receives and discards everything that the peer still sends. The buffer's length is zero.
        const DRAIN = WSK_FLAG_DRAIN;
    }
}

bitflags! {
    /// Flags of `WskDisconnect`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct DisconnectFlags: ULONG {
        /// Aborts the connection, without a last buffer: unsent data is lost, and the peer receives a reset.
        const ABORTIVE = WSK_FLAG_ABORTIVE;
    }
}

bitflags! {
    /// Flags of `WskGetAddressInfo`: how it resolves a name, and which details of an address it returns.
    ///
    /// Flags of the header that concern e-mail only, or that change the layout of the results, are omitted.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-addrinfoexw).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct AddressInfoFlags: INT {
        /// `AI_PASSIVE`: without a host name, the unspecified addresses, to listen on all of this machine's.
        const PASSIVE = AI_PASSIVE;
        /// `AI_CANONNAME`: also returns the canonical name of the host.
        const CANONICAL_NAME = AI_CANONNAME;
        /// `AI_NUMERICHOST`: the host is a numeric address; no name is looked up.
        const NUMERIC_HOST = AI_NUMERICHOST;
        /// `AI_NUMERICSERV`: the service is a port number. Microsoft's own name spaces ignore this flag.
        const NUMERIC_SERVICE = AI_NUMERICSERV;
        /// `AI_ALL`: with [`V4_MAPPED`](Self::V4_MAPPED), IPv4 addresses even if IPv6 ones exist.
        const ALL = AI_ALL;
        /// `AI_ADDRCONFIG`: only addresses of a family in which this machine has an address other than
        /// loopback.
        const ADDRESS_CONFIGURED = AI_ADDRCONFIG;
        /// `AI_V4MAPPED`: IPv4-mapped IPv6 addresses, if the name has no IPv6 address.
        const V4_MAPPED = AI_V4MAPPED;
        /// `AI_FQDN`: the fully qualified name of a single-label host, instead of the canonical name.
        /// Not with [`CANONICAL_NAME`](Self::CANONICAL_NAME).
        const QUALIFIED_NAME = AI_FQDN;
        /// `AI_FILESERVER`: a hint that the host is a file server.
        const FILE_SERVER = AI_FILESERVER;
        /// `AI_DISABLE_IDN_ENCODING`: no Punycode. Minimum Windows: Windows 8.
        const DISABLE_IDN_ENCODING = AI_DISABLE_IDN_ENCODING;
    }
}

bitflags! {
    /// Flags of `WskGetNameInfo`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NameInfoFlags: ULONG {
        /// `NI_NOFQDN`: only the first part of the name, if the host is a local one.
        const NO_QUALIFIED_NAME = NI_NOFQDN;
        /// `NI_NUMERICHOST`: the numeric address; no name is looked up.
        const NUMERIC_HOST = NI_NUMERICHOST;
        /// `NI_NAMEREQD`: fails if the host has no name.
        const NAME_REQUIRED = NI_NAMEREQD;
        /// `NI_NUMERICSERV`: the port.
        const NUMERIC_SERVICE = NI_NUMERICSERV;
        /// `NI_DGRAM`: the service that has the port with UDP.
        const DATAGRAM = NI_DGRAM;
    }
}
