//! The functions of datagram sockets.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::collections::VecDeque;

use wsk_sys::fields::length;
use wsk_sys::{
    NTSTATUS, PCMSGHDR, PIRP, PSOCKADDR, PULONG, PWSK_BUF, PWSK_BUF_LIST, PWSK_DATAGRAM_INDICATION,
    PWSK_SOCKET, STATUS_INVALID_PARAMETER, ULONG, WSK_BUF_LIST,
};

use super::basic::end_retained;
use super::{require_no_flags, take_over_for, with_stack};
use crate::kernel::residency::require_allocated;
use crate::kernel::trace;
use crate::verifier::{Rule, fatal_violation, rule_violation};
use crate::wsk::address;
use crate::wsk::buffer::Bytes;
use crate::wsk::category::Category;
use crate::wsk::control_data::{ControlRoom, SendControl};
use crate::wsk::object::{InCall, begin};
use crate::wsk::requests::RequestKind;

pub(in crate::wsk) unsafe extern "C" fn send_to<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    remote: PSOCKADDR,
    control_length: ULONG,
    control: PCMSGHDR,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskSendTo";
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, FUNCTION) };
    require_no_flags(flags, FUNCTION);
    // SAFETY: the caller passes an IRP and a buffer.
    unsafe {
        take_over_for(&object, irp, FUNCTION, buffer.as_ref().map(|buffer| length(buffer.Length)));
    };
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { Bytes::new(object.kernel(), irp, buffer, FUNCTION) };
    let messages = VecDeque::from([bytes]);
    let data = (control, control_length as usize);
    // SAFETY: the caller passes an address or none, and control data or none.
    unsafe { send_messages_to(&object, messages, remote, data, irp, FUNCTION) }
}

pub(in crate::wsk) unsafe extern "C" fn send_messages<const C: Category>(
    socket: PWSK_SOCKET,
    mut list: PWSK_BUF_LIST,
    flags: ULONG,
    remote: PSOCKADDR,
    control_length: ULONG,
    control: PCMSGHDR,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskSendMessages";
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, FUNCTION) };
    require_no_flags(flags, FUNCTION);
    // SAFETY: the caller passes an IRP.
    unsafe { take_over_for(&object, irp, FUNCTION, None) };
    let kernel = object.kernel();
    if list.is_null() {
        let found = "the list of buffers is null";
        rule_violation(Rule::BUFFER_LIST, FUNCTION, found, object.origin().as_ref());
    }
    let mut messages = VecDeque::new();
    // An earlier element, and the number of elements after which it is replaced: a list that is a circle comes back to it.
    let (mut earlier, mut next_power) = (list, 1);
    while !list.is_null() {
        if messages.len() == next_power {
            (earlier, next_power) = (list, 2 * next_power);
        } else if !messages.is_empty() && list == earlier {
            let found = "the list of buffers returns to an element that it has left";
            let why = "the host would send without an end";
            fatal_violation(Rule::BUFFER_LIST, FUNCTION, found, object.origin().as_ref(), why);
        }
        let size = size_of::<WSK_BUF_LIST>();
        let (rule, what) = (Rule::BUFFER_LIST, "the element of the list");
        require_allocated(kernel, rule, list.addr(), size, what, FUNCTION);
        kernel.usage().pin(irp, ("list of buffers", rule), list.addr(), size);
        // SAFETY: the caller passes a list of buffers.
        let (next, buffer) = unsafe { ((*list).Next, &raw mut (*list).Buffer) };
        // SAFETY: the buffer is the list's, which the caller keeps until the IRP is completed.
        messages.push_back(unsafe { Bytes::new(kernel, irp, buffer, FUNCTION) });
        list = next;
    }
    let data = (control, control_length as usize);
    // SAFETY: the caller passes an address or none, and control data or none.
    unsafe { send_messages_to(&object, messages, remote, data, irp, FUNCTION) }
}

unsafe fn send_messages_to(
    object: &InCall<'_>,
    messages: VecDeque<Bytes>,
    remote: PSOCKADDR,
    (control, length): (PCMSGHDR, usize),
    irp: PIRP,
    function: &'static str,
) -> NTSTATUS {
    let kernel = object.kernel();
    let refuse = |status| {
        let result = (status, trace::CallResult::Nothing);
        with_stack(kernel, irp, |stack| stack.complete(object.id, irp, result))
    };
    if length > 0 && !control.is_null() {
        let (rule, what) = (Rule::CONTROL_DATA, "the control data");
        require_allocated(kernel, rule, control.addr(), length, what, function);
    }
    // SAFETY: the caller passes control data, or none.
    let read = unsafe { SendControl::read(control, length, function) };
    if length > 0 {
        kernel.usage().pin(irp, ("control data", Rule::CONTROL_DATA), control.addr(), length);
    }
    let to = if remote.is_null() {
        let stack = kernel.stack();
        let default = stack
            .sockets
            .get(&object.id)
            .and_then(|socket| socket.datagrams.destination.or(socket.datagrams.peer));
        drop(stack);
        let Some(default) = default else {
            let found = "neither the call nor the socket has a remote address";
            rule_violation(Rule::DATAGRAM_DESTINATION, function, found, object.origin().as_ref());
            return refuse(STATUS_INVALID_PARAMETER);
        };
        Some(default)
    } else {
        let (what, size) =
            (("address", Rule::ADDRESS_MEMORY), address::size_of_family(object.family));
        kernel.usage().pin(irp, what, remote.addr(), size);
        // SAFETY: the caller passes an address of the socket's family.
        unsafe { address::read(remote, object.family, function) }
    };
    let (Some(to), Some(control)) = (to, read) else {
        return refuse(STATUS_INVALID_PARAMETER);
    };
    let control = control.stripped(kernel.wsk_config().stripping, object.client().bypasses_tdi());
    let kind = RequestKind::SendTo { messages, to, control, sent: 0 };
    with_stack(kernel, irp, |stack| stack.request(object.id, irp, kind))
}

pub(in crate::wsk) unsafe extern "C" fn receive_from<const C: Category>(
    socket: PWSK_SOCKET,
    buffer: PWSK_BUF,
    flags: ULONG,
    remote: PSOCKADDR,
    control_length: PULONG,
    control: PCMSGHDR,
    control_flags: PULONG,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskReceiveFrom";
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, FUNCTION) };
    require_no_flags(flags, FUNCTION);
    // SAFETY: the caller passes an IRP and a buffer.
    unsafe {
        take_over_for(&object, irp, FUNCTION, buffer.as_ref().map(|buffer| length(buffer.Length)));
    };
    let kernel = object.kernel();
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { Bytes::new(kernel, irp, buffer, FUNCTION) };
    address::require_room(kernel, irp, remote, object.family, FUNCTION);
    let control = if control_length.is_null() {
        None
    } else {
        // SAFETY: the caller passes a length.
        let room = unsafe { control_length.read_unaligned() } as usize;
        let room = if control.is_null() { 0 } else { room };
        let mut usage = kernel.usage();
        usage.pin(
            irp,
            ("control length", Rule::CONTROL_DATA),
            control_length.addr(),
            size_of::<ULONG>(),
        );
        if room > 0 {
            usage.pin(irp, ("control data", Rule::CONTROL_DATA), control.addr(), room);
        }
        if !control_flags.is_null() {
            usage.pin(
                irp,
                ("control flags", Rule::CONTROL_DATA),
                control_flags.addr(),
                size_of::<ULONG>(),
            );
        }
        drop(usage);
        Some(ControlRoom { length: control_length, data: control, room, flags: control_flags })
    };
    let kind = RequestKind::ReceiveFrom { bytes, from: remote, control };
    with_stack(kernel, irp, |stack| stack.request(object.id, irp, kind))
}

pub(in crate::wsk) unsafe extern "C" fn release<const C: Category>(
    socket: PWSK_SOCKET,
    list: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskRelease") };
    end_retained(&object, list.addr())
}
