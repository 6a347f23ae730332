//! Listening: connections that come in, are inspected, and are given to the client.
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
    STATUS_NOT_SUPPORTED, STATUS_SUCCESS, WSK_EVENT_ACCEPT, WSK_EVENT_RECEIVE, WSK_INSPECT_ACTION,
    WskInspectAccept, WskInspectPend, WskInspectReject,
};

use super::Stack;
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};
use crate::wsk::action::{Actions, Arrival, Callback, InspectKey, Stage};
use crate::wsk::address;
use crate::wsk::callback_table::{Callbacks, require_functions};
use crate::wsk::category::{CONNECTION, CONNECTION_EVENTS, LISTEN, STREAM};
use crate::wsk::network::Readable;
use crate::wsk::object::{Object, origin};
use crate::wsk::requests::{RequestKind, SUCCESS, Waiting};
use crate::wsk::socket::{Socket, State};

impl Stack {
    /// Lets a stream socket listen, for ever (INV-40).
    pub(in crate::wsk) fn listen(&mut self, id: u64, irp: PIRP) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        let result = match socket.state {
            State::Bound => self.network.listen(id),
            _ => Err(STATUS_INVALID_DEVICE_STATE),
        };
        if result.is_ok() {
            socket.state = State::Listening;
            let events = socket.events.fixed & WSK_EVENT_ACCEPT;
            require_functions(&socket.callbacks, events, "WskListen");
            socket.events.enabled |= events;
        }
        let status = result.err().unwrap_or(STATUS_SUCCESS);
        let mut actions = self.answer(id, irp, (status, trace::Result::Nothing));
        actions.extend(self.progress(id));
        actions
    }

    pub(super) fn take_connections_in(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get(&id) else {
            // A connection that its listener still has.
            let of = |s: &Socket| s.arrivals.iter().any(|arrival| arrival.id == id);
            let listener = self.sockets.iter().find_map(|(id, s)| of(s).then_some(*id));
            if let Some(listener) = listener {
                actions.extend(self.progress(listener));
            }
            return;
        };
        if socket.state != State::Listening || socket.closing.is_some() {
            return;
        }
        self.forget_lost(id, actions);
        loop {
            self.give_connections(id, actions);
            if !self.next_connection(id, actions) {
                return;
            }
        }
    }

    /// Tells the client of pended connections that have gone.
    fn forget_lost(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let pended = socket.arrivals.iter().filter(|a| a.stage == Stage::Pended);
        let pended: Vec<u64> = pended.map(|arrival| arrival.id).collect();
        for arrival in pended {
            if matches!(self.network.readable(arrival), Poll::Ready(Err(_) | Ok(Readable::End))) {
                self.abort_arrival(id, arrival, actions);
            } else {
                self.network.watch(arrival, true, false);
            }
        }
    }

    /// Ends a connection that its client has not got, and tells it so.
    fn abort_arrival(&mut self, id: u64, arrival: u64, actions: &mut Actions) {
        self.network.close(arrival, true);
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let Some(place) = socket.arrivals.iter().position(|a| a.id == arrival) else {
            return;
        };
        let key = socket.arrivals.remove(place).and_then(|arrival| arrival.key);
        if let Some(key) = key {
            socket.aborted.push(key);
            self.call(id, 0, Callback::Abort { key }, actions);
        }
    }

    /// Gives the client the connections that are established: requests first, but for a race that nobody
    /// can exclude (INV-54).
    fn give_connections(&mut self, id: u64, actions: &mut Actions) {
        loop {
            let races = self.sometimes(8);
            let Some(socket) = self.sockets.get_mut(&id) else {
                return;
            };
            let is_ready = |arrival: &Arrival| arrival.stage == Stage::Established;
            let Some(place) = socket.arrivals.iter().position(is_ready) else {
                return;
            };
            let waits = socket.requests.first(RequestKind::is_accept).is_some();
            let has_event = socket.events.has(WSK_EVENT_ACCEPT);
            if has_event && (!waits || races) {
                let Some(arrival) = socket.arrivals.remove(place) else {
                    return;
                };
                self.call(id, WSK_EVENT_ACCEPT, Callback::Accept { arrival }, actions);
                continue;
            }
            let Some(Waiting { irp, kind: RequestKind::Accept(room), .. }) =
                socket.requests.take(RequestKind::is_accept)
            else {
                return;
            };
            let Some(arrival) = socket.arrivals.remove(place) else {
                return;
            };
            let (local, remote) = (arrival.incoming.local, arrival.incoming.remote);
            // SAFETY: the caller's memory has room for the addresses until the IRP is completed.
            unsafe { address::write(room.local, local) };
            // SAFETY: the caller's memory has room for the addresses until the IRP is completed.
            unsafe { address::write(room.remote, remote) };
            let callbacks =
                Callbacks { context: room.context, connection: room.dispatch, ..Callbacks::NONE };
            let accepted = arrival.id;
            let fixed = socket.client.static_events() & CONNECTION_EVENTS;
            require_functions(&callbacks, fixed, "WskAccept");
            self.make_accepted(id, &arrival, callbacks, "WskAccept");
            if let Some(socket) = self.sockets.get_mut(&id) {
                let result = (STATUS_SUCCESS, trace::Result::Socket(accepted));
                actions.push(socket.requests.completion(id, irp, result.0, result.1));
            }
            self.enable_fixed(accepted, actions);
            actions.extend(self.progress(accepted));
        }
    }

    /// Makes the socket of a connection that was accepted.
    pub(in crate::wsk) fn make_accepted(
        &mut self,
        listener: u64,
        arrival: &Arrival,
        callbacks: Callbacks,
        call: &'static str,
    ) {
        let Some(listener) = self.sockets.get(&listener) else {
            return;
        };
        let client = Arc::clone(&listener.client);
        let family = listener.family;
        let dispatch = self.table_of(CONNECTION, &client);
        let mut socket =
            Socket::new(Arc::clone(&client), CONNECTION, family, SOCK_STREAM, callbacks);
        socket.state = State::Connected;
        socket.options = listener.options.inherited();
        socket.inspected_as = arrival.key;
        socket.object = Object::create(arrival.id, CONNECTION, family, dispatch, &client, call);
        socket.callbacks.pin(&client.kernel, arrival.id, origin(socket.object).as_ref());
        socket.events.fixed = client.static_events() & CONNECTION_EVENTS;
        self.sockets.insert(arrival.id, socket);
    }

    /// Enables what is enabled from the beginning.
    pub(in crate::wsk) fn enable_fixed(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let new = socket.events.fixed & !socket.events.enabled;
        socket.events.enabled |= new;
        if socket.state == State::Dead {
            // It ended while its client was being offered it.
            self.tell(id, new & WSK_EVENT_RECEIVE, actions);
        }
    }

    /// Takes the next connection from the network. False if there is none, or nobody would get it.
    fn next_connection(&mut self, id: u64, actions: &mut Actions) -> bool {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return false;
        };
        let inspects = socket.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
        let is_wanted = inspects
            || socket.requests.first(RequestKind::is_accept).is_some()
            || socket.events.has(WSK_EVENT_ACCEPT);
        if !is_wanted {
            return false;
        }
        let number = self.number();
        let incoming = match self.network.accept(id, number) {
            Poll::Ready(Ok(incoming)) => incoming,
            Poll::Pending => return false,
            Poll::Ready(Err(status)) => {
                let result = (status, trace::Result::Nothing);
                let socket = self.sockets.get_mut(&id);
                return socket.is_some_and(|socket| {
                    socket.requests.end_first(id, RequestKind::is_accept, result, actions)
                });
            }
        };
        let mut arrival = Arrival { id: number, incoming, stage: Stage::Established, key: None };
        if inspects {
            self.last_inspection += 1;
            let key = InspectKey { key: 0x1000, serial: self.last_inspection };
            arrival.stage = Stage::Inspected;
            arrival.key = Some(key);
        }
        let key = arrival.key;
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.arrivals.push_back(arrival);
        }
        if let Some(key) = key {
            self.call(id, 0, Callback::Inspect { key, incoming }, actions);
        }
        true
    }

    /// The client has said what becomes of a connection that it inspects.
    pub(in crate::wsk) fn inspected(
        &mut self,
        id: u64,
        key: InspectKey,
        action: WSK_INSPECT_ACTION,
        actions: &mut Actions,
    ) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let Some(arrival) = socket.arrivals.iter_mut().find(|a| a.key == Some(key)) else {
            return;
        };
        let arrival_id = arrival.id;
        match action {
            WskInspectAccept => {
                arrival.stage = Stage::Established;
                // Connections to a stream socket are there when they are inspected.
                let waits = socket.category == LISTEN;
                if waits && !self.network.establish(arrival_id) {
                    self.abort_arrival(id, arrival_id, actions);
                }
            }
            WskInspectPend if socket.category == STREAM => {
                let found = "a stream socket has no WskInspectComplete to end it with";
                rule_violation(
                    Rule::STREAM_PENDS_INSPECTION,
                    "WskInspectEvent",
                    found,
                    origin(socket.object).as_deref(),
                );
            }
            // Unless WskInspectComplete was faster.
            WskInspectPend if arrival.stage == Stage::Inspected => arrival.stage = Stage::Pended,
            WskInspectPend => {}
            WskInspectReject => {
                socket.arrivals.retain(|arrival| arrival.id != arrival_id);
                self.network.close(arrival_id, true);
            }
            other => {
                let found = format!("the action is {other}");
                rule_violation(
                    Rule::INSPECTION_DECIDED_ONCE,
                    "WskInspectEvent",
                    &found,
                    origin(socket.object).as_deref(),
                );
            }
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
        if !socket.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT) {
            return self.answer(id, irp, (STATUS_NOT_SUPPORTED, trace::Result::Nothing));
        }
        if !matches!(action, WskInspectAccept | WskInspectReject) {
            let found = format!("the action is {action}");
            rule_violation(
                Rule::INSPECTION_DECIDED_ONCE,
                "WskInspectComplete",
                &found,
                origin(socket.object).as_deref(),
            );
        }
        let mut actions = self.answer(id, irp, SUCCESS);
        let Some(socket) = self.sockets.get_mut(&id) else {
            return actions;
        };
        if let Some(place) = socket.aborted.iter().position(|aborted| *aborted == key) {
            socket.aborted.remove(place);
            return actions;
        }
        let is_pended = |arrival: &Arrival| {
            arrival.key == Some(key) && matches!(arrival.stage, Stage::Pended | Stage::Inspected)
        };
        if !socket.arrivals.iter().any(is_pended) {
            let found = "no connection with this WSK_INSPECT_ID waits for a decision";
            rule_violation(
                Rule::INSPECTION_DECIDED_ONCE,
                "WskInspectComplete",
                found,
                origin(socket.object).as_deref(),
            );
        }
        self.inspected(id, key, action, &mut actions);
        actions
    }

    pub(in crate::wsk) fn local(&self, id: u64) -> Option<SocketAddr> {
        let socket = self.sockets.get(&id)?;
        socket.is_bound().then(|| self.network.local(id)).flatten()
    }

    pub(in crate::wsk) fn remote(&self, id: u64) -> Option<SocketAddr> {
        let socket = self.sockets.get(&id)?;
        matches!(socket.state, State::Connected).then(|| self.network.remote(id)).flatten()
    }
}
