#![allow(unused_imports)]

use wsk::events::*;

struct Door;

#[wsk::events]
impl ConditionalListenEvents for Door {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        let _pending = inspection.pend();
        inspection.accept();
    }
}

fn main() {}
