//! Read and write requests of other drivers and of programs, which lend their memory.
//!
//! # Safety
//!
//! Whoever creates a value vouches for the IRP, which the value owns: it completes the IRP once.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::ptr::NonNull;

use wsk_sys::fields::io_status_block;
use wsk_sys::{FALSE, IRP, IofCompleteRequest, NTSTATUS, PIRP, STATUS_CANCELLED, STATUS_SUCCESS};

use super::lent_memory::mdl_size;
use super::{Lent, LentAccess};
use crate::status::{Error, Result, known};

/// An IRP that a driver's dispatch routine has marked pending, with memory for direct I/O: a read or write request. It lends its
/// memory to requests ([`lend`](Self::lend)), and is completed only when the memory has come back.
///
/// Completing it takes the value, and lending takes it too: an IRP whose memory is lent cannot be completed. If the value is
/// dropped, also by a request whose future was dropped, the IRP is completed with `STATUS_CANCELLED`.
///
/// A driver in which a cancelled write is to end soon drops the future of its send when [`is_cancelled`](Self::is_cancelled) says
/// so: WSK returns the memory, and then the IRP is completed. A cancelled read ends when the socket is closed as well, or at the
/// next receive: see [`Lent`].
///
/// ```no_run
/// use core::ptr::NonNull;
/// use wsk::{Buffer, Chain, LentAccess, PendedIrp, TcpStream};
///
/// /// Sends the bytes of a write request behind a header, without a copy, and completes the request.
/// async fn write(stream: &TcpStream, irp: PendedIrp, header: Buffer) -> wsk::Result<()> {
///     let size = irp.len();
///     let mut message = Chain::from(header);
///     // An IRP that is dropped on the way, with an error, is completed as cancelled.
///     let lent = irp.lend().map_err(|(error, _)| error)?;
///     message.push_back_lent(lent).map_err(|(error, _)| error)?;
///     let (_, mut message) = stream.send_all(message).await.into_result()?;
///     message.pop_front();
///     if let Some(irp) = message.pop_front_lent::<PendedIrp>().and_then(|lent| lent.into_owner()) {
///         irp.complete(Ok(size));
///     }
///     Ok(())
/// }
/// # extern crate wsk_host;
/// ```
///
/// An IRP whose memory is lent has no value that could complete it:
///
/// ```compile_fail,E0382
/// fn too_early(irp: wsk::PendedIrp) {
///     let lent = irp.lend();
///     irp.complete(Ok(0));
/// }
/// ```
///
/// # Invariants
///
/// The IRP is marked pending, and this value alone completes it. Its MDLs stay until then.
pub struct PendedIrp {
    irp: NonNull<IRP>,
    access: LentAccess,
}

// SAFETY: the value owns the IRP (Invariants), which any thread may complete.
unsafe impl Send for PendedIrp {}

impl PendedIrp {
    /// Takes over an IRP.
    ///
    /// # Safety
    ///
    /// - `irp` is an IRP that was sent to a driver's dispatch routine. The routine has marked it pending (`IoMarkIrpPending`), and
    ///   returns `STATUS_PENDING`. No other code completes it, passes it on, or accesses it afterwards, but to cancel it.
    /// - The IRP has no cancel routine. One that was set is removed before (`IoSetCancelRoutine`), and has not been called.
    /// - Its `MdlAddress` is null, or starts a chain of MDLs whose pages are locked until the IRP is completed: for writing too if
    ///   `access` says so, as those of a read request are. No other code changes or maps the MDLs until then.
    #[must_use]
    pub const unsafe fn from_raw(irp: NonNull<IRP>, access: LentAccess) -> Self {
        // INVARIANT: the IRP is as this function's contract says.
        Self { irp, access }
    }

    /// The IRP, for its parameters.
    #[must_use]
    pub const fn as_raw(&self) -> PIRP {
        self.irp.as_ptr()
    }

    /// Returns whether the IRP was cancelled: its thread ends, or its sender does not want it any more.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: the IRP is not completed before this value ends (Invariants).
        let cancel = unsafe { &raw const (*self.as_raw()).Cancel };
        // SAFETY: the IRP is not completed before this value ends. The kernel may write the field meanwhile.
        let is_cancelled = unsafe { cancel.read_volatile() };
        is_cancelled != FALSE
    }

    /// Returns the number of bytes of its memory, by its MDLs.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: the IRP is not completed before this value ends (Invariants).
        let mdl = unsafe { (*self.as_raw()).MdlAddress };
        // SAFETY: its MDLs stay until then (Invariants).
        unsafe { mdl_size(mdl) }
    }

    /// Returns whether it has no memory. It then needs no request, and is completed at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lends its memory, all of it.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The IRP is returned with the error:
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if it has no memory.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn lend(self) -> core::result::Result<Lent<Self>, (Error, Self)> {
        // SAFETY: the IRP is not completed before this value ends (Invariants).
        let mdl = unsafe { (*self.as_raw()).MdlAddress };
        if mdl.is_null() {
            return Err((known::STATUS_INVALID_BUFFER_SIZE, self));
        }
        let (size, access) = (self.len(), self.access);
        // SAFETY: the MDLs stay, with their pages locked, until the IRP is completed, and so until this value is dropped (Invariants).
        // It does not access the memory. Completing an IRP is allowed up to DISPATCH_LEVEL, and does not wait.
        unsafe { Lent::from_raw(mdl, 0, size, access, self) }
    }

    /// Completes the IRP, with a number of bytes or an error.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocompleterequest).
    pub fn complete(self, result: Result<usize>) {
        let this = core::mem::ManuallyDrop::new(self);
        match result {
            Ok(count) => this.complete_with(STATUS_SUCCESS, count),
            Err(error) => this.complete_with(error.status(), 0),
        }
    }

    /// Completes the IRP. The value is not used any more.
    fn complete_with(&self, status: NTSTATUS, information: usize) {
        // SAFETY: the value owns the IRP (Invariants).
        unsafe { (*self.as_raw()).IoStatus = io_status_block(status, information) };
        // SAFETY: the value owns the IRP, which is completed once: no value is left that does (this function's contract). The level
        // is at most DISPATCH_LEVEL.
        unsafe { IofCompleteRequest(self.as_raw(), 0) };
    }
}

impl Drop for PendedIrp {
    fn drop(&mut self) {
        self.complete_with(STATUS_CANCELLED, 0);
    }
}

impl fmt::Debug for PendedIrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendedIrp").field("access", &self.access).finish_non_exhaustive()
    }
}
