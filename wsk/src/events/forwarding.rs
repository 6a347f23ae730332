//! The callbacks of connections that get a handler later, if at all.

use wsk_sys::fields::length;
use wsk_sys::{
    NTSTATUS, PVOID, PWSK_DATA_INDICATION, SIZE_T, STATUS_DATA_NOT_ACCEPTED, STATUS_SUCCESS, ULONG,
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_FLAG_ABORTIVE,
};

use super::Level;
use super::thunks::receive_by;
use crate::socket::SocketState;

/// The table of a connection without a handler. Its functions look for one that was attached. Without one they
/// answer as if their event were not enabled, which it is not, unless it is static (INV-53): data stays with the
/// transport.
pub(super) static FORWARDING: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
    WskReceiveEvent: Some(receive),
    WskDisconnectEvent: Some(disconnect),
    WskSendBacklogEvent: Some(send_backlog),
};

/// The context of a callback: a socket's memory.
///
/// # Safety
///
/// It is null, or the memory of a socket, which stays until the close has completed (INV-46).
unsafe fn context<'a>(context: PVOID) -> Option<&'a SocketState> {
    // SAFETY: the caller's promise.
    unsafe { context.cast::<SocketState>().as_ref() }
}

unsafe extern "C" fn receive(
    socket_context: PVOID,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    bytes_indicated: SIZE_T,
    bytes_accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    let Some(state) = (unsafe { context(socket_context) }) else {
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let attached = state.attached.get();
    if attached.is_none() && indication.is_null() {
        state.mark_dead();
        return STATUS_SUCCESS;
    }
    let Some(attached) = attached.or_else(|| state.attached.miss_data()) else {
        // There is no further event until something is received (INV-56).
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let (handler, bytes) = (attached.handler(), (bytes_indicated, bytes_accepted));
    // SAFETY: these are what WSK gives.
    unsafe { receive_by(state, handler, flags, indication, bytes) }
}

unsafe extern "C" fn disconnect(socket_context: PVOID, flags: ULONG) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    let Some(state) = (unsafe { context(socket_context) }) else {
        return STATUS_SUCCESS;
    };
    let is_abortive = flags & WSK_FLAG_ABORTIVE != 0;
    let told = match state.attached.get() {
        Some(attached) => Some((attached, is_abortive)),
        None => state.attached.miss_end(is_abortive),
    };
    if let Some((attached, is_abortive)) = told {
        attached.handler().disconnected(is_abortive, Level::from_flags(flags));
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn send_backlog(socket_context: PVOID, ideal_backlog_size: SIZE_T) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    let state = unsafe { context(socket_context) };
    if let Some(attached) = state.and_then(|state| state.attached.get()) {
        attached.handler().send_backlog(length(ideal_backlog_size));
    }
    STATUS_SUCCESS
}
