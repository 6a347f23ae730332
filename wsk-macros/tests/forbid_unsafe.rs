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
fn events_have_tables() {
    assert!(<Tunnel as DatagramTable>::TABLE.WskReceiveFromEvent.is_some());
    assert!(<Tunnel as ListenTable>::TABLE.WskAcceptEvent.is_none());
}
