//! Addresses as arguments, also as text.

use core::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::parse_socket_addr;
use crate::status::Result;

/// An address: a [`SocketAddr`], an IP address with a port, or text such as `"192.0.2.1:80"` and `"[fe80::1%7]:80"`.
///
/// Text is an address as [`SocketAddr`] parses it, with a numeric scope, and never a name: see
/// [`connect_host`](super::connect_host) and [`lookup_host`](super::lookup_host()) for names.
///
/// ```
/// use wsk::{ErrorKind, TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
/// let port = listener.local_addr().await?.port();
/// let stream = TcpStream::connect(&wsk, ([127, 0, 0, 1], port)).await?;
/// assert_eq!(stream.peer_addr().await?, listener.local_addr().await?);
///
/// let name = TcpStream::connect(&wsk, "localhost:80").await;
/// assert_eq!(name.unwrap_err().kind(), ErrorKind::InvalidInput);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// Sealed.
pub trait ToSocketAddr: sealed::ToSocketAddr {}

pub(super) mod sealed {
    use core::net::SocketAddr;

    use crate::status::Result;

    pub trait ToSocketAddr: Sized {
        /// # Errors
        ///
        /// `STATUS_INVALID_PARAMETER` if it is text, and not an address.
        fn into_socket_addr(self) -> Result<SocketAddr>;
    }
}

impl ToSocketAddr for SocketAddr {}

impl sealed::ToSocketAddr for SocketAddr {
    fn into_socket_addr(self) -> Result<SocketAddr> {
        Ok(self)
    }
}

impl ToSocketAddr for SocketAddrV4 {}

impl sealed::ToSocketAddr for SocketAddrV4 {
    fn into_socket_addr(self) -> Result<SocketAddr> {
        Ok(SocketAddr::V4(self))
    }
}

impl ToSocketAddr for SocketAddrV6 {}

impl sealed::ToSocketAddr for SocketAddrV6 {
    fn into_socket_addr(self) -> Result<SocketAddr> {
        Ok(SocketAddr::V6(self))
    }
}

/// An IP address, also as an array, and a port.
impl<I: Into<IpAddr>> ToSocketAddr for (I, u16) {}

impl<I: Into<IpAddr>> sealed::ToSocketAddr for (I, u16) {
    fn into_socket_addr(self) -> Result<SocketAddr> {
        Ok(SocketAddr::new(self.0.into(), self.1))
    }
}

impl ToSocketAddr for &str {}

impl sealed::ToSocketAddr for &str {
    fn into_socket_addr(self) -> Result<SocketAddr> {
        parse_socket_addr(self)
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::status::known;

    fn address<A: ToSocketAddr>(of: A) -> Result<SocketAddr> {
        of.into_socket_addr()
    }

    #[test]
    fn text_is_an_address_with_a_port_or_an_error() {
        assert_eq!(address("192.0.2.1:80"), address(([192, 0, 2, 1], 80)));
        assert_eq!(address("[::1]:443"), address((Ipv6Addr::LOCALHOST, 443)));
        let link_local = Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 1);
        assert_eq!(address("[fe80::1%7]:9"), address(SocketAddrV6::new(link_local, 9, 0, 7)));
        let v4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
        assert_eq!(address(v4), Ok(SocketAddr::V4(v4)));
        for wrong in [
            "",
            "192.0.2.1",
            "::1:80",
            "[::1]",
            "[fe80::1%eth0]:9",
            "localhost:80",
            "1.2.3.4:65536",
        ] {
            assert_eq!(address(wrong), Err(known::STATUS_INVALID_PARAMETER), "{wrong}");
        }
    }
}
