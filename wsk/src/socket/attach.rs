//! Giving an open connection a handler for its events.
//!
//! # Safety
//!
//! A connection is given a handler once, and is of its handler's type from then on.

#![expect(unsafe_code, reason = "see Safety")]

use core::any::TypeId;
use core::ptr;

use wsk_sys::WSK_BUF;

use super::state::Connected;
use super::{ConnectionSocket, Handle, Socket};
use crate::category::{Connection, sealed::Connects as _};
use crate::events::{CallbackIrql, Callbacks, ConnectionEvents, NewHandler};
use crate::flags::ReceiveFlags;
use crate::operation::Payload;
use crate::status::Result;

impl ConnectionSocket {
    /// Attaches an event handler to a connection without one, and enables its events: for example, a handler that depends
    /// on the peer.
    ///
    /// Data that arrived earlier and was not received, and the end of the connection, are indicated.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use wsk::events::{ConnectionEvents, Data, Receipt};
    /// use wsk::socket::{ConnectionSocket, Family, ListenSocket};
    ///
    /// /// Counts bytes as they arrive.
    /// #[derive(Default)]
    /// struct Counter(AtomicUsize);
    ///
    /// #[wsk::events]
    /// impl ConnectionEvents for Counter {
    ///     fn receive(&self, data: Data<'_>) -> Receipt {
    ///         self.0.fetch_add(data.len(), Ordering::Relaxed);
    ///         Receipt::All
    ///     }
    /// }
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let listener = ListenSocket::builder(&wsk, Family::INET).bind(([127, 0, 0, 1], 0)).await?;
    /// # let _client = ConnectionSocket::builder(&wsk, Family::INET).connect(listener.local_addr().await?).await?;
    /// let (socket, peer) = listener.accept().await?;
    /// println!("counting the bytes of {peer:?}");
    /// let socket = socket.events(Counter::default())?;
    /// println!("{} bytes so far", socket.handler().0.load(Ordering::Relaxed));
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-wsk-event-callback).
    ///
    /// # Errors
    ///
    /// The socket is closed.
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails: the handler is dropped.
    /// - Any other status of `WskControlSocket`.
    pub fn events<K>(self, handler: K) -> Result<ConnectionSocket<K>>
    where
        K: ConnectionEvents + Callbacks<Connection>,
    {
        self.handle.state().client().check_outside_routines()?;
        self.attach(NewHandler::allocate(handler)?)
    }

    pub(super) fn attach<K>(self, handler: NewHandler<K>) -> Result<ConnectionSocket<K>>
    where
        K: ConnectionEvents + Callbacks<Connection>,
    {
        let handle = self.into_handle();
        if TypeId::of::<K>() == TypeId::of::<()>() {
            // `()` does not count as a handler: a later one receives the stored indications.
            // SAFETY: the socket is connected, and its memory was made for a handler of this type.
            return Ok(unsafe { Socket::from_handle(handle, Connected::NEW) });
        }
        let slot = &handle.state().attached;
        // SAFETY: a socket without a handler is given one once: it becomes one with a handler, of another type.
        unsafe { slot.fill(handler.into_raw()) };
        if let (Some(attached), Some(is_abortive)) = (slot.get(), slot.take_end()) {
            attached.handler().disconnected(is_abortive, CallbackIrql::Unknown);
        }
        let has_missed_data = slot.has_missed_data();
        // SAFETY: an accepted socket is connected, as one without a handler is; its handler is of this type now.
        let socket: ConnectionSocket<K> = unsafe { Socket::from_handle(handle, Connected::NEW) };
        if has_missed_data {
            // Nothing is indicated before a receive (INV-56).
            socket.handle.resume()?;
        }
        socket.handle.enable(K::WHEN_CONNECTED)?;
        Ok(socket)
    }
}

impl Handle<Connection> {
    /// Resumes the indication of data after a part was refused, by a receive of zero bytes
    /// ([INV-56](crate::rules#inv-56)).
    fn resume(&self) -> Result<()> {
        // SAFETY: the request is left below, while the handle keeps the socket's memory.
        let mut idle = unsafe { self.state().idle() }?;
        idle.payload().descriptor = WSK_BUF { Mdl: ptr::null_mut(), Offset: 0, Length: 0 };
        let dispatch = self.dispatch();
        let call = |irp, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let descriptor = unsafe { &raw mut (*payload).descriptor };
            // SAFETY: the socket is connected; there is nothing to be filled.
            unsafe { Connection::receive(dispatch, descriptor, ReceiveFlags::empty(), irp) }
        };
        // No future waits for the result, so a lack of memory must not be one: nothing would be indicated again.
        // SAFETY: the handle's open reference keeps the target; the call's memory is the payload's descriptor.
        let issued = unsafe { idle.start_surely(self.as_ptr(), call) };
        drop(issued.in_flight().never_cancelled());
        Ok(())
    }
}
