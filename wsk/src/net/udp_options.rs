//! A UDP socket's options: groups, broadcasts, and how far datagrams go.

use core::net::{Ipv4Addr, Ipv6Addr};

use wsk_sys::AF_INET;

use super::UdpSocket;
use super::option_methods::{only_v6_method, option_methods};
use crate::options::{
    self, MembershipV4, MembershipV6, MulticastInterface, SourceMembershipV4, SourceMembershipV6,
    ip, ipv6,
};
use crate::status::Result;

option_methods! { UdpSocket:
    /// Sets whether datagrams may be sent to broadcast addresses: [`options::BROADCAST`]. The default is `false`.
    broadcast, set_broadcast(is_allowed: bool): options::BROADCAST;

    /// Sets whether this socket also receives multicast datagrams sent by this system: [`ip::MULTICAST_LOOP`]. The default
    /// is `true`.
    ///
    /// On other operating systems, the option of this name applies to the **sender**.
    multicast_loop_v4, set_multicast_loop_v4(receives: bool): ip::MULTICAST_LOOP;

    /// Like [`set_multicast_loop_v4`](Self::set_multicast_loop_v4), for IPv6: [`ipv6::MULTICAST_LOOP`].
    multicast_loop_v6, set_multicast_loop_v6(receives: bool): ipv6::MULTICAST_LOOP;

    /// Sets the hop limit of multicast datagrams: [`ip::MULTICAST_TTL`]. With 1, the default, they stay in the local
    /// network.
    multicast_ttl_v4, set_multicast_ttl_v4(ttl: u32): ip::MULTICAST_TTL;

    /// Sets the hop limit of multicast datagrams of IPv6: [`ipv6::MULTICAST_HOPS`]. With 1, the default, they stay in the
    /// local network.
    multicast_hops_v6, set_multicast_hops_v6(hops: u32): ipv6::MULTICAST_HOPS;

    /// Sets the interface that multicast datagrams of IPv6 are sent on, by index: [`ipv6::MULTICAST_INTERFACE`]. Zero, the
    /// default, leaves the choice to the system.
    multicast_if_v6, set_multicast_if_v6(interface: u32): ipv6::MULTICAST_INTERFACE;
}

only_v6_method!(UdpSocket);

/// Multicast groups and hop limits.
impl UdpSocket {
    /// Sets the hop limit of unicast datagrams: [`ip::TTL`], [`ipv6::UNICAST_HOPS`], or both. For multicast, see
    /// [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the option may or may not be set.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::set`](crate::socket::Socket::set).
    pub async fn set_ttl(&self, ttl: u32) -> Result<()> {
        self.as_socket().set_for_families(ip::TTL, ipv6::UNICAST_HOPS, ttl).await
    }

    /// Returns the hop limit of unicast datagrams.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::get`](crate::socket::Socket::get).
    pub async fn ttl(&self) -> Result<u32> {
        if self.as_socket().handle().state().family() == AF_INET {
            self.as_socket().get(ip::TTL).await
        } else {
            self.as_socket().get(ipv6::UNICAST_HOPS).await
        }
    }

    /// Sets the interface that multicast datagrams of IPv4 are sent on, by one of its addresses or by its index:
    /// [`ip::MULTICAST_INTERFACE`]. [Unspecified](Ipv4Addr::UNSPECIFIED), the default, leaves the choice to the system.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wsk::UdpSocket;
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let socket = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    /// socket.set_multicast_if_v4(Ipv4Addr::LOCALHOST).await?;
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the option may or may not be set.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the index or the address is ambiguous: see [`MulticastInterface`].
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
    pub async fn set_multicast_if_v4(
        &self,
        interface: impl Into<MulticastInterface>,
    ) -> Result<()> {
        self.as_socket().set(ip::MULTICAST_INTERFACE, interface.into()).await
    }

    /// Returns the interface that multicast datagrams of IPv4 are sent on, always as an index.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::get`](crate::socket::Socket::get).
    pub async fn multicast_if_v4(&self) -> Result<MulticastInterface> {
        self.as_socket().get(ip::MULTICAST_INTERFACE).await
    }

    /// Joins a multicast group, on the interface with the address `interface`, or on the default interface if that is
    /// [unspecified](Ipv4Addr::UNSPECIFIED): [`ip::ADD_MEMBERSHIP`].
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the socket may or may not be a member.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` or a similar status if `group` is not a multicast address.
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` or a similar status if the socket is already a member, or if the interface does
    ///   not exist.
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
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

    /// Leaves a multicast group: [`ip::DROP_MEMBERSHIP`].
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` or a similar status if the socket is not a member.
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
    pub async fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
        self.as_socket().set(ip::DROP_MEMBERSHIP, MembershipV4 { group, interface }).await
    }

    /// Joins a multicast group, on the interface with the index `interface`, or on the default interface if that is zero:
    /// [`ipv6::ADD_MEMBERSHIP`].
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of [`join_multicast_v4`](Self::join_multicast_v4).
    pub async fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<()> {
        self.as_socket().set(ipv6::ADD_MEMBERSHIP, MembershipV6 { group, interface }).await
    }

    /// Leaves a multicast group: [`ipv6::DROP_MEMBERSHIP`].
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of [`leave_multicast_v4`](Self::leave_multicast_v4).
    pub async fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<()> {
        self.as_socket().set(ipv6::DROP_MEMBERSHIP, MembershipV6 { group, interface }).await
    }

    /// Joins a multicast group for one source, on the interface with the address `interface`, or on the default interface if
    /// that is [unspecified](Ipv4Addr::UNSPECIFIED): [`ip::ADD_SOURCE_MEMBERSHIP`]. The socket receives the group's datagrams
    /// from that source only. Further calls add further sources.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// According to [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/multicast-socket-option-behavior):
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the socket is already a member for this source or for all sources, or if the
    ///   interface does not exist.
    /// - `STATUS_INVALID_PARAMETER` if `group` is not a multicast address, or if the source was blocked: see
    ///   [`unblock_source_v4`](Self::unblock_source_v4).
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
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
    /// const GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
    /// const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    /// let member = UdpSocket::bind(&wsk, (Ipv4Addr::UNSPECIFIED, 0)).await?;
    /// member.join_ssm_v4(SOURCE, GROUP, Ipv4Addr::UNSPECIFIED).await?;
    ///
    /// let to = (GROUP, member.local_addr().await?.port());
    /// let stranger = UdpSocket::bind(&wsk, (Ipv4Addr::new(127, 0, 0, 2), 0)).await?;
    /// stranger.send_copy_to(b"not received", to).await?;
    /// let source = UdpSocket::bind(&wsk, (SOURCE, 0)).await?;
    /// source.send_copy_to(b"received", to).await?;
    /// let ((size, from), _) = member.recv_from(Buffer::new(100)?).await.into_result()?;
    /// assert_eq!((size, from), (8, source.local_addr().await?));
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub async fn join_ssm_v4(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> Result<()> {
        let value = SourceMembershipV4 { group, source, interface };
        self.as_socket().set(ip::ADD_SOURCE_MEMBERSHIP, value).await
    }

    /// Leaves a multicast group for one source. With its last source, the socket leaves the group: [`ip::DROP_SOURCE_MEMBERSHIP`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the socket is a member for other sources only.
    /// - `STATUS_INVALID_PARAMETER` if it is not a member, or a member for all sources.
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
    pub async fn leave_ssm_v4(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> Result<()> {
        let value = SourceMembershipV4 { group, source, interface };
        self.as_socket().set(ip::DROP_SOURCE_MEMBERSHIP, value).await
    }

    /// Blocks a source of a multicast group that was joined with [`join_multicast_v4`](Self::join_multicast_v4): [`ip::BLOCK_SOURCE`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the source is already blocked.
    /// - `STATUS_INVALID_PARAMETER` if the socket is not a member for all sources.
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
    pub async fn block_source_v4(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> Result<()> {
        let value = SourceMembershipV4 { group, source, interface };
        self.as_socket().set(ip::BLOCK_SOURCE, value).await
    }

    /// Receives again from a source of a multicast group that was blocked: [`ip::UNBLOCK_SOURCE`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` or `STATUS_INVALID_PARAMETER` if the source is not blocked.
    /// - Those of [`Socket::set`](crate::socket::Socket::set).
    pub async fn unblock_source_v4(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> Result<()> {
        let value = SourceMembershipV4 { group, source, interface };
        self.as_socket().set(ip::UNBLOCK_SOURCE, value).await
    }

    /// Joins a multicast group for one source, on the interface with the index `interface`, or on the default interface if
    /// that is zero: [`ipv6::JOIN_SOURCE_GROUP`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of [`join_ssm_v4`](Self::join_ssm_v4).
    pub async fn join_ssm_v6(
        &self,
        source: Ipv6Addr,
        group: Ipv6Addr,
        interface: u32,
    ) -> Result<()> {
        let value = SourceMembershipV6 { group, source, interface };
        self.as_socket().set(ipv6::JOIN_SOURCE_GROUP, value).await
    }

    /// Leaves a multicast group for one source. With its last source, the socket leaves the group: [`ipv6::LEAVE_SOURCE_GROUP`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of [`leave_ssm_v4`](Self::leave_ssm_v4).
    pub async fn leave_ssm_v6(
        &self,
        source: Ipv6Addr,
        group: Ipv6Addr,
        interface: u32,
    ) -> Result<()> {
        let value = SourceMembershipV6 { group, source, interface };
        self.as_socket().set(ipv6::LEAVE_SOURCE_GROUP, value).await
    }

    /// Blocks a source of a multicast group that was joined with [`join_multicast_v6`](Self::join_multicast_v6): [`ipv6::BLOCK_SOURCE`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of [`block_source_v4`](Self::block_source_v4).
    pub async fn block_source_v6(
        &self,
        source: Ipv6Addr,
        group: Ipv6Addr,
        interface: u32,
    ) -> Result<()> {
        let value = SourceMembershipV6 { group, source, interface };
        self.as_socket().set(ipv6::BLOCK_SOURCE, value).await
    }

    /// Receives again from a source of a multicast group that was blocked: [`ipv6::UNBLOCK_SOURCE`].
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Those of [`unblock_source_v4`](Self::unblock_source_v4).
    pub async fn unblock_source_v6(
        &self,
        source: Ipv6Addr,
        group: Ipv6Addr,
        interface: u32,
    ) -> Result<()> {
        let value = SourceMembershipV6 { group, source, interface };
        self.as_socket().set(ipv6::UNBLOCK_SOURCE, value).await
    }
}
