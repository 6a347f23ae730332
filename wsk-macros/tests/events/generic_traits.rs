use wsk::events::*;

struct Tunnel;
struct Door;

#[wsk::events]
impl DatagramEvents<u8> for Tunnel {}

#[wsk::events]
impl ListenEvents for Door {
    type Connection = ();
    type Listener = ();
}

fn main() {}
