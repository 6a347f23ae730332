//! The provider's tables, with types: one `unsafe` method for each slot.
//!
//! For calls that the safe sockets do not cover. Each type wraps one of WSK's tables: that of a captured provider
//! ([`Provider::dispatch`](crate::Provider::dispatch)) or of a socket (`of`). A method reads only its own slot, since the
//! running Windows' table may end right after it ([INV-8](crate::rules#inv-8)); slots that older releases lack require a
//! proof from [`Capabilities`](crate::Capabilities). Each call has its own type of flags. Reserved parameters are omitted:
//! the methods pass zero ([INV-30](crate::rules#inv-30)).
//!
//! Every call with an IRP completes it, whatever it returns ([INV-12](crate::rules#inv-12)).
//! [`rules`](crate::rules) lists the rules by their numbers.
//!
//! ```
//! # fn main() -> Result<(), wsk::Error> {
//! # let host = wsk_host::Host::new(wsk_host::Config::default());
//! # let _entered = host.enter();
//! use wsk::{Registration, irql::Passive, sys};
//!
//! // SAFETY: an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let registration = Registration::register(passive)?;
//! let wsk = registration.try_capture()?;
//! let mut size = 0;
//! // SAFETY: the provider is captured. Without room for the list, the call returns its size.
//! let status = unsafe {
//!     wsk.dispatch().control_client(
//!         wsk.client(),
//!         sys::WSK_TRANSPORT_LIST_QUERY,
//!         0,
//!         std::ptr::null_mut(),
//!         0,
//!         std::ptr::null_mut(),
//!         &raw mut size,
//!         std::ptr::null_mut(),
//!     )
//! };
//! assert_eq!(status, sys::STATUS_BUFFER_OVERFLOW);
//! assert_eq!(size % size_of::<sys::WSK_TRANSPORT>(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! A table of another WSK interface can be declared in the same way, with
//! [`provider_table`](macro@crate::provider_table).
//!
//! Tables of different categories are different types:
//!
//! ```compile_fail,E0308
//! use wsk::dispatch::{ConnectionDispatch, ListenDispatch};
//!
//! fn confuse(listener: ListenDispatch) -> ConnectionDispatch {
//!     listener
//! }
//! ```
//!
//! # Safety
//!
//! The methods are `unsafe`, with the contracts of WSK's functions. Each reads only its own slot of a table.

use wsk_macros::provider_table;
use wsk_sys::{
    ADDRESS_FAMILY, GUID, PADDRINFOEXW, PCMSGHDR, PEPROCESS, PETHREAD, PIRP, PSECURITY_DESCRIPTOR,
    PSIZE_T, PSOCKADDR, PULONG, PUNICODE_STRING, PVOID, PWSK_BUF, PWSK_BUF_LIST, PWSK_CLIENT,
    PWSK_DATA_INDICATION, PWSK_DATAGRAM_INDICATION, PWSK_INSPECT_ID, PWSK_SOCKET, SIZE_T, ULONG,
    USHORT, WSK_CLIENT_CONNECTION_DISPATCH, WSK_CONTROL_SOCKET_TYPE, WSK_INSPECT_ACTION,
    WSK_PROVIDER_BASIC_DISPATCH, WSK_PROVIDER_CONNECTION_DISPATCH, WSK_PROVIDER_DATAGRAM_DISPATCH,
    WSK_PROVIDER_DISPATCH, WSK_PROVIDER_LISTEN_DISPATCH, WSK_PROVIDER_STREAM_DISPATCH,
    ctypes::c_void,
};

use crate::capabilities::has;
use crate::flags::{DisconnectFlags, NameInfoFlags, ReceiveFlags, SendFlags, SocketFlags};

/// A type of reserved parameters, which [`provider_table`] passes as zero ([INV-30](crate::rules#inv-30)).
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a reserved parameter",
    note = "reserved parameters are numbers and pointers"
)]
pub trait ReservedArgument {
    /// Zero, or a null pointer.
    const ZERO: Self;
}

macro_rules! reserved_numbers {
    ($($number:ty)*) => {
        $(impl ReservedArgument for $number {
            const ZERO: Self = 0;
        })*
    };
}

reserved_numbers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

impl<T> ReservedArgument for *mut T {
    const ZERO: Self = core::ptr::null_mut();
}

impl<T> ReservedArgument for *const T {
    const ZERO: Self = core::ptr::null();
}

/// A pointer that code has vouched for: the only field of a [`provider_table`] without a base. Safe code, also that of the
/// module with the table, cannot make one, by a literal or by `derive(Default)`.
///
/// # Invariants
///
/// The pointer is as [`new`](Self::new) requires.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct VouchedPointer<P>(P);

#[expect(unsafe_code, reason = "only code that vouches for the pointer makes one")]
impl<P: Copy> VouchedPointer<P> {
    /// # Safety
    ///
    /// The pointer is what the table that has it requires.
    pub const unsafe fn new(pointer: P) -> Self {
        // INVARIANT: the caller vouches for it.
        Self(pointer)
    }

    pub const fn get(self) -> P {
        self.0
    }
}

/// The functions of a captured provider.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_dispatch).
#[rustfmt::skip]
#[provider_table(WSK_PROVIDER_DISPATCH)]
pub struct ProviderDispatch {
    Version: USHORT,
    #[reserved]
    Reserved: USHORT,
    #[rules(4, 10, 11, 17, 39, 65, 67)]
    WskSocket: fn(client: PWSK_CLIENT, address_family: ADDRESS_FAMILY, socket_type: USHORT, protocol: ULONG, #[flags] flags: SocketFlags, socket_context: PVOID, dispatch: *const c_void, owning_process: PEPROCESS, owning_thread: PETHREAD, security_descriptor: PSECURITY_DESCRIPTOR, irp: PIRP),
    #[rules(4, 10, 11, 17, 32, 39, 65, 67)]
    WskSocketConnect: fn(client: PWSK_CLIENT, socket_type: USHORT, protocol: ULONG, local_address: PSOCKADDR, remote_address: PSOCKADDR, #[reserved] flags: ULONG, socket_context: PVOID, dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH, owning_process: PEPROCESS, owning_thread: PETHREAD, security_descriptor: PSECURITY_DESCRIPTOR, irp: PIRP),
    #[rules(4, 9, 27, 65, 68)]
    WskControlClient: fn(client: PWSK_CLIENT, control_code: ULONG, input_size: SIZE_T, input: PVOID, output_size: SIZE_T, output: PVOID, output_size_returned: PSIZE_T, irp: PIRP),
    #[since(has::NameResolution)]
    #[rules(4, 10, 11, 66, 67)]
    WskGetAddressInfo: fn(client: PWSK_CLIENT, node_name: PUNICODE_STRING, service_name: PUNICODE_STRING, name_space: ULONG, provider: *mut GUID, hints: PADDRINFOEXW, result: *mut PADDRINFOEXW, owning_process: PEPROCESS, owning_thread: PETHREAD, irp: PIRP),
    #[since(has::NameResolution)]
    #[rules(4, 66)]
    WskFreeAddressInfo: fn(client: PWSK_CLIENT, address_info: PADDRINFOEXW) -> (),
    #[since(has::NameResolution)]
    #[rules(4, 10, 11, 66, 67)]
    WskGetNameInfo: fn(client: PWSK_CLIENT, address: PSOCKADDR, address_length: ULONG, node_name: PUNICODE_STRING, service_name: PUNICODE_STRING, #[flags] flags: NameInfoFlags, owning_process: PEPROCESS, owning_thread: PETHREAD, irp: PIRP),
}

/// The functions that sockets of every category have.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_basic_dispatch).
#[rustfmt::skip]
#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
pub struct BasicDispatch {
    #[rules(10, 11, 27, 34, 35, 51, 65, 68)]
    WskControlSocket: fn(socket: PWSK_SOCKET, request_type: WSK_CONTROL_SOCKET_TYPE, control_code: ULONG, level: ULONG, input_size: SIZE_T, input: PVOID, output_size: SIZE_T, output: PVOID, output_size_returned: PSIZE_T, irp: PIRP),
    #[rules(10, 11, 44, 45, 46, 47, 48, 49)]
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

/// The functions of a listening socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_listen_dispatch).
#[rustfmt::skip]
#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
pub struct ListenDispatch {
    Basic: BasicDispatch,
    #[rules(10, 11, 32)]
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    #[rules(10, 11, 17, 20, 25, 33)]
    WskAccept: fn(socket: PWSK_SOCKET, #[reserved] flags: ULONG, accept_socket_context: PVOID, accept_socket_dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH, local_address: PSOCKADDR, remote_address: PSOCKADDR, irp: PIRP),
    #[rules(10, 11, 61)]
    WskInspectComplete: fn(socket: PWSK_SOCKET, inspect_id: PWSK_INSPECT_ID, action: WSK_INSPECT_ACTION, irp: PIRP),
    #[rules(10, 11, 25, 33)]
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
}

/// The functions of a datagram socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_datagram_dispatch).
#[rustfmt::skip]
#[provider_table(WSK_PROVIDER_DATAGRAM_DISPATCH, of_socket)]
pub struct DatagramDispatch {
    Basic: BasicDispatch,
    #[rules(10, 11, 32)]
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    #[rules(10, 11, 21, 22, 26, 32, 33, 37)]
    WskSendTo: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[reserved] flags: ULONG, remote_address: PSOCKADDR, control_info_length: ULONG, control_info: PCMSGHDR, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 25, 26, 33)]
    WskReceiveFrom: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[reserved] flags: ULONG, remote_address: PSOCKADDR, control_info_length: PULONG, control_info: PCMSGHDR, control_flags: PULONG, irp: PIRP),
    #[rules(47, 57)]
    WskRelease: fn(socket: PWSK_SOCKET, indication: PWSK_DATAGRAM_INDICATION),
    #[rules(10, 11, 25, 33)]
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
    #[since(has::SendMessages)]
    #[rules(10, 11, 21, 22, 26, 28, 32, 33, 37)]
    WskSendMessages: fn(socket: PWSK_SOCKET, buffer_list: PWSK_BUF_LIST, #[reserved] flags: ULONG, remote_address: PSOCKADDR, control_info_length: ULONG, control_info: PCMSGHDR, irp: PIRP),
}

/// The functions of a connection socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_connection_dispatch).
#[rustfmt::skip]
#[provider_table(WSK_PROVIDER_CONNECTION_DISPATCH, of_socket)]
pub struct ConnectionDispatch {
    Basic: BasicDispatch,
    #[rules(10, 11, 32)]
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    #[rules(10, 11, 32, 33)]
    WskConnect: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    #[rules(10, 11, 25, 33)]
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
    #[rules(10, 11, 25, 36)]
    WskGetRemoteAddress: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 36)]
    WskSend: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: SendFlags, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 31, 36)]
    WskReceive: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: ReceiveFlags, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 31, 36, 50)]
    WskDisconnect: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: DisconnectFlags, irp: PIRP),
    #[rules(47, 57)]
    WskRelease: fn(socket: PWSK_SOCKET, indication: PWSK_DATA_INDICATION),
    #[since(has::Streams)]
    #[rules(10, 11, 21, 22, 29, 32, 33)]
    WskConnectEx: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, buffer: PWSK_BUF, #[reserved] flags: ULONG, irp: PIRP),
    #[since(has::ExtendedTransfers)]
    #[rules(10, 11, 21, 22, 24, 26, 36)]
    WskSendEx: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: SendFlags, control_info_length: ULONG, control_info: PCMSGHDR, irp: PIRP),
    #[since(has::ExtendedTransfers)]
    #[rules(10, 11, 21, 22, 24, 26, 31, 36)]
    WskReceiveEx: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: ReceiveFlags, control_info_length: PULONG, control_info: PCMSGHDR, #[reserved] control_flags: PULONG, irp: PIRP),
}

/// The functions of a stream socket, which Windows has since version 1703 of Windows 10.
///
/// The table has no `WskInspectComplete`, so a connection cannot be pended
/// ([INV-41](crate::rules#inv-41)).
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_stream_dispatch).
#[rustfmt::skip]
#[provider_table(WSK_PROVIDER_STREAM_DISPATCH, of_socket)]
pub struct StreamDispatch {
    Basic: BasicDispatch,
    #[rules(10, 11, 32)]
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    #[rules(10, 11, 17, 20, 25, 33, 40)]
    WskAccept: fn(socket: PWSK_SOCKET, #[reserved] flags: ULONG, accept_socket_context: PVOID, accept_socket_dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH, local_address: PSOCKADDR, remote_address: PSOCKADDR, irp: PIRP),
    #[rules(10, 11, 32, 33, 40)]
    WskConnect: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    #[rules(10, 11, 33, 40)]
    WskListen: fn(socket: PWSK_SOCKET, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 36)]
    WskSend: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: SendFlags, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 31, 36)]
    WskReceive: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: ReceiveFlags, irp: PIRP),
    #[rules(10, 11, 21, 22, 24, 31, 36, 50)]
    WskDisconnect: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: DisconnectFlags, irp: PIRP),
    #[rules(47, 57)]
    WskRelease: fn(socket: PWSK_SOCKET, indication: PWSK_DATA_INDICATION),
    #[rules(10, 11, 25, 33)]
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
    #[rules(10, 11, 25, 36)]
    WskGetRemoteAddress: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, irp: PIRP),
    #[rules(10, 11, 21, 22, 29, 32, 33, 40)]
    WskConnectEx: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, buffer: PWSK_BUF, #[reserved] flags: ULONG, irp: PIRP),
    #[since(has::ExtendedTransfers)]
    #[rules(10, 11, 21, 22, 24, 26, 36)]
    WskSendEx: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: SendFlags, control_info_length: ULONG, control_info: PCMSGHDR, irp: PIRP),
    #[since(has::ExtendedTransfers)]
    #[rules(10, 11, 21, 22, 24, 26, 31, 36)]
    WskReceiveEx: fn(socket: PWSK_SOCKET, buffer: PWSK_BUF, #[flags] flags: ReceiveFlags, control_info_length: PULONG, control_info: PCMSGHDR, #[reserved] control_flags: PULONG, irp: PIRP),
}
