//! TCP and UDP of the machine that the host runs on, so that any program can be the peer.
//!
//! # Safety
//!
//! A socket is deleted from the poller before it is dropped.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

mod datagrams;
mod settings;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use polling::{Event, Poller};
use socket2::{Domain, Protocol, Type};
use wsk_sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CONNECTION_ABORTED,
    STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_HOST_UNREACHABLE,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_ADDRESS_COMPONENT, STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_IO_TIMEOUT,
    STATUS_NETWORK_UNREACHABLE, STATUS_UNSUCCESSFUL,
};

use super::{Binding, Datagram, Incoming, Kind, Network, Outgoing, Readable};
use crate::kernel::schedule::Ticks;
use crate::verifier::kernel_violation;
use crate::wsk::options::{Setting, Sharing};

/// Connections that the machine keeps for a listener that does not accept them.
const BACKLOG: i32 = 128;

struct Endpoint {
    inner: socket2::Socket,
    /// The address that a connection was begun to.
    remote: Option<SocketAddr>,
    /// Why the connection is lost. The machine says so only once.
    lost: Option<NTSTATUS>,
    /// What is asked of the machine at the moment.
    watched: (bool, bool),
    datagrams: Option<datagrams::UdpState>,
}

/// The sockets that are bound.
pub(in crate::wsk) struct Real {
    endpoints: HashMap<u64, Endpoint>,
    poller: Arc<Poller>,
}

/// What a system call gives that does not wait.
fn poll<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}

impl Real {
    pub(in crate::wsk) fn new(poller: Arc<Poller>) -> Self {
        Self { endpoints: HashMap::new(), poller }
    }

    fn add(
        &mut self,
        id: u64,
        inner: socket2::Socket,
        remote: Option<SocketAddr>,
    ) -> io::Result<()> {
        inner.set_nonblocking(true)?;
        // SAFETY: every socket is deleted from the poller before it is dropped: in `close`, or with the
        // poller itself.
        unsafe { self.poller.add(&inner, Event::none(key(id))) }?;
        let watched = (false, false);
        self.endpoints.insert(id, Endpoint { inner, remote, lost: None, watched, datagrams: None });
        Ok(())
    }

    fn make(&mut self, id: u64, binding: &Binding) -> io::Result<()> {
        let local = binding.local;
        let (kind, protocol) = if binding.kind.is_datagram() {
            (Type::DGRAM, Protocol::UDP)
        } else {
            (Type::STREAM, Protocol::TCP)
        };
        let inner = socket2::Socket::new(Domain::for_address(local), kind, Some(protocol))?;
        if local.is_ipv6() {
            inner.set_only_v6(binding.only_v6)?;
        }
        let is_listener = matches!(binding.kind, Kind::Listener { .. });
        // Elsewhere than on Windows: a port is free although old connections of it linger.
        let reuses = binding.sharing == Sharing::Reuse || (is_listener && cfg!(not(windows)));
        inner.set_reuse_address(reuses)?;
        inner.bind(&local.into())?;
        if is_listener {
            inner.listen(BACKLOG)?;
        }
        let mut datagrams = None;
        if binding.kind.is_datagram() {
            datagrams = Some(datagrams::UdpState::new(&inner, &binding.settings)?);
            settings::fragment(&inner, true)?;
        }
        for setting in &binding.settings {
            settings::apply(&inner, setting)?;
        }
        self.add(id, inner, None)?;
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.datagrams = datagrams;
        }
        Ok(())
    }

    fn endpoint(&mut self, id: u64) -> Result<&mut Endpoint, NTSTATUS> {
        self.endpoints.get_mut(&id).ok_or(STATUS_CONNECTION_RESET)
    }
}

impl Endpoint {
    /// Does something with a connection, unless it is lost.
    fn unless_lost<T>(
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
    fn note(&mut self, setting: &Setting) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.note(setting);
        }
    }
}

impl Network for Real {
    fn set_time(&mut self, _now: Ticks) {}

    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        self.make(id, binding).map_err(|error| status(&error))
    }

    fn listen(&mut self, id: u64) -> Result<(), NTSTATUS> {
        let endpoint = self.endpoint(id)?;
        endpoint.inner.listen(BACKLOG).map_err(|error| status(&error))
    }

    fn accept(&mut self, id: u64, number: u64) -> Poll<Result<Incoming, NTSTATUS>> {
        loop {
            let endpoint = match self.endpoint(id) {
                Ok(endpoint) => endpoint,
                Err(status) => return Poll::Ready(Err(status)),
            };
            let (inner, remote) = match poll(|| accept(&endpoint.inner)) {
                Poll::Pending => return Poll::Pending,
                // It was gone before it was accepted.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(status(&error))),
                Poll::Ready(Ok(accepted)) => accepted,
            };
            let local = local_address(&inner).unwrap_or(remote);
            let added = self.add(number, inner, Some(remote));
            let added = added.map(|()| Incoming { local, remote });
            return Poll::Ready(added.map_err(|error| status(&error)));
        }
    }

    /// The machine has let it in already: a client that says no resets it.
    fn establish(&mut self, id: u64) -> bool {
        self.endpoints.get(&id).is_some_and(|endpoint| endpoint.lost.is_none())
    }

    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS> {
        let endpoint = self.endpoint(id)?;
        let mut result = endpoint.inner.connect(&remote.into());
        // Linux says once more that the connection before was not made.
        if matches!(&result, Err(error) if error.kind() == ErrorKind::ConnectionAborted) {
            result = endpoint.inner.connect(&remote.into());
        }
        match result {
            Err(error) if !is_in_progress(&error) => Err(status(&error)),
            Ok(()) | Err(_) => {
                endpoint.remote = Some(remote);
                Ok(())
            }
        }
    }

    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        let endpoint = match self.endpoint(id) {
            Ok(endpoint) => endpoint,
            Err(status) => return Poll::Ready(Err(status)),
        };
        let result = match endpoint.inner.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match endpoint.inner.peer_addr() {
                // It is still on its way.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Poll::Pending,
                result => result.map(drop),
            },
        };
        if result.is_err() {
            endpoint.remote = None;
        }
        Poll::Ready(result.map_err(|error| status(&error)))
    }

    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        match self.endpoint(id) {
            Ok(endpoint) => endpoint.unless_lost(|inner| inner.send(bytes)),
            Err(status) => Poll::Ready(Err(status)),
        }
    }

    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS> {
        let endpoint = self.endpoint(id)?;
        match endpoint.unless_lost(|inner| inner.shutdown(Shutdown::Write)) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn readable(&mut self, id: u64) -> Poll<Result<Readable, NTSTATUS>> {
        let endpoint = match self.endpoint(id) {
            Ok(endpoint) => endpoint,
            Err(status) => return Poll::Ready(Err(status)),
        };
        let peek = |inner: &socket2::Socket| inner.peek(&mut [MaybeUninit::uninit()]);
        endpoint
            .unless_lost(peek)
            .map_ok(|count| if count == 0 { Readable::End } else { Readable::Bytes })
    }

    fn backlog(&mut self, id: u64) -> usize {
        let mut room = Box::new_uninit_slice(64 << 10);
        let endpoint = self.endpoints.get_mut(&id);
        match endpoint.map(|endpoint| poll(|| endpoint.inner.peek(&mut room))) {
            Some(Poll::Ready(Ok(count))) => count,
            _ => 0,
        }
    }

    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>> {
        match self.endpoint(id) {
            Ok(endpoint) => endpoint.unless_lost(|inner| inner.recv(room)),
            Err(status) => Poll::Ready(Err(status)),
        }
    }

    fn send_to(&mut self, id: u64, datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        match self.endpoints.get_mut(&id) {
            Some(endpoint) => endpoint.send_to(datagram),
            None => Poll::Ready(Err(STATUS_INVALID_DEVICE_STATE)),
        }
    }

    fn receive_from(&mut self, id: u64) -> Poll<Result<Datagram, NTSTATUS>> {
        match self.endpoints.get_mut(&id) {
            Some(endpoint) => endpoint.receive_from(),
            None => Poll::Pending,
        }
    }

    fn watch(&mut self, id: u64, read: bool, write: bool) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        // The machine says so once, and must then be asked again.
        endpoint.watched = (read, write);
        if !read && !write {
            return;
        }
        let event = Event::new(key(id), read, write);
        if let Err(error) = self.poller.modify(&endpoint.inner, event) {
            kernel_violation(&format!("a socket of this machine cannot be waited for: {error}"));
        }
    }

    fn close(&mut self, id: u64, abort: bool) {
        let Some(Endpoint { inner, remote, .. }) = self.endpoints.remove(&id) else {
            return;
        };
        let resets = abort && remote.is_some();
        let reset = if resets { inner.set_linger(Some(Duration::ZERO)) } else { Ok(()) };
        if let Err(error) = reset.and_then(|()| self.poller.delete(&inner)) {
            kernel_violation(&format!("a socket of this machine cannot be closed: {error}"));
        }
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        local_address(&self.endpoints.get(&id)?.inner)
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        self.endpoints.get(&id)?.remote
    }

    fn set(&mut self, id: u64, setting: &Setting) -> Result<(), NTSTATUS> {
        let endpoint = self.endpoint(id)?;
        settings::apply(&endpoint.inner, setting).map_err(|error| status(&error))?;
        endpoint.note(setting);
        Ok(())
    }

    /// Those that every machine has. Others come and go, and asking for them differs by system.
    fn addresses(&self) -> Vec<IpAddr> {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    }

    fn wakeups(&mut self) -> Vec<(Ticks, u64)> {
        Vec::new()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The thread that waits finds the host gone. An error would leave it waiting, which is harmless.
        let _ = self.poller.notify();
    }
}

fn key(id: u64) -> usize {
    // wsk-sys is for 64-bit systems only.
    usize::try_from(id).unwrap_or(usize::MAX - 1)
}

fn accept(listener: &socket2::Socket) -> io::Result<(socket2::Socket, SocketAddr)> {
    let (socket, peer) = listener.accept()?;
    let peer = peer.as_socket().ok_or(ErrorKind::InvalidData)?;
    Ok((socket, peer))
}

fn local_address(socket: &socket2::Socket) -> Option<SocketAddr> {
    socket.local_addr().ok()?.as_socket()
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    let is_named_so = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let is_named_so = false;
    is_named_so || error.kind() == ErrorKind::WouldBlock
}

/// Whether a datagram is larger than there can be.
fn is_too_large(error: &io::Error) -> bool {
    #[cfg(unix)]
    let number = libc::EMSGSIZE;
    #[cfg(not(unix))]
    let number = 10_040;
    error.raw_os_error() == Some(number)
}

fn status(error: &io::Error) -> NTSTATUS {
    match error.kind() {
        _ if is_too_large(error) => STATUS_INVALID_BUFFER_SIZE,
        ErrorKind::AddrInUse => STATUS_ADDRESS_ALREADY_EXISTS,
        ErrorKind::AddrNotAvailable => STATUS_INVALID_ADDRESS_COMPONENT,
        ErrorKind::ConnectionAborted => STATUS_CONNECTION_ABORTED,
        ErrorKind::ConnectionRefused => STATUS_CONNECTION_REFUSED,
        // What was connected, and is no longer.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            STATUS_CONNECTION_RESET
        }
        ErrorKind::InvalidInput => STATUS_INVALID_PARAMETER,
        ErrorKind::HostUnreachable => STATUS_HOST_UNREACHABLE,
        ErrorKind::NetworkUnreachable => STATUS_NETWORK_UNREACHABLE,
        ErrorKind::OutOfMemory => STATUS_INSUFFICIENT_RESOURCES,
        ErrorKind::PermissionDenied => STATUS_ACCESS_DENIED,
        ErrorKind::TimedOut => STATUS_IO_TIMEOUT,
        _ => STATUS_UNSUCCESSFUL,
    }
}
