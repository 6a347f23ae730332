//! Required items that are missing.

use wsk::events::*;

struct Door;
struct Inspector;

#[wsk::events]
impl ListenEvents for Door {}

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();
}

fn main() {}
