//! Options of TCP.

use super::option::options;
use super::{ReadWrite, Seconds, SocketOption, Tcp};

options! {
    IPPROTO_TCP, "windows/win32/winsock/ipproto-tcp-socket-options";

    /// Whether small segments are sent immediately (disables the Nagle algorithm).
    NODELAY = TCP_NODELAY "TCP_NODELAY": bool, Tcp, ReadWrite, "Windows Vista";

    /// The idle time before the first keep-alive packet, if [`KEEP_ALIVE`](super::KEEP_ALIVE) is set.
    KEEP_IDLE = TCP_KEEPIDLE "TCP_KEEPIDLE": Seconds, Tcp, ReadWrite, "Windows 10, version 1709";

    /// The time between unanswered keep-alive packets.
    KEEP_INTERVAL = TCP_KEEPINTVL "TCP_KEEPINTVL":
        Seconds, Tcp, ReadWrite, "Windows 10, version 1709";

    /// The number of unanswered keep-alive packets after which the connection is dropped, at most 255.
    KEEP_COUNT = TCP_KEEPCNT "TCP_KEEPCNT": u32, Tcp, ReadWrite, "Windows 10, version 1703";

    /// The time during which data is retransmitted before the connection is dropped; `u32::MAX` seconds means
    /// indefinitely.
    MAXIMUM_RETRANSMISSION = TCP_MAXRT "TCP_MAXRT": Seconds, Tcp, ReadWrite, "Windows Vista";

    /// Whether segments have timestamps.
    TIMESTAMPS = TCP_TIMESTAMPS "TCP_TIMESTAMPS": bool, Tcp, ReadWrite, "Windows Vista";

    /// Whether data may be sent with the connection request.
    FAST_OPEN = TCP_FASTOPEN "TCP_FASTOPEN": bool, Tcp, ReadWrite, "Windows 10, version 1607";
}
