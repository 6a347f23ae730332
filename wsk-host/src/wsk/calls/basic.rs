//! The functions of all categories of sockets, or of all except the basic one.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::SocketAddr;

use wsk_sys::fields::length;
use wsk_sys::{
    NTSTATUS, PIRP, PSIZE_T, PSOCKADDR, PVOID, PWSK_SOCKET, SIZE_T, SO_WSK_EVENT_CALLBACK,
    SOL_SOCKET, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_NOT_IMPLEMENTED,
    STATUS_SUCCESS, ULONG, WSK_CONTROL_SOCKET_TYPE, WskGetOption, WskIoctl, WskSetOption,
};

use super::control;
use super::control_call::ControlCall;
use super::{require_no_flags, take_over_for, with_stack};
use crate::kernel::context::{is_completing, require_no_completion_routine};
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation, tolerated_violation};
use crate::wsk::action::ClosedSocket;
use crate::wsk::address;
use crate::wsk::category::Category;
use crate::wsk::object::{InCall, begin, begin_in_any_routine, origin};
use crate::wsk::requests::SUCCESS;
use crate::wsk::stack::Stack;

pub(in crate::wsk) unsafe extern "C" fn control_socket<const C: Category>(
    socket: PWSK_SOCKET,
    request: WSK_CONTROL_SOCKET_TYPE,
    code: ULONG,
    level: ULONG,
    input_size: SIZE_T,
    input: PVOID,
    output_size: SIZE_T,
    output: PVOID,
    returned: PSIZE_T,
    irp: PIRP,
) -> NTSTATUS {
    // Shipped drivers enable callbacks in the completion routine of a connect or an accept.
    let enables_events =
        (request, level, code) == (WskSetOption, SOL_SOCKET, SO_WSK_EVENT_CALLBACK);
    if enables_events && is_completing() {
        let found = "the current thread is in a completion routine";
        tolerated_violation(Rule::COMPLETION_ROUTINE_CALLS_WSK, "WskControlSocket", found, None);
    } else {
        require_no_completion_routine("WskControlSocket");
    }
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin_in_any_routine(socket, C, "WskControlSocket") };
    if object.kernel().wsk_config().refuse_control {
        return STATUS_NOT_IMPLEMENTED;
    }
    let control = ControlCall {
        object: &object,
        category: C,
        code,
        level,
        input: (input.cast(), length(input_size)),
        output: (output.cast(), length(output_size)),
        returned,
        irp,
    };
    control.require_buffers();
    match request {
        WskSetOption => control::set_option(&control),
        WskGetOption => control::get_option(&control),
        WskIoctl => control::ioctl(&control),
        _ => control.refuse(STATUS_INVALID_PARAMETER),
    }
}

pub(in crate::wsk) unsafe extern "C" fn close_socket<const C: Category>(
    socket: PWSK_SOCKET,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskCloseSocket") };
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, "WskCloseSocket", None) };
    let closed = ClosedSocket::new(socket, irp);
    let (kernel, id) = (object.kernel().clone(), object.id);
    // The close frees the object.
    drop(object);
    let why = kernel.stack().why_close_aborts(id);
    if let Some(why) = why {
        kernel.note(format!("WskCloseSocket aborts the connection of socket {id} (INV-49): {why}"));
    }
    with_stack(&kernel, irp, |stack| stack.close(id, closed))
}

pub(in crate::wsk) unsafe extern "C" fn bind<const C: Category>(
    socket: PWSK_SOCKET,
    local: PSOCKADDR,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskBind") };
    require_no_flags(flags, "WskBind");
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, "WskBind", None) };
    // SAFETY: the caller passes an address of the socket's family.
    let Some(local) = (unsafe { address::read(local, object.family, "WskBind") }) else {
        return refuse(&object, irp, STATUS_INVALID_PARAMETER);
    };
    with_stack(object.kernel(), irp, |stack| stack.bind(object.id, irp, local))
}

pub(in crate::wsk) unsafe extern "C" fn get_local_address<const C: Category>(
    socket: PWSK_SOCKET,
    to: PSOCKADDR,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskGetLocalAddress") };
    if object.kernel().wsk_config().refuse_addresses {
        return STATUS_NOT_IMPLEMENTED;
    }
    // SAFETY: the caller passes an IRP, and room for an address of the socket's family.
    unsafe { get_address(&object, to, irp, Stack::local, "WskGetLocalAddress") }
}

/// Ends a list that the client has retained ([INV-57](crate::rules#inv-57)), or by exception some of its elements: a client may have divided the
/// list.
pub(super) fn end_retained(object: &InCall<'_>, list: usize) -> NTSTATUS {
    const FUNCTION: &str = "WskRelease";
    let mut stack = object.kernel().stack();
    let own = stack.sockets.get_mut(&object.id);
    let released = own.and_then(|socket| socket.release(list));
    let Some(released) = released else {
        let mut all = stack.sockets.iter();
        let Some((id, socket)) = all.find(|(_, socket)| socket.retainer_of(list).is_some()) else {
            let found = "the list is not retained, or was released before";
            rule_violation(
                Rule::RETAINED_LIST_RELEASED_ONCE,
                FUNCTION,
                found,
                object.origin().as_ref(),
            );
            return STATUS_INVALID_PARAMETER;
        };
        let found =
            format!("called with socket {}, but the list belongs to socket {id}", object.id);
        rule_violation(
            Rule::RETAINED_LIST_RELEASED_ONCE,
            FUNCTION,
            &found,
            origin(socket.object).as_ref(),
        );
        return STATUS_INVALID_PARAMETER;
    };
    drop(stack);
    if released.is_part {
        tolerated_violation(
            Rule::RETAINED_LIST_RELEASED_ONCE,
            FUNCTION,
            "the list is released in parts",
            object.origin().as_ref(),
        );
    }
    let mut usage = object.kernel().usage();
    let mut mdls = released.mdls().into_iter();
    let in_use = mdls.find_map(|mdl| usage.pinned_in(&(mdl..mdl + size_of::<wsk_sys::MDL>())));
    drop(usage);
    if let Some(origin) = in_use {
        let found = "an MDL of the list is the MDL of a request in flight";
        rule_violation(Rule::RELEASED_IN_FLIGHT, FUNCTION, found, Some(&origin));
        // The request still uses it.
        std::mem::forget(released);
        return STATUS_SUCCESS;
    }
    drop(released);
    STATUS_SUCCESS
}

/// Completes an IRP with a failure.
pub(super) fn refuse(object: &InCall<'_>, irp: PIRP, status: NTSTATUS) -> NTSTATUS {
    let result = (status, trace::CallResult::Nothing);
    with_stack(object.kernel(), irp, |stack| stack.complete(object.id, irp, result))
}

/// Completes a request with an address of a socket.
///
/// # Safety
///
/// The IRP is null or valid, and the memory has space for an address of the socket's family.
pub(super) unsafe fn get_address(
    object: &InCall<'_>,
    to: PSOCKADDR,
    irp: PIRP,
    read: fn(&Stack, u64) -> Option<SocketAddr>,
    function: &'static str,
) -> NTSTATUS {
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(object, irp, function, None) };
    let kernel = object.kernel();
    if to.is_null() {
        let found = "the memory for an address is null";
        rule_violation(Rule::ADDRESS_MEMORY, function, found, object.origin().as_ref());
    }
    address::require_room(kernel, irp, to, object.family, function);
    with_stack(kernel, irp, |stack| {
        if let Some(actions) = stack.refuse_dead(object.id, irp) {
            return actions;
        }
        let result = match read(stack, object.id) {
            Some(address) => {
                // SAFETY: the caller's memory has room for an address of the socket's family.
                unsafe { address::write(to, address) };
                SUCCESS
            }
            None => (STATUS_INVALID_DEVICE_STATE, trace::CallResult::Nothing),
        };
        stack.complete(object.id, irp, result)
    })
}
