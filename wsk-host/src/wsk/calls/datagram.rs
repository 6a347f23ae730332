//! What datagram sockets have.

use std::collections::VecDeque;

use wsk_sys::fields::length;
use wsk_sys::{
    NTSTATUS, PCMSGHDR, PIRP, PSOCKADDR, PULONG, PWSK_BUF, PWSK_BUF_LIST, PWSK_DATAGRAM_INDICATION,
    PWSK_SOCKET, STATUS_INVALID_PARAMETER, ULONG, WSK_BUF_LIST,
};

use super::basic::end_retained;
use super::{answer, require_no_flags, take_over_for};
use crate::kernel::trace;
use crate::verifier::{Rule, rule_violation};
use crate::wsk::address;
use crate::wsk::buffer::Bytes;
use crate::wsk::category::Category;
use crate::wsk::control_data::{ControlRoom, SendControl};
use crate::wsk::objects::{InCall, begin};
use crate::wsk::requests::What;

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
    let bytes = unsafe { Bytes::new(object.host(), irp, buffer, FUNCTION) };
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
    let mut messages = VecDeque::new();
    while !list.is_null() {
        let size = size_of::<WSK_BUF_LIST>();
        object.host().in_flight().needs(
            irp,
            ("list of buffers", Rule::BUFFER_LIST),
            list.addr(),
            size,
        );
        // SAFETY: the caller passes a list of buffers.
        let (next, buffer) = unsafe { ((*list).Next, &raw mut (*list).Buffer) };
        // SAFETY: as above.
        messages.push_back(unsafe { Bytes::new(object.host(), irp, buffer, FUNCTION) });
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
    let host = object.host();
    // SAFETY: the caller passes control data, or none.
    let read = unsafe { SendControl::read(control, length, function) };
    if length > 0 {
        host.in_flight().needs(irp, ("control data", Rule::CONTROL_DATA), control.addr(), length);
    }
    let to = if remote.is_null() {
        let stack = host.stack();
        let default = stack
            .sockets
            .get(&object.id)
            .and_then(|socket| socket.datagrams.destination.or(socket.datagrams.peer));
        drop(stack);
        let Some(default) = default else {
            let found = "there is no address, and the socket has none either";
            rule_violation(Rule::DATAGRAM_DESTINATION, function, found, object.origin().as_deref());
        };
        default
    } else {
        // SAFETY: the caller passes an address of the socket's family.
        unsafe { address::read(remote, object.family, function) }
    };
    let Some(control) = read else {
        let result = (STATUS_INVALID_PARAMETER, trace::Result::Nothing);
        return answer(host, |stack| stack.answer(object.id, irp, result));
    };
    let control = control.stripped(host.config().stripping, object.client().bypasses_tdi());
    let what = What::SendTo { messages, to, control, sent: 0 };
    answer(host, |stack| stack.request(object.id, irp, what))
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
    let host = object.host();
    // SAFETY: the caller passes a buffer.
    let bytes = unsafe { Bytes::new(host, irp, buffer, FUNCTION) };
    address::require_room(host, irp, remote, object.family, FUNCTION);
    let control = if control_length.is_null() {
        None
    } else {
        // SAFETY: the caller passes a length.
        let room = unsafe { control_length.read_unaligned() } as usize;
        let room = if control.is_null() { 0 } else { room };
        let mut in_flight = host.in_flight();
        in_flight.needs(
            irp,
            ("control length", Rule::CONTROL_DATA),
            control_length.addr(),
            size_of::<ULONG>(),
        );
        if room > 0 {
            in_flight.needs(irp, ("control data", Rule::CONTROL_DATA), control.addr(), room);
        }
        if !control_flags.is_null() {
            in_flight.needs(
                irp,
                ("control flags", Rule::CONTROL_DATA),
                control_flags.addr(),
                size_of::<ULONG>(),
            );
        }
        drop(in_flight);
        Some(ControlRoom { length: control_length, data: control, room, flags: control_flags })
    };
    let what = What::ReceiveFrom { bytes, from: remote, control };
    answer(host, |stack| stack.request(object.id, irp, what))
}

pub(in crate::wsk) unsafe extern "C" fn release<const C: Category>(
    socket: PWSK_SOCKET,
    list: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: the caller passes a socket of this provider.
    let object = unsafe { begin(socket, C, "WskRelease") };
    end_retained(&object, list.addr())
}
