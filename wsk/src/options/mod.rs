//! Options and control codes of sockets, as constants with types.
//!
//! A [`SocketOption`] knows its level and its name, what its values are, and which sockets have it, in which
//! state; [`Socket::set`](crate::socket::Socket::set) and [`Socket::get`](crate::socket::Socket::get) take one. A
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
//! What a socket does not have, or not any more, does not compile. This connection sends no broadcasts:
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
//! This socket is bound, and shares its address or does not (INV-34), which it can only be asked for:
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
//! # What is promised
//!
//! WSK's documentation names the options at the root of this module. All others belong to the transports:
//! WSK hands them on, and which there are depends on the running Windows; there is
//! `STATUS_NOT_SUPPORTED` (kind [`Unsupported`](crate::ErrorKind::Unsupported)) or the like for those that
//! there are not. Each constant names the Windows that its documentation names.
//!
//! # Options of your own
//!
//! An option that is not here can be defined, with a promise about it:
//!
//! ```
//! use wsk::options::{BeforeBind, SocketOption};
//! use wsk::sys;
//!
//! /// A port that the transport picks is a random one.
//! // SAFETY: the option is a number that is 0 or 1, before the bind, and changes nothing but the port.
//! const RANDOMIZE_PORT: SocketOption<bool, BeforeBind> =
//!     unsafe { SocketOption::new(sys::SOL_SOCKET, sys::SO_RANDOMIZE_PORT) };
//! ```
//!
//! # What is raw on purpose
//!
//! These have no safe form. [`Socket::as_raw`](crate::socket::Socket::as_raw) and
//! [`dispatch`](crate::dispatch) reach them, and so does a definition as above, where an IRP and plain data are
//! all that they need.
//!
//! | code | why |
//! |---|---|
//! | `SO_CONDITIONAL_ACCEPT`, `SO_WSK_EVENT_CALLBACK` | the [type of the handler](crate::socket::Builder::events) decides: to enable what has no callback is a call of a null pointer (INV-51) |
//! | `SIO_LOOPBACK_FAST_PATH` | deprecated by Microsoft |
//! | `SIO_ADDRESS_LIST_SORT` | not documented for WSK; its input has pointers |
//! | `SIO_WSK_REGISTER_EXTENSION` | no extension has been defined |
//! | `SIO_WSK_SET_RECEIVE_EX_CALLBACK` | reserved for the system, as are `WskReceiveEx` and `WskSendEx` |
//! | `WSK_TDI_DEVICENAME_MAPPING` | TDI has gone; the map is of device names of its transports |

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
pub use self::option::{ReadOnly, ReadWrite, Readable, SocketOption, Writable, WriteOnly};
pub use self::socket::{
    BROADCAST, EXCLUSIVE_ADDRESS, KEEP_ALIVE, RECEIVE_BUFFER, REUSE_ADDRESS, SEND_BUFFER,
};
pub use self::value::{
    Boolean, KeepAlive, MAX_SIZE, MembershipV4, MembershipV6, NetworkOrder, OptionValue,
    PathMtuDiscovery, Seconds,
};
