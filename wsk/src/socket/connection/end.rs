//! The end of a connection: graceful, abortive, or silent.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)), through a handle that keeps it open.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;

use wsk_sys::{PIRP, PWSK_BUF, SIO_WSK_SET_TCP_SILENT_MODE, WskIoctl};

use super::super::control::ControlTarget;
use super::super::state::{Connected, Silent};
use super::super::{Handle, Socket};
use crate::buffer::{BufResult, IoBuf};
use crate::category::Connects;
use crate::flags::DisconnectFlags;
use crate::operation::{OptionalFunction, Payload, RequestKind};
use crate::status::{Error, Result, known};
use crate::time::Deadline;
use crate::time::Never;

impl<C: Connects> Handle<C> {
    /// Ends the sending half, after all sent data. Does nothing if it has already ended.
    pub(crate) async fn disconnect(&self, deadline: &mut Deadline<'_>) -> Result<()> {
        if self.state().has_finished() {
            return self.state().check_alive();
        }
        let call = |dispatch, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected. No last buffer, and no flags: graceful.
            unsafe { C::disconnect(dispatch, ptr::null_mut(), DisconnectFlags::empty(), irp) }
        };
        let function = OptionalFunction::Disconnect;
        self.outside_routines().await;
        // SAFETY: the call is given no memory.
        unsafe { self.request_of(function, RequestKind::Sends, deadline, |_| (), call, |_, _| ()) }
            .await?;
        self.state().note_finished();
        Ok(())
    }

    /// Sends a last buffer, and then ends the sending half like [`disconnect`](Self::disconnect).
    pub(crate) async fn disconnect_with<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<(), B> {
        let refusals = &self.state().client().refusals;
        if let Err(error) = refusals.check(OptionalFunction::Disconnect) {
            return BufResult(Err(error), buffer);
        }
        let call = |dispatch, descriptor: PWSK_BUF, irp: PIRP, _: *mut Payload| {
            // SAFETY: it is the request's, and was written before this.
            let is_empty = unsafe { (*descriptor).Length } == 0;
            let last = if is_empty { ptr::null_mut() } else { descriptor };
            // SAFETY: the socket is connected; the buffer, if any, stays until the request completes.
            unsafe { C::disconnect(dispatch, last, DisconnectFlags::empty(), irp) }
        };
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        let transfer =
            unsafe { self.transfer(RequestKind::Sends, deadline, buffer, |_| (), call, |_, _| ()) };
        let BufResult(result, buffer) = transfer.await;
        match result {
            Ok(()) => self.state().note_finished(),
            // The system has kept the buffer and the request.
            Err(known::STATUS_NOT_IMPLEMENTED) => refusals.add(OptionalFunction::Disconnect),
            Err(_) => {}
        }
        BufResult(result, buffer)
    }

    /// Ends both halves at once.
    pub(crate) async fn abort(&self) -> Result<()> {
        let call = |dispatch, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected. There is no buffer, as an abort needs it (INV-31).
            unsafe { C::disconnect(dispatch, ptr::null_mut(), DisconnectFlags::ABORTIVE, irp) }
        };
        let function = OptionalFunction::Disconnect;
        self.outside_routines().await;
        // SAFETY: the call is given no memory.
        unsafe { self.request_of(function, RequestKind::Sends, Never, |_| (), call, |_, _| ()) }
            .await
    }
}

impl<C: Connects, H> Socket<C, Connected, H> {
    /// Finishes sending: the peer receives all sent data, and then the end of the stream. Receiving still works.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_disconnect).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may have taken effect. WSK does
    /// not guarantee that the request completes ([INV-50](crate::rules#inv-50)): limit it by
    /// [`time::timeout`](crate::time::timeout), and then [abort](Self::abort) or close the connection.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskDisconnect`. Wine does not implement it (kind
    ///   [`Unsupported`](crate::ErrorKind::Unsupported)); there, closing is graceful.
    pub async fn shutdown(&self) -> Result<()> {
        self.handle.disconnect(&mut Deadline::never()).await
    }

    /// Sends a last buffer and finishes sending, in one request.
    ///
    /// IRQL: as for [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    ///
    /// As for [`shutdown`](Self::shutdown); the buffer is dropped.
    ///
    /// # Errors
    ///
    /// As for [`shutdown`](Self::shutdown). The number of bytes sent is then unknown.
    pub async fn shutdown_with<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        self.handle.disconnect_with(buffer, &mut Deadline::never()).await
    }

    /// Aborts the connection: requests in flight fail, unsent data is lost, and the peer sees a reset. The socket can then
    /// only be closed.
    ///
    /// The close of a connection that has not ended on both sides does the same ([INV-49](crate::rules#inv-49)). This
    /// method does it while other code still uses the socket, whose requests then fail.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_disconnect).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may have taken effect.
    ///
    /// # Errors
    ///
    /// As for [`shutdown`](Self::shutdown). Wine does not implement it.
    pub async fn abort(&self) -> Result<()> {
        self.handle.abort().await
    }

    /// Silences the connection (`SIO_WSK_SET_TCP_SILENT_MODE`). TCP sends no further segments, not even acknowledgements, or
    /// a reset when the socket is closed. The socket can then only be closed
    /// ([INV-43](crate::rules#inv-43)).
    ///
    /// Works only for TCP between two machines. Minimum Windows: Windows 8.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-wsk-set-tcp-silent-mode).
    ///
    /// ```compile_fail,E0599
    /// use wsk::socket::ConnectionSocket;
    ///
    /// async fn speak(socket: ConnectionSocket) {
    ///     if let Ok(silent) = socket.into_silent().await {
    ///         silent.shutdown().await;
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// The socket is returned unchanged.
    ///
    /// - `STATUS_INVALID_DEVICE_STATE` if a send is in flight, whose future was just dropped or forgotten; if
    ///   [retained](crate::events::Data::retain) data is not released; or if the peer is on this machine.
    /// - `STATUS_NOT_SUPPORTED` before Windows 8.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine does not implement it.
    pub async fn into_silent(self) -> core::result::Result<Socket<C, Silent, H>, (Error, Self)> {
        self.handle.outside_routines().await;
        // No send and no disconnect may be pending (INV-43); those whose futures were dropped may be.
        if !self.handle.state().has_no_sends() {
            return Err((known::STATUS_INVALID_DEVICE_STATE, self));
        }
        let control = ControlTarget { kind: WskIoctl, code: SIO_WSK_SET_TCP_SILENT_MODE, level: 0 };
        // SAFETY: the ioctl takes an IRP, and no values; the socket is connected, no request is in flight, and no
        // other owner of the socket can issue one.
        let silenced = unsafe { self.handle.control(control, &[], 0, |_| ()) }.await;
        match silenced {
            // SAFETY: the connection is silent now.
            Ok(()) => Ok(unsafe { Socket::from_handle(self.into_handle(), Silent::NEW) }),
            Err(error) => Err((error, self)),
        }
    }
}
