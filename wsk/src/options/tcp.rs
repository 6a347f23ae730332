//! Options of TCP.

use super::option::options;
use super::{ReadWrite, Seconds, SocketOption, Tcp};

options! {
    IPPROTO_TCP, "windows/win32/winsock/ipproto-tcp-socket-options";

    /// Small segments are sent at once, instead of waiting for more data or an acknowledgement.
    NODELAY = TCP_NODELAY "TCP_NODELAY": bool, Tcp, ReadWrite, "Windows Vista";

    /// How long a connection is idle before the first keep-alive packet, if it is
    /// [kept alive](super::KEEP_ALIVE).
    KEEP_IDLE = TCP_KEEPIDLE "TCP_KEEPIDLE": Seconds, Tcp, ReadWrite, "Windows 10, version 1709";

    /// How long until the next keep-alive packet, if nobody answers.
    KEEP_INTERVAL = TCP_KEEPINTVL "TCP_KEEPINTVL":
        Seconds, Tcp, ReadWrite, "Windows 10, version 1709";

    /// How many keep-alive packets nobody answers before the connection ends, at most 255.
    KEEP_COUNT = TCP_KEEPCNT "TCP_KEEPCNT": u32, Tcp, ReadWrite, "Windows 10, version 1703";

    /// For how long data is sent again until the connection ends; `u32::MAX` seconds for ever.
    MAXIMUM_RETRANSMISSION = TCP_MAXRT "TCP_MAXRT": Seconds, Tcp, ReadWrite, "Windows Vista";

    /// Time stamps in segments.
    TIMESTAMPS = TCP_TIMESTAMPS "TCP_TIMESTAMPS": bool, Tcp, ReadWrite, "Windows Vista";

    /// Data may go with the connection request.
    FAST_OPEN = TCP_FASTOPEN "TCP_FASTOPEN": bool, Tcp, ReadWrite, "Windows 10, version 1607";
}
