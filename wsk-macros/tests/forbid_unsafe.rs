//! Crates that forbid unsafe code can use the attributes.

#![forbid(unsafe_code)]

// The tables' functions call the kernel.
use wsk_host as _;

use wsk::events::{
    DatagramEvents, DatagramTable, Datagrams, Disposition, ListenEvents, ListenTable,
};

struct Tunnel;

#[wsk::events]
impl DatagramEvents for Tunnel {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

#[wsk::events]
impl ListenEvents for Tunnel {
    type Connection = ();
}

#[test]
fn tables_of_events_need_no_unsafe_code() {
    assert!(<Tunnel as DatagramTable>::TABLE.WskReceiveFromEvent.is_some());
    assert!(<Tunnel as ListenTable>::TABLE.WskAcceptEvent.is_none());
}

/// A table of some interface.
#[allow(non_snake_case, non_camel_case_types, reason = "the names are C's")]
#[repr(C)]
struct PING_DISPATCH {
    Version: wsk::sys::USHORT,
    Ping: Option<unsafe extern "C" fn(wsk::sys::PVOID) -> wsk::sys::NTSTATUS>,
}

/// Its functions, for other crates: to call them is unsafe.
#[wsk::provider_table(PING_DISPATCH)]
pub struct PingDispatch {
    Version: USHORT,
    Ping: fn(context: wsk::sys::PVOID),
}

use wsk::sys::USHORT;

#[test]
fn a_wrapper_can_be_declared() {
    assert_eq!(size_of::<PingDispatch>(), size_of::<usize>());
}
