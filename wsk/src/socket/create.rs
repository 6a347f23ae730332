//! The creation of sockets.

use core::ptr;

use wsk_sys::{ADDRESS_FAMILY, PIRP, ULONG, USHORT};

use super::category::Category;
use super::handle::delivered;
use super::memory::NewSocket;
use super::state::Unbound;
use super::{Handle, Socket};
use crate::events::Callbacks;
use crate::operation::{Outcome, Payload, Target};
use crate::registration::Provider;
use crate::security::CachedSecurityDescriptor;
use crate::status::Result;

/// The transport that a socket is created for.
#[derive(Clone, Copy)]
pub(super) struct Transport {
    pub(super) family: ADDRESS_FAMILY,
    pub(super) socket_type: USHORT,
    pub(super) protocol: ULONG,
}

impl<C: Category, H: Callbacks<C>> Socket<C, Unbound, H> {
    pub(super) async fn create(
        provider: &Provider,
        transport: Transport,
        security: Option<&CachedSecurityDescriptor>,
        handler: H,
    ) -> Result<Self> {
        let delivery = {
            super::enabling::require_static_events::<C, H>(provider.core())?;
            security.map_or(Ok(()), |descriptor| descriptor.require(provider.core()))?;
            let new = NewSocket::allocate(provider.core(), C::FLAGS, transport.family, handler)?;
            // Without callbacks, both are null (INV-39).
            let (context, table) =
                super::enabling::callbacks::<C, H>(provider.core(), new.context());
            // Without one, nobody shares the socket's address.
            let descriptor = security.map_or(ptr::null_mut(), CachedSecurityDescriptor::as_ptr);
            let call = move |irp: PIRP, _: *mut Payload| {
                // The current process as owner (INV-67).
                // SAFETY: the provider is captured; the IRP is ready, and will be completed; the table is this
                // category's, and takes this context, which stays until the close has completed; the descriptor
                // is a cached one, which the request keeps (INV-65).
                unsafe {
                    provider.dispatch().socket(
                        provider.client(),
                        transport.family,
                        transport.socket_type,
                        transport.protocol,
                        C::FLAGS,
                        context,
                        table,
                        ptr::null_mut(),
                        ptr::null_mut(),
                        descriptor,
                        irp,
                    )
                }
            };
            let prepare = |payload: &mut Payload| payload.security = security.cloned();
            // SAFETY: the call is given no memory but the IRP's and the context, and creates such a socket.
            unsafe { deliver(new, prepare, call) }
        };
        let handle = delivery.await?;
        // SAFETY: it was created with this handler.
        Ok(unsafe { Self::from_handle(handle, Unbound::NEW) })
    }
}

/// Makes a request that delivers a socket of category `C`.
///
/// # Safety
///
/// As for [`Idle::start`](crate::operation::Idle::start), where the target is the new socket; the call creates
/// a socket of the category.
pub(super) unsafe fn deliver<C: Category>(
    new: NewSocket,
    prepare: impl FnOnce(&mut Payload),
    call: impl FnOnce(PIRP, *mut Payload) -> wsk_sys::NTSTATUS,
) -> impl Future<Output = Result<Handle<C>>> + Send {
    let hold = new.hold();
    let in_flight = hold.requests.take().map(|mut idle| {
        let payload = idle.payload();
        payload.delivered = Some(new);
        prepare(payload);
        // SAFETY: the caller's promise; the hold is one on the target.
        unsafe { idle.start(Target::Socket(hold.as_ptr()), call) }.never_refused()
    });
    async move {
        match in_flight?.await {
            Outcome::Completed(idle, result) => {
                let (mut idle, information) = hold.completed(idle, result)?;
                // SAFETY: the request created a socket of this category.
                let handle = unsafe { delivered(&mut idle, information) };
                hold.requests.put(idle);
                handle
            }
            Outcome::Refused(error) => Err(error),
        }
    }
}
