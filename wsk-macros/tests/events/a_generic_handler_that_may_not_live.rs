#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel<T>(T);

#[wsk::events]
impl<T: Send + Sync> DatagramEvents for Tunnel<T> {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
