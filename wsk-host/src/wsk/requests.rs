//! The requests of sockets: which wait, which are on their way back, and when a close may complete.

use std::collections::{HashMap, VecDeque};

use wsk_sys::{NTSTATUS, PIRP, PSOCKADDR, PWSK_BUF, STATUS_CANCELLED, WSK_BUF};

use super::completer::Completed;
use super::sockets::{ClosedSocket, cancel};
use crate::io::{claim, set_cancel_routine};
use crate::verifier::broken;

/// A request that waits.
pub(super) struct Waiting {
    pub(super) irp: PIRP,
    pub(super) what: What,
}

pub(super) enum What {
    Accept { local: PSOCKADDR, remote: PSOCKADDR },
    Connect,
    Receive(Bytes),
    Send { bytes: Bytes, sent: usize },
    Disconnect,
}

impl What {
    pub(super) fn is_accept(&self) -> bool {
        matches!(self, Self::Accept { .. })
    }

    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect)
    }

    pub(super) fn is_receive(&self) -> bool {
        matches!(self, Self::Receive(_))
    }

    /// What goes out does so in order: an end after everything that was sent before.
    pub(super) fn is_output(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Disconnect)
    }
}

/// Memory of an MDL, and the buffer that describes it.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    pub(super) memory: *mut u8,
    pub(super) length: usize,
    pub(super) buffer: PWSK_BUF,
    /// What the buffer said when the call was made.
    pub(super) descriptor: WSK_BUF,
    pub(super) function: &'static str,
}

impl Bytes {
    /// Where the bytes are. The client must still have the buffer: nothing says that WSK copies it.
    ///
    /// # Safety
    ///
    /// The request has not completed.
    pub(super) unsafe fn start(&self) -> *mut u8 {
        // SAFETY: a client that keeps the rules has not freed it; this is to find the others.
        let now = unsafe { self.buffer.read_volatile() };
        let facts = |buffer: &WSK_BUF| (buffer.Mdl, buffer.Offset, buffer.Length);
        if facts(&now) != facts(&self.descriptor) {
            let found = "the buffer changed before the request had completed";
            broken(21, self.function, found, None);
        }
        self.memory
    }
}

// SAFETY: the IRP and the memory are the provider's until the IRP is completed.
unsafe impl Send for Waiting {}

/// What a call is answered with: IRPs to be completed, the call's own among them unless it waits.
pub(super) type Answer = Vec<Completed>;

#[derive(Default)]
struct Socket {
    waiting: VecDeque<Waiting>,
    /// IRPs that were given to their completion routines, or are about to be.
    undelivered: usize,
    /// The close's IRP, and what is freed when it completes.
    closing: Option<ClosedSocket>,
}

/// The requests of one host's sockets.
#[derive(Default)]
pub(super) struct Requests {
    sockets: HashMap<u64, Socket>,
    last: u64,
}

impl Requests {
    /// The number of a new socket.
    pub(super) fn create(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn socket(&mut self, id: u64) -> &mut Socket {
        self.sockets.entry(id).or_default()
    }

    pub(super) fn done(
        &mut self,
        id: u64,
        irp: PIRP,
        status: NTSTATUS,
        information: usize,
    ) -> Completed {
        self.socket(id).undelivered += 1;
        Completed { irp, status, information, socket: id }
    }

    /// Completes a call's IRP at once.
    pub(super) fn answer(&mut self, id: u64, irp: PIRP, status: NTSTATUS) -> Answer {
        vec![self.done(id, irp, status, 0)]
    }

    /// Lets a request wait, cancellable. If it is cancelled already, that is its answer.
    pub(super) fn wait(&mut self, id: u64, waiting: Waiting) -> Option<Answer> {
        let irp = waiting.irp;
        self.socket(id).waiting.push_back(waiting);
        // SAFETY: the IRP is the provider's. Its routine takes the lock that is held here.
        let is_cancelled = unsafe { set_cancel_routine(irp, cancel) };
        // SAFETY: as above.
        (is_cancelled && unsafe { claim(irp) }).then(|| self.cancelled(id, irp))
    }

    /// The first waiting request of a kind.
    pub(super) fn first(&mut self, id: u64, wanted: fn(&What) -> bool) -> Option<&mut What> {
        let waiting = &mut self.sockets.get_mut(&id)?.waiting;
        waiting.iter_mut().map(|waiting| &mut waiting.what).find(|what| wanted(what))
    }

    /// Takes the first waiting request of a kind that is not being cancelled.
    pub(super) fn take(&mut self, id: u64, wanted: fn(&What) -> bool) -> Option<Waiting> {
        let waiting = &mut self.sockets.get_mut(&id)?.waiting;
        // SAFETY: the IRPs are the provider's, and were made cancellable when they began to wait.
        let place = waiting.iter().position(|w| wanted(&w.what) && unsafe { claim(w.irp) })?;
        waiting.remove(place)
    }

    /// Ends the first waiting request of a kind; false if there is none.
    pub(super) fn end(
        &mut self,
        id: u64,
        wanted: fn(&What) -> bool,
        (status, information): (NTSTATUS, usize),
        answer: &mut Answer,
    ) -> bool {
        let Some(waiting) = self.take(id, wanted) else {
            return false;
        };
        answer.push(self.done(id, waiting.irp, status, information));
        true
    }

    /// An IRP whose cancel routine has run: only the completion is left.
    pub(super) fn cancelled(&mut self, id: u64, irp: PIRP) -> Answer {
        self.socket(id).waiting.retain(|waiting| waiting.irp != irp);
        self.answer(id, irp, STATUS_CANCELLED)
    }

    /// Begins a close: whatever waits is cancelled.
    pub(super) fn close(&mut self, id: u64, closed: ClosedSocket) -> Answer {
        let mut answer = Vec::new();
        while self.end(id, |_| true, (STATUS_CANCELLED, 0), &mut answer) {}
        self.socket(id).closing = Some(closed);
        answer
    }

    /// A completion routine has returned.
    pub(super) fn delivered(&mut self, id: u64) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.undelivered -= 1;
        }
    }

    /// The socket, if its close can complete now: no completion routine of it is left to run.
    pub(super) fn closed(&mut self, id: u64) -> Option<ClosedSocket> {
        let socket = self.sockets.get_mut(&id)?;
        if socket.undelivered > 0 || !socket.waiting.is_empty() {
            return None;
        }
        let closed = socket.closing.take()?;
        self.sockets.remove(&id);
        Some(closed)
    }
}
