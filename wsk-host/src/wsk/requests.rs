//! The requests of one socket: those that wait, those being completed, and the time at which a close may complete.
//!
//! # Safety
//!
//! A waiting IRP belongs to the provider. Its cancel routine is set when it begins to wait, and the side that takes the
//! routine away completes the IRP: `claim` decides between completion and cancellation.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::collections::VecDeque;
use std::net::SocketAddr;

use wsk_sys::{
    NTSTATUS, PIRP, PSOCKADDR, STATUS_CANCELLED, STATUS_SUCCESS, WSK_CLIENT_CONNECTION_DISPATCH,
};

use super::action::{Action, Actions, IrpCompletion};
use super::buffer::Bytes;
use super::control_data::{ControlRoom, SendControl};
use crate::kernel::io::irp::{CancelRoutine, claim, set_cancel_routine};
use crate::kernel::trace;

/// A waiting request.
///
/// # Invariants
///
/// The provider owns the IRP, and the memory that `kind` points to is valid, until the IRP is completed.
pub(super) struct PendingRequest {
    pub(super) irp: PIRP,
    pub(super) kind: RequestKind,
    /// It is not served, only cancelled.
    held: bool,
    /// Not zero once its cancellation was postponed.
    serial: u64,
}

// SAFETY: the IRP and the memory are the provider's (Invariants), which may use them in any thread.
unsafe impl Send for PendingRequest {}

pub(super) enum RequestKind {
    Accept(AcceptRoom),
    Connect {
        bytes: Option<Bytes>,
        sent: usize,
        creates: bool,
    },
    Receive {
        bytes: Bytes,
        received: usize,
        all: bool,
    },
    Drain,
    Send {
        bytes: Bytes,
        sent: usize,
    },
    Disconnect {
        bytes: Option<Bytes>,
        sent: usize,
    },
    SendTo {
        messages: VecDeque<Bytes>,
        to: SocketAddr,
        control: SendControl,
        sent: usize,
    },
    ReceiveFrom {
        bytes: Bytes,
        from: PSOCKADDR,
        control: Option<ControlRoom>,
    },
    /// A change of the machine's addresses, or of the transports.
    Change,
    /// It could complete, and waits only because of a fault.
    Stalled,
    /// Like `Stalled`, for the request that creates the socket.
    StalledCreation,
}

/// The memory that an accept fills, and the context and the table of the accepted socket.
///
/// # Invariants
///
/// The addresses are null, or valid for a write of the listener's address type until the request has completed.
/// `dispatch` is null, or a table of the client that is valid until the accepted socket is closed.
pub(super) struct AcceptRoom {
    pub(super) local: PSOCKADDR,
    pub(super) remote: PSOCKADDR,
    pub(super) context: usize,
    pub(super) dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
}

impl RequestKind {
    pub(super) fn is_accept(&self) -> bool {
        matches!(self, Self::Accept(_))
    }

    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }

    pub(super) fn is_input(&self) -> bool {
        matches!(self, Self::Receive { .. } | Self::Drain)
    }

    /// Whether it sends: output is in order, the end after everything that was sent before.
    pub(super) fn is_output(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Disconnect { .. })
    }

    /// Whether its socket is not there without it.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::Connect { creates: true, .. } | Self::StalledCreation)
    }

    pub(super) fn is_send_to(&self) -> bool {
        matches!(self, Self::SendTo { .. })
    }

    pub(super) fn is_receive_from(&self) -> bool {
        matches!(self, Self::ReceiveFrom { .. })
    }

    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Change)
    }
}

/// The requests of one socket.
#[derive(Default)]
pub(super) struct Requests {
    waiting: VecDeque<PendingRequest>,
    /// IRPs and callbacks that were given to the client, or are about to be.
    pub(super) undelivered: usize,
}

impl Requests {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.undelivered == 0
    }

    /// An IRP with its result, on its way back.
    pub(super) fn completion(
        &mut self,
        socket: u64,
        irp: PIRP,
        status: NTSTATUS,
        result: trace::CallResult,
    ) -> Action {
        self.undelivered += 1;
        Action::Complete(IrpCompletion::of_socket(socket, irp, status, result))
    }

    /// Lets a request wait, cancellable. One that is cancelled already completes at once.
    pub(super) fn wait(
        &mut self,
        socket: u64,
        irp: PIRP,
        kind: RequestKind,
        held: bool,
        cancel: CancelRoutine,
    ) -> Actions {
        self.waiting.push_back(PendingRequest { irp, kind, held, serial: 0 });
        // SAFETY: the IRP is the provider's. Its routine takes the lock that is held here.
        let is_cancelled = unsafe { set_cancel_routine(irp, cancel) };
        // SAFETY: the IRP is the provider's, and was just made cancellable.
        if is_cancelled && unsafe { claim(irp) } {
            return self.cancelled(socket, irp);
        }
        Vec::new()
    }

    /// The first waiting request, and whether a fault holds it.
    pub(super) fn first_waiting(&self) -> Option<(&RequestKind, bool)> {
        self.waiting.front().map(|waiting| (&waiting.kind, waiting.held))
    }

    /// The first waiting request of a kind that is served.
    pub(super) fn first(
        &mut self,
        wanted: impl Fn(&RequestKind) -> bool,
    ) -> Option<&mut RequestKind> {
        if self.waiting.is_empty() {
            return None;
        }
        let mut served = self.waiting.iter_mut().filter(|waiting| !waiting.held);
        served.find(|waiting| wanted(&waiting.kind)).map(|waiting| &mut waiting.kind)
    }

    /// Whether one of a kind waits, served or not, and is not being cancelled.
    pub(super) fn has(&self, wanted: impl Fn(&RequestKind) -> bool) -> bool {
        !self.waiting.is_empty() && self.waiting.iter().any(|waiting| wanted(&waiting.kind))
    }

    /// Whether one of a kind waits that is served.
    pub(super) fn serves(&self, wanted: impl Fn(&RequestKind) -> bool) -> bool {
        !self.waiting.is_empty()
            && self.waiting.iter().any(|waiting| !waiting.held && wanted(&waiting.kind))
    }

    /// The first output request, unless it is held: a held one also holds those after it.
    pub(super) fn first_output(&mut self) -> Option<&mut RequestKind> {
        if self.waiting.is_empty() {
            return None;
        }
        let first = self.waiting.iter_mut().find(|waiting| waiting.kind.is_output())?;
        (!first.held).then_some(&mut first.kind)
    }

    /// Takes the first served request of a kind that is not being cancelled.
    pub(super) fn take(&mut self, wanted: impl Fn(&RequestKind) -> bool) -> Option<PendingRequest> {
        // SAFETY: the IRPs are the provider's, and were made cancellable when they began to wait.
        let may_take = |w: &PendingRequest| !w.held && wanted(&w.kind) && unsafe { claim(w.irp) };
        let place = self.waiting.iter().position(may_take)?;
        self.waiting.remove(place)
    }

    /// Takes the first served request of a kind if it, and not a later one, is not being cancelled.
    pub(super) fn take_first(
        &mut self,
        wanted: impl Fn(&RequestKind) -> bool,
    ) -> Option<PendingRequest> {
        let place = self.waiting.iter().position(|w| !w.held && wanted(&w.kind))?;
        // SAFETY: the IRP is the provider's, and was made cancellable when it began to wait.
        let claimed = unsafe { claim(self.waiting[place].irp) };
        if !claimed {
            return None;
        }
        // Usually the first one.
        if place == 0 { self.waiting.pop_front() } else { self.waiting.remove(place) }
    }

    /// Ends the first served request of a kind. Returns false if none waits, or if it is being cancelled.
    pub(super) fn end_first(
        &mut self,
        socket: u64,
        wanted: impl Fn(&RequestKind) -> bool,
        (status, result): (NTSTATUS, trace::CallResult),
        actions: &mut Actions,
    ) -> bool {
        let Some(waiting) = self.take_first(wanted) else {
            return false;
        };
        actions.push(self.completion(socket, waiting.irp, status, result));
        true
    }

    /// Ends all requests of a kind that are not being cancelled, held ones included.
    pub(super) fn end_all(
        &mut self,
        socket: u64,
        wanted: impl Fn(&RequestKind) -> bool,
        status: NTSTATUS,
        actions: &mut Actions,
    ) {
        let mut place = 0;
        while place < self.waiting.len() {
            let waiting = &self.waiting[place];
            // SAFETY: the IRP is the provider's, and was made cancellable when it began to wait.
            if wanted(&waiting.kind) && unsafe { claim(waiting.irp) } {
                let irp = waiting.irp;
                self.waiting.remove(place);
                actions.push(self.completion(socket, irp, status, trace::CallResult::Nothing));
            } else {
                place += 1;
            }
        }
    }

    /// An IRP whose cancel routine has run: only the completion is left.
    pub(super) fn cancelled(&mut self, socket: u64, irp: PIRP) -> Actions {
        self.waiting.retain(|waiting| waiting.irp != irp);
        vec![self.completion(socket, irp, STATUS_CANCELLED, trace::CallResult::Nothing)]
    }

    /// Lets a receive that is being cancelled wait on, served as before, if it is one.
    pub(super) fn postpone_cancel(
        &mut self,
        irp: PIRP,
        serial: u64,
        cancel: CancelRoutine,
    ) -> bool {
        let receives = |kind: &RequestKind| {
            matches!(kind, RequestKind::Receive { .. } | RequestKind::ReceiveFrom { .. })
        };
        let mut waiting = self.waiting.iter_mut();
        let found = waiting.find(|waiting| waiting.irp == irp && receives(&waiting.kind));
        let Some(waiting) = found.filter(|waiting| !waiting.held && waiting.serial == 0) else {
            return false;
        };
        waiting.serial = serial;
        // SAFETY: the IRP waits, and is the provider's. That it was cancelled is known.
        unsafe { set_cancel_routine(irp, cancel) };
        true
    }

    /// Takes the cancel routine of the receive with this number, if it still waits: then only its completion is left.
    pub(super) fn claim_postponed(&self, serial: u64) -> Option<PIRP> {
        let waiting = self.waiting.iter().find(|waiting| waiting.serial == serial)?;
        // SAFETY: the IRP waits, and is the provider's.
        unsafe { claim(waiting.irp) }.then_some(waiting.irp)
    }

    /// The bytes that a cancelled request has received already.
    pub(super) fn received_by(&self, irp: PIRP) -> Vec<u8> {
        let waiting = self.waiting.iter().find(|waiting| waiting.irp == irp);
        match waiting.map(|waiting| &waiting.kind) {
            Some(RequestKind::Receive { bytes, received, .. }) => {
                let mut all = bytes.gather();
                all.truncate(*received);
                all
            }
            _ => Vec::new(),
        }
    }

    /// Whether one that waits creates its socket, and which is not there without it.
    pub(super) fn creates(&self, irp: PIRP) -> bool {
        self.waiting.iter().any(|waiting| waiting.irp == irp && waiting.kind.creates())
    }
}

/// The result of a success that has no other.
pub(super) const SUCCESS: (NTSTATUS, trace::CallResult) =
    (STATUS_SUCCESS, trace::CallResult::Nothing);
