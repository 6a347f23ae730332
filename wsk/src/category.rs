//! The categories of sockets, and their functions.
//!
//! # Safety
//!
//! Each function calls the function of its category's table, and has the same contract as WSK's.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{
    IPPROTO_TCP, IPPROTO_UDP, NTSTATUS, PIRP, PSOCKADDR, PVOID, PWSK_BUF, PWSK_SOCKET, SOCK_DGRAM,
    SOCK_STREAM, ULONG, USHORT, WSK_CLIENT_CONNECTION_DISPATCH,
};

use crate::capabilities::has;
use crate::dispatch::{
    BasicDispatch, ConnectionDispatch, DatagramDispatch, ListenDispatch, StreamDispatch,
};
use crate::flags::{DisconnectFlags, ReceiveFlags, SendFlags, SocketFlags};

/// A category of sockets, which determines their functions ([INV-38](crate::rules#inv-38)).
///
/// Sealed: WSK has these and no others.
pub trait Category: sealed::Category {}

/// Categories whose sockets have an address.
pub trait Binds: Category + sealed::Binds {}

/// Categories whose sockets accept connections.
pub trait Accepts: Binds + sealed::Accepts {}

/// Categories whose sockets have a peer, and exchange bytes with it.
pub trait Connects: Binds + sealed::Connects {}

/// Sockets for options and ioctls only.
#[derive(Clone, Copy, Debug)]
pub enum Basic {}

/// Sockets that listen for connections.
#[derive(Clone, Copy, Debug)]
pub enum Listen {}

/// Sockets for datagrams.
#[derive(Clone, Copy, Debug)]
pub enum Datagram {}

/// Sockets that connect, or were accepted.
#[derive(Clone, Copy, Debug)]
pub enum Connection {}

/// Sockets that listen or connect, as decided after the bind. Minimum Windows: Windows 10, version 1703.
#[derive(Clone, Copy, Debug)]
pub enum Stream {}

/// The internal part of a category: its types and functions.
pub(crate) mod sealed {
    use super::{
        DisconnectFlags, NTSTATUS, PIRP, PSOCKADDR, PVOID, PWSK_BUF, PWSK_SOCKET, ReceiveFlags,
        SendFlags, SocketFlags, ULONG, USHORT, WSK_CLIENT_CONNECTION_DISPATCH, has,
    };

    pub trait Category: 'static {
        /// The socket's functions.
        type Dispatch: Copy;
        /// The flag that makes `WskSocket` create this category.
        const FLAGS: SocketFlags;
        /// The default type and protocol of the category.
        const SOCKET_TYPE: USHORT;
        const PROTOCOL: ULONG;

        /// # Safety
        ///
        /// The socket is of this category, and stays open while the result is used.
        unsafe fn dispatch(socket: PWSK_SOCKET) -> Self::Dispatch;
    }

    pub trait Binds: Category {
        /// # Safety
        ///
        /// As for `WskBind`.
        unsafe fn bind(dispatch: Self::Dispatch, local: PSOCKADDR, irp: PIRP) -> NTSTATUS;

        /// # Safety
        ///
        /// As for `WskGetLocalAddress`.
        unsafe fn local_address(dispatch: Self::Dispatch, local: PSOCKADDR, irp: PIRP) -> NTSTATUS;
    }

    pub trait Accepts: Binds {
        /// # Safety
        ///
        /// As for `WskAccept`.
        unsafe fn accept(
            dispatch: Self::Dispatch,
            context: PVOID,
            table: *const WSK_CLIENT_CONNECTION_DISPATCH,
            addresses: [PSOCKADDR; 2],
            irp: PIRP,
        ) -> NTSTATUS;
    }

    pub trait Connects: Binds {
        /// # Safety
        ///
        /// As for `WskConnect`.
        unsafe fn connect(dispatch: Self::Dispatch, remote: PSOCKADDR, irp: PIRP) -> NTSTATUS;

        /// # Safety
        ///
        /// As for `WskConnectEx`.
        unsafe fn connect_ex(
            has: has::Streams,
            dispatch: Self::Dispatch,
            remote: PSOCKADDR,
            buffer: PWSK_BUF,
            irp: PIRP,
        ) -> NTSTATUS;

        /// # Safety
        ///
        /// As for `WskGetRemoteAddress`.
        unsafe fn remote_address(
            dispatch: Self::Dispatch,
            remote: PSOCKADDR,
            irp: PIRP,
        ) -> NTSTATUS;

        /// # Safety
        ///
        /// As for `WskSend`.
        unsafe fn send(
            dispatch: Self::Dispatch,
            buffer: PWSK_BUF,
            flags: SendFlags,
            irp: PIRP,
        ) -> NTSTATUS;

        /// # Safety
        ///
        /// As for `WskReceive`.
        unsafe fn receive(
            dispatch: Self::Dispatch,
            buffer: PWSK_BUF,
            flags: ReceiveFlags,
            irp: PIRP,
        ) -> NTSTATUS;

        /// # Safety
        ///
        /// As for `WskDisconnect`.
        unsafe fn disconnect(
            dispatch: Self::Dispatch,
            buffer: PWSK_BUF,
            flags: DisconnectFlags,
            irp: PIRP,
        ) -> NTSTATUS;
    }
}

macro_rules! category {
    ($category:ident, $dispatch:ident, $flags:ident, $socket_type:expr, $protocol:expr) => {
        impl Category for $category {}

        impl sealed::Category for $category {
            type Dispatch = $dispatch;
            const FLAGS: SocketFlags = SocketFlags::$flags;
            const SOCKET_TYPE: USHORT = $socket_type;
            const PROTOCOL: ULONG = $protocol;

            unsafe fn dispatch(socket: PWSK_SOCKET) -> $dispatch {
                // SAFETY: the socket is open and of this category, by this function's contract.
                unsafe { $dispatch::of(socket) }
            }
        }
    };
}

category!(Basic, BasicDispatch, BASIC, SOCK_STREAM, IPPROTO_TCP);
category!(Listen, ListenDispatch, LISTEN, SOCK_STREAM, IPPROTO_TCP);
category!(Datagram, DatagramDispatch, DATAGRAM, SOCK_DGRAM, IPPROTO_UDP);
category!(Connection, ConnectionDispatch, CONNECTION, SOCK_STREAM, IPPROTO_TCP);
category!(Stream, StreamDispatch, STREAM, SOCK_STREAM, IPPROTO_TCP);

macro_rules! binds {
    ($($category:ident)*) => {$(
        impl Binds for $category {}

        impl sealed::Binds for $category {
            unsafe fn bind(dispatch: Self::Dispatch, local: PSOCKADDR, irp: PIRP) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.bind(local, irp) }
            }

            unsafe fn local_address(
                dispatch: Self::Dispatch,
                local: PSOCKADDR,
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.get_local_address(local, irp) }
            }
        }
    )*};
}

binds!(Listen Datagram Connection Stream);

macro_rules! accepts {
    ($($category:ident)*) => {$(
        impl Accepts for $category {}

        impl sealed::Accepts for $category {
            unsafe fn accept(
                dispatch: Self::Dispatch,
                context: PVOID,
                table: *const WSK_CLIENT_CONNECTION_DISPATCH,
                [local, remote]: [PSOCKADDR; 2],
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.accept(context, table, local, remote, irp) }
            }
        }
    )*};
}

accepts!(Listen Stream);

/// Every stream socket's table has `WskConnectEx`; a connection's may lack it.
trait ConnectEx {
    /// # Safety
    ///
    /// As for `WskConnectEx`.
    unsafe fn connect_with(
        self,
        has: has::Streams,
        remote: PSOCKADDR,
        buffer: PWSK_BUF,
        irp: PIRP,
    ) -> NTSTATUS;
}

impl ConnectEx for ConnectionDispatch {
    unsafe fn connect_with(
        self,
        has: has::Streams,
        remote: PSOCKADDR,
        buffer: PWSK_BUF,
        irp: PIRP,
    ) -> NTSTATUS {
        // SAFETY: this function's contract is that of the table's function.
        unsafe { self.connect_ex(has, remote, buffer, irp) }
    }
}

impl ConnectEx for StreamDispatch {
    unsafe fn connect_with(
        self,
        _has: has::Streams,
        remote: PSOCKADDR,
        buffer: PWSK_BUF,
        irp: PIRP,
    ) -> NTSTATUS {
        // SAFETY: this function's contract is that of the table's function.
        unsafe { self.connect_ex(remote, buffer, irp) }
    }
}

macro_rules! connects {
    ($($category:ident)*) => {$(
        impl Connects for $category {}

        impl sealed::Connects for $category {
            unsafe fn connect(dispatch: Self::Dispatch, remote: PSOCKADDR, irp: PIRP) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.connect(remote, irp) }
            }

            unsafe fn connect_ex(
                has: has::Streams,
                dispatch: Self::Dispatch,
                remote: PSOCKADDR,
                buffer: PWSK_BUF,
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.connect_with(has, remote, buffer, irp) }
            }

            unsafe fn remote_address(
                dispatch: Self::Dispatch,
                remote: PSOCKADDR,
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.get_remote_address(remote, irp) }
            }

            unsafe fn send(
                dispatch: Self::Dispatch,
                buffer: PWSK_BUF,
                flags: SendFlags,
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.send(buffer, flags, irp) }
            }

            unsafe fn receive(
                dispatch: Self::Dispatch,
                buffer: PWSK_BUF,
                flags: ReceiveFlags,
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.receive(buffer, flags, irp) }
            }

            unsafe fn disconnect(
                dispatch: Self::Dispatch,
                buffer: PWSK_BUF,
                flags: DisconnectFlags,
                irp: PIRP,
            ) -> NTSTATUS {
                // SAFETY: this function's contract is that of the table's function.
                unsafe { dispatch.disconnect(buffer, flags, irp) }
            }
        }
    )*};
}

connects!(Connection Stream);
