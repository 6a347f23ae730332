//! Options of UDP.
//!
//! Whether the running Windows cuts and joins datagrams can be asked of a basic socket, before there is any
//! other:
//!
//! ```
//! use wsk::options::udp;
//! use wsk::socket::{BasicSocket, Family, Protocol};
//! use wsk::{Provider, sys};
//!
//! /// Whether one send can be many datagrams.
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

    /// Datagrams are sent without a checksum, over IPv4 only.
    NO_CHECKSUM = UDP_NOCHECKSUM "UDP_NOCHECKSUM": bool, Udp, ReadWrite, "Windows Vista";

    /// Datagrams are sent with a checksum.
    CHECKSUM_COVERAGE = UDP_CHECKSUM_COVERAGE "UDP_CHECKSUM_COVERAGE":
        bool, Udp, ReadWrite, "Windows Vista";

    /// What is sent is cut into datagrams of so many bytes. Zero, the default, does not cut.
    SEND_MESSAGE_SIZE = UDP_SEND_MSG_SIZE "UDP_SEND_MSG_SIZE":
        u32, Udp, ReadWrite, "Windows 10, version 2004";

    /// Datagrams of one sender and one size are received together, up to so many bytes. Zero, the default, does
    /// not join any.
    RECEIVE_MAXIMUM_COALESCED_SIZE = UDP_RECV_MAX_COALESCED_SIZE "UDP_RECV_MAX_COALESCED_SIZE":
        u32, Udp, ReadWrite, "Windows 10, version 2004";
}
