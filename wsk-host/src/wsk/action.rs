//! The stack's decisions: made while its lock is held, and executed when the lock is released.
//!
//! # Safety
//!
//! `Irp` carries a pointer to another thread: the provider owns the IRP until it is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::sync::Arc;

use wsk_sys::{NTSTATUS, PIRP, ULONG};

use super::client::Client;
use super::network::{IncomingConnection, IncomingDatagram};
use super::options::OptionValues;
use crate::kernel::schedule::Ticks;
use crate::kernel::trace;

/// Work to be done without the stack's lock.
pub(super) enum Action {
    Complete(IrpCompletion),
    Call(Box<CallbackCall>),
    /// A socket's close completes: nothing of the socket is left to run.
    Closed(ClosedSocket),
    /// At a time, check whether a socket can go on.
    Recheck {
        due: Ticks,
        socket: u64,
    },
}

pub(super) type Actions = Vec<Action>;

impl Action {
    /// Whether it completes an IRP.
    pub(super) fn completes(&self, irp: PIRP) -> bool {
        match self {
            Self::Complete(completion) => completion.irp.0 == irp,
            Self::Closed(ClosedSocket::Socket { irp: closes, .. }) => closes.0 == irp,
            _ => false,
        }
    }

    /// The action, independent of a socket that was discarded.
    pub(super) fn without_socket(self, id: u64) -> Self {
        match self {
            Self::Complete(completion) if completion.socket == id => {
                Self::Complete(IrpCompletion { socket: 0, ..completion })
            }
            other => other,
        }
    }
}

/// An IRP that the provider owns.
///
/// # Invariants
///
/// The provider owns the IRP until it completes it, once.
#[derive(Clone, Copy)]
pub(super) struct Irp(pub(super) PIRP);

// SAFETY: the provider owns the IRP (Invariants), and may use it in any thread.
unsafe impl Send for Irp {}

/// An IRP with its result, to be completed.
pub(super) struct IrpCompletion {
    pub(super) irp: Irp,
    pub(super) status: NTSTATUS,
    pub(super) information: usize,
    /// The meaning of the information, for the trace.
    pub(super) result: trace::CallResult,
    /// The socket whose close waits for the call, or zero.
    pub(super) socket: u64,
    /// The client whose registration waits for the call.
    pub(super) client: Option<Arc<Client>>,
}

impl IrpCompletion {
    /// The result of a request that belongs to no socket.
    pub(super) fn of_no_socket(irp: PIRP, status: NTSTATUS, result: trace::CallResult) -> Self {
        Self::of_socket(0, irp, status, result)
    }

    /// The result of a socket's request.
    pub(super) fn of_socket(
        socket: u64,
        irp: PIRP,
        status: NTSTATUS,
        result: trace::CallResult,
    ) -> Self {
        let information = if let trace::CallResult::Number(number) = result { number } else { 0 };
        Self { irp: Irp(irp), status, information, result, socket, client: None }
    }

    /// The result of a client's own request.
    pub(super) fn of_client(
        client: Arc<Client>,
        irp: PIRP,
        status: NTSTATUS,
        result: trace::CallResult,
    ) -> Self {
        Self { client: Some(client), ..Self::of_no_socket(irp, status, result) }
    }
}

/// A socket whose close has begun, or the owner of a client's own requests.
pub(super) enum ClosedSocket {
    Socket {
        irp: Irp,
        /// The address of its `WSK_SOCKET`.
        object: usize,
    },
    Changes(Arc<Client>),
}

/// A callback that is about to begin.
pub(super) struct CallbackCall {
    pub(super) socket: u64,
    /// Its event; zero if it cannot be disabled.
    pub(super) event: ULONG,
    pub(super) callback: Callback,
}

/// A callback with its arguments.
pub(super) enum Callback {
    Accept {
        arrival: Arrival,
    },
    Inspect {
        key: InspectKey,
        incoming: IncomingConnection,
    },
    Abort {
        key: InspectKey,
    },
    Receive {
        bytes: Vec<u8>,
        flags: ULONG,
    },
    ReceiveFrom {
        datagrams: Vec<IncomingDatagram>,
        options: OptionValues,
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

/// A connection that its listener has not delivered yet.
pub(super) struct Arrival {
    pub(super) id: u64,
    pub(super) incoming: IncomingConnection,
    pub(super) stage: ArrivalStage,
    /// Its identification, if the client inspects connections.
    pub(super) key: Option<InspectKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrivalStage {
    /// The client's `WskInspectEvent` runs, or is about to.
    Inspected,
    /// The client will call `WskInspectComplete`.
    Pended,
    /// It may be accepted.
    Established,
}

/// The contents of a `WSK_INSPECT_ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InspectKey {
    pub(super) key: usize,
    pub(super) serial: u32,
}
