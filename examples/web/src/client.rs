//! The HTTP client.

use core::fmt;

use embedded_io_async::Read;
use reqwless::client::HttpClient;
use reqwless::request::Method;
use wsk::{Buffer, Provider};

/// Why a page could not be fetched.
#[derive(Debug)]
pub enum FetchError {
    /// The headers could not be allocated, or the time was up.
    System(wsk::Error),
    /// `reqwless` reported an error of the request or the connection.
    Http(reqwless::Error),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "{error}"),
            Self::Http(error) => write!(f, "{error:?}"),
        }
    }
}

impl core::error::Error for FetchError {}

impl From<wsk::Error> for FetchError {
    fn from(error: wsk::Error) -> Self {
        Self::System(error)
    }
}

impl From<reqwless::Error> for FetchError {
    fn from(error: reqwless::Error) -> Self {
        Self::Http(error)
    }
}

/// The maximum size of a response's headers in bytes.
const HEADERS: usize = 4096;

/// Fetches the page of a URL, such as `http://example.org/`, into `body`. Returns the status code and the size of the
/// page in bytes.
///
/// It has no timeout; callers add one with [`wsk::time::timeout`].
///
/// # Errors
///
/// The error of the request; also if the page does not fit into `body`.
pub async fn fetch(wsk: &Provider, url: &str, body: &mut [u8]) -> Result<(u16, usize), FetchError> {
    let mut headers = Buffer::new(HEADERS)?;
    let mut client = HttpClient::new(wsk, wsk);
    let mut request = client.request(Method::GET, url).await?;
    let response = request.send(&mut headers).await?;
    let status = response.status.0;
    let mut reader = response.body().reader();
    let mut length = 0;
    loop {
        let room = body.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            // The buffer is full: the page must end here.
            return match read(&mut reader, &mut [0]).await? {
                0 => Ok((status, length)),
                _ => Err(FetchError::Http(reqwless::Error::BufferTooSmall)),
            };
        }
        match read(&mut reader, room).await? {
            0 => return Ok((status, length)),
            count => length += count,
        }
    }
}

async fn read(
    reader: &mut impl Read<Error = reqwless::Error>,
    to: &mut [u8],
) -> Result<usize, FetchError> {
    Ok(reader.read(to).await?)
}
