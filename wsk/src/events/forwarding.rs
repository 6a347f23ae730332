//! The callbacks of connections that get a handler later, if at all.
//!
//! # Safety
//!
//! WSK calls these functions with a context that is null or a socket's memory, which stays until the close has completed
//! ([INV-46](crate::rules#inv-46)).

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::fields::length;
use wsk_sys::{
    NTSTATUS, PVOID, PWSK_DATA_INDICATION, SIZE_T, STATUS_DATA_NOT_ACCEPTED, STATUS_SUCCESS, ULONG,
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_FLAG_ABORTIVE,
};

use super::CallbackIrql;
use super::thunks::receive_by;
use crate::socket::SocketState;

/// The table of a connection that was created without a handler. Its functions forward to the handler that was attached
/// since. Without one they answer as if their event were not enabled, which only a static event is ([INV-53](crate::rules#inv-53)): data stays
/// with the transport.
pub(super) static FORWARDING: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
    WskReceiveEvent: Some(receive),
    WskDisconnectEvent: Some(disconnect),
    WskSendBacklogEvent: Some(send_backlog),
};

/// The memory of the socket that a callback is for.
///
/// # Safety
///
/// `context` is null, or the address of the memory of a socket, which stays allocated for `'a`.
unsafe fn context<'a>(context: PVOID) -> Option<&'a SocketState> {
    // SAFETY: the caller passes null or the address of a socket's memory, which nothing refers to mutably.
    unsafe { context.cast::<SocketState>().as_ref() }
}

unsafe extern "C" fn receive(
    socket_context: PVOID,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    bytes_indicated: SIZE_T,
    bytes_accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its memory until the close has completed (INV-46).
    let Some(state) = (unsafe { context(socket_context) }) else {
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let attached = state.attached.get();
    if attached.is_none() && indication.is_null() {
        state.mark_dead();
        return STATUS_SUCCESS;
    }
    let Some(attached) = attached.or_else(|| state.attached.miss_data()) else {
        // The next event follows a completed receive (INV-56).
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let (handler, bytes) = (attached.handler(), (bytes_indicated, bytes_accepted));
    // SAFETY: these are the arguments of `WskReceiveEvent` for this socket.
    unsafe { receive_by(state, handler, flags, indication, bytes) }
}

unsafe extern "C" fn disconnect(socket_context: PVOID, flags: ULONG) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its memory until the close has completed (INV-46).
    let Some(state) = (unsafe { context(socket_context) }) else {
        return STATUS_SUCCESS;
    };
    let is_abortive = flags & WSK_FLAG_ABORTIVE != 0;
    let end = match state.attached.get() {
        Some(attached) => Some((attached, is_abortive)),
        None => state.attached.miss_end(is_abortive),
    };
    if let Some((attached, is_abortive)) = end {
        attached.handler().disconnected(is_abortive, CallbackIrql::from_flags(flags));
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn send_backlog(socket_context: PVOID, ideal_backlog_size: SIZE_T) -> NTSTATUS {
    // SAFETY: WSK passes the socket's context: null, or its memory until the close has completed (INV-46).
    let state = unsafe { context(socket_context) };
    if let Some(attached) = state.and_then(|state| state.attached.get()) {
        attached.handler().send_backlog(length(ideal_backlog_size));
    }
    STATUS_SUCCESS
}
