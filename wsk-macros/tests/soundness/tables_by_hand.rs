//! A table of another type cannot be given to WSK from safe code.

use wsk::events::*;
use wsk::sys::{
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_DATAGRAM_DISPATCH, WSK_CLIENT_LISTEN_DISPATCH,
    WSK_CLIENT_STREAM_DISPATCH,
};

struct Number(usize);

#[wsk::events]
impl ListenEvents for Number {
    type Connection = ();
}

#[wsk::events]
impl ConnectionEvents for Number {}

#[wsk::events]
impl DatagramEvents for Number {}

struct Reference(&'static [u64; 4]);

#[wsk::events]
impl ListenEvents for Reference {
    type Connection = ();

    fn accept(&self, _incoming: Incoming<'_, ()>) {
        println!("{:?}", self.0);
    }
}

#[wsk::events]
impl ConnectionEvents for Reference {}

#[wsk::events]
impl DatagramEvents for Reference {}

impl StreamTable for Number {
    const TABLE: &'static WSK_CLIENT_STREAM_DISPATCH = <Reference as StreamTable>::TABLE;
}

impl ListenTable for Number {
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH = <Reference as ListenTable>::TABLE;
    const EVENTS: EventMask = EventMask::all();
    const INHERITED: EventMask = EventMask::all();
    const IS_CONDITIONAL: bool = true;
}

impl ConnectionTable for Number {
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH = <Reference as ConnectionTable>::TABLE;
    const EVENTS: EventMask = EventMask::all();
}

impl DatagramTable for Number {
    const TABLE: &'static WSK_CLIENT_DATAGRAM_DISPATCH = <Reference as DatagramTable>::TABLE;
    const EVENTS: EventMask = EventMask::all();
}

fn main() {
    let _ = Number(0).0;
}
