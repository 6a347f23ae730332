//! Everything that is no implementation.

use wsk::events as _;

#[wsk::events]
fn receive_from() {}

#[wsk::events]
enum Tunnel {}

#[wsk::events]
trait Tunnels {}

#[wsk::events]
mod tunnels {}

#[wsk::events]
const TUNNELS: u32 = 0;

#[wsk::events]
type Tube = Tunnel;

fn main() {}
