//! The provider's tables, and the sockets behind `WSK_SOCKET`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use wsk_sys::ctypes::c_void;
use wsk_sys::{
    ADDRESS_FAMILY, AF_INET, AF_INET6, DISPATCH_LEVEL, IPPROTO_TCP, IoGetCurrentIrpStackLocation,
    IoMarkIrpPending, IoSetNextIrpStackLocation, MDL, NTSTATUS, PEPROCESS, PETHREAD, PIRP,
    PSECURITY_DESCRIPTOR, PSOCKADDR, PVOID, PWSK_BUF, PWSK_CLIENT, PWSK_SOCKET,
    SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SOCK_STREAM, SOCKADDR_IN,
    SOCKADDR_IN6, STATUS_INVALID_DEVICE_STATE, STATUS_NOT_IMPLEMENTED, STATUS_NOT_SUPPORTED,
    STATUS_PENDING, STATUS_SUCCESS, UCHAR, ULONG, USHORT, WSK_BUF, WSK_CLIENT_CONNECTION_DISPATCH,
    WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_PROVIDER_BASIC_DISPATCH,
    WSK_PROVIDER_CONNECTION_DISPATCH, WSK_PROVIDER_DISPATCH, WSK_PROVIDER_LISTEN_DISPATCH,
    WSK_SOCKET,
};

use super::completer::{Completed, complete};
use super::registration::{Client, VERSION};
use super::requests::{Answer, Bytes, Waiting, What};
use super::stack::Stack;
use crate::host::Host;
use crate::in_flight::require_no_completion_routine;
use crate::ke::require_at_most;
use crate::mm::system_address;
use crate::verifier::{Origin, broken, violation};

/// The table that a capture gives.
pub(super) static PROVIDER: WSK_PROVIDER_DISPATCH = WSK_PROVIDER_DISPATCH {
    Version: VERSION,
    Reserved: 0,
    WskSocket: Some(socket),
    WskSocketConnect: None,
    WskControlClient: None,
    WskGetAddressInfo: None,
    WskFreeAddressInfo: None,
    WskGetNameInfo: None,
};

const BASIC: WSK_PROVIDER_BASIC_DISPATCH =
    WSK_PROVIDER_BASIC_DISPATCH { WskControlSocket: None, WskCloseSocket: Some(close) };

static LISTEN: WSK_PROVIDER_LISTEN_DISPATCH = WSK_PROVIDER_LISTEN_DISPATCH {
    Basic: BASIC,
    WskBind: Some(bind),
    WskAccept: Some(accept),
    WskInspectComplete: None,
    WskGetLocalAddress: Some(get_local_address),
};

static CONNECTION: WSK_PROVIDER_CONNECTION_DISPATCH = WSK_PROVIDER_CONNECTION_DISPATCH {
    Basic: BASIC,
    WskBind: Some(bind),
    WskConnect: Some(connect),
    WskGetLocalAddress: Some(get_local_address),
    WskGetRemoteAddress: Some(get_remote_address),
    WskSend: Some(send),
    WskReceive: Some(receive),
    WskDisconnect: Some(disconnect),
    WskRelease: None,
    WskConnectEx: None,
    WskSendEx: None,
    WskReceiveEx: None,
};

/// What a `WSK_SOCKET` is the beginning of.
#[repr(C)]
pub(super) struct Object {
    socket: WSK_SOCKET,
    id: u64,
    family: ADDRESS_FAMILY,
    listens: bool,
    client: *const Client,
}

/// The sockets that there were, by address: to tell an open one from what once was one.
static KNOWN: Mutex<Option<HashMap<usize, Known>>> = Mutex::new(None);

struct Known {
    origin: Arc<Origin>,
    open: bool,
}

impl Object {
    /// Makes a socket's object, and returns its address.
    fn create(
        id: u64,
        family: ADDRESS_FAMILY,
        listens: bool,
        client: &Client,
        call: &'static str,
    ) -> usize {
        let dispatch: *const c_void =
            if listens { (&raw const LISTEN).cast() } else { (&raw const CONNECTION).cast() };
        let socket = WSK_SOCKET { Dispatch: dispatch };
        let object = Box::new(Self { socket, id, family, listens, client });
        let address = Box::into_raw(object).expose_provenance();
        let known = Known { origin: Arc::new(Origin::here(call)), open: true };
        let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_or_insert_default().insert(address, known);
        client.socket_created();
        address
    }

    /// The object of a connection that an accept delivers.
    ///
    /// # Safety
    ///
    /// The IRP is a waiting one of the listener's.
    pub(super) unsafe fn accepted(irp: PIRP, id: u64) -> usize {
        // SAFETY: `wait` stored the listener, which cannot be freed before its IRPs are completed.
        let listener = unsafe { &*(*irp).Tail.Overlay.DriverContext[0].cast::<Self>() };
        Self::create(id, listener.family, false, listener.client(), "WskAccept")
    }

    fn client(&self) -> &Client {
        // SAFETY: a registration outlives its sockets.
        unsafe { &*self.client }
    }

    fn host(&self) -> &Host {
        &self.client().host
    }
}

/// The object of a socket that a function was given.
///
/// # Safety
///
/// The pointer is one that this provider has delivered.
unsafe fn object<'a>(socket: PWSK_SOCKET, function: &str) -> &'a Object {
    require_at_most(DISPATCH_LEVEL, function);
    require_no_completion_routine(function);
    let all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match all.as_ref().and_then(|all| all.get(&socket.addr())) {
        Some(Known { open: true, .. }) => {}
        Some(Known { origin, .. }) => {
            let origin = Arc::clone(origin);
            broken(44, function, "the socket is closed", Some(&origin));
        }
        None => broken(44, function, "this is no socket, and never was one", None),
    }
    // SAFETY: the object is open, and so is there.
    unsafe { &*ptr::with_exposed_provenance::<Object>(socket.addr()) }
}

/// A socket whose close has begun: freed when its IRP is completed.
pub(crate) struct ClosedSocket {
    irp: PIRP,
    object: *mut Object,
}

// SAFETY: nobody else uses the socket or the IRP any more.
unsafe impl Send for ClosedSocket {}

impl ClosedSocket {
    /// Frees the socket, and gives its IRP to be completed.
    pub(super) fn finish(self) -> Vec<Completed> {
        // SAFETY: the close has waited for everything that used the object.
        let object = unsafe { Box::from_raw(self.object) };
        // Before the completion: whoever waits for it may end the registration next.
        object.client().socket_closed();
        vec![Completed { irp: self.irp, status: STATUS_SUCCESS, information: 0, socket: 0 }]
    }
}

/// Takes an IRP over, as a driver does that is called with one.
///
/// # Safety
///
/// The IRP is null, or valid.
unsafe fn enter(host: &Host, irp: PIRP, call: &'static str) {
    /// What a completion routine has to be set for.
    const EVERY_OUTCOME: UCHAR = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;
    if irp.is_null() {
        broken(10, call, "there is no IRP", None);
    }
    host.in_flight().begin(irp, call);
    // SAFETY: the caller passes an IRP.
    if unsafe { (*irp).CurrentLocation } <= 1 {
        broken(10, call, "the IRP has no stack location left", None);
    }
    // SAFETY: as above, and it has a location left.
    unsafe { IoSetNextIrpStackLocation(irp) };
    // SAFETY: as above; it is at this provider's location now.
    let location = unsafe { &*IoGetCurrentIrpStackLocation(irp) };
    if location.CompletionRoutine.is_none() || location.Control & EVERY_OUTCOME != EVERY_OUTCOME {
        broken(11, call, "the IRP has no completion routine for every outcome", None);
    }
    // SAFETY: as above.
    unsafe { IoMarkIrpPending(irp) };
}

/// Answers a call: `act` says what is to be completed.
fn answer(host: &Host, act: impl FnOnce(&mut Stack) -> Answer) -> NTSTATUS {
    let completed = act(&mut host.stack());
    complete(host, completed);
    STATUS_PENDING
}

/// Lets an IRP wait, cancellable.
unsafe fn wait(object: &Object, irp: PIRP, what: What) -> NTSTATUS {
    let context = ptr::from_ref(object).cast_mut().cast();
    // SAFETY: the provider owns the IRP, and with it this room for drivers.
    unsafe { (*irp).Tail.Overlay.DriverContext[0] = context };
    answer(object.host(), |stack| stack.wait(object.id, Waiting { irp, what }))
}

/// Cancels a waiting IRP.
///
/// # Safety
///
/// The IRP waits at a socket, and its cancel routine, which this is, was taken from it.
pub(super) unsafe fn cancel(irp: PIRP) {
    // SAFETY: `wait` stored the socket, which cannot be freed before its IRPs are completed.
    let object = unsafe { &*(*irp).Tail.Overlay.DriverContext[0].cast::<Object>() };
    let host = object.host().clone();
    let completed = host.stack().cancelled(object.id, irp);
    complete(&host, completed);
}

unsafe extern "C" fn socket(
    client: PWSK_CLIENT,
    family: ADDRESS_FAMILY,
    socket_type: USHORT,
    protocol: ULONG,
    flags: ULONG,
    _socket_context: PVOID,
    _dispatch: *const c_void,
    _process: PEPROCESS,
    _thread: PETHREAD,
    _security: PSECURITY_DESCRIPTOR,
    irp: PIRP,
) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, "WskSocket");
    require_no_completion_routine("WskSocket");
    // SAFETY: the client is captured, and so registered.
    let client = unsafe { &*client.cast::<Client>() };
    let host = client.host.clone();
    // SAFETY: the caller passes an IRP.
    unsafe { enter(&host, irp, "WskSocket") };
    let is_tcp = socket_type == SOCK_STREAM && protocol == IPPROTO_TCP;
    let is_known = matches!(flags, WSK_FLAG_LISTEN_SOCKET | WSK_FLAG_CONNECTION_SOCKET)
        && matches!(family, AF_INET | AF_INET6);
    let (status, information) = if is_tcp && is_known {
        let id = host.stack().create();
        let listens = flags == WSK_FLAG_LISTEN_SOCKET;
        (STATUS_SUCCESS, Object::create(id, family, listens, client, "WskSocket"))
    } else {
        (STATUS_NOT_SUPPORTED, 0)
    };
    complete(&host, vec![Completed { irp, status, information, socket: 0 }]);
    STATUS_PENDING
}

unsafe extern "C" fn close(socket: PWSK_SOCKET, irp: PIRP) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskCloseSocket") };
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskCloseSocket") };
    // From here on, no function may be called with it.
    let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.as_mut().and_then(|all| all.get_mut(&socket.addr())) {
        known.open = false;
    }
    drop(all);
    let (host, id) = (object.host().clone(), object.id);
    let object = ptr::with_exposed_provenance_mut::<Object>(socket.addr());
    let (mut completed, closed) = host.stack().close(id, ClosedSocket { irp, object });
    completed.extend(closed.into_iter().flat_map(ClosedSocket::finish));
    complete(&host, completed);
    STATUS_PENDING
}

unsafe extern "C" fn bind(
    socket: PWSK_SOCKET,
    address: PSOCKADDR,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskBind") };
    require_no_flags(flags, "WskBind");
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskBind") };
    // SAFETY: the caller passes an address of the socket's family.
    let address = unsafe { read_address(address, object.family, "WskBind") };
    answer(object.host(), |stack| stack.bind(object.id, irp, address, object.listens))
}

unsafe extern "C" fn accept(
    socket: PWSK_SOCKET,
    flags: ULONG,
    _context: PVOID,
    _dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
    local: PSOCKADDR,
    remote: PSOCKADDR,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskAccept") };
    require_no_flags(flags, "WskAccept");
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskAccept") };
    // SAFETY: this provider owns the IRP now.
    unsafe { wait(object, irp, What::Accept { local, remote }) }
}

unsafe extern "C" fn connect(
    socket: PWSK_SOCKET,
    address: PSOCKADDR,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskConnect") };
    require_no_flags(flags, "WskConnect");
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskConnect") };
    // SAFETY: the caller passes an address of the socket's family.
    let address = unsafe { read_address(address, object.family, "WskConnect") };
    answer(object.host(), |stack| stack.connect(object.id, irp, address))
}

unsafe extern "C" fn get_local_address(socket: PWSK_SOCKET, to: PSOCKADDR, irp: PIRP) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskGetLocalAddress") };
    // SAFETY: the caller's promises are the same.
    unsafe { get_address(object, to, irp, Stack::local, "WskGetLocalAddress") }
}

unsafe extern "C" fn get_remote_address(socket: PWSK_SOCKET, to: PSOCKADDR, irp: PIRP) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskGetRemoteAddress") };
    // SAFETY: the caller's promises are the same.
    unsafe { get_address(object, to, irp, Stack::remote, "WskGetRemoteAddress") }
}

unsafe fn get_address(
    object: &Object,
    to: PSOCKADDR,
    irp: PIRP,
    read: fn(&Stack, u64) -> Option<SocketAddr>,
    call: &'static str,
) -> NTSTATUS {
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, call) };
    answer(object.host(), |stack| {
        let status = match read(stack, object.id) {
            Some(address) => {
                // SAFETY: the caller's memory has room for an address of the socket's family.
                unsafe { write_address(to, address) };
                STATUS_SUCCESS
            }
            None => STATUS_INVALID_DEVICE_STATE,
        };
        stack.answer(object.id, irp, status)
    })
}

unsafe extern "C" fn send(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    _flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskSend") };
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskSend") };
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { bytes(object.host(), irp, buffer, "WskSend") };
    // SAFETY: this provider owns the IRP now.
    unsafe { wait(object, irp, What::Send { bytes, sent: 0 }) }
}

unsafe extern "C" fn receive(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskReceive") };
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskReceive") };
    if flags != 0 {
        return answer(object.host(), |stack| stack.answer(object.id, irp, STATUS_NOT_SUPPORTED));
    }
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { bytes(object.host(), irp, buffer, "WskReceive") };
    // SAFETY: this provider owns the IRP now.
    unsafe { wait(object, irp, What::Receive(bytes)) }
}

unsafe extern "C" fn disconnect(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { object(socket, "WskDisconnect") };
    if object.host().0.config.refuse_disconnect {
        return STATUS_NOT_IMPLEMENTED;
    }
    // SAFETY: the caller passes an IRP.
    unsafe { enter(object.host(), irp, "WskDisconnect") };
    if flags != 0 || !buffer.is_null() {
        return answer(object.host(), |stack| stack.answer(object.id, irp, STATUS_NOT_SUPPORTED));
    }
    // SAFETY: this provider owns the IRP now.
    unsafe { wait(object, irp, What::Disconnect) }
}

fn require_no_flags(flags: ULONG, function: &str) {
    if flags != 0 {
        broken(30, function, &format!("the flags are {flags:#x}"), None);
    }
}

/// The memory of a buffer of one MDL.
///
/// # Safety
///
/// The buffer and its MDL are valid until the IRP is completed.
unsafe fn bytes(host: &Host, irp: PIRP, buffer: PWSK_BUF, function: &'static str) -> Bytes {
    // SAFETY: the caller passes a buffer.
    let descriptor = unsafe { *buffer };
    let nothing = Bytes {
        memory: ptr::NonNull::dangling().as_ptr(),
        length: 0,
        buffer,
        descriptor,
        function,
    };
    if descriptor.Mdl.is_null() {
        if descriptor.Length != 0 {
            broken(22, function, "a buffer without an MDL has a length", None);
        }
        return nothing;
    }
    // SAFETY: the caller passes a valid MDL.
    let size = unsafe { (*descriptor.Mdl).ByteCount } as usize;
    if descriptor.Offset as usize + descriptor.Length > size {
        broken(22, function, "the buffer goes beyond its MDL", None);
    }
    if descriptor.Length == 0 {
        return nothing;
    }
    // SAFETY: the caller passes a valid MDL.
    let memory = unsafe { system_address(descriptor.Mdl, function) };
    // SAFETY: the offset is within the memory, as was checked.
    let memory = unsafe { memory.add(descriptor.Offset as usize) };
    let mut in_flight = host.in_flight();
    in_flight.needs(irp, "descriptor", buffer.addr(), size_of::<WSK_BUF>());
    in_flight.needs(irp, "MDL", descriptor.Mdl.addr(), size_of::<MDL>());
    in_flight.needs(irp, "buffer", memory.addr(), descriptor.Length);
    Bytes { memory, length: descriptor.Length, ..nothing }
}

/// # Safety
///
/// The pointer is to an address of the family.
unsafe fn read_address(address: PSOCKADDR, family: ADDRESS_FAMILY, call: &str) -> SocketAddr {
    // SAFETY: every address begins with its family.
    let found = unsafe { (*address).sa_family };
    if found != family {
        let found = format!("the address is of family {found}, and the socket of {family}");
        broken(32, call, &found, None);
    }
    match family {
        AF_INET => {
            // SAFETY: the family says what it is.
            let address = unsafe { address.cast::<SOCKADDR_IN>().read_unaligned() };
            // SAFETY: all views of the union are of the same four bytes.
            let ip = unsafe { address.sin_addr.S_un.S_addr };
            let ip = Ipv4Addr::from(ip.to_ne_bytes());
            SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into()
        }
        AF_INET6 => {
            // SAFETY: the family says what it is.
            let address = unsafe { address.cast::<SOCKADDR_IN6>().read_unaligned() };
            // SAFETY: all views of the union are of the same sixteen bytes.
            let ip = Ipv6Addr::from(unsafe { address.sin6_addr.u.Byte });
            // SAFETY: all views of the union are of the same four bytes.
            let scope = unsafe { address.Anonymous.sin6_scope_id };
            let port = u16::from_be(address.sin6_port);
            SocketAddrV6::new(ip, port, address.sin6_flowinfo, scope).into()
        }
        _ => violation("a socket of a family that wsk-host does not have"),
    }
}

/// # Safety
///
/// The pointer is null, or to memory with room for the address.
pub(super) unsafe fn write_address(to: PSOCKADDR, address: SocketAddr) {
    if to.is_null() {
        return;
    }
    match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            let address = SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: address.port().to_be(),
                sin_addr: wsk_sys::IN_ADDR { S_un: wsk_sys::IN_ADDR_0 { S_addr: ip } },
                sin_zero: [0; 8],
            };
            // SAFETY: the caller promises room.
            unsafe { to.cast::<SOCKADDR_IN>().write_unaligned(address) };
        }
        SocketAddr::V6(address) => {
            let ip = wsk_sys::IN6_ADDR_0 { Byte: address.ip().octets() };
            let scope = wsk_sys::SOCKADDR_IN6_0 { sin6_scope_id: address.scope_id() };
            let address = SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: wsk_sys::IN6_ADDR { u: ip },
                Anonymous: scope,
            };
            // SAFETY: the caller promises room.
            unsafe { to.cast::<SOCKADDR_IN6>().write_unaligned(address) };
        }
    }
}
