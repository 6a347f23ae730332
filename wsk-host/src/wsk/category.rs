//! The five categories of sockets.

use wsk_sys::{
    ADDRESS_FAMILY, AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
    ULONG, USHORT, WSK_EVENT_ACCEPT, WSK_EVENT_DISCONNECT, WSK_EVENT_RECEIVE,
    WSK_EVENT_RECEIVE_FROM, WSK_EVENT_SEND_BACKLOG, WSK_FLAG_BASIC_SOCKET,
    WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_LISTEN_SOCKET,
    WSK_FLAG_STREAM_SOCKET,
};

/// A category, as a bit: functions are made for each by a constant of this type.
pub(super) type Category = u8;

pub(super) const BASIC: Category = 1;
pub(super) const LISTEN: Category = 2;
pub(super) const DATAGRAM: Category = 4;
pub(super) const CONNECTION: Category = 8;
pub(super) const STREAM: Category = 16;

/// The events of connections.
pub(super) const CONNECTION_EVENTS: ULONG =
    WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_SEND_BACKLOG;

pub(super) fn from_flags(flags: ULONG) -> Option<Category> {
    match flags {
        WSK_FLAG_BASIC_SOCKET => Some(BASIC),
        WSK_FLAG_LISTEN_SOCKET => Some(LISTEN),
        WSK_FLAG_CONNECTION_SOCKET => Some(CONNECTION),
        WSK_FLAG_DATAGRAM_SOCKET => Some(DATAGRAM),
        WSK_FLAG_STREAM_SOCKET => Some(STREAM),
        _ => None,
    }
}

pub(super) fn name(category: Category) -> &'static str {
    match category {
        BASIC => "basic",
        LISTEN => "listen",
        DATAGRAM => "datagram",
        CONNECTION => "connection",
        _ => "stream",
    }
}

/// Whether a category has sockets with this family, type and protocol.
pub(super) fn exists(
    category: Category,
    family: ADDRESS_FAMILY,
    socket_type: USHORT,
    protocol: ULONG,
) -> bool {
    let is_tcp = (socket_type, protocol) == (SOCK_STREAM, IPPROTO_TCP);
    let is_udp = (socket_type, protocol) == (SOCK_DGRAM, IPPROTO_UDP);
    matches!(family, AF_INET | AF_INET6)
        && match category {
            BASIC => is_tcp || is_udp || socket_type == SOCK_RAW,
            DATAGRAM => is_udp,
            // A listening datagram socket can be created, but not bound.
            LISTEN => is_tcp || is_udp,
            _ => is_tcp,
        }
}

/// Whether sockets of a category with this family and type exist, but none with this protocol.
pub(super) fn lacks_protocol(
    category: Category,
    family: ADDRESS_FAMILY,
    socket_type: USHORT,
    protocol: ULONG,
) -> bool {
    let known = if socket_type == SOCK_DGRAM { IPPROTO_UDP } else { IPPROTO_TCP };
    protocol != known && exists(category, family, socket_type, known)
}

/// The events that can be enabled for sockets of a category: a listener's also those that its connections
/// begin with.
pub(super) fn events(category: Category) -> ULONG {
    match category {
        LISTEN | STREAM => WSK_EVENT_ACCEPT | CONNECTION_EVENTS,
        DATAGRAM => WSK_EVENT_RECEIVE_FROM,
        CONNECTION => CONNECTION_EVENTS,
        _ => 0,
    }
}
