//! The provider's tables, with types: one `unsafe` method for each slot.
//!
//! A table is as long as the running Windows makes it (INV-8), so a method reads its own slot and
//! nothing else. Every slot here exists since Windows Vista. Arguments that are reserved are not
//! parameters: the methods pass zero (INV-30).

use wsk_macros::provider_table;
use wsk_sys::{
    ADDRESS_FAMILY, PEPROCESS, PETHREAD, PIRP, PSECURITY_DESCRIPTOR, PSOCKADDR, PVOID, PWSK_BUF,
    PWSK_CLIENT, PWSK_SOCKET, ULONG, USHORT, WSK_CLIENT_CONNECTION_DISPATCH,
    WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_PROVIDER_BASIC_DISPATCH,
    WSK_PROVIDER_CONNECTION_DISPATCH, WSK_PROVIDER_DISPATCH, WSK_PROVIDER_LISTEN_DISPATCH,
    ctypes::c_void,
};

/// The functions of a captured provider.
#[provider_table(WSK_PROVIDER_DISPATCH)]
pub(crate) struct ProviderDispatch {
    WskSocket: fn(
        client: PWSK_CLIENT,
        address_family: ADDRESS_FAMILY,
        socket_type: USHORT,
        protocol: ULONG,
        flags: ULONG,
        socket_context: PVOID,
        dispatch: *const c_void,
        owning_process: PEPROCESS,
        owning_thread: PETHREAD,
        security_descriptor: PSECURITY_DESCRIPTOR,
        irp: PIRP,
    ),
}

/// The functions that sockets of every category have.
#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
pub(crate) struct BasicDispatch {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

/// The functions of a socket category: what makes a socket one of it (INV-38).
pub(crate) trait Category: Copy {
    /// What `WskSocket` is told to create.
    const FLAG: ULONG;

    /// The functions of a socket.
    ///
    /// # Safety
    ///
    /// The socket is of this category, and stays open while the result is used.
    unsafe fn of(socket: PWSK_SOCKET) -> Self;
}

impl Category for ListenDispatch {
    const FLAG: ULONG = WSK_FLAG_LISTEN_SOCKET;

    unsafe fn of(socket: PWSK_SOCKET) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::of(socket) }
    }
}

impl Category for ConnectionDispatch {
    const FLAG: ULONG = WSK_FLAG_CONNECTION_SOCKET;

    unsafe fn of(socket: PWSK_SOCKET) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::of(socket) }
    }
}

/// The functions of a listening socket.
#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
pub(crate) struct ListenDispatch {
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    WskAccept: fn(
        socket: PWSK_SOCKET,
        #[reserved] flags: ULONG,
        accept_socket_context: PVOID,
        accept_socket_dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
        local_address: PSOCKADDR,
        remote_address: PSOCKADDR,
        irp: PIRP,
    ),
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
}

/// The functions of a connection socket.
#[provider_table(WSK_PROVIDER_CONNECTION_DISPATCH, of_socket)]
pub(crate) struct ConnectionDispatch {
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    WskConnect:
        fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
    WskGetRemoteAddress: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, irp: PIRP),
    WskSend: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, flags: ULONG, irp: PIRP),
    WskReceive: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, flags: ULONG, irp: PIRP),
    WskDisconnect: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, flags: ULONG, irp: PIRP),
}
