use wsk::events::*;

struct Tunnel;
struct Server;

#[wsk::events]
impl DatagramEvents<u8> for Tunnel {}

#[wsk::events]
impl ListenEvents for Server {
    type Connection = ();
    type Listener = ();
}

fn main() {}
