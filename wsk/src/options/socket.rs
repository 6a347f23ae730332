//! Options of every transport: those that WSK's documentation names, and the size of the send buffer.

use super::option::options;
use super::{BeforeBind, Datagrams, OfBytes, ReadWrite, SocketOption, Transports};

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-reuseaddr";

    /// Whether other sockets may share the local address. [`Builder::reuse_address`](crate::socket::Builder::reuse_address)
    /// sets it, too.
    REUSE_ADDRESS = SO_REUSEADDR "SO_REUSEADDR": bool, BeforeBind, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-exclusiveaddruse";

    /// Whether no other socket may share the local address.
    /// [`Builder::exclusive_address`](crate::socket::Builder::exclusive_address) also sets it.
    EXCLUSIVE_ADDRESS = SO_EXCLUSIVEADDRUSE "SO_EXCLUSIVEADDRUSE":
        bool, BeforeBind, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-keepalive";

    /// Whether keep-alive packets are sent on idle connections. Accepted connections inherit it. The options in
    /// [`tcp`](super::tcp) set the times.
    KEEP_ALIVE = SO_KEEPALIVE "SO_KEEPALIVE": bool, OfBytes, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-rcvbuf";

    /// The size of the transport's receive buffer in bytes. Accepted connections inherit it.
    RECEIVE_BUFFER = SO_RCVBUF "SO_RCVBUF": u32, Transports, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-broadcast";

    /// Whether datagrams may be sent to broadcast addresses.
    BROADCAST = SO_BROADCAST "SO_BROADCAST": bool, Datagrams, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows/win32/winsock/sol-socket-socket-options";

    /// The size of the transport's send buffer in bytes. WSK's documentation does not mention it: WSK itself does not buffer
    /// sends.
    SEND_BUFFER = SO_SNDBUF "SO_SNDBUF": u32, Transports, ReadWrite, "Windows Vista";
}
