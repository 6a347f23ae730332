//! Wrong arguments.

use wsk::events::*;

struct A;
struct B;
struct C;
struct D;
struct E;

#[wsk::events(crate)]
impl DatagramEvents for A {}

#[wsk::events(crate = "wsk")]
impl DatagramEvents for B {}

#[wsk::events(crate = wsk, crate = wsk)]
impl DatagramEvents for C {}

#[wsk::events(krate = wsk)]
impl DatagramEvents for D {}

#[wsk::events(crate = wsk wsk)]
impl DatagramEvents for E {}

fn main() {}
