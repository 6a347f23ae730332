//! The memory of a socket that is still to be delivered, and the requests that deliver one.
//!
//! # Safety
//!
//! The memory is written in place before anything refers to it. A request that delivers a socket reports the
//! socket's address as its information ([INV-19](crate::rules#inv-19)), which only the code beside such
//! requests interprets.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::{ManuallyDrop, needs_drop};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use wsk_sys::{ADDRESS_FAMILY, PVOID, WSK_SOCKET};

use super::counts::RefCounts;
use super::handle::Handle;
use super::memory::{SocketMemory, SocketState};
use super::references::MemoryRef;
use crate::client::Client;
use crate::deferred::DeferredJob;
use crate::events::AttachedHandler;
use crate::flags::SocketFlags;
use crate::operation::{
    Attachment, Cache, ControlBuffer, Idle, OnceOperation, SendCount, Target as _, TargetHeader,
};
use crate::pool::{PoolBox, write_fields};
use crate::rundown::ObjectKind;
use crate::security::CachedSecurityDescriptor;
use crate::status::{Result, known};

/// Drops the handler in a socket's memory.
///
/// # Safety
///
/// It is the beginning of a `SocketMemory<H>` of [`NewSocket::allocate`], whose handler is not used any more.
unsafe fn drop_handler<H>(state: NonNull<SocketState>) {
    // Only this part is borrowed: the rest is shared with weak references.
    // SAFETY: `state` points to a `SocketMemory<H>`, by this function's contract.
    let handler = unsafe { &raw mut (*state.cast::<SocketMemory<H>>().as_ptr()).handler };
    // SAFETY: the handler is dropped once, and not used any more; a `ManuallyDrop` has the layout of its content.
    unsafe { handler.cast::<H>().drop_in_place() };
}

/// Frees a socket's memory.
///
/// # Safety
///
/// It is the beginning of a `SocketMemory<H>` of [`NewSocket::allocate`], which is not used any more.
unsafe fn free<H>(state: NonNull<SocketState>) {
    // SAFETY: the memory came from a `PoolBox`, by this function's contract.
    drop(unsafe { PoolBox::from_raw(state.cast::<SocketMemory<H>>()) });
}

/// The memory of a socket that is still to be delivered.
///
/// # Invariants
///
/// This value has the memory reference of the socket's first open reference, and a pointer to the whole memory.
pub(crate) struct NewSocket(NonNull<SocketState>);

// SAFETY: it is a reference to a `SocketState`, which is `Send` and `Sync`.
unsafe impl Send for NewSocket {}

impl NewSocket {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the handler is dropped.
    pub(crate) fn allocate<H: Send + Sync + 'static>(
        client: &Client,
        category: SocketFlags,
        family: ADDRESS_FAMILY,
        handler: H,
    ) -> Result<Self> {
        let device = client.device();
        let state = |place: *mut SocketState| {
            // SAFETY: `write_fields` calls this with the place of the field, which is not null.
            let whole = unsafe { NonNull::new_unchecked(place) };
            // SAFETY: `write_fields` calls this with the place of the field.
            let close = |place| unsafe { OnceOperation::write(place) };
            // SAFETY: the socket's memory keeps the client, and the client the device.
            let header = unsafe { TargetHeader::of::<SocketState>(device) };
            // INVARIANT: `whole` is the beginning of the allocation, and the functions are those for `H`.
            // SAFETY: the place is new memory for it.
            write_fields!(
                place,
                SocketState {
                    header: header,
                    whole: whole,
                    close => close,
                    counts: RefCounts::new(),
                    socket: AtomicPtr::new(ptr::null_mut()),
                    sends: SendCount::new(),
                    requests: Cache::new(),
                    client: NonNull::from(client),
                    attached: AttachedHandler::new(),
                    drop_handler: if needs_drop::<H>() { Some(drop_handler::<H> as _) } else { None },
                    free: free::<H>,
                    job: DeferredJob::new(SocketState::run_deferred),
                    category: category,
                    family: family,
                    is_dead: AtomicBool::new(false),
                    send_flags: AtomicU32::new(0),
                    has_finished: AtomicBool::new(false),
                    is_closed: AtomicBool::new(false),
                }
            );
        };
        // If the allocation fails, the closure still owns the handler.
        let write = |place: *mut SocketMemory<H>| {
            // SAFETY: `new_in_place` calls this with new memory.
            write_fields!(
                place,
                SocketMemory {
                    state => state,
                    handler: ManuallyDrop::new(handler),
                }
            );
        };
        // SAFETY: `write` initializes all of it.
        let memory = unsafe { PoolBox::new_in_place(write) }?;
        client.retain_reference();
        client.rundown().begin(ObjectKind::Socket);
        // SAFETY: the operation stays in this allocation, which is nonpaged, and is idle.
        unsafe { memory.state.close.initialize() };
        // INVARIANT: each count starts at one, and the pointer is that of the allocation.
        Ok(Self(memory.into_raw().cast()))
    }

    fn state(&self) -> &SocketState {
        // SAFETY: this value has a memory reference.
        unsafe { self.0.as_ref() }
    }

    /// The socket's context, which WSK passes to the callbacks.
    pub(crate) const fn context(&self) -> PVOID {
        self.0.as_ptr().cast()
    }

    pub(crate) fn memory_ref(&self) -> MemoryRef {
        // SAFETY: this value has a memory reference, and a pointer to the whole memory.
        unsafe { MemoryRef::new(self.0) }
    }

    fn deliver(&self, socket: NonNull<WSK_SOCKET>) {
        self.state().socket.store(socket.as_ptr(), Ordering::Release);
        #[cfg(feature = "counters")]
        crate::counters::socket_created();
    }

    /// # Safety
    ///
    /// `socket` is of category `C`, was delivered to a request or a callback of this client for this memory, and is
    /// given up for this.
    pub(crate) unsafe fn open<C>(self, socket: NonNull<WSK_SOCKET>) -> Handle<C> {
        self.deliver(socket);
        let state = self.0;
        core::mem::forget(self);
        // SAFETY: the socket was delivered, and the first open reference is the handle's now.
        unsafe { Handle::from_raw(state) }
    }

    /// Defers the close of a socket that was delivered after its request was abandoned. For completion
    /// routines, which must not call WSK ([INV-15](crate::rules#inv-15)).
    ///
    /// # Safety
    ///
    /// `socket` was delivered to a request of this client for this memory, and is given up for this.
    unsafe fn close_deferred(self, socket: NonNull<WSK_SOCKET>) {
        let state = self.0;
        self.deliver(socket);
        core::mem::forget(self);
        // SAFETY: the socket was delivered, and its first open reference is given up for this.
        unsafe { SocketState::defer(state) };
    }
}

impl Drop for NewSocket {
    fn drop(&mut self) {
        // There is no socket to close.
        // SAFETY: this value's memory reference is released once, with a pointer to the whole memory.
        unsafe { SocketState::release(self.0) };
    }
}

/// The values that a request owns if it delivers a socket.
pub(crate) struct Delivery {
    pub(crate) new: NewSocket,
    /// The descriptor that the socket is created with, which the request uses.
    #[expect(dead_code, reason = "owned for the duration of the request")]
    pub(crate) security: Option<CachedSecurityDescriptor>,
}

impl Attachment for Delivery {
    // A call that has failed delivers no socket, and `WskSocket`, which uses the descriptor, is never refused.
    const OUTLIVES_REFUSAL: bool = false;

    unsafe fn abandon(self, result: Result<usize>, _output: &ControlBuffer) {
        if let Some(socket) = result.ok().and_then(socket_of) {
            // SAFETY: the request delivered this socket, and no one has used the result, by the trait's contract.
            unsafe { self.new.close_deferred(socket) };
        }
    }
}

/// The socket in the information of a request that delivers one ([INV-19](crate::rules#inv-19)).
fn socket_of(information: usize) -> Option<NonNull<WSK_SOCKET>> {
    // CAST: the information is the socket's address.
    NonNull::new(ptr::with_exposed_provenance_mut::<WSK_SOCKET>(information))
}

/// The socket that a request has delivered.
///
/// # Errors
///
/// `STATUS_INTERNAL_ERROR` if it has delivered none.
///
/// # Safety
///
/// The request delivers sockets of category `C`, and has completed with this information.
pub(crate) unsafe fn delivered<C>(idle: &mut Idle, information: usize) -> Result<Handle<C>> {
    match (idle.payload().attachment.take::<Delivery>(), socket_of(information)) {
        // SAFETY: the request delivered this socket for this memory, and the information is used once, since the
        // delivery is taken out once.
        (Some(delivery), Some(socket)) => Ok(unsafe { delivery.new.open(socket) }),
        _ => Err(known::STATUS_INTERNAL_ERROR),
    }
}
