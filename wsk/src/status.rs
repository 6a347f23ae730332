//! Errors: an NTSTATUS with its name and its kind.

use core::fmt;
use core::num::NonZero;

use wsk_sys::NTSTATUS;

/// The result of an operation of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// An NTSTATUS that is a warning or an error.
///
/// It never contains a status that passes `NT_SUCCESS`, not even `STATUS_PENDING` or `STATUS_EVENT_PENDING`, which pass
/// although they are not successes.
///
/// ```
/// use wsk::{Error, ErrorKind};
///
/// let error = Error::from_status(0xC0000236_u32 as i32).unwrap();
/// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
/// assert_eq!(error.name(), Some("STATUS_CONNECTION_REFUSED"));
/// assert_eq!(error.to_string(), "the peer refused the connection (STATUS_CONNECTION_REFUSED, 0xC0000236)");
/// assert!(Error::from_status(0).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(NonZero<NTSTATUS>);

/// The kind of an [`Error`], like `std::io::ErrorKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The address is in use.
    AddrInUse,
    /// This system does not have the address, or has no free one left.
    AddrNotAvailable,
    /// A buffer is too small, or a size is out of range.
    InvalidSize,
    /// This side aborted the connection.
    ConnectionAborted,
    /// The peer refused the connection.
    ConnectionRefused,
    /// The peer reset the connection.
    ConnectionReset,
    /// The host cannot be reached.
    HostUnreachable,
    /// The operation was cancelled.
    Cancelled,
    /// A parameter is not valid.
    InvalidInput,
    /// The network cannot be reached.
    NetworkUnreachable,
    /// There is no connection.
    NotConnected,
    /// A name or an object was not found.
    NotFound,
    /// The subsystem is not ready yet, or a call that does not wait would have to.
    NotReady,
    /// Not enough memory or other resources.
    OutOfMemory,
    /// Access was denied.
    PermissionDenied,
    /// The socket no longer works, and can only be closed.
    SocketDead,
    /// The operation timed out.
    TimedOut,
    /// The peer finished sending before all requested data was received.
    UnexpectedEof,
    /// The running system does not support the operation.
    Unsupported,
    /// Any other error.
    Other,
}

impl ErrorKind {
    /// Whether a connection has ended: [`ConnectionReset`](Self::ConnectionReset),
    /// [`ConnectionAborted`](Self::ConnectionAborted) or [`NotConnected`](Self::NotConnected).
    ///
    /// Peers cause these errors, so a server serves the next connection, and has nothing to report.
    ///
    /// ```
    /// use wsk::ErrorKind;
    ///
    /// assert!(ErrorKind::ConnectionReset.is_disconnect());
    /// assert!(!ErrorKind::OutOfMemory.is_disconnect());
    /// ```
    #[must_use]
    pub const fn is_disconnect(self) -> bool {
        matches!(self, Self::ConnectionReset | Self::ConnectionAborted | Self::NotConnected)
    }
}

macro_rules! statuses {
    ($($name:ident, $kind:ident, $text:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
            pub(crate) const $name: Error = Error::constant(wsk_sys::$name);
        )*
        const STATUSES: &[(NTSTATUS, &str, ErrorKind, &str)] =
            &[$((wsk_sys::$name, stringify!($name), ErrorKind::$kind, $text)),*];
    };
}

/// The errors that this crate itself returns, and all others whose names it has.
#[allow(dead_code, reason = "the table names more errors than the crate makes")]
pub(crate) mod known {
    use super::{Error, ErrorKind, NTSTATUS};

    pub(super) fn find(
        status: NTSTATUS,
    ) -> Option<&'static (NTSTATUS, &'static str, ErrorKind, &'static str)> {
        STATUSES.iter().find(|known| known.0 == status)
    }

    statuses! {
        STATUS_BUFFER_OVERFLOW, InvalidSize, "the data did not fit";
        STATUS_UNSUCCESSFUL, Other, "the operation failed";
        STATUS_NOT_IMPLEMENTED, Unsupported, "the running system does not implement the operation";
        STATUS_INVALID_HANDLE, InvalidInput, "not a valid handle or object";
        STATUS_INVALID_PARAMETER, InvalidInput, "a parameter is not valid";
        STATUS_INVALID_DEVICE_REQUEST, InvalidInput, "the request is not valid for this object";
        STATUS_NO_MEMORY, OutOfMemory, "not enough memory";
        STATUS_ACCESS_DENIED, PermissionDenied, "access was denied";
        STATUS_BUFFER_TOO_SMALL, InvalidSize, "the buffer is too small";
        STATUS_OBJECT_TYPE_MISMATCH, InvalidInput, "the object is not of the type that the request needs";
        STATUS_INSUFFICIENT_RESOURCES, OutOfMemory, "not enough resources";
        STATUS_DEVICE_NOT_READY, NotReady, "the subsystem is not ready";
        STATUS_IO_TIMEOUT, TimedOut, "the operation timed out";
        STATUS_FILE_FORCED_CLOSED, SocketDead, "the socket no longer works and must be closed";
        STATUS_NOT_SUPPORTED, Unsupported, "not supported";
        STATUS_REQUEST_NOT_ACCEPTED, Other, "the request was not accepted";
        STATUS_INTERNAL_ERROR, Other, "an internal error of the system";
        STATUS_NAME_TOO_LONG, InvalidInput, "the name is too long";
        STATUS_CANCELLED, Cancelled, "the operation was cancelled";
        STATUS_INVALID_DEVICE_STATE, NotConnected, "the socket is in the wrong state";
        STATUS_INVALID_BUFFER_SIZE, InvalidSize, "the size of a buffer is not valid";
        STATUS_DATA_NOT_ACCEPTED, Other, "data was refused";
        STATUS_NOT_FOUND, NotFound, "not found";
        STATUS_NO_MATCH, NotFound, "the name was not resolved";
        STATUS_NOINTERFACE, Unsupported, "the provider does not support this version of WSK";
        STATUS_BAD_NETWORK_PATH, HostUnreachable, "the network path was not found";
        STATUS_LOCAL_DISCONNECT, ConnectionAborted, "this side disconnected";
        STATUS_REMOTE_DISCONNECT, ConnectionReset, "the peer disconnected";
        STATUS_LINK_TIMEOUT, TimedOut, "the network did not answer in time";
        STATUS_INVALID_CONNECTION, NotConnected, "the connection is not valid";
        STATUS_INVALID_ADDRESS, AddrNotAvailable, "the address is not valid";
        STATUS_INVALID_ADDRESS_COMPONENT, AddrNotAvailable, "a component of the address is not valid";
        STATUS_TOO_MANY_ADDRESSES, AddrNotAvailable, "no more addresses or ports are to be had";
        STATUS_ADDRESS_ALREADY_EXISTS, AddrInUse, "the address is in use";
        STATUS_ADDRESS_CLOSED, NotConnected, "the address was closed";
        STATUS_CONNECTION_DISCONNECTED, ConnectionReset, "the connection was disconnected";
        STATUS_CONNECTION_RESET, ConnectionReset, "the peer reset the connection";
        STATUS_CONNECTION_REFUSED, ConnectionRefused, "the peer refused the connection";
        STATUS_GRACEFUL_DISCONNECT, UnexpectedEof, "the peer finished sending";
        STATUS_ADDRESS_ALREADY_ASSOCIATED, AddrInUse, "the address belongs to another object already";
        STATUS_ADDRESS_NOT_ASSOCIATED, NotConnected, "no address belongs to the object yet";
        STATUS_CONNECTION_INVALID, NotConnected, "the object has no connection";
        STATUS_CONNECTION_ACTIVE, InvalidInput, "the object has a connection already";
        STATUS_NETWORK_UNREACHABLE, NetworkUnreachable, "the network cannot be reached";
        STATUS_HOST_UNREACHABLE, HostUnreachable, "the host cannot be reached";
        STATUS_PROTOCOL_UNREACHABLE, HostUnreachable, "the host does not take the protocol";
        STATUS_PORT_UNREACHABLE, ConnectionRefused, "nothing serves the port";
        STATUS_REQUEST_ABORTED, ConnectionAborted, "the request was aborted";
        STATUS_CONNECTION_ABORTED, ConnectionAborted, "this side aborted the connection";
        STATUS_CONNECTION_COUNT_LIMIT, OutOfMemory, "too many connections";
        STATUS_HOPLIMIT_EXCEEDED, HostUnreachable, "a packet passed too many routers";
        STATUS_PROTOCOL_NOT_SUPPORTED, Unsupported, "the protocol is not supported";
    }
}

impl Error {
    /// Converts a status into an error. Returns `None` if the status passes `NT_SUCCESS`.
    #[must_use]
    pub const fn from_status(status: NTSTATUS) -> Option<Self> {
        if status >= 0 {
            return None;
        }
        match NonZero::new(status) {
            Some(status) => Some(Self(status)),
            None => None,
        }
    }

    /// For constants: a status that passes `NT_SUCCESS` is a compile error.
    const fn constant(status: NTSTATUS) -> Self {
        match Self::from_status(status) {
            Some(error) => error,
            None => panic!("not an error status"),
        }
    }

    /// Returns the status as it was received.
    #[must_use]
    pub const fn status(self) -> NTSTATUS {
        self.0.get()
    }

    /// Returns the name of the status in `ntstatus.h`, if this crate knows it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        known::find(self.status()).map(|known| known.1)
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(self) -> ErrorKind {
        known::find(self.status()).map_or(ErrorKind::Other, |known| known.2)
    }
}

/// The result of a request that has completed, or of a call that does not pend.
///
/// `STATUS_PENDING` and `STATUS_EVENT_PENDING` ([INV-68](crate::rules#inv-68)) are not results of either. If the system
/// returns one of them, the result is an error.
pub(crate) const fn check(status: NTSTATUS) -> Result<()> {
    match status {
        wsk_sys::STATUS_PENDING | wsk_sys::STATUS_EVENT_PENDING => {
            Err(known::STATUS_INTERNAL_ERROR)
        }
        _ => match Error::from_status(status) {
            Some(error) => Err(error),
            None => Ok(()),
        },
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Error(0x{:08X})", self.status()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match known::find(self.status()) {
            Some((status, name, _, text)) => write!(f, "{text} ({name}, 0x{status:08X})"),
            None => write!(f, "an error without a name here (0x{:08X})", self.status()),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_is_no_success() {
        assert_eq!(check(wsk_sys::STATUS_SUCCESS), Ok(()));
        assert_eq!(check(wsk_sys::STATUS_PENDING), Err(known::STATUS_INTERNAL_ERROR));
        assert_eq!(check(wsk_sys::STATUS_EVENT_PENDING), Err(known::STATUS_INTERNAL_ERROR));
        assert_eq!(check(wsk_sys::STATUS_CANCELLED), Err(known::STATUS_CANCELLED));
    }

    #[test]
    fn an_unknown_status_is_kept_as_it_is() {
        let error = Error::from_status(i32::MIN).expect("an error");
        assert_eq!((error.name(), error.kind()), (None, ErrorKind::Other));
        assert_eq!(std::format!("{error:?}"), "Error(0x80000000)");
    }
}
