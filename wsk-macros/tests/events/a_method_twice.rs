use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl DatagramEvents for Tunnel {
    fn dead(&self) {}

    fn dead(&self) {}
}

fn main() {}
