//! `WskControlSocket`: options and I/O control codes.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;

use wsk_sys::fields::size_t;
use wsk_sys::since;
use wsk_sys::{
    NTSTATUS, PASSIVE_LEVEL, PFN_WSK_RECEIVE_EX_EVENT, PSECURITY_DESCRIPTOR,
    SIO_ADDRESS_LIST_CHANGE, SIO_ADDRESS_LIST_QUERY, SIO_ADDRESS_LIST_SORT, SIO_KEEPALIVE_VALS,
    SIO_LOOPBACK_FAST_PATH, SIO_QUERY_RSS_SCALABILITY_INFO,
    SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT, SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS,
    SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, SIO_WSK_QUERY_IDEAL_SEND_BACKLOG,
    SIO_WSK_QUERY_INSPECT_ID, SIO_WSK_QUERY_RECEIVE_BACKLOG, SIO_WSK_REGISTER_EXTENSION,
    SIO_WSK_SET_RECEIVE_EX_CALLBACK, SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS,
    SIO_WSK_SET_TCP_SILENT_MODE, SO_WSK_EVENT_CALLBACK, SO_WSK_SECURITY, SOCK_STREAM,
    SOCKADDR_STORAGE, SOCKET_ADDRESS, SOCKET_ADDRESS_LIST, SOL_SOCKET, STATUS_BUFFER_TOO_SMALL,
    STATUS_FILE_FORCED_CLOSED, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER, STATUS_NOT_FOUND, STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
    WSK_EVENT_CALLBACK_CONTROL, WSK_INSPECT_ID,
};

use super::control_call::{ControlCall, FUNCTION};
use super::{transport, with_stack};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation, tolerated_violation};
use crate::wsk::address;
use crate::wsk::category::{BASIC, CONNECTION, DATAGRAM, LISTEN, STREAM};
use crate::wsk::client::is_wsk;
use crate::wsk::descriptors::SocketDescriptor;
use crate::wsk::execute::execute;
use crate::wsk::options::{OptionPhase, OptionSpecification};
use crate::wsk::requests::RequestKind;
use crate::wsk::socket::SocketPhase;
use crate::wsk::stack::Stack;

pub(super) fn set_option(control: &ControlCall<'_>) -> NTSTATUS {
    match (control.level, control.code) {
        (SOL_SOCKET, SO_WSK_EVENT_CALLBACK) => return set_events(control),
        (SOL_SOCKET, SO_WSK_SECURITY) => return set_security(control),
        _ => {}
    }
    let object = control.object;
    let kernel = object.kernel();
    let windows = kernel.config().windows;
    let refuses =
        |option: &&OptionSpecification| option.is_nodelay() && kernel.wsk_config().refuse_nodelay;
    let option = OptionSpecification::find(control.level, control.code, control.category, windows);
    let option = option.filter(|option| !refuses(option));
    control.complete(|stack| {
        let socket = stack.sockets.get_mut(&object.id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        let option = option.filter(|option| option.is_for(socket.family, socket.kind));
        let option = option.filter(|option| option.is_writable()).ok_or(STATUS_NOT_SUPPORTED)?;
        let setting = option.setting(control.input_bytes()).ok_or(STATUS_INVALID_PARAMETER)?;
        if option.phase == OptionPhase::BeforeBind && socket.is_bound() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        if socket.is_bound() {
            stack.services.network.set(object.id, &setting)?;
        } else if !option.is_readable() {
            // Options without a value, such as a membership, belong to an endpoint.
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        socket.options.set(&setting);
        Ok(0)
    })
}

pub(super) fn get_option(control: &ControlCall<'_>) -> NTSTATUS {
    let object = control.object;
    if (control.level, control.code) == (SOL_SOCKET, SO_WSK_SECURITY) {
        return control.complete(|stack| {
            let socket = stack.sockets.get(&object.id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
            let descriptor = socket.security.as_ref().ok_or(STATUS_NOT_FOUND)?.pointer();
            let written = control.write(descriptor)?;
            // The client has to release it once more.
            socket.client.descriptors.share(descriptor);
            Ok(written)
        });
    }
    let kernel = object.kernel();
    let windows = kernel.config().windows;
    let refuses =
        |option: &&OptionSpecification| option.is_nodelay() && kernel.wsk_config().refuse_nodelay;
    let option = OptionSpecification::find(control.level, control.code, control.category, windows);
    let option = option.filter(|option| !refuses(option));
    control.complete(|stack| {
        let socket = stack.sockets.get(&object.id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        let option = option.filter(|option| option.is_for(socket.family, socket.kind));
        let option = option.filter(|option| option.is_readable()).ok_or(STATUS_NOT_SUPPORTED)?;
        let number = socket.options.get(control.level, control.code);
        let answer = option.answer(number, control.room());
        let (bytes, size) = answer.ok_or(STATUS_BUFFER_TOO_SMALL)?;
        control.write_bytes(&bytes[..size])
    })
}

fn set_events(control: &ControlCall<'_>) -> NTSTATUS {
    let object = control.object;
    let kernel = object.kernel();
    let value: WSK_EVENT_CALLBACK_CONTROL = match control.input() {
        Ok(value) => value,
        Err(status) => return control.refuse(status),
    };
    // A client may have written the value byte by byte.
    let npi = core::ptr::with_exposed_provenance_mut(value.NpiId.expose_provenance());
    // SAFETY: the caller passes an interface's identification, or none.
    if !unsafe { is_wsk(npi) } {
        // No extension interfaces are defined.
        return control.refuse(STATUS_NOT_SUPPORTED);
    }
    if control.category == BASIC {
        rule_violation(
            Rule::EVENT_CALLBACKS,
            FUNCTION,
            "a basic socket has no events",
            object.origin().as_ref(),
        );
        return control.refuse(STATUS_NOT_SUPPORTED);
    }
    let disables = value.EventMask & wsk_sys::WSK_EVENT_DISABLE != 0;
    if !disables && !control.irp.is_null() {
        tolerated_violation(
            Rule::EVENT_CALLBACKS,
            FUNCTION,
            "events are enabled with an IRP",
            object.origin().as_ref(),
        );
    }
    let has_irp = !control.irp.is_null();
    if has_irp {
        control.take_over();
    } else {
        control.require_no_irp();
    }
    let id = object.id;
    let set = |stack: &mut Stack| {
        let socket = stack.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if socket.state == SocketPhase::Dead {
            return Err(STATUS_FILE_FORCED_CLOSED);
        }
        socket.set_events(value.EventMask, has_irp.then_some(control.irp))
    };
    if has_irp {
        return with_stack(kernel, control.irp, |stack| {
            let (status, is_complete) = set(stack).unwrap_or_else(|status| (status, true));
            let mut actions = Vec::new();
            if is_complete {
                actions.extend(stack.complete(
                    id,
                    control.irp,
                    (status, trace::CallResult::Nothing),
                ));
            }
            stack.progress_with(id, actions)
        });
    }
    let mut stack = kernel.stack();
    let (status, _) = set(&mut stack).unwrap_or_else(|status| (status, true));
    let actions = stack.progress(id);
    drop(stack);
    execute(kernel, actions);
    status
}

fn set_security(control: &ControlCall<'_>) -> NTSTATUS {
    let object = control.object;
    control.complete(|stack| {
        let descriptor: PSECURITY_DESCRIPTOR = control.input()?;
        let socket = stack.sockets.get_mut(&object.id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if !matches!(socket.category, LISTEN | DATAGRAM | CONNECTION | STREAM) {
            return Err(STATUS_NOT_SUPPORTED);
        }
        if socket.is_bound() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        let descriptors = &socket.client.descriptors;
        descriptors.use_cached(&socket.client.kernel, control.irp, descriptor, FUNCTION);
        socket.security = SocketDescriptor::new(descriptors, descriptor);
        Ok(0)
    })
}

pub(super) fn ioctl(control: &ControlCall<'_>) -> NTSTATUS {
    let is_datagram = control.category == DATAGRAM;
    let is_bytes = matches!(control.category, CONNECTION | STREAM);
    let windows = control.object.kernel().config().windows;
    match control.code {
        SIO_WSK_SET_REMOTE_ADDRESS | SIO_WSK_SET_SENDTO_ADDRESS if is_datagram => set_peer(control),
        SIO_WSK_QUERY_IDEAL_SEND_BACKLOG | SIO_WSK_QUERY_RECEIVE_BACKLOG if is_bytes => {
            backlog(control)
        }
        SIO_WSK_SET_TCP_SILENT_MODE
            if is_bytes && windows.has(since::SIO_WSK_SET_TCP_SILENT_MODE) =>
        {
            silence(control)
        }
        SIO_WSK_QUERY_INSPECT_ID => inspect_id(control),
        SIO_WSK_SET_RECEIVE_EX_CALLBACK
            if is_bytes && windows.has(since::SIO_WSK_SET_RECEIVE_EX_CALLBACK) =>
        {
            set_receive_ex(control)
        }
        SIO_WSK_REGISTER_EXTENSION => {
            control.require_no_irp();
            // None is defined.
            STATUS_NOT_SUPPORTED
        }
        SIO_ADDRESS_LIST_QUERY
        | SIO_ADDRESS_LIST_CHANGE
        | SIO_ADDRESS_LIST_SORT
        | SIO_LOOPBACK_FAST_PATH
        | SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS
        | SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT
        | SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS => winsock_ioctl(control),
        SIO_QUERY_RSS_SCALABILITY_INFO => transport::receive_side_scaling(control),
        SIO_KEEPALIVE_VALS if is_bytes => transport::keep_alive(control),
        _ => control.refuse(STATUS_NOT_SUPPORTED),
    }
}

/// The codes that WSK shares with Winsock: at `PASSIVE_LEVEL` only.
fn winsock_ioctl(control: &ControlCall<'_>) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, FUNCTION);
    let object = control.object;
    match control.code {
        SIO_ADDRESS_LIST_QUERY => {
            control.require_no_irp();
            address_list(control)
        }
        SIO_ADDRESS_LIST_CHANGE => {
            control.take_over();
            with_stack(object.kernel(), control.irp, |stack| {
                stack.request(object.id, control.irp, RequestKind::Change)
            })
        }
        SIO_ADDRESS_LIST_SORT => control.complete(|_| {
            // All addresses of a host are as good as each other.
            let bytes = control.input_bytes();
            if control.output.1 < bytes.len() {
                return Err(STATUS_BUFFER_TOO_SMALL);
            }
            // SAFETY: the caller passes room for this many bytes, which may be those of the input.
            unsafe { ptr::copy(bytes.as_ptr(), control.output.0, bytes.len()) };
            Ok(bytes.len())
        }),
        SIO_LOOPBACK_FAST_PATH => control.complete(|stack| {
            let socket = stack.sockets.get(&object.id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
            // It applies to connections, and is no longer possible once there is one.
            if socket.kind != SOCK_STREAM {
                return Err(STATUS_NOT_SUPPORTED);
            }
            if matches!(
                socket.state,
                SocketPhase::Connecting | SocketPhase::Connected | SocketPhase::Silent
            ) {
                return Err(STATUS_INVALID_DEVICE_STATE);
            }
            control.input::<u8>().map(|_| 0)
        }),
        SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS => control.complete(|_| {
            if control.input_bytes().is_empty() { Err(STATUS_INVALID_PARAMETER) } else { Ok(0) }
        }),
        // No connection of a host was redirected.
        _ => control.complete(|_| Err(STATUS_NOT_FOUND)),
    }
}

/// The only peer of a datagram socket, or its default destination.
fn set_peer(control: &ControlCall<'_>) -> NTSTATUS {
    let id = control.object.id;
    control.complete(|stack| {
        let address = control.address()?;
        let socket = stack.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if !socket.is_bound() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        if control.code == SIO_WSK_SET_REMOTE_ADDRESS {
            socket.datagrams.peer = address;
        } else {
            socket.datagrams.destination = address;
        }
        Ok(0)
    })
}

fn backlog(control: &ControlCall<'_>) -> NTSTATUS {
    let id = control.object.id;
    control.complete(|stack| {
        let socket = stack.sockets.get(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if socket.state != SocketPhase::Connected {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        let size = if control.code == SIO_WSK_QUERY_IDEAL_SEND_BACKLOG {
            socket.streams.ideal_backlog
        } else {
            socket.streams.rest.len() + stack.services.network.backlog(id)
        };
        control.write(size_t(size))
    })
}

fn silence(control: &ControlCall<'_>) -> NTSTATUS {
    let id = control.object.id;
    control.complete(|stack| {
        let remote = stack.remote(id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        let socket = stack.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        let is_loopback = remote.ip().to_canonical().is_loopback();
        if is_loopback || socket.requests.has(RequestKind::is_output) {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        socket.state = SocketPhase::Silent;
        Ok(0)
    })
}

fn inspect_id(control: &ControlCall<'_>) -> NTSTATUS {
    control.require_no_irp();
    let stack = control.object.kernel().stack();
    let key = stack.sockets.get(&control.object.id).and_then(|socket| socket.inspected_as);
    drop(stack);
    let Some(key) = key else {
        return STATUS_INVALID_DEVICE_REQUEST;
    };
    match control.write(WSK_INSPECT_ID { Key: size_t(key.key), SerialNumber: key.serial }) {
        Ok(written) => {
            if !control.returned.is_null() {
                // SAFETY: the caller passes room for a size.
                unsafe { control.returned.write_unaligned(size_t(written)) };
            }
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Reserved for the system. It is not documented whether it takes an IRP, so calls with and without one are accepted.
fn set_receive_ex(control: &ControlCall<'_>) -> NTSTATUS {
    let object = control.object;
    let callback: PFN_WSK_RECEIVE_EX_EVENT = match control.input() {
        Ok(callback) => callback,
        Err(status) => return control.refuse(status),
    };
    let set = |stack: &mut Stack| {
        let socket = stack.sockets.get_mut(&object.id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        if socket.state != SocketPhase::Connected {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        socket.streams.receive_ex = callback;
        // It takes the place of WskReceiveEvent.
        if callback.is_some() {
            socket.events.enabled |= wsk_sys::WSK_EVENT_RECEIVE;
        } else {
            socket.events.enabled &= !wsk_sys::WSK_EVENT_RECEIVE | socket.events.fixed;
        }
        Ok(0)
    };
    if !control.irp.is_null() {
        return control.complete(set);
    }
    control.require_no_irp();
    let kernel = object.kernel();
    let mut stack = kernel.stack();
    let result = set(&mut stack);
    let actions = stack.progress(object.id);
    drop(stack);
    execute(kernel, actions);
    result.map_or_else(|status| status, |_| STATUS_SUCCESS)
}

/// The machine's addresses, with pointers into the caller's memory.
fn address_list(control: &ControlCall<'_>) -> NTSTATUS {
    let family = control.object.family;
    let addresses = control.object.kernel().stack().services.network.addresses();
    let of_family = |ip: &std::net::IpAddr| ip.is_ipv4() == (family == wsk_sys::AF_INET);
    let addresses: Vec<_> = addresses.into_iter().filter(of_family).collect();
    let entries = addresses.len().max(1);
    let head = size_of::<SOCKET_ADDRESS_LIST>() + (entries - 1) * size_of::<SOCKET_ADDRESS>();
    let size = head + addresses.len() * size_of::<SOCKADDR_STORAGE>();
    let mut words = vec![0_u64; size.div_ceil(8)];
    let list: *mut SOCKET_ADDRESS_LIST = words.as_mut_ptr().cast();
    let length = i32::try_from(address::size_of_family(family)).unwrap_or(0);
    // SAFETY: the words have room for the list.
    unsafe { (*list).iAddressCount = i32::try_from(addresses.len()).unwrap_or(0) };
    // SAFETY: the words have room for the list.
    let first_entry = unsafe { &raw mut (*list).Address }.cast::<SOCKET_ADDRESS>();
    for (index, ip) in addresses.iter().enumerate() {
        let offset = head + index * size_of::<SOCKADDR_STORAGE>();
        // SAFETY: the words have room for all entries and addresses.
        let place = unsafe { words.as_mut_ptr().byte_add(offset) };
        // SAFETY: the words have room for the list.
        unsafe { address::write(place.cast(), std::net::SocketAddr::new(*ip, 0)) };
        let address = control.output.0.wrapping_add(offset).cast();
        let entry = SOCKET_ADDRESS { lpSockaddr: address, iSockaddrLength: length };
        // SAFETY: the words have room for the list.
        unsafe { first_entry.add(index).write(entry) };
    }
    // SAFETY: the words have this many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), size) };
    control.write_sized(bytes)
}
