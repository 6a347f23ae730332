//! Options and control codes of sockets, as constants with types.
//!
//! A [`SocketOption`] has a level, a name, a type of values, and the sockets and states that have the option; [`Socket::set`](crate::socket::Socket::set) and [`Socket::get`](crate::socket::Socket::get) take one. A
//! control code is an [`Ioctl`], for [`Socket::ioctl`](crate::socket::Socket::ioctl), or a [`BufferIoctl`] if its
//! values are long.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use std::time::Duration;
//! use wsk::options::{self, ip, tcp};
//! use wsk::socket::{ConnectionSocket, Family};
//! # use wsk::socket::ListenSocket;
//!
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! # let server = ListenSocket::builder(&wsk, Family::INET).bind((Ipv4Addr::LOCALHOST, 0)).await?;
//! # let address = server.local_addr().await?;
//! let socket = ConnectionSocket::builder(&wsk, Family::INET).connect(address).await?;
//! socket.set(options::KEEP_ALIVE, true).await?;
//! socket.set(tcp::KEEP_IDLE, Duration::from_secs(60)).await?;
//! socket.set(ip::TTL, 5).await?;
//! assert_eq!(socket.get(ip::TTL).await?, 5);
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! Using an option that a socket does not have is a compile error. Connections have no broadcasts:
//!
//! ```compile_fail,E0277
//! use wsk::options;
//! use wsk::socket::ConnectionSocket;
//!
//! async fn confuse(socket: ConnectionSocket) -> wsk::Result<()> {
//!     socket.set(options::BROADCAST, true).await
//! }
//! ```
//!
//! Address sharing must be set before the socket is bound ([INV-34](crate::rules#inv-34)); afterwards it can only be read:
//!
//! ```compile_fail,E0277
//! use wsk::options;
//! use wsk::socket::DatagramSocket;
//!
//! async fn too_late(socket: DatagramSocket) -> wsk::Result<()> {
//!     socket.set(options::REUSE_ADDRESS, true).await
//! }
//! ```
//!
//! # Availability
//!
//! WSK's documentation covers the options at the root of this module. WSK passes all others to the transport. Their
//! availability depends on the running Windows; unavailable ones return `STATUS_NOT_SUPPORTED` (kind
//! [`Unsupported`](crate::ErrorKind::Unsupported)) or a similar status. Each constant names the first Windows version
//! that has it, according to Microsoft.
//!
//! # Options of your own
//!
//! A driver can define further options, vouching for their properties:
//!
//! ```
//! use wsk::options::{BeforeBind, SocketOption};
//! use wsk::sys;
//!
//! /// Assigns a random ephemeral port.
//! // SAFETY: the option is a number, 0 or 1, set before binding, and affects only the choice of the port.
//! const RANDOMIZE_PORT: SocketOption<bool, BeforeBind> =
//!     unsafe { SocketOption::new(sys::SOL_SOCKET, sys::SO_RANDOMIZE_PORT) };
//! ```
//!
//! # Raw options
//!
//! These have no safe API. They are accessible through [`Socket::as_raw`](crate::socket::Socket::as_raw) and
//! [`dispatch`](crate::dispatch), or as an option of your own if they only need an IRP and plain data.
//!
//! | code | reason |
//! |---|---|
//! | `SO_CONDITIONAL_ACCEPT`, `SO_WSK_EVENT_CALLBACK` | the [type of the handler](crate::socket::Builder::events) decides: enabling an event without a callback makes WSK call a null pointer ([INV-51](crate::rules#inv-51)) |
//! | `SIO_LOOPBACK_FAST_PATH` | deprecated by Microsoft |
//! | `SIO_ADDRESS_LIST_SORT` | not documented for WSK; its input has pointers |
//! | `SIO_WSK_REGISTER_EXTENSION` | no extension has been defined |
//! | `SIO_WSK_SET_RECEIVE_EX_CALLBACK` | reserved for system use, like `WskReceiveEx` and `WskSendEx` |
//! | `WSK_TDI_DEVICENAME_MAPPING` | maps TDI transports, which Windows no longer has |

mod applies;
mod ioctl;
pub mod ip;
pub mod ipv6;
mod option;
mod socket;
pub mod tcp;
pub mod udp;
mod value;

pub use self::applies::{
    AllSockets, AppliesTo, AskedOf, BeforeBind, BeforeConnect, Connections, Datagrams, Members,
    OfBytes, Tcp, Transports, Udp,
};
pub use self::ioctl::{
    BufferIoctl, Ioctl, KEEP_ALIVE_VALUES, REDIRECT_CONTEXT, REDIRECT_RECORDS, RSS_SCALABILITY,
    SET_REDIRECT_RECORDS,
};
pub use self::option::{Access, ReadOnly, ReadWrite, Readable, SocketOption, Writable, WriteOnly};
pub use self::socket::{
    BROADCAST, EXCLUSIVE_ADDRESS, KEEP_ALIVE, RECEIVE_BUFFER, REUSE_ADDRESS, SEND_BUFFER,
};
pub use self::value::{
    Boolean, InterfaceIndex, KeepAlive, MAX_SIZE, MAX_SIZE_WRITE_ONLY, MembershipV4, MembershipV6,
    MulticastInterface, OptionValue, PathMtuDiscovery, Seconds, SourceMembershipV4,
    SourceMembershipV6,
};
