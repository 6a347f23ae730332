#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

fn keep(_data: Data<'static>) {}

#[wsk::events]
impl ConnectionEvents for Tunnel {
    fn receive(&self, data: Data<'_>) -> Receipt {
        keep(data);
        Receipt::All
    }
}

fn main() {}
