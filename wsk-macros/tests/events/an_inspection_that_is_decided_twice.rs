#![allow(unused_imports)]

use wsk::events::*;

struct Server;

#[wsk::events]
impl ConditionalListenEvents for Server {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        let _pending = inspection.pend();
        inspection.accept();
    }
}

fn main() {}
