//! No network: each connection has a peer that returns as many zero bytes as it gets, at once.
//!
//! No data is carried, so only the cost of the client and of its calls remains.

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use rustc_hash::FxHashMap;
use wsk_sys::{NTSTATUS, STATUS_CONNECTION_RESET, STATUS_INVALID_DEVICE_STATE};

use super::{
    Binding, IncomingConnection, IncomingDatagram, NetworkBackend, Outgoing, ReadableData,
};
use crate::kernel::schedule::Ticks;
use crate::wsk::options::Setting;

#[derive(Default)]
pub(in crate::wsk) struct NullNetwork {
    endpoints: FxHashMap<u64, Endpoint>,
    last_port: u16,
}

struct Endpoint {
    local: SocketAddr,
    remote: Option<SocketAddr>,
    /// The number of bytes that the peer will return.
    backlog: usize,
    has_ended: bool,
}

impl NullNetwork {
    /// An endpoint that is connected.
    fn connection(&mut self, id: u64) -> Result<&mut Endpoint, NTSTATUS> {
        let endpoint = self.endpoints.get_mut(&id).filter(|endpoint| endpoint.remote.is_some());
        endpoint.ok_or(STATUS_CONNECTION_RESET)
    }
}

impl NetworkBackend for NullNetwork {
    fn set_time(&mut self, _now: Ticks) {}

    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        let mut local = binding.local;
        if local.port() == 0 {
            // No endpoint can be reached, so ports need not differ.
            self.last_port = self.last_port.checked_add(1).unwrap_or(1);
            local.set_port(self.last_port);
        }
        let endpoint = Endpoint { local, remote: None, backlog: 0, has_ended: false };
        self.endpoints.insert(id, endpoint);
        Ok(())
    }

    fn listen(&mut self, _id: u64) -> Result<(), NTSTATUS> {
        Ok(())
    }

    fn accept(&mut self, _id: u64, _number: u64) -> Poll<Result<IncomingConnection, NTSTATUS>> {
        Poll::Pending
    }

    fn establish(&mut self, _id: u64) -> bool {
        false
    }

    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS> {
        let endpoint = self.endpoints.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        endpoint.remote = Some(remote);
        Ok(())
    }

    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        Poll::Ready(self.connection(id).map(drop))
    }

    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        Poll::Ready(self.connection(id).map(|endpoint| {
            endpoint.backlog = endpoint.backlog.saturating_add(bytes.len());
            bytes.len()
        }))
    }

    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS> {
        self.connection(id)?.has_ended = true;
        Ok(())
    }

    fn readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>> {
        match self.connection(id) {
            Ok(endpoint) if endpoint.backlog > 0 => Poll::Ready(Ok(ReadableData::Bytes)),
            Ok(endpoint) if endpoint.has_ended => Poll::Ready(Ok(ReadableData::End)),
            Ok(_) => Poll::Pending,
            Err(status) => Poll::Ready(Err(status)),
        }
    }

    fn backlog(&mut self, id: u64) -> usize {
        self.connection(id).map_or(0, |endpoint| endpoint.backlog)
    }

    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>> {
        let endpoint = match self.connection(id) {
            Ok(endpoint) if endpoint.backlog > 0 || endpoint.has_ended => endpoint,
            Ok(_) => return Poll::Pending,
            Err(status) => return Poll::Ready(Err(status)),
        };
        let count = endpoint.backlog.min(room.len());
        endpoint.backlog -= count;
        room[..count].fill(MaybeUninit::new(0));
        Poll::Ready(Ok(count))
    }

    fn send_to(&mut self, _id: u64, _datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        Poll::Ready(Ok(()))
    }

    fn receive_from(&mut self, _id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        Poll::Pending
    }

    /// No event occurs without a call.
    fn watch(&mut self, _id: u64, _read: bool, _write: bool) {}

    fn close(&mut self, id: u64, _abort: bool) {
        self.endpoints.remove(&id);
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        self.endpoints.get(&id).map(|endpoint| endpoint.local)
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        self.endpoints.get(&id)?.remote
    }

    fn set(&mut self, _id: u64, _setting: &Setting) -> Result<(), NTSTATUS> {
        Ok(())
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    }

    fn add_address(&mut self, _ip: IpAddr) {}

    fn has_address(&self, _ip: IpAddr) -> bool {
        true
    }

    fn has_interface(&self, _index: u32) -> bool {
        true
    }

    fn wakeups(&mut self) -> Vec<(Ticks, u64)> {
        Vec::new()
    }
}
