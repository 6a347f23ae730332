//! The table and context that WSK gets for a socket, as static events require ([INV-53](crate::rules#inv-53)).

use core::ptr;

use wsk_sys::{PVOID, ctypes::c_void};

use super::Callbacks;
use crate::category::Category;
use crate::client::Client;
use crate::event_mask::EventMask;
use crate::flags::SocketFlags;
use crate::status::{Result, known};

/// The static events of a category that require a handler, since connections or datagrams are lost otherwise; and those
/// that do not.
const fn mandatory_events(category: SocketFlags) -> (EventMask, EventMask) {
    let of_connections =
        EventMask::RECEIVE.union(EventMask::DISCONNECT).union(EventMask::SEND_BACKLOG);
    match category {
        SocketFlags::LISTEN => (EventMask::ACCEPT, EventMask::empty()),
        SocketFlags::DATAGRAM => (EventMask::RECEIVE_FROM, EventMask::empty()),
        SocketFlags::CONNECTION => (EventMask::empty(), of_connections),
        SocketFlags::STREAM => (EventMask::ACCEPT, of_connections),
        _ => (EventMask::empty(), EventMask::empty()),
    }
}

/// Fails if a static event requires a handler that the table lacks: WSK would call its null slot ([INV-51](crate::rules#inv-51)).
pub(crate) fn check_static_events<C: Category, H: Callbacks<C>>(client: &Client) -> Result<()> {
    let (required, _) = mandatory_events(C::FLAGS);
    if H::WHEN_BOUND.contains(required.intersection(client.static_events())) {
        Ok(())
    } else {
        Err(known::STATUS_INVALID_PARAMETER)
    }
}

/// The context and the table for the creation of a socket: both null if the socket has no callbacks
/// ([INV-39](crate::rules#inv-39)).
pub(crate) fn callbacks<C: Category, H: Callbacks<C>>(
    client: &Client,
    context: PVOID,
) -> (PVOID, *const c_void) {
    let (_, fillable) = mandatory_events(C::FLAGS);
    if client.static_events().intersects(fillable) {
        (context, H::FILLED_TABLE)
    } else if H::CALLS_BACK {
        (context, H::RAW_TABLE)
    } else {
        (ptr::null_mut(), ptr::null())
    }
}
