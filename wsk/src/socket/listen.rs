//! Sockets that listen for connections.

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{IPPROTO_TCP, PIRP, SOCK_STREAM};

use super::{Closing, ConnectionSocket, NewSocket, Socket, Transport, delivered, local, remote};
use crate::address::{self, Storage};
use crate::dispatch::ListenDispatch;
use crate::operation::{InFlight, Outcome, Payload};
use crate::registration::Provider;
use crate::status::{Result, known};

/// A bound listening socket: for this category, binding is listening.
pub(crate) struct ListenSocket {
    /// The accept in flight. It survives the future that waits for it, so that no connection is lost
    /// when that is dropped.
    accepting: Option<InFlight>,
    socket: Socket<ListenDispatch>,
    provider: Provider,
}

impl ListenSocket {
    pub(crate) async fn bind(provider: &Provider, address: SocketAddr) -> Result<Self> {
        let transport = Transport {
            family: address::family(address),
            socket_type: SOCK_STREAM,
            protocol: IPPROTO_TCP,
        };
        let socket = Socket::<ListenDispatch>::create(provider, transport).await?;
        let prepare = |payload: &mut Payload| payload.local = Storage::new(address);
        let call = |dispatch: ListenDispatch, irp: PIRP, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let local = unsafe { local(payload) };
            // SAFETY: the address is of the socket's family (INV-32).
            unsafe { dispatch.bind(local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { socket.request(prepare, call, |_| ()) }.await?;
        Ok(Self { accepting: None, socket, provider: provider.clone() })
    }

    /// Waits for a connection. One accept at a time: WSK is known to hang at a second one, so this
    /// takes the listener for itself.
    pub(crate) async fn accept(&mut self) -> Result<(ConnectionSocket, Option<SocketAddr>)> {
        let started = match self.accepting.take() {
            Some(accepting) => accepting,
            None => self.start_accept()?,
        };
        let outcome = self.accepting.insert(started).await;
        self.accepting = None;
        let shared = self.socket.shared();
        match outcome {
            Outcome::Completed(idle, result) => {
                let (mut idle, information) = shared.completed(idle, result)?;
                let remote = idle.payload().remote.address();
                // SAFETY: what is accepted is a connection.
                let socket = unsafe { delivered(&mut idle, information) };
                shared.requests.put(idle);
                socket.map(|socket| (ConnectionSocket::new(socket), remote))
            }
            Outcome::Refused(error) => Err(error),
        }
    }

    fn start_accept(&self) -> Result<InFlight> {
        let shared = self.socket.shared();
        let mut idle = shared.idle()?;
        // The memory of the connection must be there when the connection arrives (INV-20).
        let new = match NewSocket::allocate(self.provider.core()) {
            Ok(new) => new,
            Err(error) => {
                shared.requests.put(idle);
                return Err(error);
            }
        };
        let payload = idle.payload();
        payload.delivered = Some(new);
        payload.local = Storage::EMPTY;
        payload.remote = Storage::EMPTY;
        let call = |dispatch: ListenDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let local = unsafe { local(payload) };
            // SAFETY: as above.
            let remote = unsafe { remote(payload) };
            // SAFETY: the socket is bound; the addresses have room for any family. The accepted socket
            // has no callbacks.
            unsafe { dispatch.accept(ptr::null_mut(), ptr::null(), local, remote, irp) }
        };
        // SAFETY: the call is given the payload's addresses and nothing else.
        Ok(unsafe { self.socket.start(idle, call) })
    }

    pub(crate) async fn local_address(&self) -> Result<SocketAddr> {
        let call = |dispatch: ListenDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let local = unsafe { local(payload) };
            // SAFETY: the socket is bound.
            unsafe { dispatch.get_local_address(local, irp) }
        };
        let prepare = |payload: &mut Payload| payload.local = Storage::EMPTY;
        // SAFETY: the call is given the payload's address and nothing else.
        let request =
            unsafe { self.socket.request(prepare, call, |payload| payload.local.address()) };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }

    pub(crate) fn close(self) -> Closing {
        let Self { accepting, socket, provider: _ } = self;
        drop(accepting);
        socket.close()
    }
}
