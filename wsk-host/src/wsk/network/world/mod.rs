//! The network of several machines: real IP packets over links, and TCP as smoltcp implements it.
//!
//! [`WorldNetwork`] is a machine's view of the [`Fabric`], which all machines share.

mod connection;
mod fabric;
mod links;
mod packet;

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::sync::MutexGuard;
use std::task::Poll;

use wsk_sys::{
    IPPROTO_TCP, NTSTATUS, SO_KEEPALIVE, SOL_SOCKET, STATUS_INVALID_DEVICE_STATE, TCP_NODELAY,
};

use super::simulated::machine::as_seen;
use super::{
    Binding, IncomingConnection, IncomingDatagram, NetworkBackend, Outgoing, ReadableData,
};
use crate::kernel::schedule::Ticks;
use crate::wsk::config::Config;
use crate::wsk::options::{Setting, Value};
pub(crate) use fabric::Fabric;
pub(crate) use fabric::Notify;
use fabric::{DOWN, LOST, State};
pub(crate) use links::MachineId;

/// One machine's network, from one of its starts to the next crash.
pub(crate) struct WorldNetwork {
    fabric: Fabric,
    machine: MachineId,
    start: u64,
}

impl WorldNetwork {
    /// Starts a machine.
    pub(crate) fn start(
        fabric: &Fabric,
        machine: MachineId,
        config: &Config,
        notify: Notify,
    ) -> Self {
        let start = fabric.start(machine, config, notify);
        Self { fabric: fabric.clone(), machine, start }
    }

    /// The fabric. None after the machine has crashed.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.fabric.state();
        (state.machines[self.machine].start == self.start).then_some(state)
    }

    /// Lets the connection of a socket send, and returns a result.
    fn drive<T>(&self, state: &mut State, id: u64, result: T) -> T {
        if let Some(connection) = state.machines[self.machine].by_socket.get(&id).copied() {
            self.fabric.drive(state, self.machine, connection, None);
        }
        result
    }
}

impl NetworkBackend for WorldNetwork {
    /// The fabric has the world's time.
    fn set_time(&mut self, _now: Ticks) {}

    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        let mut state = self.state().ok_or(DOWN)?;
        state.machines[self.machine].sockets.bind(id, binding)
    }

    fn listen(&mut self, id: u64) -> Result<(), NTSTATUS> {
        let mut state = self.state().ok_or(DOWN)?;
        state.machines[self.machine].sockets.listen(id)
    }

    fn accept(&mut self, id: u64, number: u64) -> Poll<Result<IncomingConnection, NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Pending };
        let machine = &mut state.machines[self.machine];
        let is_v4 = machine.sockets.bound(id).is_none_or(|(_, is_v4)| is_v4);
        while let Some(waiting) = machine.backlogs.get_mut(&id).and_then(VecDeque::pop_front) {
            let Some(connection) = machine.connections.get_mut(&waiting) else { continue };
            connection.socket = Some(number);
            connection.listener = None;
            connection.is_v4 = is_v4;
            let (local, remote) = (connection.local, connection.remote);
            machine.by_socket.insert(number, waiting);
            return Poll::Ready(Ok(IncomingConnection {
                local: as_seen(local, is_v4),
                remote: as_seen(remote, is_v4),
            }));
        }
        Poll::Pending
    }

    fn establish(&mut self, id: u64) -> bool {
        let Some(mut state) = self.state() else { return false };
        let machine = &mut state.machines[self.machine];
        let Some(connection) = machine.connection(id) else { return false };
        let request = connection.request.take();
        let has_failed = connection.failure.is_some();
        let connection = machine.by_socket.get(&id).copied();
        if let (Some(request), Some(connection)) = (request, connection) {
            self.fabric.drive(&mut state, self.machine, connection, Some(request));
        }
        !has_failed
    }

    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS> {
        let mut state = self.state().ok_or(DOWN)?;
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        self.fabric.connect(&mut state, self.machine, id, remote)
    }

    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Ready(Err(DOWN)) };
        let Some(connection) = state.machines[self.machine].connection(id) else {
            return Poll::Ready(Err(STATUS_INVALID_DEVICE_STATE));
        };
        let result = connection.connected();
        if matches!(result, Poll::Ready(Err(_))) {
            self.fabric.forget_failed(&mut state, self.machine, id);
        }
        result
    }

    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Ready(Err(LOST)) };
        let Some(connection) = state.machines[self.machine].connection(id) else {
            return Poll::Ready(Err(LOST));
        };
        let sent = connection.send(bytes);
        self.drive(&mut state, id, sent)
    }

    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS> {
        let mut state = self.state().ok_or(LOST)?;
        let result = state.machines[self.machine].connection(id).ok_or(LOST)?.finish();
        self.drive(&mut state, id, result)
    }

    fn readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Ready(Err(LOST)) };
        let connection = state.machines[self.machine].connection(id);
        connection.map_or(Poll::Ready(Err(LOST)), |connection| connection.readable())
    }

    fn backlog(&mut self, id: u64) -> usize {
        let Some(mut state) = self.state() else { return 0 };
        let connection = state.machines[self.machine].connection(id);
        connection.map_or(0, |connection| connection.backlog())
    }

    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Ready(Err(LOST)) };
        let Some(connection) = state.machines[self.machine].connection(id) else {
            return Poll::Ready(Err(LOST));
        };
        let received = connection.receive(room);
        // The window may have opened.
        self.drive(&mut state, id, received)
    }

    fn send_to(&mut self, id: u64, datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Ready(Err(DOWN)) };
        let machine = &state.machines[self.machine];
        let source = machine.source(datagram.to.ip().to_canonical());
        let sent = source.and_then(|source| machine.sockets.datagrams_of(id, datagram, source));
        Poll::Ready(sent.map(|(to, datagrams)| {
            for datagram in datagrams {
                self.fabric.send_datagram(&mut state, self.machine, id, (to, datagram));
            }
        }))
    }

    fn receive_from(&mut self, id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        let Some(mut state) = self.state() else { return Poll::Pending };
        state.machines[self.machine].sockets.receive_from(id)
    }

    /// A socket is rechecked when it has news.
    fn watch(&mut self, _id: u64, _read: bool, _write: bool) {}

    fn close(&mut self, id: u64, abort: bool) {
        let Some(mut state) = self.state() else { return };
        self.fabric.close(&mut state, self.machine, id, abort);
        state.machines[self.machine].sockets.close(id, abort);
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        let mut state = self.state()?;
        let machine = &mut state.machines[self.machine];
        match machine.connection(id) {
            Some(connection) => Some(as_seen(connection.local, connection.is_v4)),
            None => machine.sockets.local(id),
        }
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        let mut state = self.state()?;
        let connection = state.machines[self.machine].connection(id)?;
        Some(as_seen(connection.remote, connection.is_v4))
    }

    fn set(&mut self, id: u64, setting: &Setting) -> Result<(), NTSTATUS> {
        let mut state = self.state().ok_or(DOWN)?;
        let machine = &mut state.machines[self.machine];
        let Some(connection) = machine.connection(id) else {
            return machine.sockets.set(id, setting);
        };
        match (setting.level, setting.name, &setting.value) {
            (IPPROTO_TCP, TCP_NODELAY, Value::Number(value)) => {
                connection.set_no_delay(*value != 0);
            }
            (SOL_SOCKET, SO_KEEPALIVE, Value::Number(value)) => {
                connection.set_keep_alive(*value != 0);
            }
            // Settings that change nothing here.
            _ => {}
        }
        self.drive(&mut state, id, Ok(()))
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let state = self.state();
        state.map_or_else(Vec::new, |state| state.machines[self.machine].sockets.addresses())
    }

    fn add_address(&mut self, ip: IpAddr) {
        if let Some(mut state) = self.state() {
            self.fabric.add_address(&mut state, self.machine, ip.to_canonical());
        }
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        let state = self.state();
        state.is_some_and(|state| state.machines[self.machine].has_address(ip.to_canonical()))
    }

    fn has_interface(&self, index: u32) -> bool {
        self.state().is_some_and(|state| state.machines[self.machine].sockets.has_interface(index))
    }

    fn wakeups(&mut self) -> Vec<(Ticks, u64)> {
        let Some(mut state) = self.state() else { return Vec::new() };
        let now = state.now;
        let machine = &mut state.machines[self.machine];
        let mut wakeups = machine.sockets.wakeups();
        wakeups.extend(machine.news.drain(..).map(|socket| (now, socket)));
        wakeups
    }
}
