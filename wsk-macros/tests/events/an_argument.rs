#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

#[wsk::events(static)]
impl DatagramEvents for Tunnel {}

fn main() {}
