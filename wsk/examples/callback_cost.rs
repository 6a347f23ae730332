//! What WSK calls for handlers that do nothing: to be compared with [callback_cost.c](callback_cost.c), by
//! `cargo xtask test callback-cost`.

#![no_std]

use wsk::events::{
    CallbackIrql, ConditionalListenEvents, ConnectionEvents, Data, DatagramEvents, Datagrams,
    Disposition, Inspection, Receipt, thunks,
};
use wsk::sys::{
    NTSTATUS, PSOCKADDR, PVOID, PWSK_DATA_INDICATION, PWSK_DATAGRAM_INDICATION, PWSK_INSPECT_ID,
    SIZE_T, ULONG, WSK_INSPECT_ACTION,
};

/// A handler that takes everything, and does nothing.
#[derive(Debug)]
pub struct Nothing;

#[wsk::events]
impl DatagramEvents for Nothing {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

#[wsk::events]
impl ConnectionEvents for Nothing {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }

    fn disconnected(&self, _abortive: bool, _level: CallbackIrql) {}

    fn send_backlog(&self, _ideal: usize) {}
}

#[wsk::events]
impl ConditionalListenEvents for Nothing {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        inspection.accept();
    }
}

/// # Safety
///
/// As for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nothing_receive_from(
    context: PVOID,
    flags: ULONG,
    indication: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: the arguments are those of the callback (this function's contract).
    unsafe { thunks::receive_from::<Nothing>(context, flags, indication) }
}

/// # Safety
///
/// As for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nothing_receive(
    context: PVOID,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    indicated: SIZE_T,
    accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the arguments are those of the callback (this function's contract).
    unsafe { thunks::receive::<Nothing>(context, flags, indication, indicated, accepted) }
}

/// # Safety
///
/// As for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nothing_disconnect(context: PVOID, flags: ULONG) -> NTSTATUS {
    // SAFETY: the arguments are those of the callback (this function's contract).
    unsafe { thunks::disconnect::<Nothing>(context, flags) }
}

/// # Safety
///
/// As for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nothing_send_backlog(context: PVOID, ideal: SIZE_T) -> NTSTATUS {
    // SAFETY: the arguments are those of the callback (this function's contract).
    unsafe { thunks::send_backlog::<Nothing>(context, ideal) }
}

/// # Safety
///
/// As for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nothing_abort(context: PVOID, id: PWSK_INSPECT_ID) -> NTSTATUS {
    // SAFETY: the arguments are those of the callback (this function's contract).
    unsafe { thunks::abort::<Nothing>(context, id) }
}

/// # Safety
///
/// As for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nothing_inspect(
    context: PVOID,
    local: PSOCKADDR,
    remote: PSOCKADDR,
    id: PWSK_INSPECT_ID,
) -> WSK_INSPECT_ACTION {
    // SAFETY: the arguments are those of the callback (this function's contract).
    unsafe { thunks::inspect::<Nothing>(context, local, remote, id) }
}
