//! reqwless with embedded-tls. **It is not secure**: `README.md` says why, and the example `https` is a secure
//! alternative.

use alloc::vec::Vec;

use embedded_io_async::Read as _;
use reqwless::client::{HttpClient, TlsConfig, TlsVerify};
use reqwless::request::{Method, RequestBuilder as _};
use wsk::{Buffer, Provider};

use crate::{Error, Result};

/// The maximum size of a response's headers in bytes.
const HEADERS: usize = 4096;

/// The size of a TLS record in bytes, including the overhead of encryption.
const RECORD: usize = 16_640;

/// Fetches the page of a URL with a host name. `root` is the certificate, in DER, that signed the last one of the
/// server's chain. Returns the status code, and a page of up to `limit` bytes.
///
/// # Errors
///
/// Those of the connection and of the protocols; or [`Error::TooLarge`].
pub async fn get(wsk: &Provider, url: &str, root: &[u8], limit: usize) -> Result<(u16, Vec<u8>)> {
    let mut seed = [0; 8];
    wsk::random::fill(&mut seed)?;
    let (mut received, mut sent) = (Buffer::new(RECORD)?, Buffer::new(RECORD)?);
    let verify = TlsVerify::Certificate { ca: root, cert: None, key: None };
    let tls = TlsConfig::new(u64::from_ne_bytes(seed), &mut received, &mut sent, verify);
    let mut client = HttpClient::new_with_tls(wsk, wsk, tls);

    let mut headers = Buffer::new(HEADERS)?;
    let mut request = client.request(Method::GET, url).await?.headers(&[("Connection", "close")]);
    let response = request.send(&mut headers).await?;
    let status = response.status.0;
    let mut reader = response.body().reader();
    let mut page = Vec::new();
    let mut piece = [0; 256];
    loop {
        match reader.read(&mut piece).await? {
            0 => return Ok((status, page)),
            count if page.len() + count > limit => return Err(Error::TooLarge),
            count => page.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
}
