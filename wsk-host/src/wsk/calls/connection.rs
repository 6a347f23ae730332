//! The functions of connections, and of stream sockets that connect.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::SocketAddr;

use wsk_sys::{
    NTSTATUS, PCMSGHDR, PIRP, PSOCKADDR, PULONG, PWSK_BUF, PWSK_DATA_INDICATION, PWSK_SOCKET,
    STATUS_BUFFER_OVERFLOW, STATUS_INVALID_PARAMETER, STATUS_NOT_IMPLEMENTED, STATUS_NOT_SUPPORTED,
    ULONG, WSK_FLAG_ABORTIVE, WSK_FLAG_DRAIN, WSK_FLAG_NODELAY, WSK_FLAG_OOB, WSK_FLAG_WAITALL,
};

use super::basic::{end_retained, get_address, refuse};
use super::returned::ReturnedStatus;
use super::{require_no_flags, take_over_for, with_stack};
use crate::verifier::{Rule, rule_violation};
use crate::wsk::address;
use crate::wsk::buffer::Bytes;
use crate::wsk::category::Category;
use crate::wsk::control_data::SendControl;
use crate::wsk::object::{InCall, begin};
use crate::wsk::requests::RequestKind;
use crate::wsk::stack::Stack;

/// The most bytes that a connection can begin with ([INV-29](crate::rules#inv-29)).
const FIRST_BYTES: usize = 65_535;

/// The length of a buffer, for the trace.
///
/// # Safety
///
/// The buffer is null, or valid.
unsafe fn length(buffer: PWSK_BUF) -> Option<usize> {
    // SAFETY: the pointer is null or valid, by this function's contract.
    unsafe { buffer.as_ref() }.map(|buffer| wsk_sys::fields::length(buffer.Length))
}

pub(in crate::wsk) unsafe extern "C" fn connect<const C: Category>(
    socket: PWSK_SOCKET,
    remote: PSOCKADDR,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskConnect") };
    require_no_flags(flags, "WskConnect");
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, "WskConnect", None) };
    // SAFETY: the caller passes an address of the socket's family.
    let Some(remote) = (unsafe { address::read(remote, object.family, "WskConnect") }) else {
        return refuse(&object, irp, STATUS_INVALID_PARAMETER);
    };
    connect_to(&object, irp, remote, None)
}

/// Connects a socket, and sends the first bytes. A socket that is not bound is refused by the call itself, on Windows always.
fn connect_to(
    object: &InCall<'_>,
    irp: PIRP,
    remote: SocketAddr,
    bytes: Option<Bytes>,
) -> NTSTATUS {
    let kernel = object.kernel();
    let kind = RequestKind::Connect { bytes, sent: 0, creates: false };
    let mut stack = kernel.stack();
    let is_bound = stack.sockets.get(&object.id).is_none_or(|socket| socket.is_bound());
    let actions = stack.connect(object.id, irp, remote, kind);
    let returned = if is_bound {
        ReturnedStatus::decide(kernel, irp, &actions)
    } else {
        ReturnedStatus::prefer_final(kernel, irp, &actions)
    };
    drop(stack);
    returned.execute(kernel, actions)
}

pub(in crate::wsk) unsafe extern "C" fn connect_ex<const C: Category>(
    socket: PWSK_SOCKET,
    remote: PSOCKADDR,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskConnectEx";
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, FUNCTION) };
    // SAFETY: the caller passes an IRP and a buffer, or none.
    unsafe { take_over_for(&object, irp, FUNCTION, length(buffer)) };
    // SAFETY: the caller passes an address of the socket's family.
    let Some(remote) = (unsafe { address::read(remote, object.family, FUNCTION) }) else {
        return refuse(&object, irp, STATUS_INVALID_PARAMETER);
    };
    let bytes = if buffer.is_null() {
        None
    } else {
        // SAFETY: the caller passes a buffer.
        Some(unsafe { Bytes::new(object.kernel(), irp, buffer, FUNCTION) })
    };
    let refused = if flags != 0 {
        Some(STATUS_INVALID_PARAMETER)
    } else if bytes.as_ref().is_some_and(|bytes| bytes.length() > FIRST_BYTES) {
        Some(STATUS_BUFFER_OVERFLOW)
    } else {
        None
    };
    if let Some(status) = refused {
        return refuse(&object, irp, status);
    }
    connect_to(&object, irp, remote, bytes)
}

pub(in crate::wsk) unsafe extern "C" fn get_remote_address<const C: Category>(
    socket: PWSK_SOCKET,
    to: PSOCKADDR,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskGetRemoteAddress") };
    if object.kernel().wsk_config().refuse_addresses {
        return STATUS_NOT_IMPLEMENTED;
    }
    // SAFETY: the caller passes an IRP, and room for an address of the socket's family.
    unsafe { get_address(&object, to, irp, Stack::remote, "WskGetRemoteAddress") }
}

pub(in crate::wsk) unsafe extern "C" fn send<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskSend") };
    // SAFETY: the caller passes an IRP and a buffer that stays until it is completed.
    unsafe { send_on(&object, buffer, flags, irp, "WskSend") }
}

/// Its documentation now reserves it for the system; it once stated that this is `WskSend` with
/// control data.
pub(in crate::wsk) unsafe extern "C" fn send_ex<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    control_length: ULONG,
    control: PCMSGHDR,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskSendEx") };
    // SAFETY: the caller passes control data, or none. A connection has no use for it.
    unsafe { SendControl::read(control, control_length as usize, "WskSendEx") };
    // SAFETY: the caller passes an IRP and a buffer that stays until it is completed.
    unsafe { send_on(&object, buffer, flags, irp, "WskSendEx") }
}

unsafe fn send_on(
    object: &InCall<'_>,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
    function: &'static str,
) -> NTSTATUS {
    // SAFETY: the caller passes an IRP and a buffer.
    unsafe { take_over_for(object, irp, function, length(buffer)) };
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { Bytes::new(object.kernel(), irp, buffer, function) };
    if flags & !(WSK_FLAG_NODELAY | WSK_FLAG_OOB) != 0 {
        let found = format!("the flags {flags:#x} are not valid for a send");
        rule_violation(Rule::FLAGS_OF_CALL, function, &found, None);
    }
    // Where the option is missing, clients use the flag instead: the trace shows which sends have it.
    if flags & WSK_FLAG_NODELAY != 0 && object.kernel().wsk_config().refuse_nodelay {
        object.kernel().note(format!("{function} on socket {} with WSK_FLAG_NODELAY", object.id));
    }
    if flags & WSK_FLAG_OOB != 0 {
        return refuse(object, irp, STATUS_NOT_SUPPORTED);
    }
    let kind = RequestKind::Send { bytes, sent: 0 };
    with_stack(object.kernel(), irp, |stack| stack.request(object.id, irp, kind))
}

pub(in crate::wsk) unsafe extern "C" fn receive<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskReceive") };
    // SAFETY: the caller passes an IRP and a buffer that stays until it is completed.
    unsafe { receive_on(&object, buffer, flags, irp, "WskReceive") }
}

/// Reserved for the system's use, see [`send_ex`].
pub(in crate::wsk) unsafe extern "C" fn receive_ex<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    control_length: PULONG,
    _control: PCMSGHDR,
    control_flags: PULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskReceiveEx") };
    if !control_flags.is_null() {
        rule_violation(Rule::RESERVED_FLAGS, "WskReceiveEx", "ControlFlags is not null", None);
    }
    if !control_length.is_null() {
        // SAFETY: the caller passes room for a length. A connection has no control data.
        unsafe { control_length.write_unaligned(0) };
    }
    // SAFETY: the caller passes an IRP and a buffer that stays until it is completed.
    unsafe { receive_on(&object, buffer, flags, irp, "WskReceiveEx") }
}

unsafe fn receive_on(
    object: &InCall<'_>,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
    function: &'static str,
) -> NTSTATUS {
    // SAFETY: the caller passes an IRP and a buffer.
    unsafe { take_over_for(object, irp, function, length(buffer)) };
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { Bytes::new(object.kernel(), irp, buffer, function) };
    let kind = match flags {
        0 | WSK_FLAG_WAITALL => {
            RequestKind::Receive { bytes, received: 0, all: flags == WSK_FLAG_WAITALL }
        }
        WSK_FLAG_DRAIN if bytes.length() == 0 => RequestKind::Drain,
        _ => {
            let found = format!("the flags are {flags:#x}, for {} bytes", bytes.length());
            rule_violation(Rule::FLAGS_OF_CALL, function, &found, None);
            return refuse(object, irp, STATUS_INVALID_PARAMETER);
        }
    };
    with_stack(object.kernel(), irp, |stack| stack.request(object.id, irp, kind))
}

pub(in crate::wsk) unsafe extern "C" fn disconnect<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskDisconnect";
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, FUNCTION) };
    if object.kernel().wsk_config().refuse_disconnect {
        return STATUS_NOT_IMPLEMENTED;
    }
    // SAFETY: the caller passes an IRP, and a buffer or none.
    unsafe { take_over_for(&object, irp, FUNCTION, length(buffer)) };
    match flags {
        0 => {
            let bytes = if buffer.is_null() {
                None
            } else {
                // SAFETY: the caller passes a buffer.
                Some(unsafe { Bytes::new(object.kernel(), irp, buffer, FUNCTION) })
            };
            let kind = RequestKind::Disconnect { bytes, sent: 0 };
            with_stack(object.kernel(), irp, |stack| stack.request(object.id, irp, kind))
        }
        WSK_FLAG_ABORTIVE if buffer.is_null() => {
            with_stack(object.kernel(), irp, |stack| stack.abort(object.id, irp))
        }
        _ => {
            let has = if buffer.is_null() { "no" } else { "a" };
            rule_violation(
                Rule::FLAGS_OF_CALL,
                FUNCTION,
                &format!("the flags are {flags:#x}, with {has} buffer"),
                None,
            );
            refuse(&object, irp, STATUS_INVALID_PARAMETER)
        }
    }
}

pub(in crate::wsk) unsafe extern "C" fn release<const C: Category>(
    socket: PWSK_SOCKET,
    list: PWSK_DATA_INDICATION,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskRelease") };
    end_retained(&object, list.addr())
}
