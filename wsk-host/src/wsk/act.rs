//! Doing what the stack has decided: completing IRPs and calling the client back, now or later.

use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

use wsk_sys::{
    DISPATCH_LEVEL, IO_NO_INCREMENT, IO_STATUS_BLOCK, NTSTATUS, PIRP, PVOID, PWSK_SOCKET,
    STATUS_DATA_NOT_ACCEPTED, STATUS_PENDING, STATUS_REQUEST_NOT_ACCEPTED, STATUS_SUCCESS, ULONG,
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_EVENT_ACCEPT, WSK_EVENT_RECEIVE, WSK_EVENT_RECEIVE_FROM,
    WSK_FLAG_AT_DISPATCH_LEVEL, WSK_INSPECT_ID,
};

use super::address;
use super::control_data::flags as datagram_flags;
use super::indication::{Data, Datagrams};
use super::network::{Datagram, Incoming};
use super::objects::{ClosedSocket, origin};
use super::options::Options;
use super::registration::Client;
use super::socket::{Arrival, Callbacks, InspectKey, Offer, Retained, State as SocketState};
use crate::context::{calling, completing};
use crate::host::{Host, State};
use crate::io::IofCompleteRequest;
use crate::ke::current_irql;
use crate::schedule::Ticks;
use crate::trace::{self, Status, What};
use crate::verifier::{Origin, broken};

/// What is to be done when the stack's lock is released.
pub(crate) enum Action {
    Complete(Completed),
    Call(Call),
    /// A socket's close completes, and nothing of the socket is left.
    Closed(ClosedSocket),
    /// At a time, look whether a socket can go on.
    Look {
        due: Ticks,
        socket: u64,
    },
}

pub(crate) type Actions = Vec<Action>;

impl Action {
    /// As this, without a socket that is no longer there.
    pub(super) fn without_socket(self, id: u64) -> Self {
        match self {
            Self::Complete(completed) if completed.socket == id => {
                Self::Complete(Completed { socket: 0, ..completed })
            }
            other => other,
        }
    }
}

/// An IRP with its result, on its way back.
pub(crate) struct Completed {
    pub(super) irp: PIRP,
    pub(super) status: NTSTATUS,
    pub(super) information: usize,
    /// What the information is, for the trace.
    pub(super) result: trace::Result,
    /// The socket whose close must wait for it.
    pub(super) socket: u64,
    /// The client whose registration must wait for it.
    pub(super) client: Option<Arc<Client>>,
}

// SAFETY: the IRP is the provider's until it is completed.
unsafe impl Send for Completed {}

impl Completed {
    /// The result of a request that is no socket's.
    pub(super) fn of_no_socket(irp: PIRP, status: NTSTATUS, result: trace::Result) -> Self {
        let information = if let trace::Result::Number(number) = result { number } else { 0 };
        Self { irp, status, information, result, socket: 0, client: None }
    }

    /// The result of a request that a client has begun, and which ends with it.
    pub(super) fn of_client(
        client: Arc<Client>,
        irp: PIRP,
        status: NTSTATUS,
        result: trace::Result,
    ) -> Self {
        Self { client: Some(client), ..Self::of_no_socket(irp, status, result) }
    }
}

/// A callback that is about to begin.
pub(crate) struct Call {
    pub(super) socket: u64,
    /// The event that it is of; zero if it cannot be disabled.
    pub(super) event: ULONG,
    pub(super) callback: Callback,
}

pub(super) enum Callback {
    Accept {
        arrival: Arrival,
    },
    Inspect {
        key: InspectKey,
        incoming: Incoming,
    },
    Abort {
        key: InspectKey,
    },
    Receive {
        bytes: Vec<u8>,
        flags: ULONG,
    },
    ReceiveFrom {
        datagrams: Vec<Datagram>,
        options: Options,
    },
    Disconnect {
        flags: ULONG,
    },
    SendBacklog {
        size: usize,
    },
    /// The socket is no longer functional.
    Dead,
}

/// Does everything, each now or later. No lock of the provider's is held.
pub(crate) fn act(host: &Host, actions: Actions) {
    // What follows from one comes before the next. Not by recursion: there is no end to a stream.
    let mut left = VecDeque::from(actions);
    while let Some(action) = left.pop_front() {
        let following = if let Action::Look { due, socket } = action {
            look(host, due, socket)
        } else if host.defers() {
            host.soon(Box::new(|host| {
                let following = act_now(host, action);
                act(host, following);
            }));
            Actions::new()
        } else {
            act_now(host, action)
        };
        for action in following.into_iter().rev() {
            left.push_front(action);
        }
    }
}

/// Does something, and returns what follows from it.
fn act_now(host: &Host, action: Action) -> Actions {
    match action {
        Action::Complete(completed) => complete(host, &completed),
        Action::Call(call) => call_back(host, call),
        Action::Closed(closed) => {
            closed.finish().map_or_else(Actions::new, |completed| complete(host, &completed))
        }
        Action::Look { due, socket } => look(host, due, socket),
    }
}

fn look(host: &Host, due: Ticks, socket: u64) -> Actions {
    if due <= host.0.scheduler.now() && !host.defers() {
        return host.stack().progress(socket);
    }
    let progress = move |host: &Host| {
        let actions = host.stack().progress(socket);
        act(host, actions);
    };
    host.0.scheduler.at(host, due, Box::new(progress));
    Actions::new()
}

/// Completes an IRP, and returns what follows from it.
fn complete(host: &Host, completed: &Completed) -> Actions {
    let Completed { irp, status, information, result, socket, ref client } = *completed;
    let information = match result {
        // The address is not in the trace, since it differs from run to run.
        trace::Result::Socket(id) => {
            let stack = host.stack();
            stack.sockets.get(&id).map_or(information, |socket| socket.object)
        }
        _ => information,
    };
    let result_block = IO_STATUS_BLOCK { Status: status, Information: information };
    // SAFETY: the IRP is the provider's until it is completed, which is next.
    unsafe { (*irp).IoStatus = result_block };
    let number = host.in_flight().end(irp);
    host.record(What::Completion { irp: number, status, result });
    // SAFETY: as above; it is at the provider's stack location.
    completing(|| unsafe { IofCompleteRequest(irp, IO_NO_INCREMENT) });
    if let Some(client) = client {
        client.request_ended();
    }
    if socket == 0 { Actions::new() } else { host.stack().delivered(socket) }
}

/// Where a waiting IRP finds its socket: in the room for drivers.
///
/// # Safety
///
/// The provider owns the IRP, and the host lives as long as the socket.
pub(super) unsafe fn remember(host: &Host, socket: u64, irp: PIRP) {
    let state = std::sync::Arc::as_ptr(&host.0).cast_mut();
    let number = usize::try_from(socket).unwrap_or(usize::MAX);
    // SAFETY: the provider owns the IRP, and with it this room.
    let room = unsafe { &mut (*irp).Tail.Overlay.DriverContext };
    room[0] = state.cast();
    room[1] = ptr::without_provenance_mut(number);
}

/// Cancels a waiting IRP.
///
/// # Safety
///
/// The IRP waits at a socket, and its cancel routine, which this is, was taken from it.
pub(super) unsafe fn cancel(irp: PIRP) {
    // SAFETY: `remember` stored the host and the socket, and the IRP is not completed.
    let room = unsafe { (*irp).Tail.Overlay.DriverContext };
    let (state, socket) = (room[0].cast_const().cast::<State>(), room[1].addr());
    // SAFETY: the socket is not closed, and keeps its host alive.
    unsafe { std::sync::Arc::increment_strong_count(state) };
    // SAFETY: as above.
    let host = Host(unsafe { std::sync::Arc::from_raw(state) });
    let actions = host.stack().cancelled(socket as u64, irp);
    act(&host, actions);
}

/// Calls the client, and returns what follows from it.
fn call_back(host: &Host, call: Call) -> Actions {
    let Call { socket: id, event, callback } = call;
    let found = {
        let stack = host.stack();
        stack.sockets.get(&id).map(|socket| {
            (socket.callbacks, socket.closing.is_some() || socket.state == SocketState::Dead)
        })
    };
    let Some((callbacks, is_over)) = found else {
        return Actions::new();
    };
    let mut actions = Vec::new();
    match callback {
        Callback::Accept { arrival } if is_over => host.stack().network.close(arrival.id, true),
        Callback::Accept { arrival } => accept(host, id, &callbacks, &arrival, &mut actions),
        Callback::Inspect { key, incoming } => {
            inspect(host, id, &callbacks, key, incoming, &mut actions);
        }
        Callback::Abort { key } => abort(host, id, &callbacks, key),
        Callback::Receive { bytes, flags } => {
            receive(host, id, &callbacks, bytes, flags, &mut actions);
        }
        Callback::ReceiveFrom { datagrams, options } => {
            receive_from(host, id, &callbacks, datagrams, &options, &mut actions);
        }
        Callback::Disconnect { flags } => disconnect(host, id, &callbacks, flags),
        Callback::SendBacklog { size } => send_backlog(host, id, &callbacks, size),
        Callback::Dead => dead(host, id, &callbacks, event),
    }
    host.stack().called(id, event, &mut actions);
    actions
}

/// The flag that says at which level a callback runs, if it is that one.
fn level_flag() -> ULONG {
    if current_irql() == DISPATCH_LEVEL { WSK_FLAG_AT_DISPATCH_LEVEL } else { 0 }
}

fn context(callbacks: &Callbacks) -> PVOID {
    ptr::with_exposed_provenance_mut(callbacks.context)
}

fn record(host: &Host, function: &'static str, socket: u64, detail: String) {
    host.record(What::Callback { function, socket, detail });
}

/// Stops a client whose callback has returned what it may not.
fn require(host: &Host, id: u64, is_allowed: bool, rule: u8, function: &str, status: NTSTATUS) {
    if !is_allowed {
        let found = format!("it returned {}", Status(status));
        broken(rule, function, &found, created(host, id).as_deref());
    }
}

/// Where a socket was created.
fn created(host: &Host, id: u64) -> Option<Arc<Origin>> {
    let object = host.stack().sockets.get(&id).map(|socket| socket.object)?;
    origin(object)
}

/// The two addresses of a connection, as callbacks get them.
struct Addresses([wsk_sys::SOCKADDR_IN6; 2]);

impl Addresses {
    fn new(incoming: Incoming) -> Self {
        // SAFETY: zeroes are addresses.
        let mut both = Self(unsafe { std::mem::zeroed() });
        for (to, from) in both.0.iter_mut().zip([incoming.local, incoming.remote]) {
            // SAFETY: there is room for an address of either family.
            unsafe { address::write(ptr::from_mut(to).cast(), from) };
        }
        both
    }
}

fn accept(host: &Host, id: u64, callbacks: &Callbacks, arrival: &Arrival, actions: &mut Actions) {
    const FUNCTION: &str = "WskAcceptEvent";
    // SAFETY: the client promises its table until its socket is closed.
    let Some(function) = (unsafe { (*callbacks.listen).WskAcceptEvent }) else {
        return;
    };
    let accepted = arrival.id;
    let mut given: PVOID = ptr::null_mut();
    let mut table: *const WSK_CLIENT_CONNECTION_DISPATCH = ptr::null();
    let (context_room, table_room) = (&raw mut given, &raw mut table);
    let object = {
        let mut stack = host.stack();
        stack.make_accepted(id, arrival, Callbacks::NONE, FUNCTION);
        let Some(inherited) = stack.sockets.get(&id).map(|listener| listener.events.fixed) else {
            return;
        };
        let Some(socket) = stack.sockets.get_mut(&accepted) else {
            return;
        };
        socket.events.fixed |= inherited & super::category::CONNECTION_EVENTS;
        socket.offer = Some(Offer { context: context_room, dispatch: table_room });
        // Whoever closes it waits for this callback.
        socket.requests.undelivered += 1;
        socket.object
    };
    let mut addresses = Addresses::new(arrival.incoming);
    let [local, remote] = addresses.0.each_mut().map(|to| ptr::from_mut(to).cast());
    let socket: PWSK_SOCKET = ptr::with_exposed_provenance_mut(object);
    // SAFETY: the client's callback gets what WSK promises it.
    let status = calling(|| unsafe {
        function(context(callbacks), level_flag(), local, remote, socket, context_room, table_room)
    });
    let verdict = Status(status);
    record(host, FUNCTION, id, format!("socket {accepted} is offered, and it returns {verdict}"));
    let is_allowed = matches!(status, STATUS_SUCCESS | STATUS_REQUEST_NOT_ACCEPTED);
    require(host, id, is_allowed, 59, FUNCTION, status);
    let mut stack = host.stack();
    if status != STATUS_SUCCESS {
        stack.discard(accepted, actions);
        return;
    }
    if let Some(socket) = stack.sockets.get_mut(&accepted) {
        socket.offer = None;
        socket.callbacks =
            Callbacks { context: given.expose_provenance(), connection: table, ..Callbacks::NONE };
        socket.callbacks.keep(host, accepted, socket.object);
        let fixed = socket.events.fixed;
        super::stack::require_functions(&socket.callbacks, fixed, FUNCTION);
    }
    stack.enable_fixed(accepted, actions);
    actions.extend(stack.delivered(accepted));
    actions.extend(stack.progress(accepted));
}

const UNINSPECTED: &str = "connections are inspected, and there is no callback";

fn inspect(
    host: &Host,
    id: u64,
    callbacks: &Callbacks,
    key: InspectKey,
    incoming: Incoming,
    actions: &mut Actions,
) {
    const FUNCTION: &str = "WskInspectEvent";
    // SAFETY: the client promises its table until its socket is closed.
    let Some(function) = (unsafe { (*callbacks.listen).WskInspectEvent }) else {
        broken(51, FUNCTION, UNINSPECTED, created(host, id).as_deref());
    };
    let mut inspect_id = WSK_INSPECT_ID { Key: key.key, SerialNumber: key.serial };
    let mut addresses = Addresses::new(incoming);
    let [local, remote] = addresses.0.each_mut().map(|to| ptr::from_mut(to).cast());
    // SAFETY: the client's callback gets what WSK promises it.
    let action =
        calling(|| unsafe { function(context(callbacks), local, remote, &raw mut inspect_id) });
    record(host, FUNCTION, id, format!("connection {} is answered {action}", key.serial));
    host.stack().inspected(id, key, action, actions);
}

fn abort(host: &Host, id: u64, callbacks: &Callbacks, key: InspectKey) {
    const FUNCTION: &str = "WskAbortEvent";
    // SAFETY: the client promises its table until its socket is closed.
    let Some(function) = (unsafe { (*callbacks.listen).WskAbortEvent }) else {
        broken(51, FUNCTION, UNINSPECTED, created(host, id).as_deref());
    };
    let mut inspect_id = WSK_INSPECT_ID { Key: key.key, SerialNumber: key.serial };
    // SAFETY: the client's callback gets what WSK promises it.
    let status = calling(|| unsafe { function(context(callbacks), &raw mut inspect_id) });
    record(host, FUNCTION, id, format!("connection {} has gone", key.serial));
    require(host, id, status == STATUS_SUCCESS, 62, FUNCTION, status);
}

fn receive(
    host: &Host,
    id: u64,
    callbacks: &Callbacks,
    bytes: Vec<u8>,
    flags: ULONG,
    actions: &mut Actions,
) {
    let flags = flags | level_flag();
    let count = bytes.len();
    let mut data = host.by_chance(|random| Data::new(&bytes, random));
    let first = data.first();
    offer(host, id, first.addr(), Retained::Data(data));
    let mut accepted = count;
    let extended = host.stack().sockets.get(&id).and_then(|socket| socket.streams.receive_ex);
    let (name, status) = if let Some(function) = extended {
        // SAFETY: the client's callback gets what WSK promises it, and no control data.
        let status = calling(|| unsafe {
            let none = ptr::null_mut();
            function(context(callbacks), flags, first, none, 0, count, &raw mut accepted)
        });
        ("WskReceiveExEvent", status)
    } else {
        // SAFETY: the client promises its table, if it has one, until its socket is closed.
        let table = unsafe { callbacks.connection.as_ref() };
        let Some(function) = table.and_then(|table| table.WskReceiveEvent) else {
            // WskReceiveExEvent was there, and is no longer.
            take_back(host, id, first.addr(), false, "WskReceiveEvent");
            host.stack().indicated(id, &bytes, false, actions);
            return;
        };
        // SAFETY: the client's callback gets what WSK promises it.
        let status = calling(|| unsafe {
            function(context(callbacks), flags, first, count, &raw mut accepted)
        });
        ("WskReceiveEvent", status)
    };
    let verdict = Status(status);
    record(host, name, id, format!("{count} bytes, of which it takes {accepted}: {verdict}"));
    let is_allowed = matches!(status, STATUS_SUCCESS | STATUS_PENDING | STATUS_DATA_NOT_ACCEPTED);
    require(host, id, is_allowed, 55, name, status);
    let rest = match status {
        STATUS_PENDING => Vec::new(),
        STATUS_SUCCESS => {
            if accepted > count {
                let found = format!("it accepted {accepted} bytes of {count}");
                broken(55, name, &found, created(host, id).as_deref());
            }
            bytes[accepted..].to_vec()
        }
        _ => bytes,
    };
    take_back(host, id, first.addr(), status == STATUS_PENDING, name);
    host.stack().indicated(id, &rest, true, actions);
}

fn receive_from(
    host: &Host,
    id: u64,
    callbacks: &Callbacks,
    datagrams: Vec<Datagram>,
    options: &Options,
    actions: &mut Actions,
) {
    const FUNCTION: &str = "WskReceiveFromEvent";
    // SAFETY: the client promises its table until its socket is closed.
    let Some(function) = (unsafe { (*callbacks.datagram).WskReceiveFromEvent }) else {
        return;
    };
    let count = datagrams.len();
    let flags = level_flag() | datagrams.first().map_or(0, datagram_flags);
    let mut list = host.by_chance(|random| Datagrams::new(&datagrams, options, random));
    let first = list.first();
    offer(host, id, first.addr(), Retained::Datagrams(list));
    // SAFETY: the client's callback gets what WSK promises it.
    let status = calling(|| unsafe { function(context(callbacks), flags, first) });
    record(host, FUNCTION, id, format!("{count} datagrams: {}", Status(status)));
    let refused = match status {
        STATUS_SUCCESS | STATUS_PENDING => Vec::new(),
        STATUS_DATA_NOT_ACCEPTED => datagrams,
        _ => {
            require(host, id, false, 55, FUNCTION, status);
            return;
        }
    };
    take_back(host, id, first.addr(), status == STATUS_PENDING, FUNCTION);
    host.stack().indicated_datagrams(id, refused, actions);
}

/// A list is about to be indicated. From here on it may be retained, and released by another thread, before
/// the callback's return has said so.
fn offer(host: &Host, id: u64, first: usize, list: Retained) {
    if let Some(socket) = host.stack().sockets.get_mut(&id) {
        socket.offered.insert(first);
        socket.retained.insert(first, list);
    }
}

/// A callback has returned, and has retained its list or not.
fn take_back(host: &Host, id: u64, first: usize, is_retained: bool, function: &str) {
    let mut stack = host.stack();
    let Some(socket) = stack.sockets.get_mut(&id) else {
        return;
    };
    socket.offered.remove(&first);
    if is_retained {
        return;
    }
    let list = socket.retained.remove(&first);
    drop(stack);
    if list.is_none() {
        broken(57, function, "the list was released, and not retained", None);
    }
}

fn disconnect(host: &Host, id: u64, callbacks: &Callbacks, flags: ULONG) {
    const FUNCTION: &str = "WskDisconnectEvent";
    // SAFETY: the client promises its table until its socket is closed.
    let Some(function) = (unsafe { (*callbacks.connection).WskDisconnectEvent }) else {
        return;
    };
    let flags = flags | level_flag();
    // SAFETY: the client's callback gets what WSK promises it.
    let status = calling(|| unsafe { function(context(callbacks), flags) });
    record(host, FUNCTION, id, format!("flags {flags:#x}"));
    require(host, id, status == STATUS_SUCCESS, 62, FUNCTION, status);
}

fn send_backlog(host: &Host, id: u64, callbacks: &Callbacks, size: usize) {
    const FUNCTION: &str = "WskSendBacklogEvent";
    // SAFETY: the client promises its table until its socket is closed.
    let Some(function) = (unsafe { (*callbacks.connection).WskSendBacklogEvent }) else {
        return;
    };
    // SAFETY: the client's callback gets what WSK promises it.
    let status = calling(|| unsafe { function(context(callbacks), size) });
    record(host, FUNCTION, id, format!("{size} bytes"));
    require(host, id, status == STATUS_SUCCESS, 62, FUNCTION, status);
}

/// Tells a callback by null pointers that its socket is no longer functional.
fn dead(host: &Host, id: u64, callbacks: &Callbacks, event: ULONG) {
    let context = context(callbacks);
    let extended = host.stack().sockets.get(&id).and_then(|socket| socket.streams.receive_ex);
    let mut accepted = 0;
    let accepted = &raw mut accepted;
    let (name, told) = match event {
        WSK_EVENT_RECEIVE_FROM => {
            // SAFETY: the client promises its table, if it has one, until its socket is closed.
            let table = unsafe { callbacks.datagram.as_ref() };
            let function = table.and_then(|table| table.WskReceiveFromEvent);
            // SAFETY: WSK promises that a null list says so.
            let call = |f: unsafe extern "C" fn(_, _, _) -> _| unsafe {
                f(context, level_flag(), ptr::null_mut())
            };
            ("WskReceiveFromEvent", function.map(|function| calling(|| call(function))))
        }
        WSK_EVENT_RECEIVE if extended.is_some() => {
            // SAFETY: as above.
            let call = |f: unsafe extern "C" fn(_, _, _, _, _, _, _) -> _| unsafe {
                f(context, level_flag(), ptr::null_mut(), ptr::null_mut(), 0, 0, accepted)
            };
            ("WskReceiveExEvent", extended.map(|function| calling(|| call(function))))
        }
        WSK_EVENT_RECEIVE => {
            // SAFETY: as above.
            let table = unsafe { callbacks.connection.as_ref() };
            let function = table.and_then(|table| table.WskReceiveEvent);
            // SAFETY: as above.
            let call = |f: unsafe extern "C" fn(_, _, _, _, _) -> _| unsafe {
                f(context, level_flag(), ptr::null_mut(), 0, accepted)
            };
            ("WskReceiveEvent", function.map(|function| calling(|| call(function))))
        }
        WSK_EVENT_ACCEPT => {
            let mut given: PVOID = ptr::null_mut();
            let mut table: *const WSK_CLIENT_CONNECTION_DISPATCH = ptr::null();
            let (given, to_table) = (&raw mut given, &raw mut table);
            // SAFETY: as above.
            let table = unsafe { callbacks.listen.as_ref() };
            let function = table.and_then(|table| table.WskAcceptEvent);
            let nowhere = ptr::null_mut();
            // SAFETY: as above.
            let call = |f: unsafe extern "C" fn(_, _, _, _, _, _, _) -> _| unsafe {
                f(context, level_flag(), nowhere, nowhere, ptr::null_mut(), given, to_table)
            };
            ("WskAcceptEvent", function.map(|function| calling(|| call(function))))
        }
        _ => {
            // SAFETY: as above.
            let table = unsafe { callbacks.listen.as_ref() };
            let function = table.and_then(|table| table.WskInspectEvent);
            // SAFETY: as above.
            let call = |f: unsafe extern "C" fn(_, _, _, _) -> _| unsafe {
                f(context, ptr::null_mut(), ptr::null_mut(), ptr::null_mut())
            };
            ("WskInspectEvent", function.map(|function| calling(|| call(function))))
        }
    };
    if told.is_some() {
        record(host, name, id, "the socket is no longer functional".to_owned());
    }
}

/// Kills all sockets of a host.
pub(crate) fn withdraw(host: &Host) {
    let actions = host.stack().withdraw();
    act(host, actions);
}
