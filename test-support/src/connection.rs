//! Connections over the loopback address, and their bytes.

use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::{Buffer, Provider, Result, TcpListener, TcpStream};

/// Any port of the loopback address.
pub const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// Both ends of a connection: the connecting one, and the accepted one.
pub async fn streams(wsk: &Provider) -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(wsk, LOCAL).await?;
    let client = TcpStream::connect(wsk, listener.local_addr().await?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// As [`streams`], as connection sockets.
pub async fn sockets(wsk: &Provider) -> Result<(ConnectionSocket, ConnectionSocket)> {
    let listener = ListenSocket::builder(wsk, Family::INET).bind(LOCAL).await?;
    let address = listener.local_addr().await?;
    let client = ConnectionSocket::builder(wsk, Family::INET).connect(address).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// A buffer with these bytes.
pub fn buffer(bytes: &[u8]) -> Result<Buffer> {
    Buffer::try_from(bytes)
}

/// Receives until the peer has finished.
pub async fn receive_all(stream: &TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = Buffer::new(1000)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&filled[..received]);
        buffer = filled;
    }
}

/// Sends every byte back until the peer has finished, then finishes.
pub async fn echo(stream: &TcpStream, buffer_size: usize) -> Result<()> {
    let mut buffer = Buffer::new(buffer_size)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            return stream.shutdown().await;
        }
        let part = filled.slice(..received)?;
        buffer = stream.send_all(part).await.into_result()?.1.into_inner();
    }
}
