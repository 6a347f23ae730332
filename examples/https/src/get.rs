//! A GET request.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString as _;
use core::pin::Pin;

use embedded_io_async::{Read, Write as _};
use nourl::{Url, UrlScheme};
use reqwless::request::{Method, Request, RequestBuilder as _};
use reqwless::response::Response;
use rustls::pki_types::ServerName;
use wsk::{Buffer, Provider};

use crate::{Error, Roots, TlsStream};

/// The maximum size of a response's headers in bytes.
const HEADERS: usize = 4096;

/// Fetches the page of a URL, such as `https://example.org/`, into `body`. Returns the status code and the size of the
/// page in bytes.
///
/// It has no timeout; callers add one with [`wsk::time::timeout`].
///
/// # Errors
///
/// - [`Error::Tls`] if the server's certificate is not currently valid for the URL's host under one of the roots, or for
///   any other error of the protocol.
/// - [`Error::TooLarge`] if the page does not fit into `body`.
/// - The other errors describe themselves.
pub async fn get(
    wsk: &Provider,
    roots: &Roots,
    url: &str,
    body: &mut [u8],
) -> Result<(u16, usize), Error> {
    let url = Url::parse(url).map_err(|_| Error::Url)?;
    if url.scheme() != UrlScheme::HTTPS {
        return Err(Error::Url);
    }
    // Allocated in the pool and called through a pointer. Otherwise, the compiler would give each part the stack of
    // both.
    let connected: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(connect(wsk, roots, &url));
    let mut stream = connected.await?;
    let fetched: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(request(&mut stream, &url, body));
    let fetched = fetched.await?;
    // The page is complete, so an error of the close does not matter.
    let _ = stream.close().await;
    Ok(fetched)
}

async fn connect(wsk: &Provider, roots: &Roots, url: &Url<'_>) -> Result<TlsStream, Error> {
    let name = ServerName::try_from(url.host()).map_err(|_| Error::Url)?.to_owned();
    let stream = wsk::net::connect_host(wsk, (url.host(), url.port_or_default())).await?;
    TlsStream::connect(stream, roots, name).await
}

async fn request(
    stream: &mut TlsStream,
    url: &Url<'_>,
    body: &mut [u8],
) -> Result<(u16, usize), Error> {
    let host = match url.port_or_default() {
        443 => url.host().to_string(),
        port => format!("{}:{port}", url.host()),
    };
    let extra = [("Connection", "close")];
    let request = Request::new(Method::GET, url.path()).host(&host).headers(&extra).build();
    request.write_header(stream).await?;
    stream.flush().await?;

    let mut headers = Buffer::new(HEADERS)?;
    let response = Response::read(stream, Method::GET, &mut headers).await?;
    let status = response.status.0;
    let mut reader = response.body().reader();
    let mut length = 0;
    loop {
        let room = body.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            // The buffer is full: the page must end here.
            return match reader.read(&mut [0]).await? {
                0 => Ok((status, length)),
                _ => Err(Error::TooLarge),
            };
        }
        match reader.read(room).await? {
            0 => return Ok((status, length)),
            count => length += count,
        }
    }
}
