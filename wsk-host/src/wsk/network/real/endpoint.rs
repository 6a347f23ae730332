//! The endpoints of the machine's network, and the conversion of its errors to statuses.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::Poll;

use wsk_sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CONNECTION_ABORTED,
    STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_HOST_UNREACHABLE,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_ADDRESS_COMPONENT, STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_PARAMETER, STATUS_IO_TIMEOUT, STATUS_NETWORK_UNREACHABLE, STATUS_NOT_SUPPORTED,
    STATUS_UNSUCCESSFUL,
};

use super::datagrams::UdpState;
use crate::wsk::options::Setting;

/// A socket of the machine.
pub(super) struct Endpoint {
    pub(super) inner: socket2::Socket,
    /// The remote address of a started connect.
    pub(super) remote: Option<SocketAddr>,
    /// The address that the socket was bound to, if it is to get its port late.
    pub(super) late: Option<SocketAddr>,
    /// The reason for the loss of the connection. The machine reports it only once.
    pub(super) lost: Option<NTSTATUS>,
    /// The readiness that is currently polled.
    pub(super) watched: (bool, bool),
    pub(super) datagrams: Option<UdpState>,
}

/// The result of a system call that does not block.
pub(super) fn poll<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}

impl Endpoint {
    pub(super) fn new(inner: socket2::Socket, remote: Option<SocketAddr>) -> Self {
        let watched = (false, false);
        Self { inner, remote, late: None, lost: None, watched, datagrams: None }
    }

    /// Does something with a connection, unless it is lost.
    pub(super) fn unless_lost<T>(
        &mut self,
        call: impl FnMut(&socket2::Socket) -> io::Result<T>,
    ) -> Poll<Result<T, NTSTATUS>> {
        if let Some(status) = self.lost {
            return Poll::Ready(Err(status));
        }
        let mut call = call;
        let inner = &self.inner;
        poll(|| call(inner)).map_err(|error| {
            let status = status(&error);
            self.lost = Some(status);
            status
        })
    }

    /// Remembers a setting that this crate sees to itself.
    pub(super) fn note(&mut self, setting: &Setting) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.note(setting);
        }
    }
}

/// Whether a datagram is larger than there can be.
fn is_too_large(error: &io::Error) -> bool {
    #[cfg(unix)]
    let number = libc::EMSGSIZE;
    #[cfg(not(unix))]
    let number = 10_040;
    error.raw_os_error() == Some(number)
}

/// Whether an interface does not exist: no interface has the given index or address.
///
/// The status is inferred. Public tables of Winsock's errors pair it with `WSAEADDRNOTAVAIL`, "not valid in its context", and
/// Windows 11 reports the pair for a datagram socket that is connected to the unspecified address. No source names the
/// status of WSK for the index of no interface.
fn lacks_device(error: &io::Error) -> bool {
    #[cfg(unix)]
    let numbers = [libc::ENODEV, libc::ENXIO];
    #[cfg(not(unix))]
    let numbers: [i32; 0] = [];
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

/// Whether the machine has no memory or no file left for a socket.
fn lacks_resources(error: &io::Error) -> bool {
    #[cfg(unix)]
    let numbers = [libc::ENOBUFS, libc::EMFILE, libc::ENFILE];
    #[cfg(not(unix))]
    let numbers = [10_055, 10_024];
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

pub(super) fn status(error: &io::Error) -> NTSTATUS {
    match error.kind() {
        _ if is_too_large(error) => STATUS_INVALID_BUFFER_SIZE,
        _ if lacks_device(error) => STATUS_INVALID_ADDRESS_COMPONENT,
        _ if lacks_resources(error) => STATUS_INSUFFICIENT_RESOURCES,
        ErrorKind::AddrInUse => STATUS_ADDRESS_ALREADY_EXISTS,
        ErrorKind::AddrNotAvailable => STATUS_INVALID_ADDRESS_COMPONENT,
        ErrorKind::ConnectionAborted => STATUS_CONNECTION_ABORTED,
        ErrorKind::ConnectionRefused => STATUS_CONNECTION_REFUSED,
        // The errors of a connection that was lost.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            STATUS_CONNECTION_RESET
        }
        ErrorKind::InvalidInput => STATUS_INVALID_PARAMETER,
        ErrorKind::HostUnreachable => STATUS_HOST_UNREACHABLE,
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => STATUS_NETWORK_UNREACHABLE,
        ErrorKind::OutOfMemory => STATUS_INSUFFICIENT_RESOURCES,
        ErrorKind::PermissionDenied => STATUS_ACCESS_DENIED,
        ErrorKind::TimedOut => STATUS_IO_TIMEOUT,
        ErrorKind::Unsupported => STATUS_NOT_SUPPORTED,
        _ => STATUS_UNSUCCESSFUL,
    }
}
