//! Control messages: metadata that a receiver gets with a datagram, or that a sender attaches.
//!
//! | message | enabled by a receiver | attached by a sender |
//! |---|---|---|
//! | [`PacketInfo`]: the local address and the interface | by [`set_receive_packet_info`] | [`SendControl::packet_info`] |
//! | [`Ecn`]: explicit congestion notification | by [`set_receive_ecn`] | [`SendControl::ecn`] |
//! | the type of service, or traffic class | by [`set_receive_traffic_class`] | [`SendControl::traffic_class`] |
//! | the remaining hop limit | by [`set_receive_hop_limit`] | by the option [`ip::TTL`], or [`ipv6::UNICAST_HOPS`] |
//! | the size of coalesced or segmented datagrams | by the option [`RECEIVE_MAXIMUM_COALESCED_SIZE`] | [`SendControl::segment_size`] |
//! | [`ReceivedError`]: an ICMP error | by the option [`ip::RECEIVE_ERRORS`], or [`ipv6::RECEIVE_ERRORS`] | |
//! | any other | by its option | [`SendControl::raw`] |
//!
//! Received messages are in [`Received`] and [`IndicatedDatagram`]. When short of memory, the system may omit enabled
//! messages, so none is guaranteed to be present.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use wsk::cmsg::{Ecn, SendControl};
//! use wsk::{Buffer, UdpSocket};
//!
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let server = UdpSocket::bind(&wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?.into_socket();
//! server.set_receive_packet_info(true).await?;
//! server.set_receive_ecn(true).await?;
//! let port = server.local_addr().await?.port();
//!
//! let client = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?.into_socket();
//! let capable = SendControl::new().ecn(Ecn::Ect0);
//! let question = Buffer::try_from(&b"who is there?"[..])?;
//! client.send_to_with(question, (Ipv4Addr::LOCALHOST, port), &capable).await.into_result()?;
//!
//! let (received, buffer) = server.receive_message(Buffer::new(64)?).await.into_result()?;
//! let control = received.control_messages();
//! assert_eq!(control.ecn(), Some(Ecn::Ect0));
//!
//! // Send the response from the address that the request was sent to.
//! let asked = control.packet_info().expect("packet info is enabled");
//! assert_eq!(asked.address, IpAddr::V4(Ipv4Addr::LOCALHOST));
//! let answer = SendControl::new().packet_info(asked);
//! server.send_to_with(buffer, received.peer(), &answer).await.into_result()?;
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Stripping
//!
//! Two causes are known to remove control messages from sent datagrams:
//!
//! - Filters of the legacy Transport Driver Interface. A client that needs control messages
//!   [bypasses](crate::RegistrationBuilder::bypass_tdi) them.
//! - Some systems drop [`PacketInfo`] if it is the **only** message, before filters of the Windows Filtering Platform
//!   see it; a filter that takes the datagram and sends it again later then sends it from another address.
//!   [`SendControl::keep_packet_info`] adds an empty message, which keeps it.
//!
//! [`Received`]: crate::socket::Received
//! [`IndicatedDatagram`]: crate::events::IndicatedDatagram
//! [`set_receive_packet_info`]: crate::socket::Socket::set_receive_packet_info
//! [`set_receive_ecn`]: crate::socket::Socket::set_receive_ecn
//! [`set_receive_traffic_class`]: crate::socket::Socket::set_receive_traffic_class
//! [`set_receive_hop_limit`]: crate::socket::Socket::set_receive_hop_limit
//! [`ip::TTL`]: crate::options::ip::TTL
//! [`ipv6::UNICAST_HOPS`]: crate::options::ipv6::UNICAST_HOPS
//! [`ip::RECEIVE_ERRORS`]: crate::options::ip::RECEIVE_ERRORS
//! [`ipv6::RECEIVE_ERRORS`]: crate::options::ipv6::RECEIVE_ERRORS
//! [`RECEIVE_MAXIMUM_COALESCED_SIZE`]: crate::options::udp::RECEIVE_MAXIMUM_COALESCED_SIZE

mod messages;
mod send;
mod values;

pub use self::messages::{ControlMessage, ControlMessages};
pub use self::send::SendControl;
pub use self::values::{Ecn, PacketInfo, ReceivedError};
