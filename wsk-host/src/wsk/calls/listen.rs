//! The functions of listeners, and of stream sockets that listen.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use wsk_sys::fields::length;
use wsk_sys::{
    NTSTATUS, PIRP, PSOCKADDR, PVOID, PWSK_INSPECT_ID, PWSK_SOCKET, STATUS_INVALID_PARAMETER,
    ULONG, WSK_CLIENT_CONNECTION_DISPATCH, WSK_INSPECT_ACTION,
};

use super::basic::refuse;
use super::provider::require_resident;
use super::{require_no_flags, take_over_for, with_stack};
use crate::verifier::{Rule, rule_violation};
use crate::wsk::action::InspectKey;
use crate::wsk::address;
use crate::wsk::callback_table::CallbackTable;
use crate::wsk::category::Category;
use crate::wsk::object::begin;
use crate::wsk::requests::{AcceptRoom, RequestKind};

pub(in crate::wsk) unsafe extern "C" fn accept<const C: Category>(
    socket: PWSK_SOCKET,
    flags: ULONG,
    context: PVOID,
    dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
    local: PSOCKADDR,
    remote: PSOCKADDR,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskAccept") };
    require_no_flags(flags, "WskAccept");
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, "WskAccept", None) };
    for to in [local, remote] {
        address::require_room(object.kernel(), irp, to, object.family, "WskAccept");
    }
    let context = context.expose_provenance();
    let callbacks = CallbackTable { context, connection: dispatch, ..CallbackTable::NONE };
    require_resident(object.kernel(), &callbacks, "WskAccept");
    let kind = RequestKind::Accept(AcceptRoom { local, remote, context, dispatch });
    with_stack(object.kernel(), irp, |stack| stack.request(object.id, irp, kind))
}

pub(in crate::wsk) unsafe extern "C" fn inspect_complete<const C: Category>(
    socket: PWSK_SOCKET,
    inspect_id: PWSK_INSPECT_ID,
    action: WSK_INSPECT_ACTION,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskInspectComplete") };
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, "WskInspectComplete", None) };
    // SAFETY: the caller passes its copy of an identification.
    let Some(inspect_id) = (unsafe { inspect_id.as_ref() }) else {
        let found = "the WSK_INSPECT_ID is null";
        rule_violation(
            Rule::INSPECTION_DECIDED_ONCE,
            "WskInspectComplete",
            found,
            object.origin().as_ref(),
        );
        return refuse(&object, irp, STATUS_INVALID_PARAMETER);
    };
    let key = InspectKey { key: length(inspect_id.Key), serial: inspect_id.SerialNumber };
    with_stack(object.kernel(), irp, |stack| stack.inspect_complete(object.id, irp, key, action))
}

pub(in crate::wsk) unsafe extern "C" fn listen<const C: Category>(
    socket: PWSK_SOCKET,
    irp: PIRP,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskListen") };
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, "WskListen", None) };
    with_stack(object.kernel(), irp, |stack| stack.listen(object.id, irp))
}
