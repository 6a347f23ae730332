#![allow(unused_imports)]

use wsk::events::*;

#[wsk::events]
struct Tunnel;

fn main() {}
