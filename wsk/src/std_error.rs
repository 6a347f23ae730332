//! Conversion of this crate's errors to and from those of `std`.

use std::io;

use crate::status::{Error, ErrorKind, known};

/// Converts the kind, and keeps this error as the source of the `std` error. [`NotReady`](ErrorKind::NotReady) becomes
/// `WouldBlock`.
///
/// There is no `From` in the other direction, because it would make the error type of many `async` blocks ambiguous;
/// see [`Error::from_io_error`].
///
/// ```
/// use std::io;
///
/// let error = wsk::Error::from_status(0xC0000236_u32 as i32).unwrap();
/// let of_std = io::Error::from(error);
/// assert_eq!(of_std.kind(), io::ErrorKind::ConnectionRefused);
/// assert_eq!(wsk::Error::from_io_error(&of_std), error);
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::AddrInUse => io::ErrorKind::AddrInUse,
            ErrorKind::AddrNotAvailable => io::ErrorKind::AddrNotAvailable,
            ErrorKind::InvalidSize | ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
            ErrorKind::ConnectionAborted => io::ErrorKind::ConnectionAborted,
            ErrorKind::ConnectionRefused => io::ErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset => io::ErrorKind::ConnectionReset,
            ErrorKind::HostUnreachable => io::ErrorKind::HostUnreachable,
            ErrorKind::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
            ErrorKind::NotConnected | ErrorKind::SocketDead => io::ErrorKind::NotConnected,
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::NotReady => io::ErrorKind::WouldBlock,
            ErrorKind::OutOfMemory => io::ErrorKind::OutOfMemory,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::UnexpectedEof => io::ErrorKind::UnexpectedEof,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            // `Cancelled` is not `Interrupted`, which asks the caller to retry.
            ErrorKind::Cancelled | ErrorKind::Other => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl Error {
    /// Converts an error of `std`: the error of this crate that it was made from, or one of its kind.
    /// `STATUS_UNSUCCESSFUL` stands for kinds that no status has.
    #[must_use]
    pub fn from_io_error(error: &io::Error) -> Self {
        let source = error.get_ref().and_then(|source| source.downcast_ref::<Self>());
        source.copied().unwrap_or_else(|| match error.kind() {
            io::ErrorKind::AddrInUse => known::STATUS_ADDRESS_ALREADY_EXISTS,
            io::ErrorKind::AddrNotAvailable => known::STATUS_INVALID_ADDRESS,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                known::STATUS_INVALID_PARAMETER
            }
            io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                known::STATUS_CONNECTION_ABORTED
            }
            io::ErrorKind::ConnectionRefused => known::STATUS_CONNECTION_REFUSED,
            io::ErrorKind::ConnectionReset => known::STATUS_CONNECTION_RESET,
            io::ErrorKind::HostUnreachable => known::STATUS_HOST_UNREACHABLE,
            io::ErrorKind::NetworkUnreachable => known::STATUS_NETWORK_UNREACHABLE,
            io::ErrorKind::NotConnected => known::STATUS_INVALID_CONNECTION,
            io::ErrorKind::NotFound => known::STATUS_NOT_FOUND,
            io::ErrorKind::WouldBlock => known::STATUS_DEVICE_NOT_READY,
            io::ErrorKind::OutOfMemory => known::STATUS_INSUFFICIENT_RESOURCES,
            io::ErrorKind::PermissionDenied => known::STATUS_ACCESS_DENIED,
            io::ErrorKind::TimedOut => known::STATUS_IO_TIMEOUT,
            io::ErrorKind::UnexpectedEof => known::STATUS_GRACEFUL_DISCONNECT,
            io::ErrorKind::Unsupported => known::STATUS_NOT_SUPPORTED,
            _ => known::STATUS_UNSUCCESSFUL,
        })
    }
}
