//! TCP and UDP of the machine that the host runs on. Any program can be the peer.
//!
//! # Safety
//!
//! A socket is deleted from the poller before it is dropped.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

mod datagrams;
mod endpoint;
mod icmp_errors;
mod interfaces;
mod ports;
mod settings;
mod streams;

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use polling::{Event, Poller};
use wsk_sys::{
    NTSTATUS, STATUS_CONNECTION_RESET, STATUS_INVALID_DEVICE_STATE, STATUS_TOO_MANY_ADDRESSES,
};

use super::{
    Binding, IncomingConnection, IncomingDatagram, NetworkBackend, Outgoing, ReadableData,
};
use crate::kernel::schedule::Ticks;
use crate::verifier::kernel_violation;
use crate::wsk::options::Setting;
use endpoint::{Endpoint, status};

/// Connections that the machine keeps for a listener until its client accepts them: as many as the machine allows, since
/// WSK's own limit is not documented.
const BACKLOG: i32 = i32::MAX;

/// The sockets that are bound.
pub(in crate::wsk) struct RealNetwork {
    endpoints: HashMap<u64, Endpoint>,
    poller: Arc<Poller>,
}

impl RealNetwork {
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
        self.endpoints.insert(id, Endpoint::new(inner, remote));
        Ok(())
    }

    fn endpoint(&mut self, id: u64) -> Result<&mut Endpoint, NTSTATUS> {
        self.endpoints.get_mut(&id).ok_or(STATUS_CONNECTION_RESET)
    }

    fn poll_endpoint<T>(
        &mut self,
        id: u64,
        poll: impl FnOnce(&mut Endpoint) -> Poll<Result<T, NTSTATUS>>,
    ) -> Poll<Result<T, NTSTATUS>> {
        match self.endpoint(id) {
            Ok(endpoint) => poll(endpoint),
            Err(status) => Poll::Ready(Err(status)),
        }
    }
}

impl NetworkBackend for RealNetwork {
    fn set_time(&mut self, _now: Ticks) {}

    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        let is_any = binding.local.port() == 0;
        self.create_endpoint(id, binding).map_err(|error| bind_status(&error, is_any))
    }

    fn listen(&mut self, id: u64) -> Result<(), NTSTATUS> {
        let endpoint = self.endpoint(id)?;
        let lacks_port = endpoint.lacks_port();
        endpoint.listen().map_err(|error| bind_status(&error, lacks_port))
    }

    fn accept(&mut self, id: u64, number: u64) -> Poll<Result<IncomingConnection, NTSTATUS>> {
        let (inner, remote) = match self.endpoint(id).map(|endpoint| endpoint.accept()) {
            Ok(Poll::Ready(Ok(accepted))) => accepted,
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Err(status))) | Err(status) => return Poll::Ready(Err(status)),
        };
        let local = local_address(&inner).unwrap_or(remote);
        let added =
            self.add(number, inner, Some(remote)).map(|()| IncomingConnection { local, remote });
        Poll::Ready(added.map_err(|error| status(&error)))
    }

    /// The machine has accepted the connection already: a client that refuses it resets it.
    fn establish(&mut self, id: u64) -> bool {
        self.endpoints.get(&id).is_some_and(|endpoint| endpoint.lost.is_none())
    }

    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS> {
        self.endpoint(id)?.connect(remote)
    }

    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        self.poll_endpoint(id, Endpoint::connected)
    }

    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        self.poll_endpoint(id, |endpoint| endpoint.send(bytes))
    }

    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS> {
        self.endpoint(id)?.finish()
    }

    fn readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>> {
        self.poll_endpoint(id, Endpoint::readable)
    }

    fn backlog(&mut self, id: u64) -> usize {
        self.endpoints.get(&id).map_or(0, Endpoint::backlog)
    }

    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>> {
        self.poll_endpoint(id, |endpoint| endpoint.receive(room))
    }

    fn send_to(&mut self, id: u64, datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        match self.endpoints.get_mut(&id) {
            Some(endpoint) => endpoint.send_to(datagram),
            None => Poll::Ready(Err(STATUS_INVALID_DEVICE_STATE)),
        }
    }

    fn receive_from(&mut self, id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        match self.endpoints.get_mut(&id) {
            Some(endpoint) => endpoint.receive_from(),
            None => Poll::Pending,
        }
    }

    fn watch(&mut self, id: u64, read: bool, write: bool) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        // The poller reports an event once, and must then be asked again.
        endpoint.watched = (read, write);
        if !read && !write {
            return;
        }
        let event = Event::new(key(id), read, write);
        if let Err(error) = self.poller.modify(&endpoint.inner, event) {
            kernel_violation(&format!(
                "cannot register a socket with the machine's poller: {error}"
            ));
        }
    }

    fn close(&mut self, id: u64, abort: bool) {
        let Some(Endpoint { inner, remote, .. }) = self.endpoints.remove(&id) else {
            return;
        };
        let resets = abort && remote.is_some();
        let reset = if resets { inner.set_linger(Some(Duration::ZERO)) } else { Ok(()) };
        if let Err(error) = reset.and_then(|()| self.poller.delete(&inner)) {
            kernel_violation(&format!("cannot remove a socket from the machine's poller: {error}"));
        }
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        self.endpoints.get(&id)?.local()
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

    /// The loopback addresses. Others change over time, and each system has its own call to list them.
    fn addresses(&self) -> Vec<IpAddr> {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    }

    fn add_address(&mut self, _ip: IpAddr) {}

    /// Binding asks the system without a list of its addresses.
    fn has_address(&self, ip: IpAddr) -> bool {
        std::net::UdpSocket::bind((ip.to_canonical(), 0)).is_ok()
    }

    fn has_interface(&self, index: u32) -> bool {
        interfaces::exists(index)
    }

    fn wakeups(&mut self) -> Vec<(Ticks, u64)> {
        Vec::new()
    }
}

impl Drop for RealNetwork {
    fn drop(&mut self) {
        // The polling thread wakes and ends with the host. After an error it keeps waiting, which is harmless.
        let _ = self.poller.notify();
    }
}

fn key(id: u64) -> usize {
    // wsk-sys is for 64-bit systems only.
    usize::try_from(id).unwrap_or(usize::MAX - 1)
}

/// The status of a bind that has failed, which was to choose a port if `is_any` is true.
fn bind_status(error: &io::Error, is_any: bool) -> NTSTATUS {
    match error.kind() {
        io::ErrorKind::AddrInUse if is_any => STATUS_TOO_MANY_ADDRESSES,
        _ => status(error),
    }
}

fn local_address(socket: &socket2::Socket) -> Option<SocketAddr> {
    socket.local_addr().ok()?.as_socket()
}
