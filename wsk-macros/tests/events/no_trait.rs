#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl Tunnel {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
