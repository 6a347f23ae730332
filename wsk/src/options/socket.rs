//! Options of sockets whatever their transport: those that WSK's own documentation names, and the size of what
//! is buffered for sending.

use super::option::options;
use super::{BeforeBind, Datagrams, OfBytes, ReadWrite, SocketOption, Transports};

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-reuseaddr";

    /// Other sockets may have the same address. [`Builder::reuse_address`](crate::socket::Builder::reuse_address)
    /// sets it, too.
    REUSE_ADDRESS = SO_REUSEADDR "SO_REUSEADDR": bool, BeforeBind, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-exclusiveaddruse";

    /// No other socket may have the same address.
    /// [`Builder::exclusive_address`](crate::socket::Builder::exclusive_address) sets it, too.
    EXCLUSIVE_ADDRESS = SO_EXCLUSIVEADDRUSE "SO_EXCLUSIVEADDRUSE":
        bool, BeforeBind, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-keepalive";

    /// Keep-alive packets are sent while a connection is idle; a listening socket's connections have it from
    /// the listener. [`tcp`](super::tcp) has the times.
    KEEP_ALIVE = SO_KEEPALIVE "SO_KEEPALIVE": bool, OfBytes, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-rcvbuf";

    /// How many bytes the transport buffers for receiving; a listening socket's connections have it from the
    /// listener.
    RECEIVE_BUFFER = SO_RCVBUF "SO_RCVBUF": u32, Transports, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows-hardware/drivers/network/so-broadcast";

    /// Datagrams may be sent to broadcast addresses.
    BROADCAST = SO_BROADCAST "SO_BROADCAST": bool, Datagrams, ReadWrite, "Windows Vista";
}

options! {
    SOL_SOCKET, "windows/win32/winsock/sol-socket-socket-options";

    /// How many bytes the transport buffers for sending. WSK's documentation does not name it: what is sent is
    /// not buffered, but for the transport's own needs.
    SEND_BUFFER = SO_SNDBUF "SO_SNDBUF": u32, Transports, ReadWrite, "Windows Vista";
}
