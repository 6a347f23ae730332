//! The network of a world: its machines, and the packets between them.
//!
//! Everything that arrives later (a packet, a timer of TCP) is a job of the world's scheduler. A job changes one machine
//! under the fabric's lock, and then notifies that machine's kernel about the sockets with news. A kernel's stack is locked
//! before the fabric, never afterwards.

use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use wsk_sys::{
    NTSTATUS, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_HOST_UNREACHABLE,
    STATUS_INVALID_ADDRESS_COMPONENT, STATUS_NETWORK_UNREACHABLE,
};

use super::super::simulated::SimulatedNetwork;
use super::super::{IcmpError, IncomingDatagram};
use super::connection::{Connection, NewConnection, refusal};
use super::links::{Direction, Links, MachineId};
use super::packet::TcpHeader;
use crate::kernel::Kernel;
use crate::kernel::choices::{ChoiceKind, Choices};
use crate::kernel::schedule::Ticks;
use crate::wsk::config::Config;
use crate::wsk::link::Link;

/// The MTU of the loopback interface.
const LOOPBACK_MTU: usize = 65_535;

/// The size of the headers of UDP, over IPv4 and IPv6.
const UDP_HEADERS: [usize; 2] = [28, 48];

/// The size of an ICMP error, with the headers that it quotes.
const ICMP_ERROR: usize = 56;

/// The connections that wait for a listener's accepts. Further requests are refused.
const LARGEST_BACKLOG: usize = 1024;

/// Continues a machine's socket that has news, in the machine's kernel.
pub(crate) type Notify = Arc<dyn Fn(u64) + Send + Sync>;

/// The network of a world. Clones refer to the same one.
#[derive(Clone)]
pub(crate) struct Fabric(Arc<FabricState>);

struct FabricState {
    /// The kernel whose jobs carry the packets.
    kernel: Kernel,
    state: Mutex<State>,
}

/// The machines, and the links between them.
pub(super) struct State {
    pub(super) now: Ticks,
    pub(super) machines: Vec<Machine>,
    pub(super) links: Links,
    choices: Choices,
    addresses: FxHashMap<IpAddr, MachineId>,
    last_connection: u64,
    /// What is on its way, in the order of its arrival.
    events: BTreeMap<(Ticks, u64), Event>,
    last_event: u64,
}

/// Something on its way.
struct Event {
    to: MachineId,
    /// The start of the machine, for what belongs to one of its sockets.
    start: u64,
    arrival: Arrival,
}

/// A machine of the world.
pub(super) struct Machine {
    /// The number of its starts. A network of an earlier start reaches nothing.
    pub(super) start: u64,
    pub(super) is_up: bool,
    addresses: BTreeSet<IpAddr>,
    window: usize,
    /// Its sockets: ports, options and datagrams.
    pub(super) sockets: SimulatedNetwork,
    pub(super) connections: FxHashMap<u64, Connection>,
    by_addresses: FxHashMap<(SocketAddr, SocketAddr), u64>,
    pub(super) by_socket: FxHashMap<u64, u64>,
    /// The connections that wait for accepts, by listener.
    pub(super) backlogs: FxHashMap<u64, VecDeque<u64>>,
    /// The sockets with news.
    pub(super) news: Vec<u64>,
    notify: Option<Notify>,
}

impl Machine {
    fn new(addresses: BTreeSet<IpAddr>, config: &Config, choices: Choices) -> Self {
        Self {
            start: 0,
            is_up: false,
            addresses,
            window: config.window,
            sockets: SimulatedNetwork::of_machine(config, choices),
            connections: FxHashMap::default(),
            by_addresses: FxHashMap::default(),
            by_socket: FxHashMap::default(),
            backlogs: FxHashMap::default(),
            news: Vec::new(),
            notify: None,
        }
    }

    /// The connection of a socket.
    pub(super) fn connection(&mut self, socket: u64) -> Option<&mut Connection> {
        self.connections.get_mut(self.by_socket.get(&socket)?)
    }

    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addresses.contains(&ip)
    }

    /// The address that a packet to a destination comes from, if its socket has none.
    pub(super) fn source(&self, to: IpAddr) -> Result<IpAddr, NTSTATUS> {
        if to.is_loopback() {
            let is_v4 = to.is_ipv4();
            return Ok(if is_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        if self.addresses.contains(&to) {
            return Ok(to);
        }
        let of_family = self.addresses.iter().find(|ip| ip.is_ipv4() == to.is_ipv4());
        of_family.copied().ok_or(STATUS_NETWORK_UNREACHABLE)
    }

    /// Forgets a connection, which sends nothing from here on.
    fn forget(&mut self, id: u64) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.by_addresses.remove(&(connection.local, connection.remote));
        if let Some(socket) = connection.socket {
            self.by_socket.remove(&socket);
        }
        if let Some(backlog) = connection.listener.and_then(|id| self.backlogs.get_mut(&id)) {
            backlog.retain(|waiting| *waiting != id);
        }
        Some(connection)
    }
}

/// What arrives at a machine.
enum Arrival {
    Tcp(Vec<u8>),
    /// A datagram, its destination, and its sender's machine and socket.
    Udp(IncomingDatagram, SocketAddr, (MachineId, u64)),
    /// A datagram of a socket has not arrived.
    Error(u64, SocketAddr, IncomingDatagram, IcmpError),
    /// The destination of a connection request does not exist.
    Unreachable(u64),
    /// A connection is due.
    Timer(u64),
}

impl Fabric {
    /// A network without machines, whose packets a kernel's jobs carry.
    pub(crate) fn new(kernel: Kernel) -> Self {
        let choices = kernel.choices(0x776F_726C);
        let state = State {
            now: 0,
            machines: Vec::new(),
            links: Links::default(),
            choices,
            addresses: FxHashMap::default(),
            last_connection: 0,
            events: BTreeMap::new(),
            last_event: 0,
        };
        Self(Arc::new(FabricState { kernel, state: Mutex::new(state) }))
    }

    /// The state, at the current time.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.0.kernel.now();
        state
    }

    /// Adds a machine, which is not started.
    ///
    /// # Errors
    ///
    /// If another machine has one of the addresses: that address.
    pub(crate) fn add_machine(
        &self,
        addresses: &[IpAddr],
        config: &Config,
    ) -> Result<MachineId, IpAddr> {
        let mut state = self.state();
        if let Some(taken) = addresses.iter().find(|ip| state.addresses.contains_key(ip)) {
            return Err(*taken);
        }
        let id = state.machines.len();
        state.addresses.extend(addresses.iter().map(|ip| (*ip, id)));
        let choices = self.0.kernel.choices(0x6E65_7477);
        state.machines.push(Machine::new(addresses.iter().copied().collect(), config, choices));
        Ok(id)
    }

    /// Starts a machine, which has no sockets. Returns the number of this start.
    pub(super) fn start(&self, machine: MachineId, config: &Config, notify: Notify) -> u64 {
        let mut state = self.state();
        self.stop(&mut state, machine);
        let choices = self.0.kernel.choices(0x6E65_7477);
        let of = &mut state.machines[machine];
        let mut new = Machine::new(std::mem::take(&mut of.addresses), config, choices);
        for ip in &new.addresses {
            super::super::NetworkBackend::add_address(&mut new.sockets, *ip);
        }
        new.start = of.start + 1;
        new.is_up = true;
        new.notify = Some(notify);
        *of = new;
        of.start
    }

    /// Stops a machine at once: it sends nothing any more, and what arrives is lost.
    pub(crate) fn crash(&self, machine: MachineId) {
        let mut state = self.state();
        self.stop(&mut state, machine);
    }

    fn stop(&self, state: &mut State, machine: MachineId) {
        let of = &mut state.machines[machine];
        of.is_up = false;
        of.start += 1;
        of.notify = None;
        of.by_addresses.clear();
        of.by_socket.clear();
        of.backlogs.clear();
        for (_, mut connection) in of.connections.drain() {
            if let Some(timer) = connection.timer.take() {
                self.0.kernel.cancel_timer(timer);
            }
        }
    }

    /// Gives a machine another address.
    pub(super) fn add_address(&self, state: &mut State, machine: MachineId, ip: IpAddr) {
        let _ = self;
        // An address that another machine has stays where it is, as a duplicate is refused by the network.
        if *state.addresses.entry(ip).or_insert(machine) == machine {
            let of = &mut state.machines[machine];
            of.addresses.insert(ip);
            super::super::NetworkBackend::add_address(&mut of.sockets, ip);
        }
    }

    /// Overrides the settings of a direction, or of all, until they are undone.
    pub(crate) fn set_link(&self, direction: Option<Direction>, link: Link) -> u64 {
        self.state().links.set(direction, link)
    }

    /// Cuts a direction until that is undone.
    pub(crate) fn cut(&self, direction: Direction) -> u64 {
        self.state().links.cut(direction)
    }

    /// Undoes a change of the links.
    pub(crate) fn undo(&self, change: u64) {
        self.state().links.undo(change);
    }

    /// Lets something arrive at a time.
    ///
    /// The scheduler runs jobs that are due in any order. So a job does not carry an event, but takes the first one.
    fn later(&self, state: &mut State, due: Ticks, event: Event) {
        state.last_event += 1;
        state.events.insert((due, state.last_event), event);
        let fabric = Arc::downgrade(&self.0);
        self.0.kernel.at(due, move |_| {
            if let Some(fabric) = fabric.upgrade() {
                Self(fabric).arrive_next();
            }
        });
    }

    fn arrive_next(&self) {
        let mut state = self.state();
        let now = state.now;
        let first = state.events.first_entry().filter(|first| first.key().0 <= now);
        if let Some(event) = first.map(OccupiedEntry::remove) {
            self.arrive(state, event);
        }
    }

    /// The start of a machine that something arrives at.
    fn start_of(state: &State, machine: MachineId) -> u64 {
        state.machines[machine].start
    }

    /// Something arrives, and the machine's kernel is notified without the lock.
    fn arrive(&self, mut state: MutexGuard<'_, State>, Event { to, start, arrival }: Event) {
        let machine = &state.machines[to];
        // A packet does not know whether the machine was started again.
        let is_packet = matches!(arrival, Arrival::Tcp(_) | Arrival::Udp(..));
        if !machine.is_up || (!is_packet && machine.start != start) {
            return;
        }
        match arrival {
            Arrival::Tcp(packet) => self.arrive_tcp(&mut state, to, packet),
            Arrival::Udp(datagram, destination, sender) => {
                self.arrive_datagram(&mut state, to, datagram, destination, sender);
            }
            Arrival::Error(socket, from, datagram, error) => {
                let machine = &mut state.machines[to];
                machine.sockets.deliver_error(socket, from, datagram, error);
            }
            Arrival::Unreachable(id) => {
                if let Some(connection) = state.machines[to].connections.get_mut(&id) {
                    connection.become_unreachable(STATUS_HOST_UNREACHABLE);
                    let socket = connection.socket;
                    state.machines[to].news.extend(socket);
                    self.drive(&mut state, to, id, None);
                }
            }
            Arrival::Timer(id) => {
                if let Some(connection) = state.machines[to].connections.get_mut(&id) {
                    connection.timer = None;
                    self.drive(&mut state, to, id, None);
                }
            }
        }
        let machine = &mut state.machines[to];
        let mut news = std::mem::take(&mut machine.news);
        let wakeups = super::super::NetworkBackend::wakeups(&mut machine.sockets);
        news.extend(wakeups.into_iter().map(|(_, socket)| socket));
        news.sort_unstable();
        news.dedup();
        let notify = machine.notify.clone();
        drop(state);
        if let Some(notify) = notify {
            for socket in news {
                notify(socket);
            }
        }
    }

    fn arrive_tcp(&self, state: &mut State, to: MachineId, packet: Vec<u8>) {
        let Some(tcp) = TcpHeader::of(&packet) else { return };
        let now = state.now;
        let machine = &mut state.machines[to];
        let key = (tcp.to, tcp.from);
        if let Some(&id) = machine.by_addresses.get(&key) {
            let is_old = machine.connections.get(&id).is_some_and(Connection::waits_at_end);
            if !(is_old && tcp.is_request()) {
                self.drive(state, to, id, Some(packet));
                return;
            }
            // A new connection between the same ports ends the wait of the old one.
            if let Some(timer) = machine.forget(id).and_then(|connection| connection.timer) {
                self.0.kernel.cancel_timer(timer);
            }
        }
        let listener = machine.sockets.listener(tcp.to).filter(|_| tcp.is_request());
        let has_room = |id: &u64| {
            machine.backlogs.get(id).is_none_or(|waiting| waiting.len() < LARGEST_BACKLOG)
        };
        let Some((listener, is_conditional)) = listener.filter(|(id, _)| has_room(id)) else {
            for answer in refusal(packet, tcp.to.ip(), LOOPBACK_MTU, now) {
                self.send(state, to, &answer, None);
            }
            return;
        };
        let new = Self::new_connection(state, to, tcp.to, tcp.from);
        let mut connection = Connection::listening(&new, listener, now);
        state.last_connection += 1;
        let id = state.last_connection;
        let machine = &mut state.machines[to];
        machine.by_addresses.insert(key, id);
        if is_conditional {
            connection.request = Some(packet);
            machine.connections.insert(id, connection);
            machine.backlogs.entry(listener).or_default().push_back(id);
            machine.news.push(listener);
        } else {
            machine.connections.insert(id, connection);
            self.drive(state, to, id, Some(packet));
        }
    }

    fn arrive_datagram(
        &self,
        state: &mut State,
        to: MachineId,
        datagram: IncomingDatagram,
        destination: SocketAddr,
        (from, socket): (MachineId, u64),
    ) {
        if state.machines[to].sockets.deliver(destination, &datagram) {
            return;
        }
        let error = IcmpError::port_unreachable(destination.is_ipv4());
        let arrival = Arrival::Error(socket, destination, datagram, error);
        let start = Self::start_of(state, from);
        let times = state.links.carry((to, from), ICMP_ERROR, state.now, &mut state.choices);
        if let Some(first) = times.first() {
            self.later(state, *first, Event { to: from, start, arrival });
        }
    }

    /// The settings of a new connection of a machine.
    fn new_connection(
        state: &mut State,
        machine: MachineId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> NewConnection {
        let to = if remote.ip().is_loopback() {
            Some(machine)
        } else {
            state.addresses.get(&remote.ip()).copied()
        };
        let mtu = match to {
            Some(to) if to == machine => LOOPBACK_MTU,
            Some(to) => state.links.of((machine, to)).mtu,
            None => Link::default().mtu,
        };
        let window = state.machines[machine].window;
        let random = state.choices.number(ChoiceKind::Number);
        NewConnection { local, remote, mtu, window, random }
    }

    /// Begins to connect a socket.
    pub(super) fn connect(
        &self,
        state: &mut State,
        from: MachineId,
        socket: u64,
        remote: SocketAddr,
    ) -> Result<(), NTSTATUS> {
        let machine = &state.machines[from];
        let invalid = STATUS_INVALID_ADDRESS_COMPONENT;
        let (local, is_v4) = machine.sockets.bound(socket).ok_or(invalid)?;
        let source = machine.source(remote.ip())?;
        let local =
            if local.ip().is_unspecified() { SocketAddr::new(source, local.port()) } else { local };
        let leaves = !machine.has_address(remote.ip());
        if local.is_ipv4() != remote.is_ipv4() || (leaves && local.ip().is_loopback()) {
            return Err(invalid);
        }
        if machine.by_addresses.contains_key(&(local, remote)) {
            return Err(wsk_sys::STATUS_ADDRESS_ALREADY_EXISTS);
        }
        let new = Self::new_connection(state, from, local, remote);
        let mut connection = Connection::connecting(&new, state.now)?;
        connection.socket = Some(socket);
        connection.is_v4 = is_v4;
        state.last_connection += 1;
        let id = state.last_connection;
        let machine = &mut state.machines[from];
        machine.by_addresses.insert((local, remote), id);
        machine.by_socket.insert(socket, id);
        machine.connections.insert(id, connection);
        machine.sockets.set_connected(socket, local.ip(), remote);
        self.drive(state, from, id, None);
        Ok(())
    }

    /// Lets a connection take a packet and do what is due.
    pub(super) fn drive(&self, state: &mut State, of: MachineId, id: u64, packet: Option<Vec<u8>>) {
        let now = state.now;
        let machine = &mut state.machines[of];
        let Some(connection) = machine.connections.get_mut(&id) else { return };
        let before = connection.visible();
        let was_established = connection.is_established;
        let packets = connection.poll(packet, now);
        if connection.visible() != before {
            machine.news.extend(connection.socket);
        }
        if connection.is_established && !was_established && connection.socket.is_none() {
            if let Some(listener) = connection.listener.filter(|_| connection.request.is_none()) {
                machine.backlogs.entry(listener).or_default().push_back(id);
                machine.news.push(listener);
            }
        }
        // Without a socket, nothing asks how it has ended.
        let is_unseen =
            connection.is_detached || (connection.socket.is_none() && !connection.is_established);
        let timer = if connection.is_over() {
            if is_unseen && connection.request.is_none() {
                let timer = connection.timer.take();
                machine.forget(id);
                if let Some(timer) = timer {
                    self.0.kernel.cancel_timer(timer);
                }
            }
            None
        } else {
            connection.next_poll(now)
        };
        self.set_timer(state, of, id, timer);
        for packet in packets {
            self.send(state, of, &packet, Some(id));
        }
    }

    /// Sets the timer of a connection. One that is due earlier stays: it polls the connection, which sets the next one.
    fn set_timer(&self, state: &mut State, of: MachineId, id: u64, due: Option<Ticks>) {
        let start = Self::start_of(state, of);
        let Some(connection) = state.machines[of].connections.get_mut(&id) else { return };
        match (connection.timer, due) {
            (Some((set, _)), Some(due)) if set <= due => return,
            (Some(timer), _) => {
                connection.timer = None;
                self.0.kernel.cancel_timer(timer);
            }
            (None, _) => {}
        }
        let Some(due) = due else { return };
        let fabric = Arc::downgrade(&self.0);
        connection.timer = Some(self.0.kernel.set_timer(due, move |_| {
            if let Some(fabric) = fabric.upgrade() {
                let fabric = Self(fabric);
                fabric.arrive(fabric.state(), Event { to: of, start, arrival: Arrival::Timer(id) });
            }
        }));
    }

    /// Sends a packet of TCP.
    fn send(&self, state: &mut State, from: MachineId, packet: &[u8], connection: Option<u64>) {
        let Some(tcp) = TcpHeader::of(packet) else { return };
        let to = match tcp.to.ip() {
            ip if ip.is_loopback() => Some(from),
            ip => state.addresses.get(&ip).copied(),
        };
        let Some(to) = to else {
            // A router answers that nothing has the address.
            if let Some(id) = connection {
                let start = Self::start_of(state, from);
                let due = state.now + state.links.longest_round_trip((from, from));
                let arrival = Arrival::Unreachable(id);
                self.later(state, due, Event { to: from, start, arrival });
            }
            return;
        };
        let start = Self::start_of(state, to);
        let times = state.links.carry((from, to), packet.len(), state.now, &mut state.choices);
        for due in times {
            let arrival = Arrival::Tcp(packet.to_vec());
            self.later(state, due, Event { to, start, arrival });
        }
    }

    /// Sends a datagram of a socket.
    pub(super) fn send_datagram(
        &self,
        state: &mut State,
        from: MachineId,
        socket: u64,
        (to, datagram): (SocketAddr, IncomingDatagram),
    ) {
        let size = datagram.bytes.len() + UDP_HEADERS[usize::from(to.is_ipv6())];
        let ip = to.ip();
        let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        let receivers: Vec<MachineId> = if ip.is_loopback() {
            vec![from]
        } else if ip.is_multicast() || is_broadcast {
            (0..state.machines.len()).collect()
        } else {
            state.addresses.get(&ip).copied().into_iter().collect()
        };
        if receivers.is_empty() {
            let start = Self::start_of(state, from);
            let due = state.now + state.links.longest_round_trip((from, from));
            let error = IcmpError::host_unreachable(to.is_ipv4());
            let arrival = Arrival::Error(socket, to, datagram, error);
            self.later(state, due, Event { to: from, start, arrival });
            return;
        }
        for receiver in receivers {
            let start = Self::start_of(state, receiver);
            let direction = (from, receiver);
            for due in state.links.carry(direction, size, state.now, &mut state.choices) {
                let arrival = Arrival::Udp(datagram.clone(), to, (from, socket));
                self.later(state, due, Event { to: receiver, start, arrival });
            }
        }
    }

    /// Closes what a socket has of TCP.
    pub(super) fn close(&self, state: &mut State, of: MachineId, socket: u64, abort: bool) {
        let machine = &mut state.machines[of];
        for id in machine.backlogs.remove(&socket).into_iter().flatten() {
            self.refuse(state, of, id);
        }
        let machine = &mut state.machines[of];
        let Some(id) = machine.by_socket.remove(&socket) else { return };
        let Some(connection) = machine.connections.get_mut(&id) else { return };
        connection.socket = None;
        connection.is_detached = true;
        if connection.request.is_some() {
            self.refuse(state, of, id);
            return;
        }
        if abort {
            connection.abort();
        } else {
            // It has failed already, or sends its end.
            let _ = connection.finish();
        }
        self.drive(state, of, id, None);
    }

    /// Resets a connection that no socket has.
    fn refuse(&self, state: &mut State, of: MachineId, id: u64) {
        let now = state.now;
        let machine = &mut state.machines[of];
        let Some(connection) = machine.connections.get_mut(&id) else { return };
        connection.is_detached = true;
        let Some(request) = connection.request.take() else {
            connection.abort();
            self.drive(state, of, id, None);
            return;
        };
        let local = connection.local.ip();
        machine.forget(id);
        for answer in refusal(request, local, LOOPBACK_MTU, now) {
            self.send(state, of, &answer, None);
        }
    }

    /// Forgets a connection whose request has failed, so that its socket can connect again.
    pub(super) fn forget_failed(&self, state: &mut State, of: MachineId, socket: u64) {
        let machine = &mut state.machines[of];
        machine.sockets.set_bound(socket);
        let id = machine.by_socket.get(&socket).copied();
        if let Some(timer) = id.and_then(|id| machine.forget(id)).and_then(|of| of.timer) {
            self.0.kernel.cancel_timer(timer);
        }
    }
}

/// The status of a connection that its machine has lost.
pub(super) const LOST: NTSTATUS = STATUS_CONNECTION_RESET;

/// The status of a request to a machine that is down.
pub(super) const DOWN: NTSTATUS = STATUS_CONNECTION_REFUSED;
