//! The functions of the tables: each calls one method of a handler.
//!
//! A thunk accepts a null context, of a socket that was created without one, and a null indication, which reports that
//! the socket is no longer functional ([INV-42](crate::rules#inv-42)). A thunk whose method returns nothing returns `STATUS_SUCCESS` ([INV-62](crate::rules#inv-62)).
//!
//! # Safety
//!
//! Only the tables of a handler of type `T` have thunks of `T`, and WSK passes a thunk the context of the socket that
//! it was created with: null, or the address of the socket's `SocketMemory<T>`. That memory stays allocated until the close
//! has completed, and so until no callback runs ([INV-46](crate::rules#inv-46)). Callbacks share it: a thunk makes shared references only.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::Cell;
use core::ptr::NonNull;

use wsk_sys::fields::{length, size_t};
use wsk_sys::{
    NTSTATUS, PSOCKADDR, PVOID, PWSK_DATA_INDICATION, PWSK_DATAGRAM_INDICATION, PWSK_INSPECT_ID,
    PWSK_SOCKET, SIZE_T, STATUS_DATA_NOT_ACCEPTED, STATUS_PENDING, STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_SUCCESS, ULONG, WSK_CLIENT_CONNECTION_DISPATCH, WSK_FLAG_ABORTIVE, WSK_INSPECT_ACTION,
    WskInspectReject,
};

use super::inspection::Verdict;
use super::{
    CallbackIrql, ConditionalListenEvents, ConnectionEvents, Data, DatagramEvents, Datagrams,
    Disposition, Incoming, InspectId, Inspection, ListenEvents, Receipt,
};
use crate::socket::{SocketMemory, SocketState};

/// The memory of the socket that a callback is for.
///
/// # Safety
///
/// `context` is null, or the address of a socket's `SocketMemory<T>`, which stays allocated for `'a`.
unsafe fn context<'a, T>(context: PVOID) -> Option<&'a SocketMemory<T>> {
    // SAFETY: the caller passes null or the address of a `SocketMemory<T>`, which nothing refers to mutably.
    unsafe { context.cast::<SocketMemory<T>>().as_ref() }
}

impl<T> SocketMemory<T> {
    /// The handler, after the socket was marked as no longer functional ([INV-42](crate::rules#inv-42)).
    fn dead(&self) -> &T {
        self.state.mark_dead();
        &self.handler
    }
}

macro_rules! accept_event {
    ($name:ident, $events:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// # Safety
        ///
        /// Called by WSK, with the context of a socket whose handler is a `T`.
        pub unsafe extern "C" fn $name<T: $events>(
            socket_context: PVOID,
            flags: ULONG,
            local_address: PSOCKADDR,
            remote_address: PSOCKADDR,
            accept_socket: PWSK_SOCKET,
            accept_socket_context: *mut PVOID,
            accept_socket_dispatch: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
        ) -> NTSTATUS {
            // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
            let Some(context) = (unsafe { context::<T>(socket_context) }) else {
                return STATUS_REQUEST_NOT_ACCEPTED;
            };
            let Some(socket) = NonNull::new(accept_socket) else {
                context.dead().dead();
                return STATUS_REQUEST_NOT_ACCEPTED;
            };
            let accepted = Cell::new(None);
            context.handler.accept(Incoming {
                socket,
                addresses: [local_address, remote_address],
                level: CallbackIrql::from_flags(flags),
                listener: &context.state,
                context: accept_socket_context,
                table: accept_socket_dispatch,
                accepted: &accepted,
                handler: core::marker::PhantomData,
            });
            let Some(accepted) = accepted.get() else {
                return STATUS_REQUEST_NOT_ACCEPTED;
            };
            // The client owns the socket only once this callback has returned, so it must not be closed earlier, not
            // even by another thread that the handler has passed it to. So the callback's open reference is left to the
            // client's thread, which lets this callback return first, as far as a delay ensures that. SAFETY:
            // `Incoming` left the callback's open reference for this.
            unsafe { SocketState::release_after_callback(accepted) };
            STATUS_SUCCESS
        }
    };
}

accept_event!(accept, ListenEvents, "`WskAcceptEvent`.");
accept_event!(
    conditional_accept,
    ConditionalListenEvents,
    "`WskAcceptEvent` of a listener that inspects."
);

/// `WskInspectEvent`.
///
/// # Safety
///
/// Called by WSK, with the context of a socket whose handler is a `T`.
pub unsafe extern "C" fn inspect<T: ConditionalListenEvents>(
    socket_context: PVOID,
    local_address: PSOCKADDR,
    remote_address: PSOCKADDR,
    inspect_id: PWSK_INSPECT_ID,
) -> WSK_INSPECT_ACTION {
    // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
    let Some(context) = (unsafe { context::<T>(socket_context) }) else {
        return WskInspectReject;
    };
    // SAFETY: WSK passes null or an identification that is valid during the call.
    let Some(id) = (unsafe { inspect_id.as_ref() }).map(InspectId::from_raw) else {
        context.dead().dead();
        return WskInspectReject;
    };
    let addresses = [local_address, remote_address];
    let verdict = Cell::new(Verdict::Reject);
    context.handler.inspect(Inspection::new(id, addresses, &context.state, &verdict));
    // SAFETY: the verdict is on an inspection by this listener, and its callback returns it.
    unsafe { verdict.get().end(&context.state) }
}

/// `WskAbortEvent`.
///
/// # Safety
///
/// Called by WSK, with the context of a socket whose handler is a `T`.
pub unsafe extern "C" fn abort<T: ConditionalListenEvents>(
    socket_context: PVOID,
    inspect_id: PWSK_INSPECT_ID,
) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
    let context = unsafe { context::<T>(socket_context) };
    // SAFETY: WSK passes null or an identification that is valid during the call.
    let id = unsafe { inspect_id.as_ref() };
    if let (Some(context), Some(id)) = (context, id) {
        context.handler.aborted(InspectId::from_raw(id));
    }
    STATUS_SUCCESS
}

/// `WskReceiveFromEvent`.
///
/// # Safety
///
/// Called by WSK, with the context of a socket whose handler is a `T`.
pub unsafe extern "C" fn receive_from<T: DatagramEvents>(
    socket_context: PVOID,
    flags: ULONG,
    indication: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
    let Some(context) = (unsafe { context::<T>(socket_context) }) else {
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let Some(list) = NonNull::new(indication) else {
        context.dead().dead();
        return STATUS_SUCCESS;
    };
    let is_retained = Cell::new(false);
    let datagrams = Datagrams::new(list, flags, &context.state, &is_retained);
    // Before the handler, which may release retained ones.
    #[cfg(feature = "counters")]
    let bytes = datagrams.iter().map(super::IndicatedDatagram::len).sum();
    let disposition = context.handler.receive_from(datagrams);
    let status = match disposition {
        _ if is_retained.get() => STATUS_PENDING,
        Disposition::Accepted => STATUS_SUCCESS,
        Disposition::Refused => return STATUS_DATA_NOT_ACCEPTED,
    };
    #[cfg(feature = "counters")]
    crate::counters::received(bytes);
    status
}

/// `WskReceiveEvent`.
///
/// # Safety
///
/// Called by WSK, with the context of a socket whose handler is a `T`.
pub unsafe extern "C" fn receive<T: ConnectionEvents>(
    socket_context: PVOID,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    bytes_indicated: SIZE_T,
    bytes_accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
    let Some(context) = (unsafe { context::<T>(socket_context) }) else {
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let bytes = (bytes_indicated, bytes_accepted);
    // SAFETY: these are the arguments of `WskReceiveEvent` for this socket.
    unsafe { receive_by(&context.state, &*context.handler, flags, indication, bytes) }
}

/// Passes an indication to a handler's [`receive`](ConnectionEvents::receive).
///
/// # Safety
///
/// `flags`, `indication` and the pair of `bytes_indicated` and `bytes_accepted` are the arguments of a call of
/// `WskReceiveEvent` for the socket that the first argument belongs to. That call has not returned.
#[inline]
pub(super) unsafe fn receive_by<T: ConnectionEvents + ?Sized>(
    state: &SocketState,
    handler: &T,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    (bytes_indicated, bytes_accepted): (SIZE_T, *mut SIZE_T),
) -> NTSTATUS {
    let Some(list) = NonNull::new(indication) else {
        state.mark_dead();
        handler.dead();
        return STATUS_SUCCESS;
    };
    let is_retained = Cell::new(false);
    let indicated = length(bytes_indicated);
    let data = Data::new(list, indicated, flags, state, &is_retained);
    let (status, accepted) = match handler.receive(data) {
        _ if is_retained.get() => (STATUS_PENDING, indicated),
        Receipt::Refused => return STATUS_DATA_NOT_ACCEPTED,
        Receipt::All => (STATUS_SUCCESS, indicated),
        Receipt::Partial(count) => {
            // No more than was indicated (INV-55).
            let accepted = count.min(indicated);
            // SAFETY: WSK passes the address of a `SIZE_T` to be written.
            unsafe { bytes_accepted.write(size_t(accepted)) };
            (STATUS_SUCCESS, accepted)
        }
    };
    #[cfg(feature = "counters")]
    crate::counters::received(accepted);
    #[cfg(not(feature = "counters"))]
    let _ = accepted;
    status
}

/// `WskDisconnectEvent`.
///
/// # Safety
///
/// Called by WSK, with the context of a socket whose handler is a `T`.
pub unsafe extern "C" fn disconnect<T: ConnectionEvents>(
    socket_context: PVOID,
    flags: ULONG,
) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
    if let Some(context) = unsafe { context::<T>(socket_context) } {
        context
            .handler
            .disconnected(flags & WSK_FLAG_ABORTIVE != 0, CallbackIrql::from_flags(flags));
    }
    STATUS_SUCCESS
}

/// `WskSendBacklogEvent`.
///
/// # Safety
///
/// Called by WSK, with the context of a socket whose handler is a `T`.
pub unsafe extern "C" fn send_backlog<T: ConnectionEvents>(
    socket_context: PVOID,
    ideal_backlog_size: SIZE_T,
) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its `SocketMemory<T>` until the close has completed (INV-46).
    if let Some(context) = unsafe { context::<T>(socket_context) } {
        context.handler.send_backlog(length(ideal_backlog_size));
    }
    STATUS_SUCCESS
}
