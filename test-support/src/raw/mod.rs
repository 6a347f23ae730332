//! A WSK client as drivers in C are written: raw calls, one after the other, each waited for.
//!
//! Each function makes one call and has the name of the function it calls. No argument is checked, so that tests
//! can make mistakes.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]
#![allow(clippy::wildcard_imports, reason = "raw calls use most of C's names")]
#![allow(
    clippy::cast_ptr_alignment,
    reason = "addresses are in pool, which is aligned for all types"
)]
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "tests make mistakes on purpose; see the crate's documentation"
)]

pub mod datagrams;
mod memory;
mod request;
pub mod streams;
pub mod watcher;

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ptr;

use wsk_host::{Config, Entered, Host};
use wsk_sys::*;

pub use self::memory::{PoolAddress, PoolBuffer, read_address};
pub use self::request::{Request, completed, irp};

/// The tag of everything that tests allocate.
pub const TAG: ULONG = u32::from_le_bytes(*b"test");

static DISPATCH: WSK_CLIENT_DISPATCH =
    WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };

/// A registered client that has captured the provider. Its thread has entered the host.
pub struct Client {
    /// The host that the client is registered on.
    pub host: Host,
    /// The registration's block.
    pub registration: Box<WSK_REGISTRATION>,
    /// The captured provider.
    pub provider: WSK_PROVIDER_NPI,
    _entered: Entered,
}

/// The table that every category begins with.
///
/// Each of these functions reads the whole table of its type: a host's tables have that size on every Windows.
pub fn basic(socket: PWSK_SOCKET) -> &'static WSK_PROVIDER_BASIC_DISPATCH {
    // SAFETY: every table begins with the basic functions, and tables are static.
    unsafe { &*(*socket).Dispatch.cast() }
}

/// The table of a listening socket.
pub fn listen(socket: PWSK_SOCKET) -> &'static WSK_PROVIDER_LISTEN_DISPATCH {
    // SAFETY: the test's socket is of this category, whose table is static.
    unsafe { &*(*socket).Dispatch.cast() }
}

/// The table of a datagram socket.
pub fn datagram(socket: PWSK_SOCKET) -> &'static WSK_PROVIDER_DATAGRAM_DISPATCH {
    // SAFETY: the test's socket is of this category, whose table is static.
    unsafe { &*(*socket).Dispatch.cast() }
}

/// The table of a connection socket.
pub fn connection(socket: PWSK_SOCKET) -> &'static WSK_PROVIDER_CONNECTION_DISPATCH {
    // SAFETY: the test's socket is of this category, whose table is static.
    unsafe { &*(*socket).Dispatch.cast() }
}

/// The table of a stream socket.
pub fn stream(socket: PWSK_SOCKET) -> &'static WSK_PROVIDER_STREAM_DISPATCH {
    // SAFETY: the test's socket is of this category, whose table is static.
    unsafe { &*(*socket).Dispatch.cast() }
}

/// The socket in an IRP's `IoStatus.Information`.
pub fn socket_of(information: usize) -> PWSK_SOCKET {
    ptr::with_exposed_provenance_mut(information)
}

impl Client {
    /// Registers on a new host, and captures the provider.
    pub fn new(config: Config) -> Self {
        Self::on(&Host::new(config))
    }

    /// Registers on a host, and captures the provider.
    pub fn on(host: &Host) -> Self {
        let entered = host.enter();
        // SAFETY: zeroes are a valid block that is not registered.
        let mut registration: Box<WSK_REGISTRATION> =
            Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
        let mut npi =
            WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const DISPATCH };
        let mut provider = MaybeUninit::uninit();
        // SAFETY: the block and the table outlive the registration, and there is memory for the provider.
        let provider = unsafe {
            assert_eq!(WskRegister(&raw mut npi, &raw mut *registration), STATUS_SUCCESS);
            let status =
                WskCaptureProviderNPI(&raw mut *registration, WSK_NO_WAIT, provider.as_mut_ptr());
            assert_eq!(status, STATUS_SUCCESS);
            provider.assume_init()
        };
        Self { host: host.clone(), registration, provider, _entered: entered }
    }

    /// Releases the provider and ends the registration. All memory must have been freed then.
    #[track_caller]
    pub fn end(mut self) {
        // SAFETY: the block is registered, and the provider captured.
        unsafe {
            WskReleaseProviderNPI(&raw mut *self.registration);
            WskDeregister(&raw mut *self.registration);
        }
        self.host.settle();
        assert_eq!(self.host.outstanding_allocations(), 0, "memory was not freed");
    }

    /// `WskSocket`.
    pub fn create(
        &self,
        flags: ULONG,
        (family, kind, protocol): (ADDRESS_FAMILY, USHORT, ULONG),
        context: PVOID,
        dispatch: *const ctypes::c_void,
    ) -> Request {
        let mut request = Request::new();
        // SAFETY: the provider is captured until `end`.
        request.returned = unsafe {
            (*self.provider.Dispatch).WskSocket.unwrap()(
                self.provider.Client,
                family,
                kind,
                protocol,
                flags,
                context,
                dispatch,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                request.irp,
            )
        };
        request
    }

    /// A socket without callbacks, over IPv4: UDP for a datagram socket, TCP otherwise.
    #[track_caller]
    pub fn socket(&self, flags: ULONG) -> PWSK_SOCKET {
        self.socket_with(flags, ptr::null_mut(), ptr::null())
    }

    /// As [`socket`](Self::socket), with callbacks.
    #[track_caller]
    pub fn socket_with(
        &self,
        flags: ULONG,
        context: PVOID,
        dispatch: *const ctypes::c_void,
    ) -> PWSK_SOCKET {
        let kind = if flags == WSK_FLAG_DATAGRAM_SOCKET {
            (AF_INET, SOCK_DGRAM, IPPROTO_UDP)
        } else {
            (AF_INET, SOCK_STREAM, IPPROTO_TCP)
        };
        socket_of(self.create(flags, kind, context, dispatch).succeed())
    }

    /// A listener at a port of the loopback address, and the address.
    #[track_caller]
    pub fn listener(
        &self,
        context: PVOID,
        dispatch: *const WSK_CLIENT_LISTEN_DISPATCH,
    ) -> (PWSK_SOCKET, SocketAddr) {
        let listener = self.socket_with(WSK_FLAG_LISTEN_SOCKET, context, dispatch.cast());
        bind(listener, ([127, 0, 0, 1], 0)).succeed();
        let address = local_address(listener);
        (listener, address)
    }

    /// A connection socket that is bound and connected.
    #[track_caller]
    pub fn connected_to(
        &self,
        address: SocketAddr,
        context: PVOID,
        dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
    ) -> PWSK_SOCKET {
        let socket = self.socket_with(WSK_FLAG_CONNECTION_SOCKET, context, dispatch.cast());
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        connect(socket, address).succeed();
        socket
    }

    /// A listener, a socket that is connected to it, and the one that it has accepted.
    #[track_caller]
    pub fn connections(&self) -> [PWSK_SOCKET; 3] {
        let (listener, address) = self.listener(ptr::null_mut(), ptr::null());
        let socket = self.connected_to(address, ptr::null_mut(), ptr::null());
        let accepted = accept(listener, ptr::null_mut(), ptr::null()).succeed();
        [listener, socket, socket_of(accepted)]
    }

    /// `WskControlClient` without an IRP.
    pub fn control<T>(&self, code: ULONG, input: &T, output: &mut [u8]) -> (NTSTATUS, usize) {
        let mut returned = 0;
        let has_output = !output.is_empty();
        // SAFETY: the provider is captured, and the sizes are those of the memory.
        let status = unsafe {
            (*self.provider.Dispatch).WskControlClient.unwrap()(
                self.provider.Client,
                code,
                size_of::<T>(),
                ptr::from_ref(input).cast_mut().cast(),
                output.len(),
                if has_output { output.as_mut_ptr().cast() } else { ptr::null_mut() },
                &raw mut returned,
                ptr::null_mut(),
            )
        };
        (status, returned)
    }

    /// Enables events for all sockets that are created from now on.
    pub fn set_static_events(&self, mask: ULONG) -> NTSTATUS {
        let control = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: mask };
        self.control(WSK_SET_STATIC_EVENT_CALLBACKS, &control, &mut []).0
    }
}

/// The identifier of WSK's own interface.
pub fn npi() -> PNPIID {
    static ID: NPIID = NPI_WSK_INTERFACE_ID;
    (&raw const ID).cast_mut()
}

/// Makes a call with a new request.
pub fn call(make: impl FnOnce(PIRP) -> NTSTATUS) -> Request {
    let mut request = Request::new();
    request.returned = make(request.irp);
    request
}

/// `WskCloseSocket`. Waits for it.
pub fn close(socket: PWSK_SOCKET) {
    // SAFETY: the socket is open.
    call(|irp| unsafe { basic(socket).WskCloseSocket.unwrap()(socket, irp) }).succeed();
}

/// `WskBind`. All categories but the basic one have it in the same slot.
pub fn bind(socket: PWSK_SOCKET, address: impl Into<SocketAddr>) -> Request {
    let address = PoolAddress::new(address);
    // SAFETY: the socket can be bound.
    call(|irp| unsafe { listen(socket).WskBind.unwrap()(socket, address.0, 0, irp) })
}

/// The local address of a listener. Other categories have the function in another slot.
#[track_caller]
pub fn local_address(socket: PWSK_SOCKET) -> SocketAddr {
    let address = PoolAddress::empty();
    // SAFETY: the listener is bound.
    call(|irp| unsafe { listen(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) })
        .succeed();
    address.get()
}

/// `WskAccept` without addresses.
pub fn accept(
    socket: PWSK_SOCKET,
    context: PVOID,
    dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> Request {
    let nowhere = ptr::null_mut();
    // SAFETY: the socket listens.
    call(|irp| unsafe {
        listen(socket).WskAccept.unwrap()(socket, 0, context, dispatch, nowhere, nowhere, irp)
    })
}

/// `WskConnect` of a connection socket.
pub fn connect(socket: PWSK_SOCKET, address: SocketAddr) -> Request {
    let address = PoolAddress::new(address);
    // SAFETY: the socket is bound. Addresses are read during the call.
    call(|irp| unsafe { connection(socket).WskConnect.unwrap()(socket, address.0, 0, irp) })
}

/// `WskSend` without flags.
pub fn send(socket: PWSK_SOCKET, buffer: &PoolBuffer) -> Request {
    // SAFETY: the socket is connected, and the caller keeps the buffer.
    call(|irp| unsafe { connection(socket).WskSend.unwrap()(socket, buffer.buffer, 0, irp) })
}

/// `WskReceive`.
pub fn receive(socket: PWSK_SOCKET, buffer: &PoolBuffer, flags: ULONG) -> Request {
    // SAFETY: the socket is connected, and the caller keeps the buffer.
    call(|irp| unsafe { connection(socket).WskReceive.unwrap()(socket, buffer.buffer, flags, irp) })
}

/// Receives exactly `count` bytes, and waits for them.
#[track_caller]
pub fn receive_exactly(socket: PWSK_SOCKET, count: usize) -> Vec<u8> {
    let buffer = PoolBuffer::new(count);
    let received = receive(socket, &buffer, WSK_FLAG_WAITALL).succeed();
    buffer.read(received)
}

/// `WskDisconnect` without last bytes: sends a FIN.
pub fn disconnect(socket: PWSK_SOCKET) -> Request {
    let none = ptr::null_mut();
    // SAFETY: the socket is connected.
    call(|irp| unsafe { connection(socket).WskDisconnect.unwrap()(socket, none, 0, irp) })
}

/// `WskControlSocket` with an IRP: `input` and `output` are in nonpaged pool, or null.
pub fn control(
    socket: PWSK_SOCKET,
    (request, code, level): (WSK_CONTROL_SOCKET_TYPE, ULONG, ULONG),
    input: Option<&PoolBuffer>,
    output: Option<&PoolBuffer>,
) -> Request {
    let part = |buffer: Option<&PoolBuffer>| match buffer {
        Some(buffer) => (buffer.size, buffer.bytes.cast()),
        None => (0, ptr::null_mut()),
    };
    let ((input_size, input), (output_size, output)) = (part(input), part(output));
    // SAFETY: the socket is open, and the caller keeps the buffers.
    call(|irp| unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            request,
            code,
            level,
            input_size,
            input,
            output_size,
            output,
            ptr::null_mut(),
            irp,
        )
    })
}

/// Sets an option that is a number.
#[track_caller]
pub fn set_option(socket: PWSK_SOCKET, level: ULONG, name: ULONG, value: ULONG) -> NTSTATUS {
    let input = PoolBuffer::with(&value.to_ne_bytes());
    control(socket, (WskSetOption, name, level), Some(&input), None).wait().0
}

/// Gets an option that is a number.
pub fn get_option(socket: PWSK_SOCKET, level: ULONG, name: ULONG) -> Result<ULONG, NTSTATUS> {
    let output = PoolBuffer::new(4);
    let (status, written) =
        control(socket, (WskGetOption, name, level), None, Some(&output)).wait();
    if status != STATUS_SUCCESS {
        return Err(status);
    }
    assert_eq!(written, 4);
    Ok(ULONG::from_ne_bytes(output.read(4).try_into().unwrap()))
}

/// `SO_WSK_EVENT_CALLBACK` without an IRP.
pub fn set_events(socket: PWSK_SOCKET, mask: ULONG) -> NTSTATUS {
    let control = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: mask };
    // SAFETY: the socket is open, and the input is read during the call.
    unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            WskSetOption,
            SO_WSK_EVENT_CALLBACK,
            SOL_SOCKET,
            size_of_val(&control),
            (&raw const control).cast_mut().cast(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    }
}
