//! A UDP socket's options: groups, broadcasts, and how far datagrams go.

use core::net::{Ipv4Addr, Ipv6Addr};

use wsk_sys::AF_INET;

use super::UdpSocket;
use super::option_methods::option_methods;
use crate::options::{self, MembershipV4, MembershipV6, ip, ipv6};
use crate::status::Result;

option_methods! { UdpSocket:
    /// Whether datagrams can be sent to all hosts of a network: [`options::BROADCAST`]. They cannot by default.
    broadcast, set_broadcast(is_allowed: bool): options::BROADCAST;

    /// Whether this socket, as a member of a group, receives what this system itself sends to it:
    /// [`ip::MULTICAST_LOOP`]. It does by default.
    ///
    /// On other systems than Windows, the option of this name is the **sender's**.
    multicast_loop_v4, set_multicast_loop_v4(receives: bool): ip::MULTICAST_LOOP;

    /// As [`set_multicast_loop_v4`](Self::set_multicast_loop_v4), for groups of IPv6: [`ipv6::MULTICAST_LOOP`].
    multicast_loop_v6, set_multicast_loop_v6(receives: bool): ipv6::MULTICAST_LOOP;

    /// How many routers datagrams to groups pass at most: [`ip::MULTICAST_TTL`]. With 1, the default, they do not leave
    /// the network.
    multicast_ttl_v4, set_multicast_ttl_v4(ttl: u32): ip::MULTICAST_TTL;
}

/// Groups, and how far datagrams go.
impl UdpSocket {
    /// How many routers datagrams pass at most: [`ip::TTL`], or [`ipv6::UNICAST_HOPS`], or both. For groups, see
    /// [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4).
    ///
    /// Cancellation: dropping the future leaves it open whether the option is set.
    ///
    /// # Errors
    ///
    /// As for [`Socket::set`](crate::socket::Socket::set).
    pub async fn set_ttl(&self, ttl: u32) -> Result<()> {
        self.as_socket().set_for_families(ip::TTL, ipv6::UNICAST_HOPS, ttl).await
    }

    /// What [`set_ttl`](Self::set_ttl) sets.
    ///
    /// # Errors
    ///
    /// As for [`Socket::get`](crate::socket::Socket::get).
    pub async fn ttl(&self) -> Result<u32> {
        if self.as_socket().handle().state().family() == AF_INET {
            self.as_socket().get(ip::TTL).await
        } else {
            self.as_socket().get(ipv6::UNICAST_HOPS).await
        }
    }

    /// Joins a group: receives what is sent to its address, through an interface with the second address, or any if that
    /// is [unspecified](Ipv4Addr::UNSPECIFIED). [`ip::ADD_MEMBERSHIP`].
    ///
    /// Cancellation: dropping the future leaves it open whether the socket is a member.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` or the like if the address is no group's, the socket has joined it already, or the
    ///   interface is not there.
    /// - As for [`Socket::set`](crate::socket::Socket::set).
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wsk::{Buffer, UdpSocket};
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
    /// let member = UdpSocket::bind(&wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?;
    /// member.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED).await?;
    ///
    /// let sender = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    /// let port = member.local_addr().await?.port();
    /// sender.send_to(Buffer::try_from(&b"to all members"[..])?, (GROUP, port)).await.into_result()?;
    /// let ((received, _), _) = member.recv_from(Buffer::new(100)?).await.into_result()?;
    /// assert_eq!(received, 14);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub async fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
        self.as_socket().set(ip::ADD_MEMBERSHIP, MembershipV4 { group, interface }).await
    }

    /// Leaves a group that it has joined: [`ip::DROP_MEMBERSHIP`].
    ///
    /// Cancellation: as for [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` or the like if it is no member.
    /// - As for [`Socket::set`](crate::socket::Socket::set).
    pub async fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
        self.as_socket().set(ip::DROP_MEMBERSHIP, MembershipV4 { group, interface }).await
    }

    /// Joins a group: receives what is sent to its address, through the interface with this index, or any if that is
    /// zero. [`ipv6::ADD_MEMBERSHIP`].
    ///
    /// Cancellation: as for [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// As for [`join_multicast_v4`](Self::join_multicast_v4).
    pub async fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<()> {
        self.as_socket().set(ipv6::ADD_MEMBERSHIP, MembershipV6 { group, interface }).await
    }

    /// Leaves a group that it has joined: [`ipv6::DROP_MEMBERSHIP`].
    ///
    /// Cancellation: as for [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// As for [`leave_multicast_v4`](Self::leave_multicast_v4).
    pub async fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<()> {
        self.as_socket().set(ipv6::DROP_MEMBERSHIP, MembershipV6 { group, interface }).await
    }
}
