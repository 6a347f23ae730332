//! Listening: connections arrive, are inspected, and are passed to the client.
//!
//! # Safety
//!
//! Addresses are written to memory of a waiting accept, which the client keeps until its IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use wsk_sys::{
    PIRP, SO_CONDITIONAL_ACCEPT, SOCK_STREAM, SOL_SOCKET, STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, WSK_EVENT_ACCEPT,
    WSK_EVENT_RECEIVE, WSK_INSPECT_ACTION, WskInspectAccept, WskInspectPend, WskInspectReject,
};

use super::{Services, Stack};
use crate::kernel::choices::ChoiceKind;
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};
use crate::wsk::action::{Actions, Arrival, ArrivalStage, Callback, InspectKey};
use crate::wsk::address;
use crate::wsk::callback_table::{CallbackTable, require_functions};
use crate::wsk::category::{CONNECTION, CONNECTION_EVENTS, LISTEN, STREAM};
use crate::wsk::network::ReadableData;
use crate::wsk::object::{SocketObject, origin};
use crate::wsk::requests::{PendingRequest, RequestKind, SUCCESS};
use crate::wsk::socket::{Socket, SocketPhase};

impl Stack {
    /// Makes a stream socket listen, which it does until it is closed ([INV-40](crate::rules#inv-40)).
    pub(in crate::wsk) fn listen(&mut self, id: u64, irp: PIRP) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        let result = match socket.state {
            SocketPhase::Bound => self.services.network.listen(id),
            _ => Err(STATUS_INVALID_DEVICE_STATE),
        };
        if result.is_ok() {
            socket.state = SocketPhase::Listening;
            let events = socket.events.fixed & WSK_EVENT_ACCEPT;
            require_functions(&socket.callbacks, events, "WskListen");
            socket.events.enabled |= events;
        }
        let result = (result.err().unwrap_or(STATUS_SUCCESS), trace::CallResult::Nothing);
        let mut actions = Vec::new();
        socket.complete(&mut self.services, irp, result, &mut actions);
        self.progress_with(id, actions)
    }

    /// Adds the socket of a connection that a listener's client is offered.
    pub(in crate::wsk) fn add_accepted(
        &mut self,
        listener: u64,
        arrival: &Arrival,
        call: &'static str,
    ) -> Option<&mut Socket> {
        let listener = self.sockets.get(&listener)?;
        let mut socket = listener.accepted(&mut self.services, arrival, CallbackTable::NONE, call);
        socket.events.fixed |= listener.events.fixed & CONNECTION_EVENTS;
        self.sockets.insert(arrival.id, Box::new(socket));
        self.sockets.get_mut(&arrival.id).map(|socket| &mut **socket)
    }

    /// Enables the events of an accepted socket that its client has taken.
    pub(in crate::wsk) fn enable_fixed(&mut self, id: u64, actions: &mut Actions) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.enable_fixed(actions);
        }
    }

    /// Executes a client's decision about a connection that it inspects.
    pub(in crate::wsk) fn inspected(
        &mut self,
        id: u64,
        key: InspectKey,
        action: WSK_INSPECT_ACTION,
        actions: &mut Actions,
    ) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.decide(&mut self.services, key, action, actions);
        }
        actions.extend(self.progress(id));
    }

    pub(in crate::wsk) fn inspect_complete(
        &mut self,
        id: u64,
        irp: PIRP,
        key: InspectKey,
        action: WSK_INSPECT_ACTION,
    ) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if !socket.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT) {
            let result = (STATUS_NOT_SUPPORTED, trace::CallResult::Nothing);
            socket.complete(&mut self.services, irp, result, &mut actions);
            return actions;
        }
        if !matches!(action, WskInspectAccept | WskInspectReject) {
            let found = format!("the action is {action}");
            rule_violation(
                Rule::INSPECTION_DECIDED_ONCE,
                "WskInspectComplete",
                &found,
                origin(socket.object).as_ref(),
            );
            let result = (STATUS_INVALID_PARAMETER, trace::CallResult::Nothing);
            socket.complete(&mut self.services, irp, result, &mut actions);
            return actions;
        }
        socket.complete(&mut self.services, irp, SUCCESS, &mut actions);
        if let Some(place) = socket.aborted.iter().position(|aborted| *aborted == key) {
            socket.aborted.remove(place);
            return actions;
        }
        let is_pended = |arrival: &Arrival| {
            arrival.key == Some(key)
                && matches!(arrival.stage, ArrivalStage::Pended | ArrivalStage::Inspected)
        };
        if !socket.arrivals.iter().any(is_pended) {
            rule_violation(
                Rule::INSPECTION_DECIDED_ONCE,
                "WskInspectComplete",
                "no connection with this WSK_INSPECT_ID waits for a decision",
                origin(socket.object).as_ref(),
            );
            return actions;
        }
        socket.decide(&mut self.services, key, action, &mut actions);
        self.progress_with(id, actions)
    }

    pub(in crate::wsk) fn local(&self, id: u64) -> Option<SocketAddr> {
        let socket = self.sockets.get(&id)?;
        socket.is_bound().then(|| self.services.network.local(id)).flatten()
    }

    pub(in crate::wsk) fn remote(&self, id: u64) -> Option<SocketAddr> {
        let socket = self.sockets.get(&id)?;
        matches!(socket.state, SocketPhase::Connected)
            .then(|| self.services.network.remote(id))
            .flatten()
    }
}

impl Socket {
    /// Accepts the connections that a listener's network has, and delivers those that are established.
    pub(super) fn accept_connections(&mut self, services: &mut Services, actions: &mut Actions) {
        if self.state != SocketPhase::Listening || self.closing.is_some() {
            return;
        }
        self.abort_lost(services, actions);
        loop {
            self.deliver_connections(services, actions);
            if !self.next_connection(services, actions) {
                return;
            }
        }
    }

    /// Aborts the pended connections that are lost.
    fn abort_lost(&mut self, services: &mut Services, actions: &mut Actions) {
        let pended = self.arrivals.iter().filter(|arrival| arrival.stage == ArrivalStage::Pended);
        let pended: Vec<u64> = pended.map(|arrival| arrival.id).collect();
        for arrival in pended {
            let readable = services.network.readable(arrival);
            if matches!(readable, Poll::Ready(Err(_) | Ok(ReadableData::End))) {
                self.abort_arrival(services, arrival, actions);
            } else {
                services.network.watch(arrival, true, false);
            }
        }
    }

    /// Ends a connection that was not delivered, and calls `WskAbortEvent` if it was inspected.
    fn abort_arrival(&mut self, services: &mut Services, arrival: u64, actions: &mut Actions) {
        services.reset_arrival(arrival);
        let Some(place) = self.arrivals.iter().position(|other| other.id == arrival) else {
            return;
        };
        let key = self.arrivals.remove(place).and_then(|arrival| arrival.key);
        if let Some(key) = key {
            self.aborted.push(key);
            self.call(0, Callback::Abort { key }, actions);
        }
    }

    /// Delivers the connections that are established: to requests first, but for a race that cannot be excluded
    /// ([INV-54](crate::rules#inv-54)).
    fn deliver_connections(&mut self, services: &mut Services, actions: &mut Actions) {
        loop {
            let races = services.by_seed(ChoiceKind::Race, 8);
            let is_ready = |arrival: &Arrival| arrival.stage == ArrivalStage::Established;
            let Some(place) = self.arrivals.iter().position(is_ready) else {
                return;
            };
            let waits = self.requests.first(RequestKind::is_accept).is_some();
            if self.events.has(WSK_EVENT_ACCEPT) && (!waits || races) {
                if let Some(arrival) = self.arrivals.remove(place) {
                    self.call(WSK_EVENT_ACCEPT, Callback::Accept { arrival }, actions);
                }
                continue;
            }
            let Some(PendingRequest { irp, kind: RequestKind::Accept(room), .. }) =
                self.requests.take(RequestKind::is_accept)
            else {
                return;
            };
            let Some(arrival) = self.arrivals.remove(place) else {
                return;
            };
            let (local, remote) = (arrival.incoming.local, arrival.incoming.remote);
            // SAFETY: the caller's memory has room for the address until the IRP is completed.
            unsafe { address::write(room.local, local) };
            // SAFETY: the caller's memory has room for the address until the IRP is completed.
            unsafe { address::write(room.remote, remote) };
            let callbacks = CallbackTable {
                context: room.context,
                connection: room.dispatch,
                ..CallbackTable::NONE
            };
            let fixed = self.client.static_events() & CONNECTION_EVENTS;
            require_functions(&callbacks, fixed, "WskAccept");
            let mut accepted = self.accepted(services, &arrival, callbacks, "WskAccept");
            let result = trace::CallResult::Socket(arrival.id);
            actions.push(self.requests.completion(self.id, irp, STATUS_SUCCESS, result));
            accepted.enable_fixed(actions);
            services.accepted.push(accepted);
        }
    }

    /// The socket of a connection that this listener has accepted.
    fn accepted(
        &self,
        services: &mut Services,
        arrival: &Arrival,
        callbacks: CallbackTable,
        call: &'static str,
    ) -> Self {
        services.listeners.remove(&arrival.id);
        let client = Arc::clone(&self.client);
        let dispatch = services.table_of(CONNECTION, &client);
        let mut socket =
            Self::new(Arc::clone(&client), CONNECTION, self.family, SOCK_STREAM, callbacks);
        socket.id = arrival.id;
        socket.state = SocketPhase::Connected;
        socket.options = self.options.inherited();
        socket.inspected_as = arrival.key;
        socket.object =
            SocketObject::create(arrival.id, CONNECTION, self.family, dispatch, &client, call);
        socket.callbacks.pin(&client.kernel, arrival.id, origin(socket.object).as_ref());
        socket.events.fixed = client.static_events() & CONNECTION_EVENTS;
        socket
    }

    /// Enables the events that are enabled from the beginning.
    fn enable_fixed(&mut self, actions: &mut Actions) {
        let new = self.events.fixed & !self.events.enabled;
        self.events.enabled |= new;
        if self.state == SocketPhase::Dead {
            // It died while it was offered to its client.
            self.enqueue_events(new & WSK_EVENT_RECEIVE, actions);
        }
    }

    /// Takes the next connection from the network. Returns false if none has arrived, or no accept or event would take it.
    fn next_connection(&mut self, services: &mut Services, actions: &mut Actions) -> bool {
        let inspects = self.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
        let is_wanted = inspects
            || self.requests.first(RequestKind::is_accept).is_some()
            || self.events.has(WSK_EVENT_ACCEPT);
        if !is_wanted {
            return false;
        }
        let number = services.number();
        let incoming = match services.network.accept(self.id, number) {
            Poll::Ready(Ok(incoming)) => incoming,
            Poll::Pending => return false,
            Poll::Ready(Err(status)) => {
                let result = (status, trace::CallResult::Nothing);
                return self.requests.end_first(self.id, RequestKind::is_accept, result, actions);
            }
        };
        let key = inspects.then(|| {
            services.last_inspection += 1;
            InspectKey { key: 0x1000, serial: services.last_inspection }
        });
        let stage = if inspects { ArrivalStage::Inspected } else { ArrivalStage::Established };
        services.listeners.insert(number, self.id);
        self.arrivals.push_back(Arrival { id: number, incoming, stage, key });
        if let Some(key) = key {
            self.call(0, Callback::Inspect { key, incoming }, actions);
        }
        true
    }

    /// Executes the client's decision about a connection.
    fn decide(
        &mut self,
        services: &mut Services,
        key: InspectKey,
        action: WSK_INSPECT_ACTION,
        actions: &mut Actions,
    ) {
        let Some(arrival) = self.arrivals.iter_mut().find(|arrival| arrival.key == Some(key))
        else {
            return;
        };
        let id = arrival.id;
        match action {
            WskInspectAccept => {
                arrival.stage = ArrivalStage::Established;
                // A stream socket's connections are established before they are inspected.
                let waits = self.category == LISTEN;
                if waits && !services.network.establish(id) {
                    self.abort_arrival(services, id, actions);
                }
            }
            WskInspectPend if self.category == STREAM => {
                rule_violation(
                    Rule::STREAM_PENDS_INSPECTION,
                    "WskInspectEvent",
                    "a stream socket has no WskInspectComplete to complete the inspection",
                    origin(self.object).as_ref(),
                );
                self.reject(services, id);
            }
            // Unless WskInspectComplete was called first.
            WskInspectPend if arrival.stage == ArrivalStage::Inspected => {
                arrival.stage = ArrivalStage::Pended;
            }
            WskInspectPend => {}
            WskInspectReject => self.reject(services, id),
            other => {
                let found = format!("the action is {other}");
                rule_violation(
                    Rule::INSPECTION_DECIDED_ONCE,
                    "WskInspectEvent",
                    &found,
                    origin(self.object).as_ref(),
                );
                self.reject(services, id);
            }
        }
    }

    /// Refuses a connection that was inspected.
    fn reject(&mut self, services: &mut Services, id: u64) {
        self.arrivals.retain(|arrival| arrival.id != id);
        services.reset_arrival(id);
    }
}
