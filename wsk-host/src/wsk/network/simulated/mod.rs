//! A network in memory, between the sockets of one host. A seed decides its events.

mod datagrams;
mod dynamic_ports;
mod endpoint;
mod link;
#[cfg(feature = "world")]
pub(super) mod machine;
mod ports;
mod settings;
mod streams;

use std::collections::{BTreeSet, VecDeque};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use wsk_sys::{NTSTATUS, STATUS_INVALID_ADDRESS_COMPONENT, STATUS_INVALID_DEVICE_STATE};

use super::{
    Binding, IncomingConnection, IncomingDatagram, NetworkBackend, Outgoing, ReadableData,
};
use crate::kernel::choices::{ChoiceKind, Choices};
use crate::kernel::config::Timing;
use crate::kernel::schedule::{Ticks, ticks};
use crate::wsk::config::{Config, Faults};
use crate::wsk::membership::{Interface, MembershipRequest};
use crate::wsk::options::Setting;
use endpoint::{EndpointState, Endpoints, seen_by};

/// The index of the machine's only interface.
const INTERFACE: u32 = 1;

pub(crate) struct SimulatedNetwork {
    endpoints: Endpoints,
    choices: Choices,
    now: Ticks,
    /// The longest time that something is on its way.
    delay: Ticks,
    faults: Faults,
    /// Bytes that a connection takes from its sender before the receiver has room.
    window: usize,
    last_port: u16,
    /// The addresses of the machine beside the loopback ones.
    added: BTreeSet<IpAddr>,
    wakeups: Vec<(Ticks, u64)>,
}

impl SimulatedNetwork {
    pub(crate) fn new(timing: Timing, choices: Choices, config: &Config) -> Self {
        Self {
            endpoints: Endpoints::default(),
            choices,
            now: 0,
            delay: if timing.is_mixed() { ticks(config.delay) } else { 0 },
            faults: config.faults,
            window: config.window.max(1),
            last_port: dynamic_ports::FIRST - 1,
            added: BTreeSet::new(),
            wakeups: Vec::new(),
        }
    }

    /// When something arrives that is sent now.
    fn arrival(&mut self) -> Ticks {
        let delay = usize::try_from(self.delay).unwrap_or(usize::MAX - 1);
        // Half of all data arrives at once.
        if delay == 0 || self.choices.below(ChoiceKind::Delay, 2) == 0 {
            return self.now;
        }
        self.now + self.choices.below(ChoiceKind::Delay, delay + 1) as u64
    }

    fn wake(&mut self, due: Ticks, id: u64) {
        self.wakeups.push((due, id));
    }
}

impl NetworkBackend for SimulatedNetwork {
    fn set_time(&mut self, now: Ticks) {
        self.now = now;
    }

    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        self.bind_port(id, binding)
    }

    fn listen(&mut self, id: u64) -> Result<(), NTSTATUS> {
        match self.endpoints.get_mut(id) {
            Some(endpoint) => {
                endpoint.role = EndpointState::Listening(VecDeque::new());
                Ok(())
            }
            None => Err(STATUS_INVALID_DEVICE_STATE),
        }
    }

    fn accept(&mut self, id: u64, number: u64) -> Poll<Result<IncomingConnection, NTSTATUS>> {
        self.accept_request(id, number)
    }

    fn establish(&mut self, id: u64) -> bool {
        self.establish_link(id)
    }

    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS> {
        self.request_link(id, remote);
        Ok(())
    }

    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        self.link_made(id)
    }

    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        self.send_segment(id, bytes)
    }

    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS> {
        self.send_end(id)
    }

    fn readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>> {
        self.link_readable(id)
    }

    fn backlog(&mut self, id: u64) -> usize {
        self.link_backlog(id)
    }

    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>> {
        self.receive_segments(id, room)
    }

    fn send_to(&mut self, id: u64, datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        Poll::Ready(self.send_datagram(id, datagram))
    }

    fn receive_from(&mut self, id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        self.receive_datagram(id)
    }

    /// A socket is rechecked when something arrives for it.
    fn watch(&mut self, _id: u64, _read: bool, _write: bool) {}

    fn close(&mut self, id: u64, abort: bool) {
        self.close_endpoint(id, abort);
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        let endpoint = self.endpoints.get(id)?;
        Some(seen_by(endpoint.local, endpoint.is_v4()))
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        let endpoint = self.endpoints.get(id)?;
        match &endpoint.role {
            EndpointState::Connected(link) => Some(seen_by(link.remote, endpoint.is_v4())),
            _ => None,
        }
    }

    fn set(&mut self, id: u64, setting: &Setting) -> Result<(), NTSTATUS> {
        let request = MembershipRequest::of(setting)?;
        if let Some(request) = request {
            let exists = match request.interface {
                Interface::Address(ip) => self.has_address(ip.into()),
                Interface::Index(index) => index == 0 || self.has_interface(index),
            };
            if !exists {
                return Err(STATUS_INVALID_ADDRESS_COMPONENT);
            }
        }
        let endpoint = self.endpoints.get_mut(id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if let Some(request) = request {
            return endpoint.groups.change(request.group, request.change);
        }
        endpoint.set(setting);
        Ok(())
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        loopback.into_iter().chain(self.added.iter().copied()).collect()
    }

    fn add_address(&mut self, ip: IpAddr) {
        self.added.insert(ip.to_canonical());
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.added.contains(&ip)
    }

    fn has_interface(&self, index: u32) -> bool {
        index == INTERFACE
    }

    fn wakeups(&mut self) -> Vec<(Ticks, u64)> {
        std::mem::take(&mut self.wakeups)
    }
}
