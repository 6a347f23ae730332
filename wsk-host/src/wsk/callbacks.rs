//! The client's event callbacks: their arguments, and the meaning of their results.
//!
//! # Safety
//!
//! The client's functions are called with the arguments that WSK documents. The tables and contexts stay valid
//! until the socket's close has completed, which waits for every callback.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;

use wsk_sys::fields::{length, size_t};
use wsk_sys::{
    DISPATCH_LEVEL, NTSTATUS, PVOID, PWSK_SOCKET, STATUS_DATA_NOT_ACCEPTED, STATUS_PENDING,
    STATUS_REQUEST_NOT_ACCEPTED, STATUS_SUCCESS, ULONG, WSK_CLIENT_CONNECTION_DISPATCH,
    WSK_EVENT_ACCEPT, WSK_EVENT_RECEIVE, WSK_EVENT_RECEIVE_FROM, WSK_FLAG_AT_DISPATCH_LEVEL,
    WSK_INSPECT_ID, WskInspectAccept,
};

use super::action::{Actions, Arrival, Callback, CallbackCall, InspectKey};
use super::address;
use super::callback_table::{AcceptOutputs, CallbackTable, require_functions};
use super::chain::{IndicationChain, ShapeChooser};
use super::control_data::flags as datagram_flags;
use super::indication::{IndicatedData, IndicatedDatagrams};
use super::network::{IncomingConnection, IncomingDatagram};
use super::object::origin;
use super::options::OptionValues;
use super::socket::{Retained, SocketPhase};
use crate::kernel::Kernel;
use crate::kernel::abi::Routine as _;
use crate::kernel::context;
use crate::kernel::ke::irql::current_irql;
use crate::kernel::trace::{Status, TraceEvent};
use crate::kernel::usage::PassedMemory;
use crate::verifier::{Origin, Rule, rule_violation};

/// Calls the client, and returns the resulting actions.
pub(super) fn call_back(kernel: &Kernel, call: CallbackCall) -> Actions {
    let CallbackCall { socket: id, event, callback } = call;
    let found = {
        let stack = kernel.stack();
        stack.sockets.get(&id).map(|socket| {
            (socket.callbacks, socket.closing.is_some() || socket.state == SocketPhase::Dead)
        })
    };
    let Some((callbacks, is_over)) = found else {
        return Actions::new();
    };
    let mut actions = Vec::new();
    match callback {
        Callback::Accept { arrival } if is_over => {
            kernel.stack().services.reset_arrival(arrival.id);
        }
        Callback::Accept { arrival } => accept(kernel, id, &callbacks, &arrival, &mut actions),
        Callback::Inspect { key, incoming } => {
            inspect(kernel, id, &callbacks, key, incoming, &mut actions);
        }
        Callback::Abort { key } => abort(kernel, id, &callbacks, key),
        Callback::Receive { bytes, flags } => {
            receive(kernel, id, &callbacks, bytes, flags, &mut actions);
        }
        Callback::ReceiveFrom { datagrams, options } => {
            receive_from(kernel, id, &callbacks, datagrams, &options, &mut actions);
        }
        Callback::Disconnect { flags } => disconnect(kernel, id, &callbacks, flags),
        Callback::SendBacklog { size } => send_backlog(kernel, id, &callbacks, size),
        Callback::Dead => dead(kernel, id, &callbacks, event),
    }
    kernel.stack().callback_returned(id, event, &mut actions);
    actions
}

/// `WSK_FLAG_AT_DISPATCH_LEVEL`, if the callback runs at that level.
fn level_flag() -> ULONG {
    if current_irql() == DISPATCH_LEVEL { WSK_FLAG_AT_DISPATCH_LEVEL } else { 0 }
}

fn context_of(callbacks: &CallbackTable) -> PVOID {
    ptr::with_exposed_provenance_mut(callbacks.context)
}

/// Calls the client, and records it: a trace shows the calls that a callback makes between its two lines.
fn calling<T>(kernel: &Kernel, function: &'static str, socket: u64, call: impl FnOnce() -> T) -> T {
    record(kernel, function, socket, "entered".to_owned());
    context::calling((function, socket), call)
}

fn record(kernel: &Kernel, function: &'static str, socket: u64, detail: String) {
    kernel.record(TraceEvent::Callback { function, socket, detail });
}

/// Stops a client whose callback returned a status that is not allowed.
fn require(
    kernel: &Kernel,
    id: u64,
    is_allowed: bool,
    rule: Rule,
    function: &str,
    status: NTSTATUS,
) {
    if !is_allowed {
        let found = format!("the callback returned {}", Status(status));
        rule_violation(rule, function, &found, created(kernel, id).as_ref());
    }
}

/// Where a socket was created.
fn created(kernel: &Kernel, id: u64) -> Option<Origin> {
    let object = kernel.stack().sockets.get(&id).map(|socket| socket.object)?;
    origin(object)
}

/// The two addresses of a connection, as callbacks get them.
struct AddressPair([wsk_sys::SOCKADDR_IN6; 2]);

impl AddressPair {
    fn new(incoming: IncomingConnection) -> Self {
        // SAFETY: zeroes are addresses.
        let mut both = Self(unsafe { std::mem::zeroed() });
        for (to, from) in both.0.iter_mut().zip([incoming.local, incoming.remote]) {
            // SAFETY: there is room for an address of either family.
            unsafe { address::write(ptr::from_mut(to).cast(), from) };
        }
        both
    }
}

fn accept(
    kernel: &Kernel,
    id: u64,
    callbacks: &CallbackTable,
    arrival: &Arrival,
    actions: &mut Actions,
) {
    const FUNCTION: &str = "WskAcceptEvent";
    // SAFETY: the client's table is valid until the socket is closed (Invariants of `CallbackTable`).
    let Some(function) = (unsafe { (*callbacks.listen).WskAcceptEvent }) else {
        return;
    };
    let accepted = arrival.id;
    let mut given: PVOID = ptr::null_mut();
    let mut table: *const WSK_CLIENT_CONNECTION_DISPATCH = ptr::null();
    let (context_room, table_room) = (&raw mut given, &raw mut table);
    let object = {
        let mut stack = kernel.stack();
        let Some(socket) = stack.add_accepted(id, arrival, FUNCTION) else {
            return;
        };
        socket.offer = Some(AcceptOutputs { context: context_room, dispatch: table_room });
        // Its close waits for this callback.
        socket.requests.undelivered += 1;
        socket.object
    };
    let mut addresses = AddressPair::new(arrival.incoming);
    let [local, remote] = addresses.0.each_mut().map(|to| ptr::from_mut(to).cast());
    let socket: PWSK_SOCKET = ptr::with_exposed_provenance_mut(object);
    // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
    let status = calling(kernel, FUNCTION, id, || unsafe {
        function.invoke((
            context_of(callbacks),
            level_flag(),
            local,
            remote,
            socket,
            context_room,
            table_room,
        ))
    });
    let verdict = Status(status);
    record(kernel, FUNCTION, id, format!("socket {accepted} is offered: {verdict}"));
    let is_allowed = matches!(status, STATUS_SUCCESS | STATUS_REQUEST_NOT_ACCEPTED);
    require(kernel, id, is_allowed, Rule::ACCEPT_CALLBACK_RESULT, FUNCTION, status);
    let mut stack = kernel.stack();
    if status != STATUS_SUCCESS {
        stack.discard(accepted, actions);
        return;
    }
    if let Some(socket) = stack.sockets.get_mut(&accepted) {
        socket.offer = None;
        socket.callbacks = CallbackTable {
            context: given.expose_provenance(),
            connection: table,
            ..CallbackTable::NONE
        };
        socket.callbacks.pin(kernel, accepted, origin(socket.object).as_ref());
        let fixed = socket.events.fixed;
        require_functions(&socket.callbacks, fixed, FUNCTION);
    }
    stack.enable_fixed(accepted, actions);
    actions.extend(stack.delivered(accepted));
    actions.extend(stack.progress(accepted));
}

const UNINSPECTED: &str =
    "the socket inspects connections, but has no WskInspectEvent and WskAbortEvent callbacks";

fn inspect(
    kernel: &Kernel,
    id: u64,
    callbacks: &CallbackTable,
    key: InspectKey,
    incoming: IncomingConnection,
    actions: &mut Actions,
) {
    const FUNCTION: &str = "WskInspectEvent";
    // SAFETY: the client's table is valid until the socket is closed (Invariants of `CallbackTable`).
    let Some(function) = (unsafe { (*callbacks.listen).WskInspectEvent }) else {
        rule_violation(Rule::EVENT_CALLBACKS, FUNCTION, UNINSPECTED, created(kernel, id).as_ref());
        // The connection is accepted as if the socket inspected none.
        kernel.stack().inspected(id, key, WskInspectAccept, actions);
        return;
    };
    let mut inspect_id = WSK_INSPECT_ID { Key: size_t(key.key), SerialNumber: key.serial };
    let mut addresses = AddressPair::new(incoming);
    let [local, remote] = addresses.0.each_mut().map(|to| ptr::from_mut(to).cast());
    // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
    let action = calling(kernel, FUNCTION, id, || unsafe {
        function.invoke((context_of(callbacks), local, remote, &raw mut inspect_id))
    });
    record(kernel, FUNCTION, id, format!("connection {}: action {action}", key.serial));
    kernel.stack().inspected(id, key, action, actions);
}

fn abort(kernel: &Kernel, id: u64, callbacks: &CallbackTable, key: InspectKey) {
    const FUNCTION: &str = "WskAbortEvent";
    // SAFETY: the client's table is valid until the socket is closed (Invariants of `CallbackTable`).
    let Some(function) = (unsafe { (*callbacks.listen).WskAbortEvent }) else {
        rule_violation(Rule::EVENT_CALLBACKS, FUNCTION, UNINSPECTED, created(kernel, id).as_ref());
        return;
    };
    let mut inspect_id = WSK_INSPECT_ID { Key: size_t(key.key), SerialNumber: key.serial };
    // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
    let status = calling(kernel, FUNCTION, id, || unsafe {
        function.invoke((context_of(callbacks), &raw mut inspect_id))
    });
    record(kernel, FUNCTION, id, format!("connection {} was aborted", key.serial));
    require(
        kernel,
        id,
        status == STATUS_SUCCESS,
        Rule::NOTIFICATION_CALLBACK_RESULT,
        FUNCTION,
        status,
    );
}

/// Adds indicated data to the record of memory, if there is one.
fn record_memory(kernel: &Kernel, function: &'static str, chains: &[IndicationChain]) {
    let record = &mut kernel.usage().record;
    if record.has_begun() {
        for (mdl, address, length) in chains.iter().flat_map(IndicationChain::parts) {
            record.add(PassedMemory { function, mdl, address, length });
        }
    }
}

fn receive(
    kernel: &Kernel,
    id: u64,
    callbacks: &CallbackTable,
    bytes: Vec<u8>,
    flags: ULONG,
    actions: &mut Actions,
) {
    let flags = flags | level_flag();
    let count = bytes.len();
    let mut data = {
        let shapes = kernel.wsk_config().indications;
        kernel.by_chance(|choices| {
            IndicatedData::new(&bytes, &mut ShapeChooser::new(shapes, choices))
        })
    };
    let first = data.first();
    record_memory(kernel, "WskReceiveEvent", data.chains());
    offer(kernel, id, first.addr(), Retained::Data(data));
    let mut accepted = size_t(count);
    let extended = kernel.stack().sockets.get(&id).and_then(|socket| socket.streams.receive_ex);
    let (name, status) = if let Some(function) = extended {
        // SAFETY: the arguments are valid during the call, as WSK documents for this callback, without control data.
        let status = calling(kernel, "WskReceiveExEvent", id, || unsafe {
            let none = ptr::null_mut();
            function.invoke((
                context_of(callbacks),
                flags,
                first,
                none,
                0,
                size_t(count),
                &raw mut accepted,
            ))
        });
        ("WskReceiveExEvent", status)
    } else {
        // SAFETY: the table is null, or valid until the socket is closed (Invariants of `CallbackTable`).
        let table = unsafe { callbacks.connection.as_ref() };
        let Some(function) = table.and_then(|table| table.WskReceiveEvent) else {
            // `WskReceiveExEvent` was enabled, and no longer is.
            take_back(kernel, id, first.addr(), false, "WskReceiveEvent");
            kernel.stack().indicated(id, &bytes, false, actions);
            return;
        };
        // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
        let status = calling(kernel, "WskReceiveEvent", id, || unsafe {
            function.invoke((context_of(callbacks), flags, first, size_t(count), &raw mut accepted))
        });
        ("WskReceiveEvent", status)
    };
    let (accepted, verdict) = (length(accepted), Status(status));
    record(kernel, name, id, format!("{accepted} of {count} bytes accepted: {verdict}"));
    let is_allowed = matches!(status, STATUS_SUCCESS | STATUS_PENDING | STATUS_DATA_NOT_ACCEPTED);
    require(kernel, id, is_allowed, Rule::RECEIVE_CALLBACK_RESULT, name, status);
    let rest = match status {
        STATUS_PENDING => Vec::new(),
        STATUS_SUCCESS => {
            if accepted > count {
                let found = format!("the callback accepted {accepted} of {count} bytes");
                rule_violation(
                    Rule::RECEIVE_CALLBACK_RESULT,
                    name,
                    &found,
                    created(kernel, id).as_ref(),
                );
            }
            bytes[accepted.min(count)..].to_vec()
        }
        _ => bytes,
    };
    take_back(kernel, id, first.addr(), status == STATUS_PENDING, name);
    kernel.stack().indicated(id, &rest, true, actions);
}

fn receive_from(
    kernel: &Kernel,
    id: u64,
    callbacks: &CallbackTable,
    datagrams: Vec<IncomingDatagram>,
    options: &OptionValues,
    actions: &mut Actions,
) {
    const FUNCTION: &str = "WskReceiveFromEvent";
    // SAFETY: the client's table is valid until the socket is closed (Invariants of `CallbackTable`).
    let Some(function) = (unsafe { (*callbacks.datagram).WskReceiveFromEvent }) else {
        return;
    };
    let count = datagrams.len();
    let flags = level_flag() | datagrams.first().map_or(0, datagram_flags);
    let shapes = kernel.wsk_config().indications;
    let windows = kernel.config().windows;
    let mut list = kernel.by_chance(|choices| {
        IndicatedDatagrams::new(
            &datagrams,
            (options, windows),
            &mut ShapeChooser::new(shapes, choices),
        )
    });
    let first = list.first();
    record_memory(kernel, FUNCTION, list.chains());
    offer(kernel, id, first.addr(), Retained::Datagrams(list));
    // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
    let status = calling(kernel, FUNCTION, id, || unsafe {
        function.invoke((context_of(callbacks), flags, first))
    });
    record(kernel, FUNCTION, id, format!("{count} datagrams: {}", Status(status)));
    let refused = match status {
        STATUS_SUCCESS | STATUS_PENDING => Vec::new(),
        STATUS_DATA_NOT_ACCEPTED => datagrams,
        _ => {
            require(kernel, id, false, Rule::RECEIVE_CALLBACK_RESULT, FUNCTION, status);
            // As after any other failure.
            datagrams
        }
    };
    take_back(kernel, id, first.addr(), status == STATUS_PENDING, FUNCTION);
    kernel.stack().indicated_datagrams(id, refused, actions);
}

/// Called before a list is indicated. From here on, it may be retained, and released by another thread, before
/// the callback's return has said so.
fn offer(kernel: &Kernel, id: u64, first: usize, list: Retained) {
    if let Some(socket) = kernel.stack().sockets.get_mut(&id) {
        socket.offered.insert(first);
        socket.retained.insert(first, list);
    }
}

/// A callback has returned, and has retained its list or not.
fn take_back(kernel: &Kernel, id: u64, first: usize, is_retained: bool, function: &str) {
    let mut stack = kernel.stack();
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
        rule_violation(
            Rule::RETAINED_LIST_RELEASED_ONCE,
            function,
            "the callback released the list, but did not retain it",
            None,
        );
    }
}

fn disconnect(kernel: &Kernel, id: u64, callbacks: &CallbackTable, flags: ULONG) {
    const FUNCTION: &str = "WskDisconnectEvent";
    // SAFETY: the client's table is valid until the socket is closed (Invariants of `CallbackTable`).
    let Some(function) = (unsafe { (*callbacks.connection).WskDisconnectEvent }) else {
        return;
    };
    let flags = flags | level_flag();
    // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
    let status = calling(kernel, FUNCTION, id, || unsafe {
        function.invoke((context_of(callbacks), flags))
    });
    record(kernel, FUNCTION, id, format!("flags {flags:#x}"));
    require(
        kernel,
        id,
        status == STATUS_SUCCESS,
        Rule::NOTIFICATION_CALLBACK_RESULT,
        FUNCTION,
        status,
    );
}

fn send_backlog(kernel: &Kernel, id: u64, callbacks: &CallbackTable, size: usize) {
    const FUNCTION: &str = "WskSendBacklogEvent";
    // SAFETY: the client's table is valid until the socket is closed (Invariants of `CallbackTable`).
    let Some(function) = (unsafe { (*callbacks.connection).WskSendBacklogEvent }) else {
        return;
    };
    // SAFETY: the arguments are valid during the call, as WSK documents for this callback.
    let status = calling(kernel, FUNCTION, id, || unsafe {
        function.invoke((context_of(callbacks), size_t(size)))
    });
    record(kernel, FUNCTION, id, format!("{size} bytes"));
    require(
        kernel,
        id,
        status == STATUS_SUCCESS,
        Rule::NOTIFICATION_CALLBACK_RESULT,
        FUNCTION,
        status,
    );
}

/// Calls a callback with null pointers: its socket is no longer functional.
fn dead(kernel: &Kernel, id: u64, callbacks: &CallbackTable, event: ULONG) {
    let context = context_of(callbacks);
    let extended = kernel.stack().sockets.get(&id).and_then(|socket| socket.streams.receive_ex);
    let mut accepted = 0;
    let accepted = &raw mut accepted;
    let (name, called) = match event {
        WSK_EVENT_RECEIVE_FROM => {
            // SAFETY: the table is null, or valid until the socket is closed (Invariants of `CallbackTable`).
            let table = unsafe { callbacks.datagram.as_ref() };
            let function = table.and_then(|table| table.WskReceiveFromEvent);
            // SAFETY: WSK documents a null list, for a socket that no longer works.
            let call = |f: unsafe extern "C" fn(_, _, _) -> _| unsafe {
                f.invoke((context, level_flag(), ptr::null_mut()))
            };
            (
                "WskReceiveFromEvent",
                function
                    .map(|function| calling(kernel, "WskReceiveFromEvent", id, || call(function))),
            )
        }
        WSK_EVENT_RECEIVE if extended.is_some() => {
            // SAFETY: WSK documents a null list, for a socket that no longer works.
            let call = |f: unsafe extern "C" fn(_, _, _, _, _, _, _) -> _| unsafe {
                f.invoke((context, level_flag(), ptr::null_mut(), ptr::null_mut(), 0, 0, accepted))
            };
            (
                "WskReceiveExEvent",
                extended
                    .map(|function| calling(kernel, "WskReceiveExEvent", id, || call(function))),
            )
        }
        WSK_EVENT_RECEIVE => {
            // SAFETY: the table is null, or valid until the socket is closed (Invariants of `CallbackTable`).
            let table = unsafe { callbacks.connection.as_ref() };
            let function = table.and_then(|table| table.WskReceiveEvent);
            // SAFETY: WSK documents a null list, for a socket that no longer works.
            let call = |f: unsafe extern "C" fn(_, _, _, _, _) -> _| unsafe {
                f.invoke((context, level_flag(), ptr::null_mut(), 0, accepted))
            };
            (
                "WskReceiveEvent",
                function.map(|function| calling(kernel, "WskReceiveEvent", id, || call(function))),
            )
        }
        WSK_EVENT_ACCEPT => {
            let mut given: PVOID = ptr::null_mut();
            let mut table: *const WSK_CLIENT_CONNECTION_DISPATCH = ptr::null();
            let (given, to_table) = (&raw mut given, &raw mut table);
            // SAFETY: the table is null, or valid until the socket is closed (Invariants of `CallbackTable`).
            let table = unsafe { callbacks.listen.as_ref() };
            let function = table.and_then(|table| table.WskAcceptEvent);
            let nowhere = ptr::null_mut();
            // SAFETY: WSK documents a null socket, for a listener that no longer works.
            let call = |f: unsafe extern "C" fn(_, _, _, _, _, _, _) -> _| unsafe {
                f.invoke((
                    context,
                    level_flag(),
                    nowhere,
                    nowhere,
                    ptr::null_mut(),
                    given,
                    to_table,
                ))
            };
            (
                "WskAcceptEvent",
                function.map(|function| calling(kernel, "WskAcceptEvent", id, || call(function))),
            )
        }
        _ => {
            // SAFETY: the table is null, or valid until the socket is closed (Invariants of `CallbackTable`).
            let table = unsafe { callbacks.listen.as_ref() };
            let function = table.and_then(|table| table.WskInspectEvent);
            // SAFETY: WSK documents null addresses, for a listener that no longer works.
            let call = |f: unsafe extern "C" fn(_, _, _, _) -> _| unsafe {
                f.invoke((context, ptr::null_mut(), ptr::null_mut(), ptr::null_mut()))
            };
            (
                "WskInspectEvent",
                function.map(|function| calling(kernel, "WskInspectEvent", id, || call(function))),
            )
        }
    };
    if called.is_some() {
        record(kernel, name, id, "the socket is no longer functional".to_owned());
    }
}
