//! A type listens with inspections, or without.

use wsk::events::*;

struct Door;

#[wsk::events]
impl ListenEvents for Door {
    type Connection = ();
}

#[wsk::events]
impl ConditionalListenEvents for Door {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        inspection.accept();
    }
}

fn main() {}
