//! edge-http: an HTTP client and a server.

use core::fmt::{Debug, Display};
use core::net::SocketAddr;

use edge_http::Method;
use edge_http::io::Error as HttpError;
use edge_http::io::client::Connection as ClientConnection;
use edge_http::io::server::{Connection, Handler};
use edge_nal::TcpSplit;
use embedded_io_async::{Read, Write};
use wsk::{Buffer, Provider};

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

/// The page that the server has.
pub const PAGE: &[u8] = b"a page of a driver\n";

/// Answers requests for `/` with [`PAGE`].
pub struct Site;

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
