//! `edge-nal`: connections, listeners, datagrams and names.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use edge_nal::{
    AddrType, Close, Dns, MulticastV4, MulticastV6, Readable, TcpAccept, TcpBind, TcpConnect,
    TcpShutdown, TcpSplit, UdpBind, UdpConnect, UdpReceive, UdpSend, UdpSplit, UdpSplitMulticast,
};
use embedded_io_async::ErrorType;

use crate::net::{BufferedReader, BufferedStream, BufferedWriter, ConnectedUdp};
use crate::net::{TcpListener, TcpStream, UdpSocket};
use crate::provider::Provider;
use crate::socket::Family;
use crate::status::{Error, ErrorKind, Result};

/// Connects from any local address. See [`TcpStream::connect`].
impl TcpConnect for Provider {
    type Error = Error;
    type Socket<'a> = BufferedStream;

    async fn connect(&self, remote: SocketAddr) -> Result<BufferedStream> {
        TcpStream::connect(self, remote).await.map(TcpStream::buffered)
    }
}

/// See [`TcpListener::bind`].
impl TcpBind for Provider {
    type Error = Error;
    type Accept<'a> = TcpListener;

    async fn bind(&self, local: SocketAddr) -> Result<TcpListener> {
        TcpListener::bind(self, local).await
    }
}

/// See [`TcpListener::accept`].
impl TcpAccept for TcpListener {
    type Error = Error;
    type Socket<'a> = BufferedStream;

    async fn accept(&self) -> Result<(SocketAddr, BufferedStream)> {
        let (stream, peer) = Self::accept(self).await?;
        Ok((peer, stream.buffered()))
    }
}

impl TcpSplit for BufferedStream {
    type Read<'a> = &'a mut BufferedReader;
    type Write<'a> = &'a mut BufferedWriter;

    fn split(&mut self) -> (&mut BufferedReader, &mut BufferedWriter) {
        Self::split(self)
    }
}

/// Closing the write half flushes, and finishes sending; Wine cannot, and closes gracefully when the stream is dropped.
/// Closing the read half discards all data, including buffered data, until the peer finishes sending.
impl TcpShutdown for BufferedStream {
    async fn close(&mut self, what: Close) -> Result<()> {
        if matches!(what, Close::Write | Close::Both) {
            match self.shutdown().await {
                Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
                result => result?,
            }
        }
        if matches!(what, Close::Read | Close::Both) {
            loop {
                let unread = self.fill_buf().await?.len();
                if unread == 0 {
                    break;
                }
                self.consume(unread);
            }
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<()> {
        Self::abort(self).await
    }
}

/// Receives ahead, as [`fill_buf`](BufferedStream::fill_buf) does.
impl Readable for BufferedStream {
    async fn readable(&mut self) -> Result<()> {
        self.fill_buf().await.map(drop)
    }
}

/// Receives ahead, as [`fill_buf`](BufferedReader::fill_buf) does.
impl Readable for BufferedReader {
    async fn readable(&mut self) -> Result<()> {
        self.fill_buf().await.map(drop)
    }
}

/// See [`UdpSocket::bind`].
impl UdpBind for Provider {
    type Error = Error;
    type Socket<'a> = UdpSocket;

    async fn bind(&self, local: SocketAddr) -> Result<UdpSocket> {
        UdpSocket::bind(self, local).await
    }
}

/// See [`UdpSocket::into_connected`].
impl UdpConnect for Provider {
    type Error = Error;
    type Socket<'a> = ConnectedUdp<UdpSocket>;

    async fn connect(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<ConnectedUdp<UdpSocket>> {
        UdpSocket::bind(self, local).await?.into_connected(remote).await
    }
}

/// The traits of datagrams, for a socket or for a reference to one, which is its half.
macro_rules! datagrams {
    ($type:ty, |$socket:ident| $as_socket:expr, |$half:ident, $remote:ident, $data:ident| $sent:expr) => {
        impl ErrorType for $type {
            type Error = Error;
        }

        /// Receives through a buffer of 64 KiB, which the socket reuses: the trait requires the size of a truncated datagram.
        impl UdpReceive for $type {
            async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
                let $socket = self;
                $as_socket.recv_and_truncate(buffer).await
            }
        }

        impl UdpSend for $type {
            async fn send(&mut self, $remote: SocketAddr, $data: &[u8]) -> Result<()> {
                let $half = self;
                $sent.await.map(drop)
            }
        }

        impl Readable for $type {
            async fn readable(&mut self) -> Result<()> {
                let $socket = self;
                $as_socket.readable().await
            }
        }

        impl MulticastV4 for $type {
            async fn join_v4(&mut self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
                let $socket = self;
                $as_socket.join_multicast_v4(group, interface).await
            }

            async fn leave_v4(&mut self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<()> {
                let $socket = self;
                $as_socket.leave_multicast_v4(group, interface).await
            }
        }

        impl MulticastV6 for $type {
            async fn join_v6(&mut self, group: Ipv6Addr, interface: u32) -> Result<()> {
                let $socket = self;
                $as_socket.join_multicast_v6(group, interface).await
            }

            async fn leave_v6(&mut self, group: Ipv6Addr, interface: u32) -> Result<()> {
                let $socket = self;
                $as_socket.leave_multicast_v6(group, interface).await
            }
        }
    };
}

datagrams!(UdpSocket, |socket| UdpSocket::as_ref(socket), |socket, remote, data| socket
    .send_copy_to(data, remote));
datagrams!(&UdpSocket, |socket| UdpSocket::as_ref(socket), |socket, remote, data| socket
    .send_copy_to(data, remote));
// The destination is always the peer; the given address is ignored.
datagrams!(ConnectedUdp<UdpSocket>, |socket| socket.as_socket(), |socket, _remote, data| socket
    .send_copy(data));
datagrams!(&ConnectedUdp<UdpSocket>, |socket| socket.as_socket(), |socket, _remote, data| socket
    .send_copy(data));

macro_rules! halves {
    ($($type:ty)*) => {$(
        impl UdpSplit for $type {
            type Receive<'a> = &'a Self;
            type Send<'a> = &'a Self;

            fn split(&mut self) -> (&Self, &Self) {
                (self, self)
            }
        }

        impl UdpSplitMulticast for $type {
            type MulticastV4<'a> = &'a Self;
            type MulticastV6<'a> = &'a Self;

            fn split_multicast(&mut self) -> (&Self, &Self, &Self, &Self) {
                (self, self, self, self)
            }
        }
    )*};
}

halves!(UdpSocket ConnectedUdp<UdpSocket>);

/// See [`Provider::host_by_name`] and [`Provider::host_by_address`].
impl Dns for Provider {
    type Error = Error;

    async fn get_host_by_name(&self, host: &str, wanted: AddrType) -> Result<IpAddr> {
        let family = match wanted {
            AddrType::IPv4 => Family::INET,
            AddrType::IPv6 => Family::INET6,
            AddrType::Either => Family::UNSPECIFIED,
        };
        self.host_by_name(host, family).await
    }

    async fn get_host_by_address(&self, address: IpAddr, result: &mut [u8]) -> Result<usize> {
        self.host_by_address(address, result).await
    }
}
