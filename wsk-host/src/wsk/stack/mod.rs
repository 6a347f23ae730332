//! The stack: the sockets' requests and callbacks, and the network that serves them.
//!
//! Everything happens under one lock and returns [`Action`]s (completions, callbacks), which are executed when the
//! lock is released. A socket's close waits for all of them.
//!
//! A step for one socket is a method of [`Socket`] that gets the [`Services`] it shares with the others. A step
//! that changes another socket puts it on the list of dirty ones, which [`Stack::progress`] works through.

mod changes;
mod datagrams;
mod events;
mod listen;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::task::Poll;

use rustc_hash::FxHashMap;
use wsk_sys::ctypes::c_void;
use wsk_sys::{
    IPPROTO_IPV6, IPV6_V6ONLY, NTSTATUS, PIRP, SO_CONDITIONAL_ACCEPT, SOCK_DGRAM, SOL_SOCKET,
    STATUS_CANCELLED, STATUS_FILE_FORCED_CLOSED, STATUS_INVALID_DEVICE_STATE,
    STATUS_NOT_IMPLEMENTED, WSK_EVENT_ACCEPT, WSK_EVENT_DISCONNECT, WSK_EVENT_RECEIVE,
};

use super::action::{Action, Actions, ClosedSocket, IrpCompletion};
use super::category::{Category, DATAGRAM, LISTEN};
use super::client::Client;
use super::config::{self, Config};
use super::names::NameTable;
use super::network::{Binding, EndpointKind, NetworkBackend, ReadableData};
use super::object::SocketObject;
use super::reach::require_bindable;
use super::requests::{RequestKind, SUCCESS};
use super::socket::{Retained, Socket, SocketPhase};
use crate::kernel::choices::{ChoiceKind, Choices};
use crate::kernel::config::{Timing, Windows};
use crate::kernel::io::irp::CancelRoutine;
use crate::kernel::schedule::{Ticks, ticks};
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};

/// The functions of the layers above.
///
/// # Invariants
///
/// `table_of` returns the static table of the given category.
#[derive(Clone, Copy)]
pub(super) struct Hooks {
    /// The table of a category's sockets on a Windows, for a client that is an image or linked.
    pub(super) table_of: fn(Category, Windows, is_image: bool) -> *const c_void,
    /// The routine that cancels a waiting IRP.
    pub(super) cancel: CancelRoutine,
}

/// The network stack of one kernel.
pub(super) struct Stack {
    pub(super) sockets: FxHashMap<u64, Box<Socket>>,
    pub(super) services: Services,
}

/// The services that all sockets of a stack share.
pub(super) struct Services {
    pub(super) network: Box<dyn NetworkBackend>,
    pub(super) names: NameTable,
    pub(super) is_withdrawn: bool,
    hooks: Hooks,
    config: Config,
    timing: Timing,
    choices: Choices,
    last: u64,
    last_inspection: u32,
    /// The sockets with changes, which must be progressed.
    dirty: VecDeque<u64>,
    /// The connections that were accepted, and become sockets of the stack.
    accepted: Vec<Socket>,
    /// The listener of each connection that was not delivered yet.
    listeners: FxHashMap<u64, u64>,
}

impl Services {
    /// The table of a category's sockets.
    pub(super) fn table_of(&self, category: Category, client: &Client) -> *const c_void {
        (self.hooks.table_of)(category, client.windows(), client.is_image)
    }

    /// The number of a new socket.
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether something unusual happens, once in `n` times, if the timing is seeded.
    fn by_seed(&mut self, kind: ChoiceKind, n: usize) -> bool {
        self.timing.is_mixed() && self.choices.one_in(kind, n)
    }

    /// Whether a fault holds the next request.
    fn holds(&mut self) -> bool {
        self.choices.per_mille(ChoiceKind::Fault, self.config.faults.hold)
    }

    /// Rechecks the sockets that the network has news for, each at its time.
    fn recheck_others(&mut self, actions: &mut Actions) {
        for (due, socket) in self.network.wakeups() {
            actions.push(Action::Recheck { due, socket });
        }
    }

    /// Resets a connection that its listener does not deliver.
    pub(super) fn reset_arrival(&mut self, arrival: u64) {
        self.listeners.remove(&arrival);
        self.network.close(arrival, true);
    }
}

impl Socket {
    /// Completes a call's IRP at once, unless a fault holds it.
    fn complete(
        &mut self,
        services: &mut Services,
        irp: PIRP,
        (status, result): (NTSTATUS, trace::CallResult),
        actions: &mut Actions,
    ) {
        if services.holds() {
            let cancel = services.hooks.cancel;
            actions.extend(self.requests.wait(self.id, irp, RequestKind::Stalled, true, cancel));
        } else {
            actions.push(self.requests.completion(self.id, irp, status, result));
        }
    }

    /// Completes the IRP of a request on a socket that is no longer functional. Returns false if it is functional.
    fn refuse_if_dead(&mut self, irp: PIRP, actions: &mut Actions) -> bool {
        let is_dead = self.state == SocketPhase::Dead;
        if is_dead {
            let nothing = trace::CallResult::Nothing;
            let status = STATUS_FILE_FORCED_CLOSED;
            actions.push(self.requests.completion(self.id, irp, status, nothing));
        }
        is_dead
    }

    /// Whether a request is allowed in the socket's state.
    fn takes(&self, kind: &RequestKind) -> bool {
        let connected = self.state == SocketPhase::Connected;
        match kind {
            RequestKind::Accept(_) => self.state == SocketPhase::Listening,
            RequestKind::Receive { .. } | RequestKind::Drain => connected,
            RequestKind::Send { .. } | RequestKind::Disconnect { .. } => {
                connected && !self.streams.sent_end
            }
            RequestKind::SendTo { .. } | RequestKind::ReceiveFrom { .. } => {
                self.state == SocketPhase::Bound
            }
            RequestKind::Connect { .. }
            | RequestKind::Change
            | RequestKind::Stalled
            | RequestKind::StalledCreation => true,
        }
    }

    /// Binds the socket to an address.
    pub(super) fn bind(
        &mut self,
        services: &mut Services,
        local: SocketAddr,
    ) -> Result<(), NTSTATUS> {
        if (self.category, self.kind) == (LISTEN, SOCK_DGRAM) {
            return Err(STATUS_NOT_IMPLEMENTED);
        }
        if self.is_bound() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        let only_v6 = self.options.wants(IPPROTO_IPV6, IPV6_V6ONLY);
        require_bindable(local, only_v6)?;
        let kind = if self.category == LISTEN {
            let conditional = self.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
            EndpointKind::Listener { conditional }
        } else if self.category == DATAGRAM || self.kind == SOCK_DGRAM {
            EndpointKind::IncomingDatagram
        } else {
            EndpointKind::Stream
        };
        let binding = Binding {
            local,
            kind,
            sharing: self.options.sharing(),
            has_security: self.security.is_some(),
            only_v6,
            settings: self.options.settings(),
        };
        services.network.bind(self.id, &binding)?;
        let is_listener = matches!(kind, EndpointKind::Listener { .. });
        self.state = if is_listener { SocketPhase::Listening } else { SocketPhase::Bound };
        Ok(())
    }

    /// Serves the requests and callbacks that can be served now. Returns false if the socket must be discarded.
    fn progress(&mut self, services: &mut Services, actions: &mut Actions) -> bool {
        if self.state == SocketPhase::Listening {
            self.accept_connections(services, actions);
        }
        if matches!(self.state, SocketPhase::Connecting | SocketPhase::Connected) {
            if !self.finish_connect(services, actions) {
                return false;
            }
            self.send_waiting(services, actions);
            self.receive_waiting(services, actions);
        }
        if self.state == SocketPhase::Bound {
            self.send_datagrams(services, actions);
            self.receive_datagrams(services, actions);
        }
        self.watch(services);
        true
    }

    /// Passes the network the events that the socket waits for. Data that no request or callback will take is left out: a
    /// level-triggered poller would report it without end.
    fn watch(&mut self, services: &mut Services) {
        let (read, write) = match self.state {
            SocketPhase::Listening => {
                let inspects = self.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
                let has_event = self.events.has(WSK_EVENT_ACCEPT);
                (inspects || has_event || self.requests.serves(RequestKind::is_accept), false)
            }
            SocketPhase::Connecting => (false, true),
            SocketPhase::Connected => {
                let takes = self.events.has(WSK_EVENT_RECEIVE) && !self.streams.is_paused;
                let ends = self.events.has(WSK_EVENT_DISCONNECT)
                    && self.streams.rest.is_empty()
                    && services.network.readable(self.id).is_pending();
                let has_event =
                    (takes || ends) && !self.streams.has_indicated_end && !self.is_indicating;
                let sends = self.requests.serves(RequestKind::is_output)
                    || self.requests.serves(RequestKind::is_connect);
                (self.requests.serves(RequestKind::is_input) || has_event, sends)
            }
            SocketPhase::Bound => {
                let read =
                    self.requests.has(RequestKind::is_receive_from) || self.events.enabled != 0;
                (read, self.requests.has(RequestKind::is_send_to))
            }
            _ => (false, false),
        };
        services.network.watch(self.id, read, write);
    }

    /// The socket is no longer functional ([INV-42](crate::rules#inv-42)). Returns false if it must be discarded.
    fn kill(&mut self, services: &mut Services, actions: &mut Actions) -> bool {
        if self.state == SocketPhase::Dead || self.closing.is_some() {
            return true;
        }
        let was_listening = self.state == SocketPhase::Listening;
        let created = self.requests.has(RequestKind::creates);
        self.state = SocketPhase::Dead;
        self.requests.end_all(self.id, |_| true, STATUS_FILE_FORCED_CLOSED, actions);
        if created && !self.requests.has(RequestKind::creates) {
            return false;
        }
        self.close_endpoints(services, true);
        self.indicate_death(was_listening, actions);
        services.recheck_others(actions);
        true
    }

    /// Closes the socket's endpoint, and the endpoints of its undelivered connections.
    fn close_endpoints(&mut self, services: &mut Services, abort: bool) {
        services.network.close(self.id, abort);
        for arrival in std::mem::take(&mut self.arrivals) {
            services.reset_arrival(arrival.id);
        }
    }
}

impl Stack {
    pub(super) fn new(
        network: Box<dyn NetworkBackend>,
        (timing, choices): (Timing, Choices),
        config: &Config,
        hooks: Hooks,
    ) -> Self {
        let services = Services {
            network,
            names: NameTable::default(),
            is_withdrawn: false,
            hooks,
            config: *config,
            timing,
            choices,
            last: 0,
            last_inspection: 0,
            dirty: VecDeque::new(),
            accepted: Vec::new(),
            listeners: FxHashMap::default(),
        };
        Self { sockets: FxHashMap::default(), services }
    }

    pub(super) fn set_time(&mut self, now: Ticks) {
        self.services.network.set_time(now);
    }

    /// Adds a socket, and returns its number.
    pub(super) fn add(&mut self, mut socket: Socket) -> u64 {
        let id = self.services.number();
        socket.id = id;
        self.sockets.insert(id, Box::new(socket));
        id
    }

    /// Completes a call's IRP at once, unless a fault holds it.
    pub(super) fn complete(
        &mut self,
        id: u64,
        irp: PIRP,
        (status, result): (NTSTATUS, trace::CallResult),
    ) -> Actions {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return vec![Action::Complete(IrpCompletion::of_no_socket(irp, status, result))];
        };
        let mut actions = Vec::new();
        socket.complete(&mut self.services, irp, (status, result), &mut actions);
        actions
    }

    /// Delivers a new socket to its creator.
    pub(super) fn deliver_socket(&mut self, id: u64, irp: PIRP) -> Actions {
        let is_held = self.services.holds();
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        if is_held {
            let cancel = self.services.hooks.cancel;
            return socket.requests.wait(id, irp, RequestKind::StalledCreation, true, cancel);
        }
        vec![socket.requests.completion(id, irp, SUCCESS.0, trace::CallResult::Socket(id))]
    }

    /// Completes a request on a socket that is no longer functional, which it may become by a fault. None if
    /// the socket is functional.
    pub(super) fn refuse_dead(&mut self, id: u64, irp: PIRP) -> Option<Actions> {
        let mut actions = Vec::new();
        let services = &mut self.services;
        let chance = services.config.faults.forced_close;
        if services.choices.per_mille(ChoiceKind::Fault, chance) {
            self.kill(id, &mut actions);
        }
        let socket = self.sockets.get_mut(&id)?;
        socket.refuse_if_dead(irp, &mut actions).then_some(actions)
    }

    /// Makes a request wait, and serves the requests that can be served.
    pub(super) fn request(&mut self, id: u64, irp: PIRP, kind: RequestKind) -> Actions {
        if let Some(mut actions) = self.refuse_dead(id, irp) {
            if kind.creates() {
                self.discard(id, &mut actions);
            }
            return actions;
        }
        let is_held = self.services.holds();
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        if !socket.takes(&kind) {
            let mut actions = Vec::new();
            let result = (STATUS_INVALID_DEVICE_STATE, trace::CallResult::Nothing);
            socket.complete(&mut self.services, irp, result, &mut actions);
            return actions;
        }
        let actions = socket.requests.wait(id, irp, kind, is_held, self.services.hooks.cancel);
        if actions.is_empty() { self.progress(id) } else { actions }
    }

    /// Binds a socket.
    pub(super) fn bind(&mut self, id: u64, irp: PIRP, local: SocketAddr) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        let status = socket.bind(&mut self.services, local).err().unwrap_or(SUCCESS.0);
        let mut actions = Vec::new();
        let result = (status, trace::CallResult::Nothing);
        socket.complete(&mut self.services, irp, result, &mut actions);
        self.progress_with(id, actions)
    }

    /// Serves the requests and callbacks of a socket that can be served now.
    pub(super) fn progress(&mut self, id: u64) -> Actions {
        self.progress_with(id, Vec::new())
    }

    /// Continues like [`progress`](Self::progress), after other actions.
    pub(super) fn progress_with(&mut self, id: u64, mut actions: Actions) -> Actions {
        self.services.dirty.push_back(id);
        while let Some(id) = self.services.dirty.pop_front() {
            let Some(socket) = self.sockets.get_mut(&id) else {
                // A connection that its listener has not delivered.
                self.services.dirty.extend(self.services.listeners.get(&id));
                continue;
            };
            if !socket.progress(&mut self.services, &mut actions) {
                self.discard(id, &mut actions);
            }
            for socket in self.services.accepted.drain(..) {
                self.services.dirty.push_back(socket.id);
                self.sockets.insert(socket.id, Box::new(socket));
            }
        }
        self.services.recheck_others(&mut actions);
        actions
    }

    /// Whether the cancellation of a request takes effect later, as the seed decides: after how long, and the number of
    /// the request. A transport that has begun to receive is not stopped at once: data that arrives in the meantime
    /// completes the request, cancelled or not.
    pub(super) fn postpone_cancel(&mut self, id: u64, irp: PIRP) -> Option<(Ticks, u64)> {
        let services = &mut self.services;
        let delay = usize::try_from(ticks(services.config.delay)).ok()?;
        if services.config.network != config::Network::Simulated
            || delay == 0
            || !services.by_seed(ChoiceKind::Race, 4)
        {
            return None;
        }
        let serial = services.number();
        let socket = self.sockets.get_mut(&id)?;
        let is_postponed = socket.requests.postpone_cancel(irp, serial, services.hooks.cancel);
        is_postponed
            .then(|| (1 + services.choices.below(ChoiceKind::Delay, delay) as Ticks, serial))
    }

    /// Ends a request whose cancellation was postponed, if it has not completed.
    pub(super) fn cancelled_late(&mut self, id: u64, serial: u64) -> Actions {
        let socket = self.sockets.get(&id);
        match socket.and_then(|socket| socket.requests.claim_postponed(serial)) {
            Some(irp) => self.cancelled(id, irp),
            None => Vec::new(),
        }
    }

    /// Completes an IRP whose cancel routine has run.
    pub(super) fn cancelled(&mut self, id: u64, irp: PIRP) -> Actions {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        // The next request gets the bytes that it has received.
        for byte in socket.requests.received_by(irp).into_iter().rev() {
            socket.streams.rest.push_front(byte);
        }
        let creates = socket.requests.creates(irp);
        let mut actions = socket.requests.cancelled(id, irp);
        if creates {
            self.discard(id, &mut actions);
            return actions;
        }
        if socket.state == SocketPhase::Connecting {
            socket.state = SocketPhase::Dead;
            self.services.network.close(id, true);
        }
        // The requests behind it may go on.
        self.progress_with(id, actions)
    }

    /// Ends a socket that its creator will never see. From here on, its actions are independent of it.
    pub(super) fn discard(&mut self, id: u64, actions: &mut Actions) {
        self.services.network.close(id, true);
        if let Some(socket) = self.sockets.remove(&id) {
            SocketObject::discard(socket.object);
        }
        let all = std::mem::take(actions);
        actions.extend(all.into_iter().map(|action| action.without_socket(id)));
        self.services.recheck_others(actions);
    }

    /// A socket is no longer functional ([INV-42](crate::rules#inv-42)).
    pub(super) fn kill(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if !socket.kill(&mut self.services, actions) {
            self.discard(id, actions);
        }
    }

    /// Begins a close, which cancels the waiting requests.
    pub(super) fn close(&mut self, id: u64, closed: ClosedSocket) -> Actions {
        let mut actions = Vec::new();
        let Some(socket) = self.sockets.get_mut(&id) else {
            return actions;
        };
        socket.require_released();
        let abort = socket.why_close_aborts(&mut self.services).is_some();
        socket.requests.end_all(id, |_| true, STATUS_CANCELLED, &mut actions);
        socket.closing = Some(closed);
        socket.close_endpoints(&mut self.services, abort);
        self.services.recheck_others(&mut actions);
        self.finish_close(id, &mut actions);
        actions
    }

    /// The reason why closing a connection now aborts it, or none if it ends in order.
    pub(super) fn why_close_aborts(&mut self, id: u64) -> Option<&'static str> {
        let socket = self.sockets.get_mut(&id)?;
        let is_connected = socket.state == SocketPhase::Connected;
        socket.why_close_aborts(&mut self.services).filter(|_| is_connected)
    }

    /// A completion routine has returned.
    pub(super) fn delivered(&mut self, id: u64) -> Actions {
        let mut actions = Vec::new();
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.requests.undelivered -= 1;
            self.finish_close(id, &mut actions);
        }
        actions
    }

    /// Completes a socket's close, if none of its callbacks or requests is left to run.
    pub(super) fn finish_close(&mut self, id: u64, actions: &mut Actions) {
        let socket = self.sockets.get(&id);
        if socket.is_some_and(|socket| socket.closing.is_some() && socket.requests.is_empty()) {
            let closed = self.sockets.remove(&id).and_then(|socket| socket.closing);
            actions.extend(closed.map(Action::Closed));
        }
    }

    /// Kills all sockets.
    pub(super) fn withdraw(&mut self) -> Actions {
        self.services.is_withdrawn = true;
        let mut actions = Vec::new();
        let mut all: Vec<u64> = self.sockets.keys().copied().collect();
        all.sort_unstable();
        for id in all {
            self.kill(id, &mut actions);
        }
        actions
    }
}

impl Socket {
    /// The reason why closing the socket now sends no end in order.
    fn why_close_aborts(&self, services: &mut Services) -> Option<&'static str> {
        // A silent socket sends nothing.
        if self.state == SocketPhase::Silent {
            return None;
        }
        if !self.streams.sent_end {
            return Some("no WskDisconnect has completed");
        }
        if !self.streams.rest.is_empty() {
            return Some("data was indicated, and neither accepted nor received");
        }
        // The peer's end counts when it has arrived, received or not.
        let has_end = self.streams.received_end
            || services.network.readable(self.id) == Poll::Ready(Ok(ReadableData::End));
        (!has_end).then_some(
            "the end of the peer's data has not arrived, or data before it was not received",
        )
    }

    /// Stops a client that closes a socket before it has released every retained indication ([INV-47](crate::rules#inv-47)).
    fn require_released(&mut self) {
        let mut retained = self.retained.iter().filter(|(list, _)| !self.offered.contains(list));
        if let Some((_, retained)) = retained.next() {
            let (noun, origin) = match retained {
                Retained::Data(data) => ("data", &data.origin),
                Retained::Datagrams(datagrams) => ("datagrams", &datagrams.origin),
            };
            let found =
                format!("retained lists of indicated {noun} not released: {}", self.retained.len());
            rule_violation(Rule::RELEASED_BEFORE_CLOSE, "WskCloseSocket", &found, Some(origin));
            // The client may still use them: they are lost with their socket, and not freed.
            let is_offered = |(list, _): &(usize, Retained)| self.offered.contains(list);
            let (offered, lost): (BTreeMap<_, _>, BTreeMap<_, _>) =
                std::mem::take(&mut self.retained).into_iter().partition(is_offered);
            self.retained = offered;
            std::mem::forget(lost);
        }
    }
}
