//! Execution of the stack's actions: completions of IRPs and callbacks, now or later.
//!
//! # Safety
//!
//! An IRP that is completed or cancelled here belongs to the provider, and its space for drivers holds the values that
//! `remember` has stored.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::collections::VecDeque;
use std::ptr;

use wsk_sys::PIRP;
use wsk_sys::fields;

use super::action::{Action, Actions, Irp, IrpCompletion};
use super::callbacks::call_back;
use crate::kernel::Kernel;
use crate::kernel::context::completing;
use crate::kernel::io::irp::complete_request;
use crate::kernel::schedule::Ticks;
use crate::kernel::trace::{self, TraceEvent};

/// Executes all actions, each now or later. The caller holds no lock of the provider.
pub(crate) fn execute(kernel: &Kernel, actions: Actions) {
    execute_call(kernel, actions, ptr::null_mut());
}

/// Executes all actions like [`execute`], for a call that returns the final status of an IRP: the IRP is completed now.
pub(super) fn execute_call(kernel: &Kernel, actions: Actions, irp: PIRP) {
    // The consequences of one action come before the next action. Not by recursion, since a stream has no end.
    let mut left = VecDeque::from(actions);
    while let Some(action) = left.pop_front() {
        let following = if let Action::Recheck { due, socket } = action {
            recheck(kernel, due, socket)
        } else if !action.completes(irp) && kernel.should_defer() {
            kernel.soon(|kernel| {
                let following = execute_now(kernel, action);
                execute(kernel, following);
            });
            Actions::new()
        } else {
            execute_now(kernel, action)
        };
        for action in following.into_iter().rev() {
            left.push_front(action);
        }
    }
}

/// Executes an action, and returns the resulting actions.
fn execute_now(kernel: &Kernel, action: Action) -> Actions {
    match action {
        Action::Complete(completion) => complete(kernel, &completion),
        Action::Call(call) => call_back(kernel, *call),
        Action::Closed(closed) => {
            closed.finish().map_or_else(Actions::new, |completion| complete(kernel, &completion))
        }
        Action::Recheck { due, socket } => recheck(kernel, due, socket),
    }
}

fn recheck(kernel: &Kernel, due: Ticks, socket: u64) -> Actions {
    if due <= kernel.now() && !kernel.should_defer() {
        return kernel.stack().progress(socket);
    }
    let progress = move |kernel: &Kernel| {
        let actions = kernel.stack().progress(socket);
        execute(kernel, actions);
    };
    kernel.at(due, progress);
    Actions::new()
}

/// Completes an IRP, and returns the resulting actions.
fn complete(kernel: &Kernel, completion: &IrpCompletion) -> Actions {
    let IrpCompletion { irp: Irp(irp), status, information, result, socket, ref client } =
        *completion;
    let information = match result {
        // The address is not in the trace, since it differs from run to run.
        trace::CallResult::Socket(id) => {
            let stack = kernel.stack();
            stack.sockets.get(&id).map_or(information, |socket| socket.object)
        }
        _ => information,
    };
    let result_block = fields::io_status_block(status, information);
    // SAFETY: the IRP is the provider's until it is completed, which is next.
    unsafe { (*irp).IoStatus = result_block };
    let number = kernel.usage().end(irp);
    kernel.record(TraceEvent::Completion { irp: number, status, result });
    // SAFETY: the IRP is the provider's, and at its stack location.
    completing(|| unsafe { complete_request(kernel, irp) });
    if let Some(client) = client {
        client.request_ended();
    }
    if socket == 0 { Actions::new() } else { kernel.stack().delivered(socket) }
}

/// Where a waiting IRP finds its socket: in the room for drivers.
///
/// # Safety
///
/// The provider owns the IRP, and the host lives as long as the socket.
pub(super) unsafe fn remember(kernel: &Kernel, socket: u64, irp: PIRP) {
    let number = usize::try_from(socket).unwrap_or(usize::MAX);
    // SAFETY: the provider owns the IRP, and with it the room for drivers.
    let room = unsafe { &mut *fields::driver_context(irp) };
    room[0] = kernel.as_raw().cast_mut();
    room[1] = ptr::without_provenance_mut(number);
}

/// Cancels a waiting IRP.
///
/// # Safety
///
/// The IRP waits at a socket, and its cancel routine (this function) was taken from it.
pub(super) unsafe fn cancel(irp: PIRP) {
    // SAFETY: `remember` stored the kernel and the socket, and the IRP is not completed.
    let room = unsafe { fields::driver_context(irp).read() };
    // SAFETY: the socket is not closed, and keeps its kernel.
    let kernel = unsafe { Kernel::from_raw(room[0]) };
    let socket = room[1].addr() as u64;
    let postponed = kernel.stack().postpone_cancel(socket, irp);
    if let Some((delay, serial)) = postponed {
        kernel.at(kernel.now() + delay, move |kernel| {
            let actions = kernel.stack().cancelled_late(socket, serial);
            execute(kernel, actions);
        });
        return;
    }
    let actions = kernel.stack().cancelled(socket, irp);
    execute(&kernel, actions);
}
