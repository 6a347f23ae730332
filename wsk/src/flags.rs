//! Flags, with a type for each call that takes some: the same number means different things elsewhere.

use bitflags::bitflags;
use wsk_sys::{
    ULONG, WSK_FLAG_ABORTIVE, WSK_FLAG_BASIC_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
    WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_DRAIN, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_NODELAY,
    WSK_FLAG_STREAM_SOCKET, WSK_FLAG_WAITALL,
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
    /// How `WskReceive` receives. The two exclude each other (INV-31).
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
