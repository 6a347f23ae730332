#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl DatagramEvents for Tunnel {
    fn recieve_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
