//! The table has an event, or has it not: which, is known before conditions are.

#![allow(unused_imports)]

use wsk::events::{ConnectionEvents, Data, Receipt};

struct Tunnel;

#[wsk::events]
impl ConnectionEvents for Tunnel {
    #[cfg(feature = "tunnel")]
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }
}

fn main() {}
