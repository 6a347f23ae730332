use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl DatagramEvents for Tunnel {
    pub fn dead(&self) {}
}

fn main() {}
