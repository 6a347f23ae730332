//! What sockets do: their requests and their callbacks, and the network that serves them.
//!
//! Everything happens under one lock and yields [`Action`]s (completions, callbacks),
//! which are done when the lock is released. A socket's close waits for all of them.

mod changes;
mod datagrams;
mod events;
mod listen;
mod streams;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::task::Poll;

use wsk_sys::ctypes::c_void;
use wsk_sys::{
    IPPROTO_IPV6, IPV6_V6ONLY, NTSTATUS, PIRP, SO_CONDITIONAL_ACCEPT, SOCK_DGRAM, SOL_SOCKET,
    STATUS_CANCELLED, STATUS_FILE_FORCED_CLOSED, STATUS_INVALID_DEVICE_STATE, WSK_EVENT_ACCEPT,
    WSK_EVENT_DISCONNECT, WSK_EVENT_RECEIVE,
};

use super::action::{Action, Actions, ClosedSocket, Completion};
use super::category::{Category, DATAGRAM, LISTEN};
use super::client::Client;
use super::config::Config;
use super::names::Names;
use super::network::{Binding, Kind, Network, Readable};
use super::object::Object;
use super::requests::{RequestKind, SUCCESS};
use super::socket::{Retained, Socket, State};
use crate::kernel::config::{Timing, Windows};
use crate::kernel::io::irp::CancelRoutine;
use crate::kernel::random::Random;
use crate::kernel::schedule::Ticks;
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};

/// The services of the layers above that the stack needs.
#[derive(Clone, Copy)]
pub(super) struct Services {
    /// The table of a category's sockets on a Windows.
    pub(super) table_of: fn(Category, Windows) -> *const c_void,
    /// The routine that cancels a waiting IRP.
    pub(super) cancel: CancelRoutine,
}

/// The network stack of one kernel.
pub(super) struct Stack {
    pub(super) sockets: BTreeMap<u64, Socket>,
    last: u64,
    pub(super) network: Box<dyn Network>,
    pub(super) names: Names,
    random: Random,
    now: Ticks,
    config: Config,
    timing: Timing,
    services: Services,
    pub(super) is_withdrawn: bool,
    last_inspection: u32,
}

impl Stack {
    pub(super) fn new(
        network: Box<dyn Network>,
        timing: Timing,
        config: &Config,
        services: Services,
    ) -> Self {
        Self {
            sockets: BTreeMap::new(),
            last: 0,
            network,
            names: Names::default(),
            random: Random::new(timing.seed_or_zero() ^ 0x7374_6163),
            now: 0,
            config: *config,
            timing,
            services,
            is_withdrawn: false,
            last_inspection: 0,
        }
    }

    pub(super) fn set_time(&mut self, now: Ticks) {
        self.now = now;
        self.network.set_time(now);
    }

    /// The table of a category's sockets.
    pub(super) fn table_of(&self, category: Category, client: &Client) -> *const c_void {
        (self.services.table_of)(category, client.windows())
    }

    /// The number of a new socket.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn add(&mut self, socket: Socket) -> u64 {
        let id = self.number();
        self.sockets.insert(id, socket);
        id
    }

    /// True by chance, if the seed decides.
    fn sometimes(&mut self, one_in: usize) -> bool {
        self.timing.is_mixed() && self.random.below(one_in) == 0
    }

    /// Completes a call's IRP at once, unless a fault holds it back.
    pub(super) fn answer(
        &mut self,
        id: u64,
        irp: PIRP,
        (status, result): (NTSTATUS, trace::Result),
    ) -> Actions {
        let is_held = self.random.per_mille(self.config.faults.hold);
        let Some(socket) = self.sockets.get_mut(&id) else {
            return vec![Action::Complete(Completion::of_no_socket(irp, status, result))];
        };
        if is_held {
            return socket.requests.wait(id, irp, RequestKind::Answer, true, self.services.cancel);
        }
        vec![socket.requests.completion(id, irp, status, result)]
    }

    /// Gives a new socket to its creator.
    pub(super) fn give(&mut self, id: u64, irp: PIRP) -> Actions {
        let is_held = self.random.per_mille(self.config.faults.hold);
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        if is_held {
            return socket.requests.wait(id, irp, RequestKind::Create, true, self.services.cancel);
        }
        vec![socket.requests.completion(id, irp, SUCCESS.0, trace::Result::Socket(id))]
    }

    /// What a socket that is no longer functional answers with. It may become so by a fault.
    pub(super) fn refuse_dead(&mut self, id: u64, irp: PIRP) -> Option<Actions> {
        let mut actions = Vec::new();
        if self.random.per_mille(self.config.faults.forced_close) {
            self.kill(id, &mut actions);
        }
        let socket = self.sockets.get_mut(&id)?;
        if socket.state != State::Dead {
            return None;
        }
        let dead = (STATUS_FILE_FORCED_CLOSED, trace::Result::Nothing);
        actions.push(socket.requests.completion(id, irp, dead.0, dead.1));
        Some(actions)
    }

    /// Lets a request wait, and does what can be done.
    pub(super) fn request(&mut self, id: u64, irp: PIRP, kind: RequestKind) -> Actions {
        if let Some(mut actions) = self.refuse_dead(id, irp) {
            if kind.creates() {
                self.discard(id, &mut actions);
            }
            return actions;
        }
        let is_held = self.random.per_mille(self.config.faults.hold);
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        let connected = socket.state == State::Connected;
        let takes = match &kind {
            RequestKind::Accept(_) => socket.state == State::Listening,
            RequestKind::Receive { .. } | RequestKind::Drain => connected,
            RequestKind::Send { .. } | RequestKind::Disconnect { .. } => {
                connected && !socket.streams.sent_end
            }
            RequestKind::SendTo { .. } | RequestKind::ReceiveFrom { .. } => {
                socket.state == State::Bound
            }
            RequestKind::Connect { .. }
            | RequestKind::Change
            | RequestKind::Answer
            | RequestKind::Create => true,
        };
        if !takes {
            return self.answer(id, irp, (STATUS_INVALID_DEVICE_STATE, trace::Result::Nothing));
        }
        let actions = socket.requests.wait(id, irp, kind, is_held, self.services.cancel);
        if actions.is_empty() { self.progress(id) } else { actions }
    }

    pub(super) fn bind(&mut self, id: u64, irp: PIRP, local: SocketAddr) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let result = self.bind_now(id, local);
        let status = result.err().unwrap_or(SUCCESS.0);
        let mut actions = self.answer(id, irp, (status, trace::Result::Nothing));
        actions.extend(self.progress(id));
        actions
    }

    pub(super) fn bind_now(&mut self, id: u64, local: SocketAddr) -> Result<(), NTSTATUS> {
        let socket = self.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if socket.is_bound() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        let kind = if socket.category == LISTEN {
            let conditional = socket.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
            Kind::Listener { conditional }
        } else if socket.category == DATAGRAM || socket.kind == SOCK_DGRAM {
            Kind::Datagram
        } else {
            Kind::Stream
        };
        let binding = Binding {
            local,
            kind,
            sharing: socket.options.sharing(),
            has_security: socket.security != 0,
            only_v6: socket.options.wants(IPPROTO_IPV6, IPV6_V6ONLY),
            settings: socket.options.settings(),
        };
        self.network.bind(id, &binding)?;
        let is_listener = matches!(kind, Kind::Listener { .. });
        socket.state = if is_listener { State::Listening } else { State::Bound };
        Ok(())
    }

    /// Does for a socket's requests and callbacks what can be done now.
    pub(super) fn progress(&mut self, id: u64) -> Actions {
        let mut actions = Vec::new();
        self.take_connections_in(id, &mut actions);
        self.finish_connect(id, &mut actions);
        self.send_waiting(id, &mut actions);
        self.receive_waiting(id, &mut actions);
        self.send_datagrams(id, &mut actions);
        self.receive_datagrams(id, &mut actions);
        self.watch(id);
        self.wake_others(&mut actions);
        actions
    }

    /// Lets those look again to whom something has happened.
    pub(super) fn wake_others(&mut self, actions: &mut Actions) {
        for (due, socket) in self.network.wakeups() {
            actions.push(Action::Recheck { due, socket });
        }
    }

    /// Tells the network what the socket waits for: nothing that is there and that nobody would take, or
    /// it would be told for ever.
    fn watch(&mut self, id: u64) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let Socket { state, requests, events, streams, .. } = socket;
        let (read, write) = match state {
            State::Listening => {
                let inspects = socket.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
                let has_event = events.has(WSK_EVENT_ACCEPT);
                (inspects || has_event || requests.serves(RequestKind::is_accept), false)
            }
            State::Connecting => (false, true),
            State::Connected => {
                let takes = events.has(WSK_EVENT_RECEIVE) && !streams.is_paused;
                let ends = events.has(WSK_EVENT_DISCONNECT)
                    && streams.rest.is_empty()
                    && self.network.readable(id).is_pending();
                let has_event = (takes || ends) && !streams.told_end && !socket.is_indicating;
                let sends = requests.serves(RequestKind::is_output)
                    || requests.serves(RequestKind::is_connect);
                (requests.serves(RequestKind::is_input) || has_event, sends)
            }
            State::Bound => {
                let read = requests.has(RequestKind::is_receive_from) || events.enabled != 0;
                (read, requests.has(RequestKind::is_send_to))
            }
            _ => (false, false),
        };
        self.network.watch(id, read, write);
    }

    /// An IRP's cancel routine has run.
    pub(super) fn cancelled(&mut self, id: u64, irp: PIRP) -> Actions {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        // What it has received is the next one's.
        for byte in socket.requests.received_by(irp).into_iter().rev() {
            socket.streams.rest.push_front(byte);
        }
        let creates = socket.requests.creates(irp);
        let mut actions = socket.requests.cancelled(id, irp);
        if creates {
            self.discard(id, &mut actions);
            return actions;
        }
        if socket.state == State::Connecting {
            socket.state = State::Dead;
            self.network.close(id, true);
        }
        // Whoever waits behind it may go on.
        actions.extend(self.progress(id));
        actions
    }

    /// Ends a socket that its creator will never see. What is to be done for it is done without it.
    pub(super) fn discard(&mut self, id: u64, actions: &mut Actions) {
        self.network.close(id, true);
        if let Some(socket) = self.sockets.remove(&id) {
            Object::discard(socket.object);
        }
        let all = std::mem::take(actions);
        actions.extend(all.into_iter().map(|action| action.without_socket(id)));
        self.wake_others(actions);
    }

    /// A socket is no longer functional (INV-42).
    pub(super) fn kill(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if matches!(socket.state, State::Dead) || socket.closing.is_some() {
            return;
        }
        let was_listening = socket.state == State::Listening;
        let created = socket.requests.has(RequestKind::creates);
        socket.state = State::Dead;
        socket.requests.end_all(id, |_| true, STATUS_FILE_FORCED_CLOSED, actions);
        if created && !socket.requests.has(RequestKind::creates) {
            return self.discard(id, actions);
        }
        let arrivals = std::mem::take(&mut socket.arrivals);
        self.network.close(id, true);
        for arrival in arrivals {
            self.network.close(arrival.id, true);
        }
        self.tell_death(id, was_listening, actions);
        self.wake_others(actions);
    }

    /// Begins a close: whatever waits is cancelled.
    pub(super) fn close(&mut self, id: u64, closed: ClosedSocket) -> Actions {
        let mut actions = Vec::new();
        let Some(socket) = self.sockets.get_mut(&id) else {
            return actions;
        };
        let mut retained =
            socket.retained.iter().filter(|(list, _)| !socket.offered.contains(list));
        if let Some((_, retained)) = retained.next() {
            let (noun, origin) = match retained {
                Retained::Data(data) => ("data", &*data.origin),
                Retained::Datagrams(datagrams) => ("datagrams", &*datagrams.origin),
            };
            let found = format!(
                "{} lists of indicated {noun} were retained, and not released",
                socket.retained.len()
            );
            rule_violation(Rule::RELEASED_BEFORE_CLOSE, "WskCloseSocket", &found, Some(origin));
        }
        // The peer's end counts when it has arrived, received or not. A silent socket sends nothing.
        let ended = socket.streams.sent_end
            && socket.streams.rest.is_empty()
            && (socket.streams.received_end
                || self.network.readable(id) == Poll::Ready(Ok(Readable::End)));
        let abort = !ended && socket.state != State::Silent;
        socket.requests.end_all(id, |_| true, STATUS_CANCELLED, &mut actions);
        socket.closing = Some(closed);
        let arrivals = std::mem::take(&mut socket.arrivals);
        self.network.close(id, abort);
        for arrival in arrivals {
            self.network.close(arrival.id, true);
        }
        self.wake_others(&mut actions);
        actions.extend(self.finish_close(id));
        actions
    }

    /// A completion routine has returned.
    pub(super) fn delivered(&mut self, id: u64) -> Actions {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.requests.undelivered -= 1;
        }
        self.finish_close(id)
    }

    /// Completes a socket's close, if nothing of it is left to run.
    pub(super) fn finish_close(&mut self, id: u64) -> Actions {
        match self.sockets.get(&id) {
            Some(socket) if socket.closing.is_some() && socket.requests.is_empty() => {}
            _ => return Vec::new(),
        }
        let closed = self.sockets.remove(&id).and_then(|socket| socket.closing);
        closed.into_iter().map(Action::Closed).collect()
    }

    /// Kills all sockets.
    pub(super) fn withdraw(&mut self) -> Actions {
        self.is_withdrawn = true;
        let mut actions = Vec::new();
        let all: Vec<u64> = self.sockets.keys().copied().collect();
        for id in all {
            self.kill(id, &mut actions);
        }
        actions
    }
}
