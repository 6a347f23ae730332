//! The events that WSK can enable and disable.

use bitflags::bitflags;
use wsk_sys::{
    ULONG, WSK_EVENT_ACCEPT, WSK_EVENT_DISCONNECT, WSK_EVENT_RECEIVE, WSK_EVENT_RECEIVE_FROM,
    WSK_EVENT_SEND_BACKLOG,
};

bitflags! {
    /// Events that can be enabled.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventMask: ULONG {
        /// [`ListenEvents::accept`](crate::events::ListenEvents::accept).
        const ACCEPT = WSK_EVENT_ACCEPT;
        /// [`DatagramEvents::receive_from`](crate::events::DatagramEvents::receive_from).
        const RECEIVE_FROM = WSK_EVENT_RECEIVE_FROM;
        /// [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive).
        const RECEIVE = WSK_EVENT_RECEIVE;
        /// [`ConnectionEvents::disconnected`](crate::events::ConnectionEvents::disconnected).
        const DISCONNECT = WSK_EVENT_DISCONNECT;
        /// [`ConnectionEvents::send_backlog`](crate::events::ConnectionEvents::send_backlog).
        const SEND_BACKLOG = WSK_EVENT_SEND_BACKLOG;
    }
}
