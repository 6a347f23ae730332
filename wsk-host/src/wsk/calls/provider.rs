//! The functions of a captured provider: creating sockets, and controlling the client.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::sync::Arc;

use wsk_sys::ctypes::c_void;
use wsk_sys::fields::{length, size_t};
use wsk_sys::since;
use wsk_sys::{
    ADDRESS_FAMILY, DISPATCH_LEVEL, NTSTATUS, PEPROCESS, PETHREAD, PIRP, PSECURITY_DESCRIPTOR,
    PSIZE_T, PSOCKADDR, PVOID, PWSK_CLIENT, SIZE_T, SOCK_STREAM, STATUS_BUFFER_OVERFLOW,
    STATUS_DEVICE_NOT_READY, STATUS_INVALID_PARAMETER, STATUS_NOT_IMPLEMENTED,
    STATUS_NOT_SUPPORTED, STATUS_PROTOCOL_UNREACHABLE, STATUS_SUCCESS, ULONG, USHORT, WSK_CACHE_SD,
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_STREAM_DISPATCH, WSK_EVENT_CALLBACK_CONTROL,
    WSK_RELEASE_SD, WSK_SET_STATIC_EVENT_CALLBACKS, WSK_TDI_BEHAVIOR, WSK_TDI_BEHAVIOR_BYPASS_TDI,
    WSK_TDI_DEVICENAME_MAPPING, WSK_TDI_MAP_INFO, WSK_TRANSPORT, WSK_TRANSPORT_LIST_CHANGE,
    WSK_TRANSPORT_LIST_QUERY,
};

use super::returned::{ReturnedStatus, complete};
use super::{require_no_flags, take_over, with_stack};
use crate::kernel::Kernel;
use crate::kernel::context::require_no_completion_routine;
use crate::kernel::interrupt;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::residency::{require_allocated, require_nonpaged};
use crate::kernel::trace::{self, TraceEvent};
use crate::verifier::{Rule, rule_violation};
use crate::wsk::action::{Action, IrpCompletion};
use crate::wsk::address;
use crate::wsk::callback_table::CallbackTable;
use crate::wsk::category::{self, BASIC, CONNECTION, DATAGRAM, LISTEN, STREAM};
use crate::wsk::client::{Client, VERSION, captured, is_wsk};
use crate::wsk::descriptors::SocketDescriptor;
use crate::wsk::object::{SocketObject, origin};
use crate::wsk::requests::RequestKind;
use crate::wsk::socket::Socket;
use crate::wsk::stack::Stack;

/// The client of a captured provider, at a level.
///
/// # Safety
///
/// The pointer is one that a capture has given.
unsafe fn client(client: PWSK_CLIENT, level: u8, function: &'static str) -> Arc<Client> {
    require_at_most(level, function);
    require_no_completion_routine(function);
    // SAFETY: a capture has given the pointer, by this function's contract.
    let client = unsafe { captured(client, function) };
    interrupt();
    client
}

/// Stops a client that has its context or its table where it does not stay.
pub(super) fn require_resident(kernel: &Kernel, callbacks: &CallbackTable, function: &str) {
    for (kind, address) in callbacks.parts() {
        require_nonpaged(kernel, Rule::CONTEXT_NONPAGED, address, 1, kind, function);
    }
}

/// Ends the request for a socket that there will not be.
fn refuse(client: &Arc<Client>, irp: PIRP, status: NTSTATUS) -> NTSTATUS {
    client.request_begun();
    let nothing = trace::CallResult::Nothing;
    let completed = IrpCompletion::of_client(Arc::clone(client), irp, status, nothing);
    complete(&client.kernel, irp, completed)
}

/// Adds a socket, and makes its object. Returns its number and the object's address.
fn add(stack: &mut Stack, new: Socket, function: &'static str) -> (u64, usize) {
    let (client, category, family) = (Arc::clone(&new.client), new.category, new.family);
    let id = stack.add(new);
    let dispatch = stack.services.table_of(category, &client);
    let object = SocketObject::create(id, category, family, dispatch, &client, function);
    if let Some(socket) = stack.sockets.get_mut(&id) {
        socket.object = object;
    }
    (id, object)
}

pub(in crate::wsk) unsafe extern "C" fn socket(
    client_pointer: PWSK_CLIENT,
    family: ADDRESS_FAMILY,
    socket_type: USHORT,
    protocol: ULONG,
    flags: ULONG,
    context: PVOID,
    dispatch: *const c_void,
    _process: PEPROCESS,
    _thread: PETHREAD,
    security: PSECURITY_DESCRIPTOR,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskSocket";
    // SAFETY: the caller has captured the provider.
    let client = unsafe { client(client_pointer, DISPATCH_LEVEL, FUNCTION) };
    let kernel = client.kernel.clone();
    // SAFETY: the caller passes an IRP.
    unsafe { take_over(&kernel, 0, irp, FUNCTION, None) };
    let refuse = |status| refuse(&client, irp, status);
    let Some(category) = category::from_flags(flags) else {
        return refuse(STATUS_INVALID_PARAMETER);
    };
    let windows = kernel.config().windows;
    if category::lacks_protocol(category, family, socket_type, protocol) {
        return refuse(STATUS_PROTOCOL_UNREACHABLE);
    }
    if !category::exists(category, family, socket_type, protocol)
        || (category == STREAM && !windows.has(since::WSK_FLAG_STREAM_SOCKET))
    {
        return refuse(STATUS_NOT_SUPPORTED);
    }
    if category == BASIC && !(context.is_null() && dispatch.is_null()) {
        rule_violation(
            Rule::CLIENT_TABLE_OF_CATEGORY,
            FUNCTION,
            "a basic socket takes no context and no dispatch table",
            None,
        );
    }
    // A basic socket has no use for a context.
    let context = if category == BASIC { 0 } else { context.expose_provenance() };
    let mut callbacks = CallbackTable { context, ..CallbackTable::NONE };
    match category {
        LISTEN => callbacks.listen = dispatch.cast(),
        DATAGRAM => callbacks.datagram = dispatch.cast(),
        CONNECTION => callbacks.connection = dispatch.cast(),
        STREAM => {
            // SAFETY: the caller passes the table of a stream socket, or none.
            if let Some(tables) = unsafe { dispatch.cast::<WSK_CLIENT_STREAM_DISPATCH>().as_ref() }
            {
                callbacks.listen = tables.Listen;
                callbacks.connection = tables.Connect;
            }
        }
        _ => {}
    }
    require_resident(&kernel, &callbacks, FUNCTION);
    client.descriptors.use_cached(&kernel, irp, security, FUNCTION);
    let mut new = Socket::new(Arc::clone(&client), category, family, socket_type, callbacks);
    new.security = SocketDescriptor::new(&client.descriptors, security);
    new.begin_static();
    let mut stack = kernel.stack();
    if stack.services.is_withdrawn {
        drop(stack);
        return refuse(STATUS_DEVICE_NOT_READY);
    }
    let (id, object) = add(&mut stack, new, FUNCTION);
    // SAFETY: the IRP is the provider's, and the socket keeps its host.
    unsafe { crate::wsk::execute::remember(&kernel, id, irp) };
    let actions = stack.deliver_socket(id, irp);
    let returned = ReturnedStatus::decide(&kernel, irp, &actions);
    drop(stack);
    callbacks.pin(&kernel, id, origin(object).as_ref());
    returned.execute(&kernel, actions)
}

pub(in crate::wsk) unsafe extern "C" fn socket_connect(
    client_pointer: PWSK_CLIENT,
    socket_type: USHORT,
    protocol: ULONG,
    local: PSOCKADDR,
    remote: PSOCKADDR,
    flags: ULONG,
    context: PVOID,
    dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
    _process: PEPROCESS,
    _thread: PETHREAD,
    security: PSECURITY_DESCRIPTOR,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskSocketConnect";
    // SAFETY: the caller has captured the provider.
    let client = unsafe { client(client_pointer, DISPATCH_LEVEL, FUNCTION) };
    require_no_flags(flags, FUNCTION);
    let kernel = client.kernel.clone();
    if kernel.wsk_config().refuse_socket_connect {
        return STATUS_NOT_IMPLEMENTED;
    }
    // SAFETY: the caller passes an IRP.
    unsafe { take_over(&kernel, 0, irp, FUNCTION, None) };
    let refuse = |status| refuse(&client, irp, status);
    // SAFETY: the caller passes two addresses of the same family, or null.
    let Some(family) = (unsafe { address::read_family(local, FUNCTION) }) else {
        return refuse(STATUS_INVALID_PARAMETER);
    };
    if category::lacks_protocol(CONNECTION, family, socket_type, protocol) {
        return refuse(STATUS_PROTOCOL_UNREACHABLE);
    }
    if !category::exists(CONNECTION, family, socket_type, protocol) {
        return refuse(STATUS_NOT_SUPPORTED);
    }
    // SAFETY: the caller passes an address that begins with this family.
    let local = unsafe { address::read(local, family, FUNCTION) };
    // SAFETY: the caller passes two addresses, and `read` checks the family of the second.
    let remote = unsafe { address::read(remote, family, FUNCTION) };
    let (Some(local), Some(remote)) = (local, remote) else {
        return refuse(STATUS_INVALID_PARAMETER);
    };
    let callbacks = CallbackTable {
        context: context.expose_provenance(),
        connection: dispatch,
        ..CallbackTable::NONE
    };
    require_resident(&kernel, &callbacks, FUNCTION);
    client.descriptors.use_cached(&kernel, irp, security, FUNCTION);
    let mut new = Socket::new(Arc::clone(&client), CONNECTION, family, SOCK_STREAM, callbacks);
    new.security = SocketDescriptor::new(&client.descriptors, security);
    new.begin_static();
    let mut stack = kernel.stack();
    if stack.services.is_withdrawn {
        drop(stack);
        return refuse(STATUS_DEVICE_NOT_READY);
    }
    let (id, object) = add(&mut stack, new, FUNCTION);
    let begun = stack.begin_connection(id, local, remote);
    let actions = match begun {
        Ok(()) => {
            // SAFETY: the IRP is the provider's, and the socket keeps its host.
            unsafe { crate::wsk::execute::remember(&kernel, id, irp) };
            callbacks.pin(&kernel, id, origin(object).as_ref());
            // The lock is still held, so that the result cannot precede the request.
            stack.request(id, irp, RequestKind::Connect { bytes: None, sent: 0, creates: true })
        }
        Err(status) => {
            let completed = IrpCompletion::of_no_socket(irp, status, trace::CallResult::Nothing);
            let mut actions = vec![Action::Complete(completed)];
            stack.discard(id, &mut actions);
            actions
        }
    };
    let returned = ReturnedStatus::decide(&kernel, irp, &actions);
    drop(stack);
    returned.execute(&kernel, actions)
}

/// A control call's input: its bytes, as a type.
///
/// # Safety
///
/// The pointer is to that many bytes.
unsafe fn input<T: Copy>(size: usize, input: PVOID) -> Option<T> {
    let is_one = size >= size_of::<T>() && !input.is_null();
    // SAFETY: the bytes are readable, by this function's contract.
    is_one.then(|| unsafe { input.cast::<T>().read_unaligned() })
}

pub(in crate::wsk) unsafe extern "C" fn control_client(
    client_pointer: PWSK_CLIENT,
    code: ULONG,
    input_size: SIZE_T,
    input_buffer: PVOID,
    output_size: SIZE_T,
    output: PVOID,
    returned: PSIZE_T,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskControlClient";
    let (input_size, output_size) = (length(input_size), length(output_size));
    // SAFETY: the caller has captured the provider.
    let client = unsafe { client(client_pointer, DISPATCH_LEVEL, FUNCTION) };
    let kernel = client.kernel.clone();
    if kernel.wsk_config().refuse_control {
        return STATUS_NOT_IMPLEMENTED;
    }
    let input_range = ("the input buffer", input_buffer.addr(), input_size);
    for (what, address, size) in [input_range, ("the output buffer", output.addr(), output_size)] {
        if address != 0 && size > 0 {
            require_allocated(&kernel, Rule::CONTROL_OUTPUT, address, size, what, FUNCTION);
        }
    }
    if code == WSK_TRANSPORT_LIST_CHANGE {
        let socket = kernel.stack().changes_of(&client);
        // SAFETY: the caller passes an IRP.
        unsafe { take_over(&kernel, socket, irp, FUNCTION, None) };
        return with_stack(&kernel, irp, |stack| stack.request(socket, irp, RequestKind::Change));
    }
    kernel.record(TraceEvent::Call { function: FUNCTION, socket: 0, irp: 0, amount: None });
    if !irp.is_null() {
        rule_violation(
            Rule::CONTROL_OUTPUT,
            FUNCTION,
            &format!("the code {code} takes no IRP, but one is passed"),
            None,
        );
    }
    match code {
        WSK_TRANSPORT_LIST_QUERY => {
            // SAFETY: the caller passes room for this many bytes, and for their number.
            unsafe { transports(output_size, output, returned) }
        }
        WSK_SET_STATIC_EVENT_CALLBACKS => {
            // SAFETY: the caller passes this many bytes.
            let control: Option<WSK_EVENT_CALLBACK_CONTROL> =
                unsafe { input(input_size, input_buffer) };
            let Some(control) = control else {
                return STATUS_INVALID_PARAMETER;
            };
            // SAFETY: the caller passes an interface's identification, or none.
            if !unsafe { is_wsk(control.NpiId) } {
                // No extension interfaces are defined.
                return STATUS_NOT_SUPPORTED;
            }
            client.require_no_sockets(FUNCTION);
            client.set_static_events(control.EventMask)
        }
        WSK_CACHE_SD => {
            // SAFETY: the caller passes a pointer to a security descriptor, and room for another.
            let descriptor: Option<PSECURITY_DESCRIPTOR> =
                unsafe { input(input_size, input_buffer) };
            let has_room = output_size >= size_of::<PSECURITY_DESCRIPTOR>() && !output.is_null();
            let descriptor = descriptor.filter(|descriptor| has_room && !descriptor.is_null());
            let Some(descriptor) = descriptor else {
                return STATUS_INVALID_PARAMETER;
            };
            let cached = client.descriptors.cache(descriptor);
            // SAFETY: the output has room for a pointer, as was checked.
            unsafe { output.cast::<PSECURITY_DESCRIPTOR>().write_unaligned(cached) };
            STATUS_SUCCESS
        }
        WSK_RELEASE_SD => {
            // SAFETY: the caller passes a pointer to a security descriptor.
            let descriptor: Option<PSECURITY_DESCRIPTOR> =
                unsafe { input(input_size, input_buffer) };
            match descriptor {
                Some(descriptor) => client.descriptors.release(&client.kernel, descriptor),
                None => STATUS_INVALID_PARAMETER,
            }
        }
        WSK_TDI_BEHAVIOR | WSK_TDI_DEVICENAME_MAPPING => {
            client.require_no_sockets(FUNCTION);
            let size = if code == WSK_TDI_BEHAVIOR {
                size_of::<ULONG>()
            } else {
                size_of::<WSK_TDI_MAP_INFO>()
            };
            if input_buffer.is_null() || input_size < size {
                return STATUS_INVALID_PARAMETER;
            }
            // A host has no TDI apart from its filters, and the newest Windows may have none either.
            if code == WSK_TDI_BEHAVIOR {
                // SAFETY: the caller passes a number.
                let behavior = unsafe { input::<ULONG>(input_size, input_buffer) };
                let bypasses = |behavior| behavior & WSK_TDI_BEHAVIOR_BYPASS_TDI != 0;
                client.set_bypasses_tdi(behavior.is_some_and(bypasses));
            }
            STATUS_SUCCESS
        }
        _ => STATUS_NOT_SUPPORTED,
    }
}

/// The transports of every host: TCP and UDP, over both families.
unsafe fn transports(size: usize, output: PVOID, returned: PSIZE_T) -> NTSTATUS {
    use wsk_sys::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM};

    let transport = |(family, socket_type, protocol)| {
        // SAFETY: zeroes are a transport.
        let mut transport: WSK_TRANSPORT = unsafe { std::mem::zeroed() };
        transport.Version = VERSION;
        transport.SocketType = socket_type;
        transport.Protocol = protocol;
        transport.AddressFamily = family;
        transport
    };
    let all = [
        (AF_INET, SOCK_STREAM, IPPROTO_TCP),
        (AF_INET6, SOCK_STREAM, IPPROTO_TCP),
        (AF_INET, SOCK_DGRAM, IPPROTO_UDP),
        (AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
    ]
    .map(transport);
    if returned.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the caller passes room for a size.
    unsafe { returned.write_unaligned(size_t(size_of_val(&all))) };
    if size < size_of_val(&all) || output.is_null() {
        return STATUS_BUFFER_OVERFLOW;
    }
    // SAFETY: the caller passes room for this many bytes, and it was compared.
    unsafe { output.copy_from_nonoverlapping(all.as_ptr().cast(), size_of_val(&all)) };
    STATUS_SUCCESS
}
