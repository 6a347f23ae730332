#![allow(unused_imports)]

use wsk::events::*;

struct Tunnel;

#[wsk::events]
impl Default for Tunnel {
    fn default() -> Self {
        Self
    }
}

fn main() {}
