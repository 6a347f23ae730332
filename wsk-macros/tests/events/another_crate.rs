//! A path that is not `wsk`'s.

use wsk::events::*;

struct Tunnel;

#[wsk::events(crate = std)]
impl DatagramEvents for Tunnel {}

fn main() {}
