//! Listening, and accepting connections.

use core::net::SocketAddr;

use wsk_sys::PIRP;

use super::category::{Accepts, Connection};
use super::enabling::callbacks;
use super::handle::{delivered, local, remote};
use super::memory::NewSocket;
use super::state::{Connected, Listening};
use super::{ConnectionSocket, Socket};
use crate::address::Storage;
use crate::events::Callbacks;
use crate::flags::SocketFlags;
use crate::operation::{InFlight, Outcome, Payload};
use crate::status::Result;

/// A connection that was accepted, with its local and its remote address, if their family is known here.
type Accepted<K> = (ConnectionSocket<K>, Option<SocketAddr>, Option<SocketAddr>);

impl<C: Accepts, H> Socket<C, Listening, H> {
    /// Waits for a connection; the address is the peer's, if its family is known here.
    ///
    /// One accept at a time: WSK is known to hang at a second one, so this takes the listener for itself. If
    /// [`ListenEvents::accept`](crate::events::ListenEvents::accept) is enabled as well, a connection goes to
    /// one of them: to the accept, if there is one, but for races (INV-54).
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future loses nothing. The
    /// accept stays in flight, and the next call takes up what it brings.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_accept).
    ///
    /// # Errors
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the listener no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskAccept` reports.
    pub async fn accept(&mut self) -> Result<(ConnectionSocket, Option<SocketAddr>)> {
        if self.state.accepting.is_none() {
            self.state.accepting = Some(self.start_accept(())?);
        }
        let (socket, _, remote) = self.finish_accept().await?;
        Ok((socket, remote))
    }

    fn start_accept<K: Callbacks<Connection>>(&self, handler: K) -> Result<InFlight> {
        let shared = self.handle.shared();
        let mut idle = shared.idle()?;
        // The memory of the connection must be there when the connection arrives (INV-20).
        let new =
            NewSocket::allocate(shared.core(), SocketFlags::CONNECTION, shared.family(), handler);
        let new = match new {
            Ok(new) => new,
            Err(error) => {
                shared.requests.put(idle);
                return Err(error);
            }
        };
        let (context, table) = callbacks::<Connection, K>(shared.core(), new.context());
        let payload = idle.payload();
        payload.delivered = Some(new);
        payload.local = Storage::EMPTY;
        payload.remote = Storage::EMPTY;
        let call = |dispatch, irp: PIRP, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let addresses = unsafe { [local(payload), remote(payload)] };
            // SAFETY: the socket listens; the addresses have room for any family. The table is a connection's,
            // and takes this context, which stays until the close of the accepted socket has completed.
            unsafe { C::accept(dispatch, context, table.cast(), addresses, irp) }
        };
        // SAFETY: the call is given the payload's addresses, and the new socket's context.
        Ok(unsafe { self.handle.start(idle, call) })
    }

    /// Waits for the accept in flight, whose handler is of type `K`.
    async fn finish_accept<K>(&mut self) -> Result<Accepted<K>> {
        let Some(accepting) = &mut self.state.accepting else {
            return Err(crate::status::known::STATUS_INTERNAL_ERROR);
        };
        let outcome = accepting.await;
        self.state.accepting = None;
        let shared = self.handle.shared();
        match outcome {
            Outcome::Completed(idle, result) => {
                let (mut idle, information) = shared.completed(idle, result)?;
                let (local, remote) =
                    (idle.payload().local.address(), idle.payload().remote.address());
                // SAFETY: what is accepted is a connection.
                let handle = unsafe { delivered::<Connection>(&mut idle, information) };
                shared.requests.put(idle);
                // SAFETY: an accepted socket is connected; the caller knows the handler's type.
                let socket = unsafe { Socket::from_handle(handle?, Connected::NEW) };
                Ok((socket, local, remote))
            }
            Outcome::Refused(error) => Err(error),
        }
    }
}
