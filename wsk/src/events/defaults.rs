//! Functions of a connection's table for static events that its handler has no method for.
//!
//! WSK calls the callback of a static event on every socket ([INV-53](crate::rules#inv-53)), so each table needs a
//! function for it. These functions answer as if the event were not enabled: data stays with the transport, where
//! requests receive it, and the other events are ignored.
//!
//! # Safety
//!
//! WSK calls these functions with a context that is null or a socket's memory, which stays until the close has completed
//! ([INV-46](crate::rules#inv-46)).

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;

use wsk_sys::{
    NTSTATUS, PVOID, PWSK_DATA_INDICATION, SIZE_T, STATUS_DATA_NOT_ACCEPTED, STATUS_SUCCESS, ULONG,
    WSK_CLIENT_CONNECTION_DISPATCH,
};

use super::ConnectionTable;
use crate::socket::SocketState;

/// The table of a handler `H`, with a function in each slot. It has no values, so its variance in `H` is irrelevant.
pub(super) struct FilledTable<H>(PhantomData<H>);

impl<H: ConnectionTable> FilledTable<H> {
    pub(super) const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH = &fill(H::TABLE);
}

const fn fill(table: &WSK_CLIENT_CONNECTION_DISPATCH) -> WSK_CLIENT_CONNECTION_DISPATCH {
    WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: match table.WskReceiveEvent {
            Some(function) => Some(function),
            None => Some(receive),
        },
        WskDisconnectEvent: match table.WskDisconnectEvent {
            Some(function) => Some(function),
            None => Some(disconnect),
        },
        WskSendBacklogEvent: match table.WskSendBacklogEvent {
            Some(function) => Some(function),
            None => Some(send_backlog),
        },
    }
}

/// # Safety
///
/// Called by WSK, with the context of a socket: null, or the address of its memory.
unsafe extern "C" fn receive(
    socket_context: PVOID,
    _flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    _bytes_indicated: SIZE_T,
    _bytes_accepted: *mut SIZE_T,
) -> NTSTATUS {
    if !indication.is_null() {
        // The next event follows a completed receive (INV-56), which takes this data first.
        return STATUS_DATA_NOT_ACCEPTED;
    }
    // SAFETY: the context is null or a socket's memory, which begins with this and stays until the close has
    // completed (INV-46).
    if let Some(state) = unsafe { socket_context.cast::<SocketState>().cast_const().as_ref() } {
        state.mark_dead();
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn disconnect(_socket_context: PVOID, _flags: ULONG) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn send_backlog(_socket_context: PVOID, _ideal_backlog_size: SIZE_T) -> NTSTATUS {
    STATUS_SUCCESS
}
