//! Options of UDP.
//!
//! A basic socket shows whether the running Windows supports segmentation and coalescing, before any other socket is
//! created:
//!
//! ```
//! use wsk::options::udp;
//! use wsk::socket::{BasicSocket, Family, Protocol};
//! use wsk::{Provider, sys};
//!
//! /// Returns whether one send can be split into many datagrams.
//! async fn has_segmentation(wsk: &Provider) -> wsk::Result<bool> {
//!     let probe = BasicSocket::builder(wsk, Family::INET)
//!         .socket_type(sys::SOCK_DGRAM)
//!         .protocol(Protocol::UDP)
//!         .create()
//!         .await?;
//!     Ok(probe.get(udp::SEND_MESSAGE_SIZE).await.is_ok())
//! }
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # assert!(wsk::rt::block_on(passive, async move { has_segmentation(&wsk).await })??);
//! # Ok::<(), wsk::Error>(())
//! ```

use super::option::options;
use super::{ReadWrite, SocketOption, Udp};

options! {
    IPPROTO_UDP, "windows/win32/winsock/ipproto-udp-socket-options";

    /// Whether datagrams are sent without a checksum, over IPv4 only.
    NO_CHECKSUM = UDP_NOCHECKSUM "UDP_NOCHECKSUM": bool, Udp, ReadWrite, "Windows Vista";

    /// Whether datagrams are sent with a checksum.
    CHECKSUM_COVERAGE = UDP_CHECKSUM_COVERAGE "UDP_CHECKSUM_COVERAGE":
        bool, Udp, ReadWrite, "Windows Vista";

    /// Splits each send into datagrams of this size in bytes. Zero, the default, disables splitting.
    SEND_MESSAGE_SIZE = UDP_SEND_MSG_SIZE "UDP_SEND_MSG_SIZE":
        u32, Udp, ReadWrite, "Windows 10, version 2004";

    /// Coalesces received datagrams of equal size from one sender, up to this size in bytes. Zero, the default, disables
    /// coalescing.
    RECEIVE_MAXIMUM_COALESCED_SIZE = UDP_RECV_MAX_COALESCED_SIZE "UDP_RECV_MAX_COALESCED_SIZE":
        u32, Udp, ReadWrite, "Windows 10, version 2004";
}
