#![allow(unused_imports)]

use wsk::events::*;

use std::cell::Cell;

struct Tunnel(Cell<u32>);

#[wsk::events]
impl DatagramEvents for Tunnel {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
