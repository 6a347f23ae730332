//! A socket's security descriptor.
//!
//! # Safety
//!
//! The request is an owner of the descriptor that it uses ([INV-65](crate::rules#inv-65)).

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{
    PSECURITY_DESCRIPTOR, SO_WSK_SECURITY, SOL_SOCKET, WSK_CONTROL_SOCKET_TYPE, WskGetOption,
    WskSetOption,
};

use super::Socket;
use super::control::{ControlTarget, written};
use super::state::{State, Unbound};
use crate::category::Category;
use crate::client::Client;
use crate::operation::{Attachment, ControlBuffer, Payload};
use crate::options::{AppliesTo, BeforeBind, Transports};
use crate::provider::Provider;
use crate::security::CachedSecurityDescriptor;
use crate::status::{Result, known};

// The descriptor of a request that sets it, or the memory for the one that a request returns.
impl Attachment for CachedSecurityDescriptor {
    const OUTLIVES_REFUSAL: bool = true;

    unsafe fn abandon(self, result: Result<usize>, output: &ControlBuffer) {
        if let (true, Ok(size)) = (self.is_unset(), result) {
            let written = output.output().get(..size).unwrap_or_default();
            // SAFETY: the request that this belongs to returns a descriptor, and has written this.
            unsafe { self.receive(written) };
        }
        // Dropped, the last owner defers the release.
    }
}

const SIZE: usize = size_of::<PSECURITY_DESCRIPTOR>();

const fn control(kind: WSK_CONTROL_SOCKET_TYPE) -> ControlTarget {
    ControlTarget { kind, code: SO_WSK_SECURITY, level: SOL_SOCKET }
}

impl CachedSecurityDescriptor {
    /// Fails for a descriptor that was cached by another client.
    pub(super) fn check_client(&self, client: &Client) -> Result<()> {
        if self.is_of(client) { Ok(()) } else { Err(known::STATUS_INVALID_PARAMETER) }
    }
}

impl<C: Category, H> Socket<C, Unbound, H>
where
    BeforeBind: AppliesTo<C, Unbound>,
{
    /// Sets the security descriptor, which controls the sharing of the socket's address. It replaces the descriptor of the
    /// socket's [creation](super::Builder::security_descriptor).
    ///
    /// ```compile_fail,E0599
    /// use wsk::security::CachedSecurityDescriptor;
    /// use wsk::socket::DatagramSocket;
    ///
    /// async fn too_late(socket: DatagramSocket, descriptor: CachedSecurityDescriptor) -> wsk::Result<()> {
    ///     socket.set_security_descriptor(&descriptor).await
    /// }
    /// ```
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-wsk-security).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the socket may have either descriptor.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the descriptor belongs to another registration.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine does not implement it.
    pub async fn set_security_descriptor(
        &self,
        descriptor: &CachedSecurityDescriptor,
    ) -> Result<()> {
        self.handle.outside_routines().await;
        let request = {
            descriptor.check_client(self.handle.state().client())?;
            let input = descriptor.as_ptr().expose_provenance().to_ne_bytes();
            // The request owns a clone of the descriptor until it completes (INV-65).
            let prepare = |payload: &mut Payload| payload.attachment.put(descriptor.clone());
            let control = control(WskSetOption);
            // SAFETY: the option takes an IRP and a pointer to a cached descriptor, which the request keeps; the
            // socket is not bound (INV-34).
            unsafe { self.handle.control_prepared(control, &input, 0, prepare, |_, _| ()) }
        };
        request.await
    }
}

impl<C: Category, S: State, H> Socket<C, S, H>
where
    Transports: AppliesTo<C, S>,
{
    /// Returns the socket's security descriptor, which WSK caches once more. `wsk`, a provider of the socket's
    /// registration, releases it.
    ///
    /// Allocates once.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-wsk-security).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request; a descriptor that is still returned is
    /// released.
    ///
    /// # Errors
    ///
    /// - `STATUS_NOT_FOUND` if it has none.
    /// - `STATUS_INVALID_PARAMETER` if `wsk` is of another registration.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine does not implement it.
    pub async fn security_descriptor(&self, wsk: &Provider) -> Result<CachedSecurityDescriptor> {
        self.handle.outside_routines().await;
        let request = {
            // Allocate the memory first: a descriptor that WSK returns must be released, even if the future was dropped
            // (INV-20).
            let unset = CachedSecurityDescriptor::unset(wsk)?;
            unset.check_client(self.handle.state().client())?;
            let prepare = |payload: &mut Payload| payload.attachment.put(unset);
            let finish = |payload: &mut Payload, size| {
                let descriptor: CachedSecurityDescriptor = payload.attachment.take()?;
                // SAFETY: this request was made for it, and has written this.
                unsafe { descriptor.receive(written(payload, size)) };
                (!descriptor.is_unset()).then_some(descriptor)
            };
            // SAFETY: the option takes an IRP, and writes a pointer to a cached descriptor.
            unsafe {
                self.handle.control_prepared(control(WskGetOption), &[], SIZE, prepare, finish)
            }
        };
        request.await?.ok_or(known::STATUS_NOT_FOUND)
    }
}
