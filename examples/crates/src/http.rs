//! edge-http: an HTTP client and a server.

use core::fmt::{Debug, Display};
use core::net::SocketAddr;

use edge_http::Method;
use edge_http::io::Error as HttpError;
use edge_http::io::client::Connection as ClientConnection;
use edge_http::io::server::{Connection, Handler, Server, handle_connection};
use edge_nal::TcpSplit;
use embedded_io_async::{Read, Write};
use wsk::{Buffer, Provider, TcpListener};

use crate::{Error, Result};

/// The memory of a connection, in bytes: for the headers.
const HEADERS: usize = 2048;

/// Fetches a page into `page`. Returns the status code and the size of the page in bytes.
///
/// # Errors
///
/// Those of the connection and of the protocol; or [`Error::TooLarge`].
pub async fn get(
    wsk: &Provider,
    server: SocketAddr,
    path: &str,
    page: &mut [u8],
) -> Result<(u16, usize)> {
    let mut headers = Buffer::new(HEADERS)?;
    let mut connection: ClientConnection<'_, _> = ClientConnection::new(&mut headers, wsk, server);
    connection.initiate_request(true, Method::Get, path, &[("Host", "localhost")]).await?;
    connection.initiate_response().await?;
    let status = connection.headers()?.code;
    let mut size = 0;
    loop {
        let room = page.get_mut(size..).unwrap_or_default();
        if room.is_empty() {
            // The buffer is full: the page must end here.
            return match connection.read(&mut [0]).await? {
                0 => Ok((status, size)),
                _ => Err(Error::TooLarge),
            };
        }
        match connection.read(room).await? {
            0 => return Ok((status, size)),
            count => size += count,
        }
    }
}

/// The number of headers that a request may have.
const MAX_HEADERS: usize = 16;

/// The time after which the server closes a connection without a request, in milliseconds.
const IDLE: Option<u32> = Some(500);

/// Serves up to two connections at once, until the listener fails.
///
/// # Errors
///
/// The listener's.
pub async fn serve(listener: TcpListener) -> Result<()> {
    let mut server: Server<2, HEADERS, MAX_HEADERS> = Server::new();
    Ok(server.run(IDLE, listener, Site).await?)
}

/// Accepts one connection, and serves it until it ends.
///
/// # Errors
///
/// The listener's errors, and those of an allocation.
pub async fn serve_connection(listener: &TcpListener) -> Result<()> {
    let (stream, _) = listener.accept().await?;
    let mut headers = Buffer::new(HEADERS)?;
    handle_connection::<_, _, MAX_HEADERS>(stream.buffered(), &mut headers, IDLE, "", Site).await;
    Ok(())
}

/// The server's page.
pub const PAGE: &[u8] = b"a page of a driver\n";

/// Answers requests for `/` with [`PAGE`].
struct Site;

impl Handler for Site {
    type Error<E: Debug> = HttpError<E>;

    async fn handle<T: Read + Write + TcpSplit, const N: usize>(
        &self,
        _task: impl Display + Copy,
        connection: &mut Connection<'_, T, N>,
    ) -> core::result::Result<(), HttpError<T::Error>> {
        let headers = connection.headers()?;
        let (status, reason, page) = match (headers.method, headers.path) {
            (Method::Get, "/") => (200, "OK", PAGE),
            (Method::Get, _) => (404, "Not Found", &b"no such page\n"[..]),
            _ => (405, "Method Not Allowed", &b""[..]),
        };
        connection
            .initiate_response(status, Some(reason), &[("Content-Type", "text/plain")])
            .await?;
        connection.write_all(page).await
    }
}
