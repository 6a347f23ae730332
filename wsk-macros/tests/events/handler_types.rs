//! Types that cannot be handlers.

use wsk::events::*;

struct Tunnel;
struct Borrowed<'a>(&'a [u8]);
trait Shape: Send + Sync {}

#[wsk::events]
impl DatagramEvents for &Tunnel {}

#[wsk::events]
impl DatagramEvents for dyn Shape {}

#[wsk::events]
impl DatagramEvents for [Tunnel] {}

#[wsk::events]
impl<'a> DatagramEvents for Borrowed<'a> {}

#[wsk::events]
unsafe impl DatagramEvents for Tunnel {}

fn main() {}
