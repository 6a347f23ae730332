//! The open objects of WSK on a kernel, and the likely mistakes that keep them open: a part of the report about a hang.

use super::callback_table::functions;
use super::category::name;
use super::client::{Client, all};
use super::object::origin;
use super::requests::RequestKind;
use super::socket::{Socket, SocketPhase};
use crate::kernel::Kernel;
use crate::kernel::hang::OpenObjects;
use crate::kernel::report_lock::lock;

/// Describes the sockets, captures and lists that are open on a kernel.
pub(super) fn survey(kernel: &Kernel) -> OpenObjects {
    let mut found = OpenObjects::default();
    let Some(subsystem) = kernel.wsk() else { return found };
    // A thread that waits does not hold it. If one does, the rest of the report is worth having.
    let Some(stack) = lock(&subsystem.stack) else { return found };
    let (mut idle, mut busy, mut disabled) = (Vec::new(), Vec::new(), Vec::new());
    let sockets = stack.sockets.values().filter(|socket| socket.object != 0);
    let mut sockets: Vec<&Socket> = sockets.map(|socket| &**socket).collect();
    sockets.sort_unstable_by_key(|socket| socket.id);
    for socket in sockets {
        found.objects.push(describe(socket));
        found.from_outside |= socket.events.enabled != 0;
        disabled.extend(advice_of_callbacks(socket));
        match advice(socket) {
            Some(advice) => {
                found.advice.push(advice);
                if socket.closing.is_none() {
                    busy.push(socket.id.to_string());
                }
            }
            None => idle.push(socket.id.to_string()),
        }
    }
    drop(stack);
    let mut captures = 0;
    for client in all().into_iter().filter(|client| client.is_of(kernel)) {
        captures += describe_client(&client, &mut found);
    }
    if found.advice.is_empty() && !idle.is_empty() {
        found.advice.push(unclosed(&idle, &busy));
    } else if !busy.is_empty() {
        found.keep_open = Some(unclosed(&idle, &busy));
    } else if found.advice.is_empty() && captures > 0 {
        found.advice.push(format!(
            "WskDeregister, and with it the unloading of a driver, waits until every capture of the provider is \
             released ({captures} are not). Call WskReleaseProviderNPI for each, in Rust by dropping the last provider, and each \
             list of addresses and each future that owns one"
        ));
    }
    found.advice.extend(disabled);
    found
}

/// The likely mistake of a socket that could call back, and whose callbacks are all disabled.
fn advice_of_callbacks(socket: &Socket) -> Option<String> {
    let functions = functions(&socket.callbacks);
    let is_quiet = socket.events.enabled | socket.events.fixed == 0 && socket.closing.is_none();
    (is_quiet && !functions.is_empty()).then(|| {
        format!(
            "socket {} has callbacks that are not enabled, and WSK calls none of them: {}. A client enables them by the \
             option SO_WSK_EVENT_CALLBACK",
            socket.id,
            functions.join(", ")
        )
    })
}

/// The likely mistake, if a thread waits until sockets are closed that nothing closes.
fn unclosed(idle: &[String], busy: &[String]) -> String {
    let kinds = [("without a request", idle), ("with a request in flight", busy)];
    let open = kinds
        .into_iter()
        .filter(|(_, sockets)| !sockets.is_empty())
        .map(|(kind, sockets)| format!("{kind}: {}", sockets.join(", ")));
    format!(
        "WskDeregister, and with it the unloading of a driver, waits until every socket is closed. Open, {}. Close it, in \
         Rust by dropping its last owner, or the future that owns it; `core::mem::forget`, a static or a circle of \
         references keeps one open",
        open.collect::<Vec<_>>().join("; ")
    )
}

fn describe(socket: &Socket) -> String {
    let state = match socket.state {
        _ if socket.closing.is_some() => "being closed",
        SocketPhase::Created => "not bound",
        SocketPhase::Bound => "bound",
        SocketPhase::Listening => "listening",
        SocketPhase::Connecting => "connecting",
        SocketPhase::Connected => "connected",
        SocketPhase::Silent => "in silent mode",
        SocketPhase::Aborted => "aborted",
        SocketPhase::Dead => "no longer functional",
    };
    let created =
        origin(socket.object).map_or_else(String::new, |origin| format!(", created {origin}"));
    format!("socket {}, a {} socket, {state}{created}", socket.id, name(socket.category))
}

/// Describes a client's registration and captures, and returns the number of captures.
fn describe_client(client: &Client, found: &mut OpenObjects) -> usize {
    found.objects.push(format!("a registration, made {}", client.origin));
    let Some(outstanding) = lock(&client.outstanding) else { return 0 };
    for capture in &outstanding.captures {
        found.objects.push(format!("a captured provider, captured {capture}"));
    }
    for list in outstanding.lists.values() {
        found.objects.push(format!("a list of addresses, resolved {list}"));
    }
    outstanding.captures.len()
}

/// The likely mistake that a socket's first waiting request shows.
fn advice(socket: &Socket) -> Option<String> {
    let id = socket.id;
    if !socket.retained.is_empty() {
        return Some(format!(
            "socket {id} is not closed before what its client has retained is released"
        ));
    }
    let (kind, is_held) = socket.requests.first_waiting()?;
    let waits = match kind {
        _ if is_held => {
            "has a request that a fault holds until it is cancelled: cancel what takes too long"
        }
        RequestKind::Accept(_) => {
            "waits for a connection, and no client connects: cancel the accept, or close the socket"
        }
        RequestKind::Connect { .. } => "waits for its connection, which its peer does not take",
        RequestKind::Receive { .. } | RequestKind::Drain => {
            "waits for bytes, and its peer neither sends some nor shuts down: give the receive a timeout, or cancel it"
        }
        RequestKind::Send { .. } | RequestKind::Disconnect { .. } => {
            "waits until its peer receives: the buffers between them are full"
        }
        RequestKind::ReceiveFrom { .. } => {
            "waits for a datagram, which may be lost: give the receive a timeout, or cancel it"
        }
        RequestKind::SendTo { .. } => "waits until a datagram can be sent",
        RequestKind::Change => "waits for a change of the network: cancel it",
        RequestKind::Stalled | RequestKind::StalledCreation => {
            "has a request that a fault holds until it is cancelled: cancel what takes too long"
        }
    };
    Some(format!("socket {id} {waits}"))
}
