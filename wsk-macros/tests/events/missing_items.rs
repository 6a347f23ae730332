//! Required items that are missing.

use wsk::events::*;

struct Server;
struct Inspector;

#[wsk::events]
impl ListenEvents for Server {}

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();
}

fn main() {}
