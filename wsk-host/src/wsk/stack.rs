//! What sockets do: their requests, and the network that serves them.
//!
//! Everything happens under one lock and yields the IRPs that are to be completed, which is done when
//! the lock is released. A socket's close waits for all of its IRPs' completion routines.

use std::net::SocketAddr;

use wsk_sys::{NTSTATUS, PIRP, STATUS_INVALID_DEVICE_STATE};

use super::requests::{Answer, Requests, Waiting, What};
use super::sockets::ClosedSocket;

/// A network: what sockets, known by number, are connected by.
pub(super) trait Transport: Send {
    /// Binds, and for a listening socket begins to listen.
    fn bind(&mut self, id: u64, local: SocketAddr, listen: bool) -> NTSTATUS;

    /// Connects. Completes the IRP, or lets it wait as [`What::Connect`].
    fn connect(&mut self, requests: &mut Requests, id: u64, irp: PIRP, to: SocketAddr) -> Answer;

    /// Whether a socket is in the right state for a request.
    fn takes(&self, id: u64, what: &What) -> bool;

    /// Does for a socket's waiting requests what can be done now.
    fn progress(&mut self, requests: &mut Requests, id: u64) -> Answer;

    /// Ends a socket, whose requests are ended already.
    fn close(&mut self, requests: &mut Requests, id: u64) -> Answer;

    /// A close has completed.
    fn forget(&mut self, id: u64);

    fn local(&self, id: u64) -> Option<SocketAddr>;

    fn remote(&self, id: u64) -> Option<SocketAddr>;
}

/// The network stack of one host.
pub(crate) struct Stack {
    requests: Requests,
    transport: Box<dyn Transport>,
}

impl Stack {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self { requests: Requests::default(), transport }
    }

    pub(super) fn create(&mut self) -> u64 {
        self.requests.create()
    }

    /// Completes a call's IRP at once.
    pub(super) fn answer(&mut self, id: u64, irp: PIRP, status: NTSTATUS) -> Answer {
        self.requests.answer(id, irp, status)
    }

    pub(super) fn bind(&mut self, id: u64, irp: PIRP, local: SocketAddr, listen: bool) -> Answer {
        let status = if self.transport.local(id).is_some() {
            STATUS_INVALID_DEVICE_STATE
        } else {
            self.transport.bind(id, local, listen)
        };
        self.requests.answer(id, irp, status)
    }

    pub(super) fn connect(&mut self, id: u64, irp: PIRP, to: SocketAddr) -> Answer {
        if self.transport.local(id).is_none() {
            return self.requests.answer(id, irp, STATUS_INVALID_DEVICE_STATE);
        }
        self.transport.connect(&mut self.requests, id, irp, to)
    }

    /// Lets a request wait, and does what can be done.
    pub(super) fn wait(&mut self, id: u64, waiting: Waiting) -> Answer {
        if !self.transport.takes(id, &waiting.what) {
            return self.requests.answer(id, waiting.irp, STATUS_INVALID_DEVICE_STATE);
        }
        match self.requests.wait(id, waiting) {
            Some(answer) => answer,
            None => self.progress(id),
        }
    }

    pub(super) fn progress(&mut self, id: u64) -> Answer {
        self.transport.progress(&mut self.requests, id)
    }

    pub(super) fn cancelled(&mut self, id: u64, irp: PIRP) -> Answer {
        self.requests.cancelled(id, irp)
    }

    /// Begins a close, and gives the socket if that is its end already.
    pub(super) fn close(
        &mut self,
        id: u64,
        closed: ClosedSocket,
    ) -> (Answer, Option<ClosedSocket>) {
        let mut answer = self.requests.close(id, closed);
        answer.extend(self.transport.close(&mut self.requests, id));
        (answer, self.closed(id))
    }

    /// A completion routine has returned. Gives the socket whose close can complete now.
    pub(super) fn delivered(&mut self, id: u64) -> Option<ClosedSocket> {
        self.requests.delivered(id);
        self.closed(id)
    }

    fn closed(&mut self, id: u64) -> Option<ClosedSocket> {
        let closed = self.requests.closed(id)?;
        self.transport.forget(id);
        Some(closed)
    }

    pub(super) fn local(&self, id: u64) -> Option<SocketAddr> {
        self.transport.local(id)
    }

    pub(super) fn remote(&self, id: u64) -> Option<SocketAddr> {
        self.transport.remote(id)
    }
}
