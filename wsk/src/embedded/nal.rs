//! `embedded-nal-async`: connections and names.

use core::net::{IpAddr, SocketAddr};

use embedded_nal_async::{AddrType, Dns, TcpConnect};

use crate::net::{BufferedStream, TcpStream};
use crate::provider::Provider;
use crate::socket::Family;
use crate::status::Error;

/// Connects from any local address. See [`TcpStream::connect`].
impl TcpConnect for Provider {
    type Error = Error;
    type Connection<'a> = BufferedStream;

    async fn connect(&self, remote: SocketAddr) -> Result<BufferedStream, Error> {
        TcpStream::connect(self, remote).await.map(TcpStream::buffered)
    }
}

/// See [`Provider::host_by_name`] and [`Provider::host_by_address`].
impl Dns for Provider {
    type Error = Error;

    async fn get_host_by_name(&self, host: &str, wanted: AddrType) -> Result<IpAddr, Error> {
        let family = match wanted {
            AddrType::IPv4 => Family::INET,
            AddrType::IPv6 => Family::INET6,
            AddrType::Either => Family::UNSPECIFIED,
        };
        self.host_by_name(host, family).await
    }

    async fn get_host_by_address(
        &self,
        address: IpAddr,
        result: &mut [u8],
    ) -> Result<usize, Error> {
        self.host_by_address(address, result).await
    }
}
