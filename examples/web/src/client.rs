//! The client.

use core::fmt;

use embedded_io_async::Read;
use reqwless::client::HttpClient;
use reqwless::request::Method;
use wsk::{Buffer, Provider};

/// Why a page could not be fetched.
#[derive(Debug)]
pub enum FetchError {
    /// There is no memory for the headers, or no time left.
    System(wsk::Error),
    /// What `reqwless` says of the request or of the connection.
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

/// Bytes that the headers of a response may have.
const HEADERS: usize = 4096;

/// Fetches a page by its URL, such as `http://example.org/`, and copies its body to the beginning of a buffer.
/// Returns the status code, and how many bytes the body has.
///
/// It takes as long as it takes: a caller sets a time with [`wsk::time::timeout`].
///
/// # Errors
///
/// Why it could not be fetched; a body that does not fit is an error.
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
            // One byte more would not fit: there must be none.
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
