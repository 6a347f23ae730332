#![allow(unused_imports)]

use wsk::events::*;

struct Inspector;

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();

    fn inspect(&self, _inspection: Inspection<'_>) -> Decision {
        Decision::Pend
    }
}

#[wsk::events]
impl ConnectionEvents for Inspector {}

const TABLE: &wsk::sys::WSK_CLIENT_STREAM_DISPATCH = <Inspector as StreamTable>::TABLE;

fn main() {}
