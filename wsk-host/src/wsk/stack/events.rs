//! Callbacks: enabling them, and what they hold back.
//!
//! # Safety
//!
//! What a client writes in `WskAcceptEvent` is read while that callback runs.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use wsk_sys::{
    NTSTATUS, PIRP, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, STATUS_EVENT_PENDING,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS, ULONG,
    WSK_EVENT_ACCEPT, WSK_EVENT_DISABLE, WSK_EVENT_RECEIVE, WSK_EVENT_RECEIVE_FROM,
};

use super::Stack;
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};
use crate::wsk::action::{Action, Actions, Call, Callback, Irp};
use crate::wsk::callback_table::{each, require_functions};
use crate::wsk::category::{self, CONNECTION, CONNECTION_EVENTS, DATAGRAM, LISTEN, STREAM};
use crate::wsk::object::origin;
use crate::wsk::socket::{Socket, State};

impl Stack {
    /// Decides that the client is called.
    pub(super) fn call(
        &mut self,
        id: u64,
        event: ULONG,
        callback: Callback,
        actions: &mut Actions,
    ) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            *socket.events.running.entry(event).or_default() += 1;
            socket.requests.undelivered += 1;
            actions.push(Action::Call(Call { socket: id, event, callback }));
        }
    }

    /// A callback has returned.
    pub(in crate::wsk) fn called(&mut self, id: u64, event: ULONG, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if let Some(running) = socket.events.running.get_mut(&event) {
            *running -= 1;
        }
        if !socket.events.is_running(event) {
            let waiting = std::mem::take(&mut socket.events.disabling);
            for (disabled, Irp(irp)) in waiting {
                if disabled == event {
                    let nothing = trace::Result::Nothing;
                    actions.push(socket.requests.completion(id, irp, STATUS_SUCCESS, nothing));
                } else {
                    socket.events.disabling.push((disabled, Irp(irp)));
                }
            }
        }
        socket.requests.undelivered -= 1;
        actions.extend(self.finish_close(id));
        self.wake_others(actions);
    }

    /// Static callbacks, and those that a socket begins with.
    pub(in crate::wsk) fn begin_static(socket: &mut Socket) {
        let mask = socket.client.static_events() & category::events(socket.category);
        let own = match socket.category {
            // A listener's connections get theirs when they are there.
            LISTEN => mask & WSK_EVENT_ACCEPT,
            _ => mask,
        };
        if socket.category != STREAM {
            require_functions(&socket.callbacks, own, "WskSocket");
        }
        socket.events.fixed = own;
        // Connections begin when they are connected.
        socket.events.enabled =
            if matches!(socket.category, CONNECTION | STREAM) { 0 } else { own };
    }

    /// `SO_WSK_EVENT_CALLBACK`. None if the IRP will be completed later.
    pub(in crate::wsk) fn set_events(
        &mut self,
        id: u64,
        mask: ULONG,
        irp: Option<PIRP>,
    ) -> Result<(NTSTATUS, bool), NTSTATUS> {
        let socket = self.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        let disables = mask & WSK_EVENT_DISABLE != 0;
        let events = mask & !WSK_EVENT_DISABLE;
        let role = match (socket.category, socket.state) {
            (STREAM, State::Listening) => LISTEN,
            (STREAM, _) => CONNECTION,
            (category, _) => category,
        };
        if events == 0 || events & !category::events(role) != 0 {
            let found = format!(
                "the events {events:#x} are not those of a {} socket",
                category::name(socket.category)
            );
            rule_violation(
                Rule::EVENT_CALLBACKS,
                "WskControlSocket",
                &found,
                origin(socket.object).as_deref(),
            );
        }
        if disables {
            return self.disable(id, events, irp);
        }
        let is_ready = match role {
            LISTEN => socket.state == State::Listening,
            DATAGRAM => socket.state == State::Bound,
            _ => socket.state == State::Connected,
        };
        if !is_ready {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        if let Some(offer) = socket.offer {
            // SAFETY: the callback that offers the socket has not returned.
            let (context, connection) = unsafe { (*offer.context, *offer.dispatch) };
            socket.callbacks.context = context.expose_provenance();
            socket.callbacks.connection = connection;
        }
        let own = if role == LISTEN { events & WSK_EVENT_ACCEPT } else { events };
        require_functions(&socket.callbacks, own, "WskControlSocket");
        socket.events.enabled |= events;
        if role == LISTEN {
            // They cannot be disabled again, here or at the connections (INV-60).
            socket.events.fixed |= events & CONNECTION_EVENTS;
        }
        Ok((STATUS_SUCCESS, true))
    }

    fn disable(
        &mut self,
        id: u64,
        events: ULONG,
        irp: Option<PIRP>,
    ) -> Result<(NTSTATUS, bool), NTSTATUS> {
        let socket = self.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if events.count_ones() != 1 {
            let found = "several events are disabled in one call";
            rule_violation(
                Rule::EVENT_CALLBACKS,
                "WskControlSocket",
                found,
                origin(socket.object).as_deref(),
            );
        }
        if socket.events.fixed & events != 0 {
            // Static ones, and inherited ones.
            return Err(STATUS_INVALID_PARAMETER);
        }
        socket.events.enabled &= !events;
        if !socket.events.is_running(events) {
            return Ok((STATUS_SUCCESS, true));
        }
        match irp {
            None => Ok((STATUS_EVENT_PENDING, true)),
            Some(irp) => {
                socket.events.disabling.push((events, Irp(irp)));
                Ok((STATUS_PENDING, false))
            }
        }
    }

    /// Tells the callbacks of a socket that it is no longer functional, by null pointers.
    pub(super) fn tell_death(&mut self, id: u64, was_listening: bool, actions: &mut Actions) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let is_listener = was_listening || socket.category == LISTEN;
        // A listener's other events are its connections'.
        let own =
            if is_listener { WSK_EVENT_ACCEPT } else { WSK_EVENT_RECEIVE_FROM | WSK_EVENT_RECEIVE };
        let told = socket.events.enabled & own;
        let inspects = is_listener && socket.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
        self.tell(id, told, actions);
        if inspects && told == 0 {
            self.call(id, 0, Callback::Dead, actions);
        }
    }

    /// Tells some callbacks so. Those of data are called one after the other.
    pub(super) fn tell(&mut self, id: u64, events: ULONG, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if socket.is_indicating {
            socket.events.postponed = events;
            return;
        }
        for event in each(events) {
            self.call(id, event, Callback::Dead, actions);
        }
    }

    /// A callback has returned that another waited for.
    pub(super) fn tell_postponed_death(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let events = std::mem::take(&mut socket.events.postponed);
        self.tell(id, events, actions);
    }
}
