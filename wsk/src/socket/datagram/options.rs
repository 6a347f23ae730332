//! Options for the control messages of received datagrams, for both address families.
//!
//! # Safety
//!
//! The option is declared with the type that the system reads and writes.

#![expect(unsafe_code, reason = "see Safety")]

use core::net::IpAddr;

use wsk_sys::{AF_INET, IPPROTO_IPV6, IPV6_V6ONLY};

use super::{Datagram, Exchanges, Socket};
use crate::options::{AppliesTo, OptionValue, ReadOnly, ReadWrite, SocketOption, Udp, ip, ipv6};
use crate::status::Result;

/// `ipv6::ONLY_V6`, which is set before the bind, and read after it.
// SAFETY: the option is a number, 0 or 1, and reading it changes nothing.
const ONLY_V6: SocketOption<bool, Udp, ReadOnly> =
    unsafe { SocketOption::new(IPPROTO_IPV6, IPV6_V6ONLY) };

/// The families of a socket's datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Families {
    v4: bool,
    v6: bool,
}

impl<S: Exchanges, H> Socket<Datagram, S, H> {
    pub(crate) async fn families(&self) -> Result<Families> {
        if self.handle.state().family() == AF_INET {
            return Ok(Families { v4: true, v6: false });
        }
        match self.local_address().await?.ip() {
            // A socket bound to the unspecified address exchanges datagrams of both families, unless it is restricted to IPv6.
            IpAddr::V6(ip) if ip.is_unspecified() => {
                Ok(Families { v4: !self.get(ONLY_V6).await?, v6: true })
            }
            ip => {
                let v4 = ip.to_canonical().is_ipv4();
                Ok(Families { v4, v6: !v4 })
            }
        }
    }

    /// Sets an option that has a constant for each family.
    pub(crate) async fn set_for_families<T, A>(
        &self,
        v4: SocketOption<T, A, ReadWrite>,
        v6: SocketOption<T, A, ReadWrite>,
        value: T::Value,
    ) -> Result<()>
    where
        T: OptionValue<Value: Copy>,
        A: AppliesTo<Datagram, S>,
    {
        let families = self.families().await?;
        if families.v6 {
            self.set(v6, value).await?;
        }
        if families.v4 {
            self.set(v4, value).await?;
        }
        Ok(())
    }

    /// Sets whether received datagrams carry their local address and interface:
    /// [`ip::PACKET_INFO`] and [`ipv6::PACKET_INFO`]. See [`cmsg`](crate::cmsg).
    ///
    /// This and the next three methods set the option for each family of the socket's datagrams. An IPv6 socket exchanges
    /// datagrams of both families if it is not [restricted to IPv6](ipv6::ONLY_V6) and is bound to the unspecified address.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ip-pktinfo).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the options may or may not be set.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub async fn set_receive_packet_info(&self, enabled: bool) -> Result<()> {
        self.set_for_families(ip::PACKET_INFO, ipv6::PACKET_INFO, enabled).await
    }

    /// Sets whether received datagrams carry their ECN bits: [`ip::ECN`] and [`ipv6::ECN`]. See
    /// [`cmsg`](crate::cmsg).
    ///
    /// IRQL: as for [`set_receive_packet_info`](Self::set_receive_packet_info).
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/winsock-ecn).
    ///
    /// # Cancel safety
    ///
    /// As for [`set_receive_packet_info`](Self::set_receive_packet_info).
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub async fn set_receive_ecn(&self, enabled: bool) -> Result<()> {
        self.set_for_families(ip::ECN, ipv6::ECN, enabled).await
    }

    /// Sets whether received datagrams carry their type of service or traffic class:
    /// [`ip::RECEIVE_TYPE_OF_SERVICE`] and [`ipv6::RECEIVE_TRAFFIC_CLASS`]. See [`cmsg`](crate::cmsg).
    ///
    /// IRQL: as for [`set_receive_packet_info`](Self::set_receive_packet_info).
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-ip-socket-options).
    ///
    /// # Cancel safety
    ///
    /// As for [`set_receive_packet_info`](Self::set_receive_packet_info).
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub async fn set_receive_traffic_class(&self, enabled: bool) -> Result<()> {
        self.set_for_families(ip::RECEIVE_TYPE_OF_SERVICE, ipv6::RECEIVE_TRAFFIC_CLASS, enabled)
            .await
    }

    /// Sets whether received datagrams carry their remaining hop limit: [`ip::HOP_LIMIT`] and
    /// [`ipv6::HOP_LIMIT`]. See [`cmsg`](crate::cmsg).
    ///
    /// IRQL: as for [`set_receive_packet_info`](Self::set_receive_packet_info).
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-ip-socket-options).
    ///
    /// # Cancel safety
    ///
    /// As for [`set_receive_packet_info`](Self::set_receive_packet_info).
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub async fn set_receive_hop_limit(&self, enabled: bool) -> Result<()> {
        self.set_for_families(ip::HOP_LIMIT, ipv6::HOP_LIMIT, enabled).await
    }
}
