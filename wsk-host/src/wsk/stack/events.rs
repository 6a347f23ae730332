//! Callbacks: enabling them, and what they hold back.
//!
//! # Safety
//!
//! The outputs of `WskAcceptEvent` are read while that callback runs.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use wsk_sys::{
    NTSTATUS, PIRP, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, STATUS_EVENT_PENDING,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS, ULONG,
    WSK_EVENT_ACCEPT, WSK_EVENT_DISABLE, WSK_EVENT_RECEIVE, WSK_EVENT_RECEIVE_FROM,
};

use super::Stack;
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};
use crate::wsk::action::{Action, Actions, Callback, CallbackCall, Irp};
use crate::wsk::callback_table::{each, require_functions};
use crate::wsk::category::{self, CONNECTION, CONNECTION_EVENTS, DATAGRAM, LISTEN, STREAM};
use crate::wsk::object::origin;
use crate::wsk::socket::{Socket, SocketPhase};

impl Stack {
    /// Records that a callback has returned.
    pub(in crate::wsk) fn callback_returned(
        &mut self,
        id: u64,
        event: ULONG,
        actions: &mut Actions,
    ) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.callback_returned(event, actions);
        self.finish_close(id, actions);
        self.services.recheck_others(actions);
    }
}

impl Socket {
    /// Static callbacks, and those that a socket begins with.
    pub(in crate::wsk) fn begin_static(&mut self) {
        let mask = self.client.static_events() & category::events(self.category);
        let own = match self.category {
            // A listener's connections get theirs when they are there.
            LISTEN => mask & WSK_EVENT_ACCEPT,
            _ => mask,
        };
        if self.category != STREAM {
            require_functions(&self.callbacks, own, "WskSocket");
        }
        self.events.fixed = own;
        // Connections begin when they are connected.
        self.events.enabled = if matches!(self.category, CONNECTION | STREAM) { 0 } else { own };
    }

    /// `SO_WSK_EVENT_CALLBACK`. None if the IRP will be completed later.
    pub(in crate::wsk) fn set_events(
        &mut self,
        mask: ULONG,
        irp: Option<PIRP>,
    ) -> Result<(NTSTATUS, bool), NTSTATUS> {
        let disables = mask & WSK_EVENT_DISABLE != 0;
        let events = mask & !WSK_EVENT_DISABLE;
        let role = match (self.category, self.state) {
            (STREAM, SocketPhase::Listening) => LISTEN,
            (STREAM, _) => CONNECTION,
            (category, _) => category,
        };
        if events == 0 || events & !category::events(role) != 0 {
            let found =
                format!("a {} socket has no events {events:#x}", category::name(self.category));
            rule_violation(
                Rule::EVENT_CALLBACKS,
                "WskControlSocket",
                &found,
                origin(self.object).as_ref(),
            );
            return Err(STATUS_INVALID_PARAMETER);
        }
        if disables {
            return self.disable(events, irp);
        }
        let is_ready = match role {
            LISTEN => self.state == SocketPhase::Listening,
            DATAGRAM => self.state == SocketPhase::Bound,
            _ => self.state == SocketPhase::Connected,
        };
        if !is_ready {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        if let Some(offer) = self.offer {
            // SAFETY: the callback that offers the socket has not returned.
            let (context, connection) = unsafe { (*offer.context, *offer.dispatch) };
            self.callbacks.context = context.expose_provenance();
            self.callbacks.connection = connection;
        }
        let own = if role == LISTEN { events & WSK_EVENT_ACCEPT } else { events };
        require_functions(&self.callbacks, own, "WskControlSocket");
        self.events.enabled |= events;
        if role == LISTEN {
            // They cannot be disabled again, here or at the connections (INV-60).
            self.events.fixed |= events & CONNECTION_EVENTS;
        }
        Ok((STATUS_SUCCESS, true))
    }

    fn disable(&mut self, events: ULONG, irp: Option<PIRP>) -> Result<(NTSTATUS, bool), NTSTATUS> {
        if events.count_ones() != 1 {
            let found = "several events are disabled in one call";
            rule_violation(
                Rule::EVENT_CALLBACKS,
                "WskControlSocket",
                found,
                origin(self.object).as_ref(),
            );
            return Err(STATUS_INVALID_PARAMETER);
        }
        if self.events.fixed & events != 0 {
            // Static ones, and inherited ones.
            return Err(STATUS_INVALID_PARAMETER);
        }
        self.events.enabled &= !events;
        if !self.events.is_running(events) {
            return Ok((STATUS_SUCCESS, true));
        }
        match irp {
            None => Ok((STATUS_EVENT_PENDING, true)),
            Some(irp) => {
                self.events.disabling.push((events, Irp(irp)));
                Ok((STATUS_PENDING, false))
            }
        }
    }

    /// Records that the client is about to be called.
    pub(super) fn call(&mut self, event: ULONG, callback: Callback, actions: &mut Actions) {
        *self.events.running.entry(event).or_default() += 1;
        self.requests.undelivered += 1;
        let call = CallbackCall { socket: self.id, event, callback };
        actions.push(Action::Call(Box::new(call)));
    }

    /// Records that a callback has returned, and completes the requests that wait for it.
    fn callback_returned(&mut self, event: ULONG, actions: &mut Actions) {
        if let Some(running) = self.events.running.get_mut(&event) {
            *running -= 1;
        }
        if !self.events.is_running(event) {
            for (disabled, Irp(irp)) in std::mem::take(&mut self.events.disabling) {
                if disabled == event {
                    let nothing = trace::CallResult::Nothing;
                    let completion =
                        self.requests.completion(self.id, irp, STATUS_SUCCESS, nothing);
                    actions.push(completion);
                } else {
                    self.events.disabling.push((disabled, Irp(irp)));
                }
            }
        }
        self.requests.undelivered -= 1;
    }

    /// Calls the callbacks with null pointers: the socket is no longer functional.
    pub(super) fn indicate_death(&mut self, was_listening: bool, actions: &mut Actions) {
        let is_listener = was_listening || self.category == LISTEN;
        // A listener's other events belong to its connections.
        let own =
            if is_listener { WSK_EVENT_ACCEPT } else { WSK_EVENT_RECEIVE_FROM | WSK_EVENT_RECEIVE };
        let enabled = self.events.enabled & own;
        let inspects = is_listener && self.options.wants(SOL_SOCKET, SO_CONDITIONAL_ACCEPT);
        self.enqueue_events(enabled, actions);
        if inspects && enabled == 0 {
            self.call(0, Callback::Dead, actions);
        }
    }

    /// Calls some of these callbacks. Those of data are called one after the other.
    pub(super) fn enqueue_events(&mut self, events: ULONG, actions: &mut Actions) {
        if self.is_indicating {
            self.events.postponed = events;
            return;
        }
        for event in each(events) {
            self.call(event, Callback::Dead, actions);
        }
    }

    /// Calls the callbacks that have waited for another to return.
    pub(super) fn indicate_postponed_death(&mut self, actions: &mut Actions) {
        let events = std::mem::take(&mut self.events.postponed);
        self.enqueue_events(events, actions);
    }
}
