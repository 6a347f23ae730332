//! Errors.

use core::fmt;

use embedded_io_async::ErrorKind;

/// Why a page could not be fetched.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The URL is invalid, or is not an HTTPS URL with a host name.
    Url,
    /// The network, or an allocation of `wsk`.
    System(wsk::Error),
    /// The protocol, or a certificate.
    Tls(rustls::Error),
    /// The connection ended without TLS's closing alert, so it may have been truncated by an attacker.
    Truncated,
    /// The response.
    Http(reqwless::Error),
    /// The page is larger than the buffer.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL must be https://, a host name, and a path"),
            Self::System(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Truncated => f.write_str("the connection was cut before the end of TLS"),
            Self::Http(error) => write!(f, "the response: {error:?}"),
            Self::TooLarge => f.write_str("the page is larger than the buffer"),
        }
    }
}

impl core::error::Error for Error {}

impl From<wsk::Error> for Error {
    fn from(error: wsk::Error) -> Self {
        Self::System(error)
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl From<reqwless::Error> for Error {
    fn from(error: reqwless::Error) -> Self {
        Self::Http(error)
    }
}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Truncated => ErrorKind::ConnectionAborted,
            _ => ErrorKind::Other,
        }
    }
}
