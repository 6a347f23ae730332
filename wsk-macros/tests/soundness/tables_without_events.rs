//! The same for a type that has no events, or that chooses its own way to listen.

use wsk::events::*;
use wsk::sys::*;

struct Nothing;
struct Way;

impl Listens for Nothing {
    type By = Way;
}

impl ListenTable for Nothing {
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH = <() as ListenTable>::TABLE;
    const EVENTS: EventMask = EventMask::all();
    const INHERITED: EventMask = EventMask::all();
    const IS_CONDITIONAL: bool = true;
}

impl StreamTable for Nothing {
    const TABLE: &'static WSK_CLIENT_STREAM_DISPATCH = <() as StreamTable>::TABLE;
}

impl ConnectionTable for Nothing {
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH = <() as ConnectionTable>::TABLE;
    const EVENTS: EventMask = EventMask::all();
}

impl DatagramTable for Nothing {
    const TABLE: &'static WSK_CLIENT_DATAGRAM_DISPATCH = <() as DatagramTable>::TABLE;
    const EVENTS: EventMask = EventMask::all();
}

fn main() {}
