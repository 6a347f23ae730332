//! The creation of sockets.
//!
//! # Safety
//!
//! A request owns the memory of the socket that it creates, and the descriptor that WSK uses while it is in flight.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;

use wsk_sys::{ADDRESS_FAMILY, PIRP, ULONG, USHORT};

use super::new_socket::{Delivery, NewSocket, delivered};
use super::state::Unbound;
use super::{Handle, Socket};
use crate::category::Category;
use crate::events::{Callbacks, callbacks, check_static_events};
use crate::operation::{Payload, RequestKind, RequestOutcome};
use crate::provider::Provider;
use crate::security::CachedSecurityDescriptor;
use crate::status::Result;

/// The transport that a socket is created for.
#[derive(Clone, Copy)]
pub(super) struct SocketTransport {
    pub(super) family: ADDRESS_FAMILY,
    pub(super) socket_type: USHORT,
    pub(super) protocol: ULONG,
}

impl<C: Category, H: Callbacks<C>> Socket<C, Unbound, H> {
    pub(super) async fn create(
        provider: &Provider,
        transport: SocketTransport,
        security: Option<&CachedSecurityDescriptor>,
        handler: H,
    ) -> Result<Self> {
        provider.client_ref().outside_routines().await;
        let delivery = {
            check_static_events::<C, H>(provider.client_ref())?;
            security.map_or(Ok(()), |descriptor| descriptor.check_client(provider.client_ref()))?;
            let new =
                NewSocket::allocate(provider.client_ref(), C::FLAGS, transport.family, handler)?;
            // Without callbacks, both are null (INV-39).
            let (context, table) = callbacks::<C, H>(provider.client_ref(), new.context());
            // Without one, no other socket shares the address.
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
            let delivery = Delivery { new, security: security.cloned() };
            // SAFETY: the call's memory is the IRP's, the context and the delivery's descriptor; it
            // creates a socket of category `C`.
            unsafe { deliver(delivery, call) }
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
unsafe fn deliver<C: Category>(
    delivery: Delivery,
    call: impl FnOnce(PIRP, *mut Payload) -> wsk_sys::NTSTATUS,
) -> impl Future<Output = Result<Handle<C>>> + Send {
    let memory = delivery.new.memory_ref();
    // SAFETY: the operation and its request are dropped before `memory`, which keeps the socket's memory.
    let idle = || unsafe { memory.requests.take() };
    let in_flight =
        memory.client().check_outside_routines().and_then(|()| idle()).map(|mut idle| {
            idle.payload().attachment.put(delivery);
            // SAFETY: `memory` is a reference to the target; the rest is this function's contract.
            unsafe { idle.start(memory.as_ptr(), RequestKind::Other, call) }
                .in_flight()
                .never_refused()
        });
    // An async block that was never polled drops its captures in the order of their first use, so `in_flight` must come
    // first.
    async move {
        match in_flight?.await {
            RequestOutcome::Completed(idle, result) => {
                let (mut idle, information) = memory.completed(idle, result)?;
                // SAFETY: the request created a socket of this category.
                let handle = unsafe { delivered(&mut idle, information) };
                memory.requests.put(idle);
                handle
            }
            RequestOutcome::Refused(error) => Err(error),
        }
    }
}
