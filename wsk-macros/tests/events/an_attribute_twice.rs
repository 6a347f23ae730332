//! The attribute is given twice.

use wsk::events::{DatagramEvents, Datagrams, Disposition};

struct Handler;

#[wsk::events]
#[wsk::events]
impl DatagramEvents for Handler {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
