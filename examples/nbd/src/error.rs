//! Errors of a connection to a server.

use core::fmt;

/// The result of what needs a connection.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a connection does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The network, or memory.
    Network(wsk::Error),
    /// Another protocol answers at the address, or the oldest form of this one.
    NotNbd,
    /// The server does not serve the export: the number of the reply.
    Refused(u32),
    /// The server broke the protocol: what it sent.
    Unexpected(&'static str),
    /// The server has another size or another kind of export than when it was first connected.
    Changed,
    /// The server is ending.
    ShuttingDown,
    /// The server has not answered for too long.
    Silent,
}

impl From<wsk::Error> for Error {
    fn from(error: wsk::Error) -> Self {
        Self::Network(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => write!(f, "{error}"),
            Self::NotNbd => f.write_str("no NBD server with the newstyle handshake answers there"),
            Self::Refused(number) => {
                let reason = match number {
                    0x8000_0002 => "its policy forbids it",
                    0x8000_0005 => "it requires TLS, which this client does not have",
                    0x8000_0006 => "it has no export of this name",
                    0x8000_0007 => "it is shutting down",
                    _ => return write!(f, "the server refuses the export (0x{number:08X})"),
                };
                write!(f, "the server refuses the export: {reason}")
            }
            Self::Unexpected(what) => write!(f, "the server broke the protocol: it sent {what}"),
            Self::Changed => f.write_str("the server's export is not the one of before"),
            Self::ShuttingDown => f.write_str("the server is shutting down"),
            Self::Silent => f.write_str("the server does not answer"),
        }
    }
}

impl core::error::Error for Error {}
