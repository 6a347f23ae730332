//! Doing what the stack has decided: completing IRPs and calling the client back, now or later.

use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

use wsk_sys::fields;
use wsk_sys::{IO_NO_INCREMENT, NTSTATUS, PIRP};

use super::callbacks::{Call, call_back};
use super::objects::ClosedSocket;
use super::registration::Client;
use crate::host::{Host, State};
use crate::kernel::context::completing;
use crate::kernel::io::irp::IofCompleteRequest;
use crate::kernel::schedule::Ticks;
use crate::kernel::trace::{self, What};

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
    let result_block = fields::io_status_block(status, information);
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
    let room = unsafe { fields::driver_context(irp) };
    // SAFETY: as above.
    let room = unsafe { &mut *room };
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
    let room = unsafe { fields::driver_context(irp) };
    // SAFETY: as above.
    let room = unsafe { room.read() };
    let (state, socket) = (room[0].cast_const().cast::<State>(), room[1].addr());
    // SAFETY: the socket is not closed, and keeps its host alive.
    unsafe { std::sync::Arc::increment_strong_count(state) };
    // SAFETY: as above.
    let host = Host(unsafe { std::sync::Arc::from_raw(state) });
    let actions = host.stack().cancelled(socket as u64, irp);
    act(&host, actions);
}

/// Kills all sockets of a host.
pub(crate) fn withdraw(host: &Host) {
    let actions = host.stack().withdraw();
    act(host, actions);
}
