#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl ConnectionEvents for Tunnel {
    fn receive(&self, _data: Datagrams<'_>) -> Receipt {
        Receipt::All
    }
}

fn main() {}
