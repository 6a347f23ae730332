#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl DatagramEvents for Tunnel {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }
}

fn main() {}
