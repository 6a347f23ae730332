//! A type listens with inspections, or without.

use wsk::events::*;

struct Server;

#[wsk::events]
impl ListenEvents for Server {
    type Connection = ();
}

#[wsk::events]
impl ConditionalListenEvents for Server {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        inspection.accept();
    }
}

fn main() {}
